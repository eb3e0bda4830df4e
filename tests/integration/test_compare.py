"""scanctl compare against what NumPy makes of its documents, and its page."""

import json
import math

import numpy as np
import pytest

from command_line import ok, scanctl
from repository import WIKI_TEXT
from scanserve_client import npy_bytes

TEXT = WIKI_TEXT.read_text()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """120 passages of one article each, long enough for a prefix of 32 tokens."""
    passages = [line for line in TEXT.splitlines() if len(line) > 300][:120]
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("\n".join(line[:400] for line in passages) + "\n")
    return path


@pytest.fixture(scope="module")
def shuffled(client):
    order = np.random.default_rng(5).permutation(64)
    client.upload("compared", npy_bytes(order))
    return "compared"


def compare(server, corpus, *arguments):
    lines = ok(scanctl(server, "compare", "--corpus", corpus, "--documents", "line", "--prefix", 32,
                       "--json", *arguments)).splitlines()
    return [json.loads(line) for line in lines]


def last(events, kind):
    return [event for event in events if event["event"] == kind][-1]


def documents(events):
    return [event for event in events if event["event"] == "document"]


def test_the_same_setting_twice_is_equivalent_and_identical(server, corpus):
    totals = last(compare(server, corpus), "totals")
    assert totals["documents"] == 120
    estimate = totals["estimate"]
    assert (estimate["verdict"], estimate["identical"]) == ("equivalent", True)
    assert estimate["difference"] == 0 and "low" not in estimate


def test_the_estimate_is_what_numpy_makes_of_the_documents(server, corpus, shuffled):
    events = compare(server, corpus, "--b", shuffled, "--keep-going")
    scores = [event["scores"]["causal"] for event in documents(events)]
    tokens = np.array([score["tokens"] for score in scores], dtype=float)
    differences = np.array([score["nll_b"] - score["nll_a"] for score in scores])
    ratio = differences.sum() / tokens.sum()
    errors = differences - ratio * tokens
    n = len(scores)
    jackknife = math.sqrt((n - 1) / n * ((errors / (tokens.sum() - tokens)) ** 2).sum())
    skewness = (errors ** 3).mean() / (errors ** 2).mean() ** 1.5
    estimate = last(events, "totals")["estimate"]
    assert estimate["difference"] == pytest.approx(ratio, rel=1e-9)
    assert estimate["standard_error"] == pytest.approx(jackknife, rel=1e-9)
    assert estimate["skewness"] == pytest.approx(skewness, rel=1e-6)
    assert estimate["observation_mean"] == pytest.approx((differences / tokens).mean(), rel=1e-9)
    assert estimate["effective_observations"] == pytest.approx(
        tokens.sum() ** 2 / (tokens ** 2).sum(), rel=1e-9)
    # SciPy 1.17: scipy.stats.t.ppf(.98, 119), for the 0.04 that are left at the end.
    q = skewness / math.sqrt(n)
    radius = 2.076504832918291
    skewed = [3 / q * (math.copysign(abs(y) ** (1 / 3), y) - 1)
              for y in (1 + q * (radius - q / 6), 1 + q * (-radius - q / 6))]
    assert estimate["low"] == pytest.approx(ratio - jackknife * max(radius, skewed[0]), rel=1e-5)
    assert estimate["high"] == pytest.approx(ratio - jackknife * min(-radius, skewed[1]), rel=1e-5)
    assert estimate["at_end"]


def test_documents_come_in_the_order_of_the_seed(server, corpus):
    orders = [[event["document_id"] for event in documents(compare(server, corpus, "--seed", seed))]
              for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0], key=int) == [str(i + 1) for i in range(120)] != orders[0]


def test_an_adapter_for_other_texts_is_found_worse_and_stops_the_comparison(server, corpus):
    events = compare(server, corpus, "--adapter-a", "none", "--adapter-b", "kjv")
    totals = last(events, "totals")
    assert totals["end"] == "verdict" and totals["documents"] == 100
    assert totals["estimate"]["verdict"] == "worse" and totals["estimate"]["beyond_margin"]
    shown = scanctl(server, "compare", "--corpus", corpus, "--documents", "line", "--prefix", 32,
                    "--adapter-a", "none", "--adapter-b", "kjv", "--expect", "not-worse")
    assert shown.returncode == 1
    assert "worse: B predicts worse, by more than the margin of 0.005" in shown.stdout
    assert "expected B to be not-worse" in shown.stderr


def test_full_windows_under_an_order_show_the_leak_and_no_verdict(server, corpus, client):
    swaps = np.arange(64) ^ 1
    client.upload("swaps", npy_bytes(swaps))
    # Wide windows are refused their verdict whichever arm is the leaky one.
    for arms in (["--b", "swaps"], ["--a", "swaps"]):
        events = compare(server, corpus, "--mode", "full-window", *arms)
        totals = last(events, "totals")
        assert last(events, "started")["no_verdict_reason"]
        assert totals["documents"] == 120 and "first_verdict" not in totals
        leaked = totals["scores"]["leaked"]
        assert leaked["tokens"] > 0.2 * sum(row["tokens"] for row in totals["scores"].values())
        assert leaked["nll_a"] != leaked["nll_b"]
        assert {event["verdict"] for event in events if event["event"] == "estimate"} == \
            {"unspecified"}


def test_the_page_is_complete_in_itself(server, corpus, shuffled, tmp_path):
    page = tmp_path / "compare.html"
    ok(scanctl(server, "compare", "--corpus", corpus, "--documents", "line", "--prefix", 32,
               "--b", shuffled, "--report", page))
    html = page.read_text()
    assert html.startswith("<!DOCTYPE html>") and html.endswith("</html>\n")
    assert html.count("<svg") == 2 and "By position" in html and "Exploratory" in html
    assert html.count('class="pair"') == 4
    assert "http" not in html and "<script" not in html
