"""Faults of live servers, and the alerts that they make fire: all at once, an hour in a minute.

Each fault is caused where it arises: nothing here makes up a series. The one that cannot be caused is
a leaked slot, which would be a fault of the program; a slot is taken without a call by other means
(Servers.keep_a_slot). The thresholds are the shipped ones; test_live_alerts.py has the other alerts.
"""

import contextlib

import pytest

from command_line import ok, scanctl
from deadline import wait_until
from expressions import rules
from faults import GENERATE, Servers
from prometheus_process import PrometheusProcess

FIRE_SECONDS = 240
PACE = 60
# Which of the servers has the fault, or whose model, where a rule sums over servers.
ALERTS = {
    "ScanserveErrorBudgetBurnFast": {"model": "short_convolution"},
    "ScanserveErrorBudgetBurnSlow": {"model": "short_convolution"},
    "ScanserveFirstTokenBudgetBurnFast": {"model": "odd_inner"},
    "ScanserveFirstTokenBudgetBurnSlow": {"model": "odd_inner"},
    "ScanserveNotReady": {"instance": "engine"},
    "ScanserveMemoryHigh": {"instance": "memory"},
    "ScanserveLogLinesDropped": {"instance": "log"},
    "ScanserveEngineStuck": {"instance": "engine"},
    "ScanserveSlotLeak": {"instance": "slot"},
    "ScanserveCertificateExpiring": {"instance": "certificates"},
    "ScanserveCertificateExpiringToday": {"instance": "certificates"},
    "ScanserveCertificateReloadFailed": {"instance": "certificates"},
    "ScanserveTokenListStale": {"instance": "certificates"},
    "ScanserveAuditNotWritten": {"instance": "store"},
}
ELSEWHERE = {"ScanserveDown", "ScanserveRestarting", "ScanserveQueueFull",
             "ScanserveRequestsRejected", "ScanserveActiveSettingLost"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Servers whose faults have been caused, and Prometheus, which saw them well before."""
    with contextlib.ExitStack() as ends:
        servers = Servers(tmp_path_factory.mktemp("servers"), ends)
        ok(scanctl(servers.late, *GENERATE))
        targets = [server.http_address for server in servers.all]
        prometheus = PrometheusProcess(tmp_path_factory.mktemp("prometheus"), targets, PACE,
                                       servers.metrics_token)
        ends.callback(prometheus.kill)
        wait_until(lambda: len(prometheus.query('up{job="scanserve"} == 1')) == len(targets)
                   and not prometheus.firing(), "the first scrapes")
        # What has been in time, so that what comes late grows from there.
        in_time = 'scanserve_time_to_first_token_seconds_count{model="odd_inner"} == 1'
        wait_until(lambda: prometheus.query(in_time), "the first answer's scrape")
        servers.cause()
        yield servers, prometheus


@pytest.mark.parametrize("alert", ALERTS)
def test_a_fault_makes_its_alert_fire(fleet, alert):
    servers, prometheus = fleet
    where = {label: getattr(servers, value).http_address if label == "instance" else value
             for label, value in ALERTS[alert].items()}
    wait_until(lambda: any(where.items() <= labels.items()
                           for labels in prometheus.fired(alert)), alert, FIRE_SECONDS)


def test_every_alert_is_made_to_fire():
    assert sorted([*ALERTS, *ELSEWHERE]) == sorted(rule["alert"] for rule in rules("alert"))
