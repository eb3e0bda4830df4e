"""Fixtures: servers that end with the test, and their logs when it fails."""

import pytest

from repository import ADAPTERS
from scanserve_client import Client
from server_process import ServerProcess

ALL_ADAPTERS = ("--adapter", f"kjv={ADAPTERS / 'kjv'}", "--adapter", f"devil={ADAPTERS / 'devil'}")


def pytest_addoption(parser):
    parser.addoption("--adapter-rounds", type=int, default=500,
                     help="changes of adapters and orders under load")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    report = (yield).get_result()
    if report.failed:
        for server in ServerProcess.running:
            report.sections.append((f"log of scanserve-server {server.address}",
                                    server.log_tail()))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server with both adapters, shared by the tests of a file."""
    process = ServerProcess(tmp_path_factory.mktemp("server"), *ALL_ADAPTERS)
    yield process
    process.kill()


@pytest.fixture(scope="session")
def client(server):
    with Client(server.address) as made:
        yield made


@pytest.fixture
def start_server(tmp_path):
    """Starts servers of the test's own: start_server(*flags, store=FOLDER)."""
    started = []

    def start(*flags, store=None):
        process = ServerProcess(tmp_path / f"server{len(started)}", *flags, store=store)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.process.poll() is None:
            process.kill()
        ServerProcess.running.discard(process)


@pytest.fixture
def connect():
    """Makes clients that are closed with the test: connect(server)."""
    made = []

    def to(process, credentials=None):
        made.append(Client(process.address, credentials=credentials))
        return made[-1]

    yield to
    for each in made:
        each.close()
