"""One thread of another process, held still as a debugger holds it; the others go on."""

import ctypes
import os
from pathlib import Path

from deadline import wait_until

PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WAIT_FOR_THREADS = 0x40000000  # __WALL

_libc = ctypes.CDLL(None, use_errno=True)


def _ptrace(request: int, thread: int) -> None:
    if _libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of thread {thread}")


def thread_named(pid: int, name: str) -> int:
    """The one thread of a process that has this name."""
    (found,) = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()
                if (task / "comm").read_text() == name + "\n"]
    return found


class HeldThread:
    """Holds a thread that has nothing to do from its making to `release`, called on the same thread of
    this process."""

    def __init__(self, pid: int, name: str):
        self._thread = thread_named(pid, name)
        # One that works may hold a lock that others need.
        stat = Path(f"/proc/{pid}/task/{self._thread}/stat")
        wait_until(lambda: stat.read_text().split(") ")[1][0] == "S", f"rest of {name}")
        _ptrace(PTRACE_SEIZE, self._thread)
        _ptrace(PTRACE_INTERRUPT, self._thread)
        os.waitpid(self._thread, WAIT_FOR_THREADS)

    def release(self) -> None:
        _ptrace(PTRACE_DETACH, self._thread)
