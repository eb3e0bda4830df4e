"""Runs programs of an image as a container engine does: in namespaces of their own, not as root.

The tree is mounted read only, but for what is mounted into it; the process is number 1 of its namespace, has user
65532 and no capability. Each container has one end of a pair of virtual network cards.
"""

import os
import signal
import subprocess
from pathlib import Path

from deploy_tree import run

USER = 65532
SECONDS = 120
NETWORK = "10.119.7"
SERVER_ADDRESS = f"{NETWORK}.1"
# Waits for a line, so that the network is there when the program starts.
ENTER = r"""
set -e
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
while [ "$1" != -- ]; do
  mount --bind "$2" "$root$1"
  shift 2
done
shift
mount -o remount,ro,bind "$root"
read -r _
exec chroot "$root" setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all --ambient-caps=-all --pdeathsig KILL \
  env -i PATH=/usr/local/bin:/usr/bin:/bin XDG_DATA_HOME=/var/lib HOME=/tmp "$@"
"""


class Container:
    """A program of an image, not yet started: `start` does that once the network is there."""

    def __init__(self, root: Path, *command: str, mounts: dict[str, Path] | None = None):
        pairs = [each for inside, outside in (mounts or {}).items()
                 for each in (inside, str(outside))]
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--net", "--fork",
             "--kill-child", "sh", "-c", ENTER, "sh", str(root), *pairs, "--", *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def pid(self) -> int:
        """The program's number outside of its namespace."""
        parent = self.process.pid
        while True:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
            if children:
                return int(children.split()[0])
            assert self.process.poll() is None, self.process.stdout.read()

    def numbers(self) -> list[int]:
        """The program's number in each namespace, its own last."""
        status = Path(f"/proc/{self.pid()}/status").read_text(encoding="ascii")
        line = next(each for each in status.splitlines() if each.startswith("NSpid:"))
        return [int(each) for each in line.split()[1:]]

    def inside(self) -> list[str]:
        """Before a command: runs it beside the program, as an engine does a health check."""
        return ["nsenter", f"--target={self.pid()}", "--mount", "--net", "--pid", "--root",
                f"--setuid={USER}", f"--setgid={USER}"]

    def start(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self) -> tuple[int, str]:
        """Exit status and everything printed."""
        output, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, output

    def kill(self) -> None:
        if self.process.poll() is None:
            # All of the namespace ends with its first process.
            os.kill(self.pid(), signal.SIGKILL)
        self.process.communicate(timeout=SECONDS)


def connect(server: Container, client: Container) -> None:
    """A cable between two containers; the server has SERVER_ADDRESS."""
    checked("ip", "link", "add", "card0", "netns", str(server.pid()), "type", "veth", "peer",
            "name", "card0", "netns", str(client.pid()))
    for container, address in ((server, SERVER_ADDRESS), (client, f"{NETWORK}.2")):
        inside = ["nsenter", "--net", f"--target={container.pid()}", "ip"]
        checked(*inside, "address", "add", f"{address}/24", "dev", "card0")
        checked(*inside, "link", "set", "card0", "up")
        checked(*inside, "link", "set", "lo", "up")


def checked(*command: str) -> None:
    result = run(*command)
    assert result.returncode == 0, f"{command}: {result.stderr}"
