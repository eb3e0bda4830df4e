"""Experiments through scanctl and a Python client: assignment, counting, shadows, restarts."""

import json
import math

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from command_line import ok, scanctl
from deadline import wait_until
from scanserve_client import (CALL_SECONDS, IDENTITY, Client, experiments_pb, inference_pb,
                              npy_bytes, scan)

CREATE = ("experiments", "create", "trial", "--arm", "control:9,order=identity", "--arm",
          "tour:1,order=tour,shadow=100", "--salt", "0123", "--max-time", "24h",
          "--guardrail", "errors=0.5")
PROMPTS = ("In the beginning was the Word, and the Word was with God",
           "The river runs through the valley and past the old church")


def murmur3(key: bytes) -> int:
    """MurmurHash3_x86_32 with seed 0, over NumPy's 32-bit words."""
    def rotated(word, bits):
        return ((word << bits) | (word >> (32 - bits))) & 0xFFFFFFFF

    padded = np.frombuffer(key + bytes(-len(key) % 4), dtype="<u4").tolist()
    value = 0
    for index, word in enumerate(padded):
        mixed = rotated(word * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593 & 0xFFFFFFFF
        value ^= mixed
        if 4 * index + 4 <= len(key):
            value = (rotated(value, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    value ^= len(key)
    value = (value ^ value >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    value = (value ^ value >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ value >> 16


def expected_arm(unit: str) -> str:
    return "control" if murmur3(f"trial.0123:{unit}".encode()) * 10 >> 32 < 9 else "tour"


def results(client, name=""):
    return client.experiments.GetExperiment(experiments_pb.GetExperimentRequest(id=name),
                                            timeout=CALL_SECONDS)


def ask(client, number, **fields):
    return client.greedy(PROMPTS[number % 2], tokens=4, unit_key=f"user-{number}", **fields)


def all_scored(client):
    shadow = results(client).results.arms[1].shadow
    drifts = (shadow.drift_of_control, shadow.drift_of_arm)
    return shadow.scored == shadow.sampled and all(each.scored == each.answers for each in drifts)


@pytest.fixture
def running(start_server):
    """A server on which the experiment runs."""
    server = start_server()
    with Client(server.address) as client:
        client.upload("tour", npy_bytes(np.arange(64).reshape(-1, 2)[:, ::-1].ravel()))
        ok(scanctl(server, *CREATE))
        yield server


def test_the_hash_of_these_tests_is_flagds():
    assert [murmur3(key) for key in (b"ejOoVL", b"bY9fO-", b"SI7p-", b"6LvT0", b"ceQdGm")] == [
        0, 1, 2147483647, 2147483648, 4294967295]


def test_arms_are_those_that_a_client_predicts_and_are_counted(running, connect):
    client = connect(running)
    arms = [ask(client, number).started.in_force for number in range(40)]
    assert [arm.arm for arm in arms] == [expected_arm(f"user-{number}") for number in range(40)]
    assert {(arm.arm, arm.scan.order.name) for arm in arms} == {("control", "identity"),
                                                                ("tour", "tour")}
    assert {arm.experiment for arm in arms} == {"trial"}
    assert ask(client, 1, scan=IDENTITY).started.in_force.arm == ""

    counted = json.loads(ok(scanctl(running, "experiments", "show", "--json")))["results"]
    for arm in counted["arms"]:
        users = [force for force in arms if force.arm == arm["name"]]
        assert (arm["units"], arm["requests"]) == (len(users), len(users))
        assert arm["generated_tokens"] == 4 * len(users)
        assert arm["errors"] == arm["cancelled"] == arm["unsticky"] == 0
        assert [metric["metric"] for metric in arm["metrics"]] == [
            "time-to-first-token", "inter-token-latency", "duration", "errors"]
        first, gap, whole, _ = (metric["mean"] for metric in arm["metrics"])
        assert 0 < gap < whole and 0 < first < whole
    ratio = counted["sample_ratio"]
    share = counted["arms"][1]["units"] / 40
    assert math.isclose(ratio["chi_squared"], 40 * (share - .1) ** 2 / (.1 * .9), rel_tol=1e-9)
    assert ratio["state"] == "ok"

    # The HTTP port counts the same by arm.
    _, text = running.get("/metrics")
    ended = {sample.labels.get("arm", ""): sample.value
             for family in text_string_to_metric_families(text) for sample in family.samples
             if sample.name == "scanserve_requests_total"
             and sample.labels["method"] == "Generate"}
    # The one that named its setting took no part.
    assert ended == {**{arm["name"]: arm["requests"] for arm in counted["arms"]}, "": 1}


def test_shadows_are_what_compare_says_of_the_same_prompts(running, connect, tmp_path):
    client = connect(running)
    for number in range(6):
        ask(client, number)
    wait_until(lambda: all_scored(client), "the shadows")
    shadow = results(client).results.arms[1].shadow
    assert (shadow.eligible, shadow.sampled, shadow.scored) == (6, 6, 6)
    differences = []
    for text in PROMPTS:
        corpus = tmp_path / "corpus.txt"
        corpus.write_text(text)
        prefix = len(client.tokenize(text)) // 2
        lines = ok(scanctl(running, "compare", "--corpus", corpus, "--b", "tour", "--prefix",
                           prefix, "--json")).splitlines()
        totals = [json.loads(line) for line in lines][-1]
        causal = totals["scores"]["causal"]
        differences.append((causal["nll_b"] - causal["nll_a"], causal["tokens"]))
    total, tokens = (3 * sum(values) for values in zip(*differences))
    assert shadow.estimate.tokens == tokens
    assert math.isclose(shadow.estimate.difference, total / tokens, rel_tol=1e-9)


def test_drift_is_what_perplexity_says_of_the_answers(running, connect):
    client = connect(running)
    settings = {"control": IDENTITY, "tour": scan("tour")}
    expected = {name: [] for name in settings}
    # Sampled as they are distributed, so that this is a divergence.
    for number in range(24):
        prompt = client.tokenize(PROMPTS[number % 2])
        answer = client.generate(prompt, max_new_tokens=16, seed=number, unit_key=f"user-{number}",
                                 ignore_eos=True, temperature=1, top_p=1, top_k=0, do_sample=True)
        writer = answer.started.in_force.arm
        other = next(name for name in settings if name != writer)
        nlls = {name: client.score([("", prompt + answer.token_ids)], scan=settings[name],
                                   mode=inference_pb.PERPLEXITY_MODE_CONTINUATION,
                                   prefix_tokens=len(prompt)).totals.scores.all
                for name in settings}
        assert nlls[writer].tokens == len(answer.token_ids) == 16
        expected[writer].append(nlls[other].nll - nlls[writer].nll)
    wait_until(lambda: all_scored(client), "the shadows")
    shown = json.loads(ok(scanctl(running, "experiments", "show", "--json")))["results"]
    shadow = shown["arms"][1]["shadow"]
    for name, member in (("control", "drift_of_control"), ("tour", "drift_of_arm")):
        drift = shadow[member]
        assert drift["answers"] == drift["units"] == len(expected[name]) > 0
        assert drift["tokens"] == 16 * len(expected[name])
        assert math.isclose(drift["nats_per_token"], sum(expected[name]) / drift["tokens"],
                            rel_tol=1e-9)
        assert 0 < drift["other_choices"] < 1
    assert shadow["drift_of_control"]["nats_per_token"] > 0
    text = ok(scanctl(running, "experiments", "show"))
    assert f"{shadow['drift_of_control']['nats_per_token']:+.5f}" in text
    assert "not a verdict" in text


def test_a_stop_keeps_all_and_a_crash_loses_what_was_not_saved(start_server, connect):
    first = start_server()
    client = connect(first)
    client.upload("tour", npy_bytes(np.arange(64)[::-1]))
    ok(scanctl(first, *CREATE))
    arms = [ask(client, number).started.in_force.arm for number in range(10)]
    wait_until(lambda: all_scored(client), "the shadows")
    before = results(client).SerializeToString(deterministic=True)
    first.ask_to_stop()
    assert first.wait() == 0

    second = start_server(store=first.store)
    client = connect(second)
    assert results(client).SerializeToString(deterministic=True) == before
    assert [ask(client, number).started.in_force.arm for number in range(10)] == arms
    second.kill()

    third = start_server(store=first.store)
    client = connect(third)
    requests = sum(arm.requests for arm in results(client).results.arms)
    assert 10 <= requests <= 20
    assert [ask(client, number).started.in_force.arm for number in range(10)] == arms


def test_scanctl_lists_shows_and_stops(running, connect):
    client = connect(running)
    for number in range(3):
        ask(client, number)
    table = ok(scanctl(running, "experiments", "list"))
    assert "trial" in table and "running" in table
    shown = ok(scanctl(running, "experiments", "show", "trial"))
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "arm control" in shown and "sample ratio" in shown and "prompts scored" in shown
    refused = scanctl(running, "experiments", "create", "other", "--arm", "a:1", "--arm", "b:1")
    assert refused.returncode == 1 and "experiment trial is running" in refused.stderr
    assert "is in experiment trial, which is running" in scanctl(
        running, "orders", "delete", "tour").stderr
    assert ok(scanctl(running, "experiments", "stop", "trial")).startswith("trial ended: request")
    assert ask(client, 1).started.in_force.arm == ""
    assert "ended: request" in ok(scanctl(running, "experiments", "list"))


@pytest.mark.parametrize("arguments, message", [
    (("--arm", "a:1"), "arms: 1"),
    (("--arm", "a:1", "--arm", "a:1"), "two arms are called a"),
    (("--arm", "a:1", "--arm", "b:1,order=gone"), "arm b"),
    (("--arm", "a", "--arm", "b:1"), "expected NAME:WEIGHT"),
    (("--arm", "a:1", "--arm", "b:1,color=red"), "no such part"),
    (("--arm", "a:1", "--arm", "b:1", "--guardrail", "speed=1"), "expected METRIC=MARGIN"),
])
def test_what_cannot_be_is_refused_in_one_sentence(server, arguments, message):
    refused = scanctl(server, "experiments", "create", "trial", *arguments)
    assert refused.returncode in (1, 2)
    assert message in refused.stderr
