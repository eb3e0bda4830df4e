"""Servers with a fault each, for tests of what notices it."""

import contextlib
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

from authority import Authority, Certificate
from command_line import environment, ok, run, scanctl
from deadline import wait_until
from held_thread import HeldThread
from repository import GOLDEN, program
from server_process import ServerProcess

ORDER = GOLDEN / "permuted" / "orders" / "random64.npy"
GENERATE = ("generate", "The", "--max-new-tokens", "2", "--ignore-eos")
BUSY_SECONDS = 120
# Longer than the objective for first tokens.
LATE_SECONDS = 3


def checkpoint(name: str) -> list[str]:
    """Flags of a model of a few kilobytes, whose name is the label `model` of what is counted."""
    return ["--model", str(GOLDEN / "checkpoints" / name), "--threads", "1"]


def in_background(ends: contextlib.ExitStack, server: ServerProcess, *arguments: str) -> None:
    """scanctl, until `ends` is closed."""
    process = subprocess.Popen(
        [program("scanctl"), "--server", server.address, *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=environment())
    ends.callback(process.wait)
    ends.callback(process.kill)


def load(ends: contextlib.ExitStack, server: ServerProcess, *arguments: str) -> None:
    in_background(ends, server, "bench", "--duration", f"{BUSY_SECONDS}s", *arguments)


class Servers:
    """One server for each fault. `cause` brings all faults about; `ends` ends what they need."""

    def __init__(self, folder: Path, ends: contextlib.ExitStack):
        self._ends = ends
        self._folder = folder
        self._certificates = Authority(folder / "authority")
        self._used = Certificate(folder / "server.crt", folder / "server.key")
        self._install(self._certificates.issue("good", days=30))
        self._tokens = folder / "tokens"
        self.metrics_token = ok(run("scanctl", "token", "new", self._tokens, "--role",
                                    "metrics")).strip()
        self.certificates = self._start("certificates", *checkpoint("sharded"), "--tokens",
                                        str(self._tokens),
                                        "--tls-certificate", str(self._used.certificate),
                                        "--tls-key", str(self._used.key), "--runtime-dir",
                                        str(folder / "run"))
        self.store = self._start("store", *checkpoint("short_convolution"))
        self.engine = self._start("engine", *checkpoint("odd_vocabulary"), "--liveness-timeout",
                                  "1s")
        self.late = self._start("late", *checkpoint("odd_inner"))
        self._put_a_pipe_for_the_log("log")
        self.log = self._start("log", *checkpoint("wide_state"))
        self.memory = self._start("memory", "--prefix-cache-bytes", "2000000000")
        self.slot = self._start("slot", "--threads", "1")

    @property
    def all(self) -> list[ServerProcess]:
        return [self.certificates, self.store, self.engine, self.late, self.log, self.memory,
                self.slot]

    def _start(self, name: str, *flags: str) -> ServerProcess:
        server = ServerProcess(self._folder / name, *flags)
        self._ends.callback(server.kill)
        return server

    def _put_a_pipe_for_the_log(self, name: str) -> None:
        """In the place of a server's log; nobody reads it."""
        folder = self._folder / name
        folder.mkdir()
        os.mkfifo(folder / "server.log")
        pipe = os.open(folder / "server.log", os.O_RDWR)
        self._ends.callback(os.close, pipe)

    def _install(self, made: Certificate) -> None:
        for source, target in ((made.certificate, self._used.certificate),
                               (made.key, self._used.key)):
            shutil.copy(source, target.with_suffix(".new"))
            os.replace(target.with_suffix(".new"), target)

    def cause(self) -> None:
        self.hold_the_engine()
        self.let_nobody_read_the_log()
        self.take_the_store_away()
        self.fill_the_memory()
        self.keep_a_slot()
        self.answer_late()
        self.install_bad_certificates()
        self.spoil_the_token_list()

    def hold_the_engine(self) -> None:
        """The engine makes no step for a request that waits."""
        held = HeldThread(self.engine.process.pid, "engine")
        self._ends.callback(held.release)
        in_background(self._ends, self.engine, *GENERATE)

    def answer_late(self) -> None:
        """The engine stands still for longer than a first token may take."""
        held = HeldThread(self.late.process.pid, "engine")
        for _ in range(3):
            in_background(self._ends, self.late, *GENERATE)
        wait_until(lambda: 'scanserve_queued_requests{model="odd_inner",priority="normal"} 3' in
                   self.late.get("/metrics")[1], "requests that wait")
        began = time.monotonic()
        wait_until(lambda: time.monotonic() > began + LATE_SECONDS, "that it is late")
        held.release()

    def let_nobody_read_the_log(self) -> None:
        load(self._ends, self.log, "--clients", "32", "--prompt-tokens", "1", "--output-tokens",
             "1")

    def take_the_store_away(self) -> None:
        """Every change fails, again and again, and so does the record of each attempt."""
        self.store.store.rename(self._folder / "gone")
        going_on = threading.Event()

        def ask() -> None:
            while not going_on.is_set():
                failed = scanctl(self.store, "orders", "upload", ORDER, "late")
                assert failed.returncode == 1 and "UNAVAILABLE" in failed.stderr, failed.stderr

        asking = threading.Thread(target=ask)
        asking.start()
        self._ends.callback(asking.join)
        self._ends.callback(going_on.set)

    def fill_the_memory(self) -> None:
        """More prompts than fit are kept, up to more than the manifests' limit has room for."""
        load(self._ends, self.memory, "--clients", "16", "--prompt-tokens", "4", "--output-tokens",
             "1")

    def keep_a_slot(self) -> None:
        """A leak cannot be asked for. What an experiment scores in the shadow of a request takes a slot
        too, and goes on when the request has ended: no call is open, and a slot is taken."""
        ok(scanctl(self.slot, "orders", "upload", ORDER, "shuffled"))
        ok(scanctl(self.slot, "experiments", "create", "trial", "--arm", "control:1", "--arm",
                   "tour:1,order=shuffled,shadow=100"))
        in_background(self._ends, self.slot, "bench", "--clients", "5", "--requests", "5",
                      "--prompt-tokens", "16000", "--output-tokens", "1")

    def install_bad_certificates(self) -> None:
        """One that ends within the day, and then one with another's key."""
        self._install(self._certificates.issue("short"))
        wait_until(lambda: "certificates read again" in self.certificates.log.read_text(),
                   "the short certificate")
        other = self._certificates.issue("other")
        self._install(Certificate(self._used.certificate, other.key))
        wait_until(lambda: "certificates not read again" in self.certificates.log.read_text(),
                   "the refusal")

    def spoil_the_token_list(self) -> None:
        """It cannot be read any more; Prometheus' token stays in force."""
        self._tokens.write_text("no token list\n")
