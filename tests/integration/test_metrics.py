"""The HTTP port and the metrics of the real program, read as Prometheus reads them."""

import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families
from scanserve.v1 import monitoring_service_pb2 as monitoring_pb

from deadline import wait_until
from repository import MODEL, ROOT, program
from scanserve_client import IDENTITY, adapter, refused, scan, setting
from server_process import START_SECONDS, http_get

DOCS = ROOT / "docs" / "metrics.md"
# Nothing has them yet: no experiment runs.
UNUSED_LABELS = {"arm"}
# What only a server with TLS and tokens shows: tests/integration/test_reload.py.
WITH_SECURITY = {"scanserve_certificate_expiry_timestamp_seconds",
                 "scanserve_certificate_reloads_total", "scanserve_token_list_stale"}


class Scrape:
    """One reading of /metrics."""

    def __init__(self, text: str):
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}

    def series(self, name: str, **labels):
        """The samples called `name` that have these labels."""
        return [sample for family in self.families.values() for sample in family.samples
                if sample.name == name and labels.items() <= sample.labels.items()]

    def sum(self, name: str, **labels) -> float:
        return sum(sample.value for sample in self.series(name, **labels))


def scrape(server) -> Scrape:
    status, text = server.get("/metrics")
    assert status == 200
    return Scrape(text)


@pytest.fixture(scope="module")
def loaded(server, client):
    """A scrape before and one after a scripted load, and what the load's answers said."""
    before = scrape(server)
    prompt_tokens = generated = 0
    for number in range(4):
        answer = client.greedy(f"The river {number}", tokens=6 + number,
                               adapter=adapter("kjv" if number % 2 else None))
        prompt_tokens += answer.started.prompt_tokens
        generated += answer.finished.generated_tokens
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        client.greedy("The", temperature=-1.0)
    with refused(grpc.StatusCode.NOT_FOUND):
        client.greedy("The", scan=scan("nowhere"))
    client.upload("swap", [1, 0])
    client.activate(setting("swap"))
    permuted = client.greedy("The river", tokens=3)
    while_active = scrape(server)
    prompt_tokens += permuted.started.prompt_tokens
    scored = client.score([("one", "The river flows."), ("two", "The town stands.")],
                          scan=IDENTITY)
    client.extract("The river", scan=IDENTITY)
    client.activate()
    return before, scrape(server), {
        "prompt_tokens": prompt_tokens, "generated": generated + 3,
        "scored_tokens": sum(each.document_tokens for each in scored.documents),
        "while_active": while_active,
    }


def test_counters_equal_what_was_sent(loaded):
    before, after, sent = loaded

    def grown(name, **labels):
        return after.sum(name, **labels) - before.sum(name, **labels)

    assert grown("scanserve_requests_total", method="Generate", code="OK") == 5
    assert grown("scanserve_requests_total", method="Generate", code="OK", order="swap") == 1
    assert grown("scanserve_requests_total", method="Generate", code="INVALID_ARGUMENT") == 1
    assert grown("scanserve_requests_total", method="Generate", code="NOT_FOUND") == 1
    assert grown("scanserve_requests_total", method="ComputePerplexity", order="identity") == 1
    assert grown("scanserve_requests_total", method="ExtractHiddenStates", code="OK") == 1
    assert grown("scanserve_requests_total", method="UploadScanOrder", code="OK") == 1
    assert grown("scanserve_requests_total") == 5 + 2 + 1 + 1 + 1 + 2
    assert grown("scanserve_order_switches_total") == 2
    assert grown("scanserve_prompt_tokens_total", method="Generate") == sent["prompt_tokens"]
    assert grown("scanserve_prompt_tokens_total",
                 method="ComputePerplexity") == sent["scored_tokens"]
    assert grown("scanserve_generated_tokens_total") == sent["generated"]
    assert grown("scanserve_generated_tokens_total", adapter="kjv") == 7 + 9
    assert grown("scanserve_generated_tokens_total", adapter="base") == 6 + 8 + 3
    assert grown("scanserve_cache_lookups_total") == 5


def test_histograms_count_what_the_counters_count(loaded):
    _, after, _ = loaded
    for method in {sample.labels["method"]
                   for sample in after.series("scanserve_requests_total")}:
        assert after.sum("scanserve_request_duration_seconds_count", method=method) == \
            after.sum("scanserve_requests_total", method=method), method
    answered = after.sum("scanserve_requests_total", method="Generate", code="OK")
    assert after.sum("scanserve_time_to_first_token_seconds_count") == answered
    assert after.sum("scanserve_queue_time_seconds_count", method="Generate") == answered
    assert after.sum("scanserve_queue_time_seconds_count", method="ComputePerplexity") == 2
    # An answer of n tokens has n - 1 gaps.
    assert after.sum("scanserve_inter_token_latency_seconds_count") == \
        after.sum("scanserve_generated_tokens_total") - answered
    # Those of the start are counted too.
    assert after.sum("scanserve_step_tokens_count") == after.sum("scanserve_steps_total")


