"""Every expression of deploy/ against a live system: a server, a load, and Debian's prometheus.

An expression that shows nothing fails, unless it asks for a fault or an experiment that is not there;
EMPTY says which those are and which test fills them.
"""

import pytest

from boards import BOARDS, expressions
from command_line import ok, scanctl
from deadline import wait_until
from deploy_tree import ROOT
from expressions import METRIC, adapter_queries, documented, rules
from prometheus_process import PrometheusProcess
from server_process import ServerProcess

PROOF_SECONDS = 120
# Expressions that may show nothing here, by a part of them.
EMPTY = {
    'arm!=""': "no experiment runs: tests/integration/test_experiments.py",
    "scanserve_requests_rejected_total": "nothing is refused: tests/integration/test_overload.py",
    "scanserve_requests_cancelled_total": "nobody leaves: tests/integration/test_metrics.py",
    "unless scanserve_active_scan_info": "the setting is older than a minute, or was set just now",
}
# Metrics that no scrape of a server without TLS and tokens shows.
WITHOUT_SECURITY = {"scanserve_certificate_expiry_timestamp_seconds",
                    "scanserve_certificate_reloads_total", "scanserve_token_list_stale"}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    server = ServerProcess(tmp_path_factory.mktemp("server"))
    watching = PrometheusProcess(tmp_path_factory.mktemp("prometheus"), [server.http_address])
    load(server, watching)
    yield watching
    watching.kill()
    server.kill()


def load(server: ServerProcess, watching: PrometheusProcess) -> None:
    """Asks for all kinds of work until the counters have grown between two scrapes."""
    corpus = str(ROOT / "models/scanserve-6m/README.md")
    shape = str(ROOT / "tests/golden/permuted/orders/random64.npy")

    def step() -> bool:
        for arguments in (["generate", "The river flows", "--max-new-tokens", "8"],
                          ["perplexity", corpus], ["tokenize", "river"],
                          ["orders", "upload", shape, "shuffled"], ["orders", "activate", "shuffled"],
                          ["generate", "The river flows", "--max-new-tokens", "8"],
                          ["orders", "deactivate"]):
            ok(scanctl(server, *arguments))
        return all(watching.query(each) for each in (
            "increase(scanserve_order_switches_total[1m]) > 0",
            "scanserve:slow_first_tokens:ratio_rate5m",
            "scanserve:request_errors:ratio_rate5m"))

    wait_until(step, "counters that grow", PROOF_SECONDS)


def may_be_empty(expression: str) -> bool:
    return any(part in expression for part in EMPTY)


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_shows_something(prometheus, name):
    nothing = [each for each in expressions(BOARDS[name])
               if not may_be_empty(each) and not prometheus.query(each)]
    assert nothing == []


@pytest.mark.parametrize("rule", rules("record"), ids=lambda rule: rule["record"])
def test_every_recording_rule_shows_something(prometheus, rule):
    assert may_be_empty(rule["expr"]) or prometheus.query(rule["record"])


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: rule["alert"])
def test_an_alert_is_quiet_and_asks_for_what_is_scraped(prometheus, rule):
    assert prometheus.query(rule["expr"]) == []
    missing = [name for name, _ in METRIC.findall(rule["expr"])
               if name not in WITHOUT_SECURITY and not may_be_empty(name) and not prometheus.query(name)]
    assert missing == []


def test_the_autoscaler_sees_each_pod(prometheus):
    found, waiting = adapter_queries()
    assert prometheus.query(found)
    assert [each["metric"] for each in prometheus.query(waiting)] == [{"pod": "scanserve-0"}]
    # A scrape may have met a request on its way through the queue.
    wait_until(lambda: [each["value"][1] for each in prometheus.query(waiting)] == ["0"],
               "nothing to wait", PROOF_SECONDS)


def test_every_documented_metric_is_scraped(prometheus):
    missing = [name for name in documented() if name not in WITHOUT_SECURITY
               and not may_be_empty(name) and not prometheus.query(name)]
    assert missing == []


def test_a_name_that_nobody_scrapes_shows_nothing(prometheus):
    assert prometheus.query("scanserve_no_such_metric") == []
