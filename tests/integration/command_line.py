"""Runs scanctl and scanorder as a person or a script would."""

import os
import subprocess

from repository import program
from server_process import ServerProcess

SECONDS = 60


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what steers the programs, and with `changes`."""
    steering = {"SCANSERVE_SERVER", "NO_COLOR", "http_proxy", "https_proxy", "GRPC_VERBOSITY"}
    return {name: value for name, value in os.environ.items() if name not in steering} | changes


def run(name: str, *arguments, seconds=SECONDS, env=None, **options) -> subprocess.CompletedProcess:
    """The program, once it has ended; its output is text unless text=False is given."""
    options = {"text": True, "stdin": subprocess.DEVNULL} | options
    if "input" in options:
        del options["stdin"]
    return subprocess.run([program(name), *map(str, arguments)], capture_output=True, check=False,
                          timeout=seconds, env=environment(**(env or {})), **options)


def scanctl(server: ServerProcess, *arguments, **options) -> subprocess.CompletedProcess:
    return run("scanctl", *arguments, "--server", server.address, **options)


def scanorder(server: ServerProcess, *arguments, **options) -> subprocess.CompletedProcess:
    return run("scanorder", *arguments, "--server", server.address, **options)


def ok(process: subprocess.CompletedProcess) -> str:
    """The output of a program that must have succeeded."""
    assert process.returncode == 0, f"exit {process.returncode}: {process.stderr}"
    return process.stdout