def test_histograms_have_the_buckets_that_were_agreed(loaded):
    _, after, _ = loaded
    durations = [.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300,
                 600]
    expected = {
        "time_to_first_token_seconds": [.001, .0025, .005, .01, .02, .04, .06, .08, .1, .25, .5,
                                        .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80],
        "inter_token_latency_seconds": [.00025, .0005, .001, .0015, .002, .003, .004, .006, .008,
                                        .01, .015, .02, .03, .05, .1, .25, .5, 1, 2.5],
        "request_duration_seconds": durations,
        "queue_time_seconds": durations,
        "step_tokens": [2**power for power in range(14)],
    }
    for name, bounds in expected.items():
        buckets = after.series(f"scanserve_{name}_bucket")
        assert {float(sample.labels["le"]) for sample in buckets} == {*bounds, float("inf")}, name


def test_gauges_are_back_at_rest(loaded):
    _, after, _ = loaded
    for name in ("open_requests", "running_sequences", "queued_requests", "queued_tokens",
                 "state_slots_used", "parked_requests", "parked_bytes", "extraction_bytes"):
        assert after.series(f"scanserve_{name}") and after.sum(f"scanserve_{name}") == 0, name
    assert after.sum("scanserve_ready") == 1


def test_one_series_tells_the_active_setting(server, client):
    client.upload("swap", [1, 0])
    active = client.activate(setting("swap", layers=[0, 2]))
    (info,) = scrape(server).series("scanserve_active_scan_info")
    assert info.value == 1
    assert info.labels == {
        "model": MODEL.name, "order": "swap", "version": "1",
        "digest": active.setting.order.digest[:12], "target_layers": "0,2",
        "readout": "natural_last"}
    assert scrape(server).sum("scanserve_active_scan_revision") == active.revision
    client.activate()
    (info,) = scrape(server).series("scanserve_active_scan_info")
    assert info.labels["order"] == "identity" and info.labels["target_layers"] == "all"


def test_promtool_accepts_the_scrape(loaded):
    checked = subprocess.run(["promtool", "check", "metrics"], input=loaded[1].text, text=True,
                             capture_output=True, check=False)
    assert checked.returncode == 0 and checked.stderr == "", checked.stderr


