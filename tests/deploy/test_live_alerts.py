"""Faults of a live server, and the alerts that they make fire: an hour in a minute.

Those that a server of its own can have: test_live_faults.py.
"""

import subprocess

import pytest

from command_line import ok, scanctl
from deadline import wait_until
from deploy_tree import ROOT
from prometheus_process import PrometheusProcess
from repository import program
from server_process import ServerProcess

FIRE_SECONDS = 120
# An hour of the shipped rules is a minute here.
PACE = 60
ORDER = ROOT / "tests/golden/permuted/orders/random64.npy"


@pytest.fixture
def start(tmp_path):
    """Starts servers one after the other where the first one was: start(store, *flags)."""
    servers = []

    def started(store: str, *flags: str) -> ServerProcess:
        flags += ("--http-listen", servers[0][1]) if servers else ()
        server = ServerProcess(tmp_path / f"server{len(servers)}", *flags, store=tmp_path / store)
        servers.append((server, server.http_address))
        return server

    yield started
    for server, _ in servers:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def watch(tmp_path):
    """Lets Prometheus watch a server: watch(server)."""
    watching = []

    def watched(server: ServerProcess) -> PrometheusProcess:
        folder = tmp_path / "prometheus"
        folder.mkdir()
        watching.append(PrometheusProcess(folder, [server.http_address], PACE))
        # Before the first scrape it knows of no server, which is an alert of its own.
        wait_until(lambda: watching[0].query('up{job="scanserve"} == 1')
                   and not watching[0].firing(), "the first scrape")
        return watching[0]

    yield watched
    for each in watching:
        each.kill()


def fires(prometheus: PrometheusProcess, alert: str) -> None:
    wait_until(lambda: alert in prometheus.firing(), alert, FIRE_SECONDS)


def test_a_server_that_is_gone(start, watch):
    server = start("store")
    prometheus = watch(server)
    server.kill()
    fires(prometheus, "ScanserveDown")


def test_an_active_setting_that_is_lost_and_a_server_that_starts_again_and_again(start, watch):
    server = start("store")
    ok(scanctl(server, "orders", "upload", ORDER, "shuffled"))
    ok(scanctl(server, "orders", "activate", "shuffled"))
    prometheus = watch(server)
    wait_until(lambda: prometheus.query("scanserve_active_scan_revision > 0"), "the revision")
    assert prometheus.firing() == set()
    for starts in range(1, 4):
        server.kill()
        server = start("another store")
        seen = f'changes(process_start_time_seconds{{job="scanserve"}}[10m]) >= {starts}'
        wait_until(lambda query=seen: prometheus.query(query), "the next start's scrape")
    fires(prometheus, "ScanserveRestarting")
    fires(prometheus, "ScanserveActiveSettingLost")


def test_a_queue_that_is_full(start, watch):
    server = start("store", "--max-sequences", "1", "--queue-requests", "2")
    prometheus = watch(server)
    load = subprocess.Popen(
        [program("scanctl"), "--server", server.address, "bench", "--rate", "10", "--duration",
         "60s", "--prompt-tokens", "16", "--output-tokens", "1024"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        fires(prometheus, "ScanserveQueueFull")
        fires(prometheus, "ScanserveRequestsRejected")
    finally:
        load.kill()
        load.wait()
