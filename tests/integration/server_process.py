"""scanserve-server as a process of a test."""

import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from deadline import wait_until
from repository import program

START_SECONDS = 60
STOP_SECONDS = 60
HTTP_SECONDS = 30
# However the test ends, its servers end with it.
DIES_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"]


def server_environment(**changes: str) -> dict[str, str]:
    """This process's environment without what a server would take for options, and `changes`."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith("SCANSERVE_")} | changes


class ServerProcess:
    """A server on a free port of the loopback interface, ready to serve once this is made."""

    running: set["ServerProcess"] = set()

    def __init__(self, folder: Path, *flags: str, store: Path | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self.store = store or folder / "store"
        self.log = folder / "server.log"
        port_file = folder / "port"
        port_file.unlink(missing_ok=True)
        self.address = "(not yet serving)"
        self.http_port_file = folder / "http-port"
        self.http_port_file.unlink(missing_ok=True)
        listen = [text for flag in ("--listen", "--http-listen") if flag not in flags
                  for text in (flag, "127.0.0.1:0")]
        command = [program("scanserve-server"), *listen, "--port-file", str(port_file),
                   "--http-port-file", str(self.http_port_file),
                   "--store", str(self.store), *flags]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(DIES_WITH_PARENT + command, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=server_environment())
        ServerProcess.running.add(self)
        wait_until(lambda: port_file.exists() or self.process.poll() is not None,
                   "the server's start", START_SECONDS)
        assert port_file.exists(), self.log_tail()
        self.port = int(port_file.read_text())
        self.address = f"127.0.0.1:{self.port}"

    @property
    def http_address(self) -> str:
        return f"127.0.0.1:{int(self.http_port_file.read_text())}"

    def get(self, path: str, headers: dict | None = None) -> tuple[int, str]:
        """Status and body of a page of the HTTP port."""
        return http_get(self.http_address, path, headers)

    def log_tail(self, lines: int = 60) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def ask_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """The exit status, once the process has ended."""
        status = self.process.wait(seconds)
        ServerProcess.running.discard(self)
        return status

    def kill(self) -> None:
        self.process.kill()
        self.wait()


def http_get(address: str, path: str, headers: dict | None = None) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        request = urllib.request.Request(f"http://{address}{path}", headers=headers or {})
        with opener.open(request, timeout=HTTP_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def failing_start(*flags: str, **variables: str) -> subprocess.CompletedProcess:
    """A server that is expected not to start, once it has ended."""
    return subprocess.run([program("scanserve-server"), *flags], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=START_SECONDS, check=False,
                          env=server_environment(**variables))