def documented() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric in the tables of docs/metrics.md."""
    row = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([\w, ]*)\| .+ \|$")
    found = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        if match := row.match(line):
            labels = {label.strip() for label in match[3].split(",")} - {""}
            assert match[1] not in found, f"{match[1]} stands there twice"
            found[match[1]] = (match[2], labels)
    return found


def test_the_docs_list_exactly_what_is_scraped(loaded):
    _, after, sent = loaded
    scraped = {}
    # Identity has no digest.
    for family in [*sent["while_active"].families.values(), *after.families.values()]:
        # The parser takes the ending off.
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        _, known = scraped.get(name, (family.type, set()))
        scraped[name] = (family.type, labels | known)
    docs = {name: (kind, labels - UNUSED_LABELS) for name, (kind, labels) in documented().items()
            if name not in WITH_SECURITY}
    assert scraped == docs


def test_user_made_names_beyond_twenty_are_counted_as_other(start_server, connect):
    server = start_server("--max-sequences", "4")
    client = connect(server)
    for number in range(23):
        client.upload(f"order-{number:02}", [1, 0])
        client.greedy("The", tokens=1, scan=scan(f"order-{number:02}"))
    client.greedy("The", tokens=1)
    after = scrape(server)
    orders = {sample.labels["order"]: sample.value
              for sample in after.series("scanserve_requests_total", method="Generate")}
    assert orders == {**{f"order-{number:02}": 1 for number in range(20)},
                      "other": 3, "identity": 1}


def test_pages(server):
    assert server.get("/healthz") == (200, "ok\n")
    assert server.get("/readyz") == (200, "ready\n")
    assert server.get("/metrics/")[0] == 404
    status, version = server.get("/version")
    assert status == 200
    info = scrape(server).series("scanserve_build_info")
    assert [sample.labels["version"] for sample in info] == [version.strip()]


def test_process_metrics_are_those_of_the_process(server):
    after = scrape(server)
    pid = server.process.pid
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    resident = pages * os.sysconf("SC_PAGESIZE")
    assert abs(after.sum("process_resident_memory_bytes") - resident) < 64 << 20
    running = int(subprocess.run(["ps", "-o", "etimes=", "-p", str(pid)], check=True,
                                 capture_output=True, text=True).stdout)
    assert abs(time.time() - running - after.sum("process_start_time_seconds")) < 5
    assert 0 < after.sum("process_open_fds") < after.sum("process_max_fds")
    assert after.sum("process_cpu_seconds_total") > 0


def look_while_it_loads(port_file) -> None:
    # Written when the port is open; loading takes a hundred times as long as asking.
    wait_until(port_file.exists, "the HTTP port", START_SECONDS)
    address = f"127.0.0.1:{int(port_file.read_text(encoding='ascii'))}"
    assert http_get(address, "/readyz") == (503, "loading\n")
    assert http_get(address, "/healthz") == (200, "ok\n")
    loading = Scrape(http_get(address, "/metrics")[1])
    assert loading.sum("scanserve_ready") == 0 and loading.series("scanserve_build_info")


def test_the_http_port_is_open_while_the_model_loads(tmp_path, start_server):
    # The server dies with the thread that starts it.
    with ThreadPoolExecutor() as pool:
        looked = pool.submit(look_while_it_loads, tmp_path / "server0" / "http-port")
        server = start_server()
        looked.result()
    assert server.get("/readyz") == (200, "ready\n")


def test_the_http_port_says_that_the_server_drains(start_server, connect):
    server = start_server("--drain-delay", "10m")
    client = connect(server)
    assert server.get("/readyz") == (200, "ready\n")
    server.ask_to_stop()
    wait_until(lambda: server.get("/readyz") == (503, "draining\n"), "the drain")
    assert server.get("/healthz") == (200, "ok\n")
    assert client.greedy("The", tokens=1).text
    assert scrape(server).sum("scanserve_ready") == 0
    server.ask_to_stop()
    assert server.wait() == 0


def test_no_http_port_when_none_is_asked_for(start_server, connect):
    server = start_server("--http-listen", "")
    assert connect(server).greedy("The", tokens=1).text
    assert not server.http_port_file.exists()


def test_buckets_are_those_of_the_flags(start_server, connect):
    server = start_server("--inter-token-latency-buckets", "0.5,1.5")
    connect(server).greedy("The", tokens=2)
    bounds = [sample.labels["le"]
              for sample in scrape(server).series("scanserve_inter_token_latency_seconds_bucket")]
    assert bounds == ["0.5", "1.5", "+Inf"]


def snapshot(client) -> dict:
    """The first snapshot of StreamMetrics: (type, {labels: value or count}) by name."""
    stream = client.monitoring.StreamMetrics(monitoring_pb.StreamMetricsRequest(), timeout=60)
    families = {}
    for part in stream:
        for family in part.families:
            kind = monitoring_pb.MetricType.Name(family.type)
            _, values = families.setdefault(
                family.name, (kind.removeprefix("METRIC_TYPE_").lower(), {}))
            for metric in family.metrics:
                value = metric.histogram.count if metric.HasField("histogram") else metric.value
                values[tuple(sorted(metric.labels.items()))] = value
        if part.complete:
            break
    stream.cancel()
    return families


def test_a_stream_of_metrics_carries_what_a_scrape_shows(loaded, server, client):
    streamed = snapshot(client)
    scraped = {}
    for family in scrape(server).families.values():
        name = family.name + ("_total" if family.type == "counter" else "")
        ending = "_count" if family.type == "histogram" else ""
        scraped[name] = (family.type, {tuple(sorted(sample.labels.items())): sample.value
                                       for sample in family.samples
                                       if sample.name == name + ending})
    # The call itself, and what time moves.
    moving = ("process_", "scanserve_open_requests", "scanserve_requests_total",
              "scanserve_request_duration_seconds", "scanserve_requests_cancelled_total")
    assert streamed.keys() == scraped.keys()
    for name, family in streamed.items():
        if not name.startswith(moving):
            assert family[0] == scraped[name][0], name
            # A scrape has fewer digits.
            assert family[1] == pytest.approx(scraped[name][1], rel=1e-12), name


def test_top_shows_one_interval_of_a_load(server, client):
    command = [program("scanctl"), "top", "--once", "--interval", "500ms", "--json", "--server",
               server.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as top:
        while top.poll() is None:
            client.greedy("The river", tokens=20)
        shown = json.loads(top.stdout.read())
    assert top.returncode == 0
    assert shown["model"] == MODEL.name and shown["active"]["order"] == "identity"
    assert shown["per_second"]["generated_tokens"] > 0
    assert shown["now"]["slots"] == client.info().engine.slots_total
    names = [each["name"] for each in shown["latencies"]]
    assert names[:3] == ["first token", "next token", "queue"] and "Generate" in names
    assert shown["latencies"][0]["p50_seconds"] > 0
    text = subprocess.run([program("scanctl"), "top", "--once", "--interval", "100ms", "--server",
                           server.address], capture_output=True, text=True, check=True).stdout
    assert "\x1b" not in text and "first token" in text
