"""`scanctl bench` as a process of a serving scenario, and what its trace says."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import tempfile

import numpy as np

from command_line import environment
from repository import program

# However a scenario ends, its load ends with it.
DIES_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"]


@dataclasses.dataclass
class Measured:
    """A run that has ended: its report, and a dict for each request."""

    report: dict
    requests: list[dict]

    def deliveries(self) -> list[np.ndarray]:
        """[deliveries, 2] of each request that had any: time and tokens."""
        return [np.array(each["deliveries"]) for each in self.requests if each["deliveries"]]

    def inter_token_seconds(self, begin: float, end: float) -> np.ndarray:
        """Between deliveries of one request of which the later one fell into begin..end."""
        gaps = [np.diff(times)[(times[1:] >= begin) & (times[1:] < end)]
                for times in (each[:, 0] for each in self.deliveries())]
        return np.concatenate(gaps) if gaps else np.empty(0)

    def tokens_between(self, begin: float, end: float) -> int:
        """Tokens generated in begin..end."""
        return int(sum(each[(each[:, 0] >= begin) & (each[:, 0] < end), 1].sum()
                       for each in self.deliveries()))

    def span(self) -> tuple[float, float]:
        """When the first request was sent and the last one ended."""
        return (min(each["sent"] for each in self.requests),
                max(each["finished"] for each in self.requests))

    def prompt_tokens_per_second(self) -> float:
        """Of requests sent one after the other, until the first token or, without one, the end."""
        read = [each["prompt_tokens"] for each in self.requests]
        ends = [each["deliveries"][0][0] if each["deliveries"] else each["finished"]
                for each in self.requests]
        return sum(read) / sum(end - each["sent"] for each, end in zip(self.requests, ends))


class Load:
    """Runs from its making until it has sent what it was told to, or is stopped."""

    def __init__(self, server, *arguments):
        self._folder = tempfile.TemporaryDirectory()
        self.trace = pathlib.Path(self._folder.name) / "trace"
        command = [program("scanctl"), "bench", "--json", "--server", server.address,
                   "--trace", self.trace, *arguments]
        self._process = subprocess.Popen([*DIES_WITH_PARENT, *map(str, command)],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True, env=environment())

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> Measured:
        """Ends it now, with what was measured."""
        self._process.send_signal(signal.SIGINT)
        return self._result(130)

    def wait(self) -> Measured:
        return self._result(0)

    def _result(self, status: int) -> Measured:
        output, said = self._process.communicate()
        report = json.loads(output) if output else {}
        if self._process.returncode != status or report.get("failed"):
            errors = [entry["errors"] for entry in report.get("mix", [])]
            raise RuntimeError(f"scanctl bench ended with {self._process.returncode}: {said}{errors}")
        requests = [json.loads(line) for line in self.trace.read_text().splitlines()]
        self._folder.cleanup()
        return Measured(report, requests)


def measure(server, *arguments) -> Measured:
    """One run, from its beginning to its end."""
    return Load(server, *arguments).wait()


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
