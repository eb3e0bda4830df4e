"""scanserve-server as a process of a test."""

import os
import signal
import subprocess
from pathlib import Path

from deadline import wait_until
from repository import program

START_SECONDS = 60
STOP_SECONDS = 60
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
        listen = [] if "--listen" in flags else ["--listen", "127.0.0.1:0"]
        command = [program("scanserve-server"), *listen, "--port-file", str(port_file),
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


def failing_start(*flags: str, **variables: str) -> subprocess.CompletedProcess:
    """A server that is expected not to start, once it has ended."""
    return subprocess.run([program("scanserve-server"), *flags], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=START_SECONDS, check=False,
                          env=server_environment(**variables))
