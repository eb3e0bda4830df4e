"""scanctl orders check and gc: what they print and compute, against a plain computation here."""

import json

import numpy as np
import pytest
from scanserve.v1 import inference_service_pb2 as inference_pb
from scanserve.v1 import scan_pb2 as scan_pb

from command_line import ok, scanctl
from scanserve_client import CALL_SECONDS, IDENTITY, npy_bytes, prompt, scan

LENGTH = 24


def effective(pi, readout) -> list[int]:
    order = [k for k in pi if k < LENGTH] + list(range(len(pi), LENGTH))
    if readout == "pin-last":
        order.remove(LENGTH - 1)
        order.append(LENGTH - 1)
    return order


def read_set(i, order, targets, layers) -> set[int]:
    """What position i has read, from the definition."""
    read = {i}
    for layer in reversed(range(layers)):
        if not targets or layer in targets:
            read = set(order[:max(map(order.index, read)) + 1])
        else:
            read = set(range(max(read) + 1))
    return read


def counts(order, targets, layers) -> dict[str, int]:
    made = {"leaked": 0, "lookahead": 0, "causal": 0}
    for i in range(LENGTH - 1):
        read = read_set(i, order, targets, layers)
        made["leaked" if i + 1 in read else "lookahead" if max(read) > i else "causal"] += 1
    return made


def rows(client, tokens, choice) -> list[bytes]:
    """The bytes of the final norm's output at each position."""
    request = inference_pb.ExtractHiddenStatesRequest(
        prompt=prompt(tokens), scan=choice, kind=inference_pb.HIDDEN_STATE_KIND_FINAL_NORM)
    data = b"".join(answer.chunk.data for answer in
                    client.inference.ExtractHiddenStates(request, timeout=CALL_SECONDS))
    width = len(data) // len(tokens)
    return [data[i * width:(i + 1) * width] for i in range(len(tokens))]


def some_order(seed) -> list[int]:
    """Mostly natural, so that all three classes occur."""
    pi = list(range(30))
    for at in np.random.default_rng(seed).integers(0, 18, 4):
        pi[at], pi[at + 3] = pi[at + 3], pi[at]
    return pi


def upload(server, tmp_path, name, pi) -> None:
    (tmp_path / "order.npy").write_bytes(npy_bytes(pi))
    ok(scanctl(server, "orders", "upload", tmp_path / "order.npy", name))


@pytest.mark.parametrize("seed, targets, readout", [
    (1, [], "natural-last"), (2, [], "pin-last"), (3, [0], "natural-last"), (4, [1, 3], "pin-last"),
    (5, [2, 4, 5], "natural-last")])
def test_the_certificate_equals_a_plain_computation(server, client, tmp_path, seed, targets,
                                                    readout):
    layers = client.info().model.layers
    pi = some_order(seed)
    upload(server, tmp_path, "checked", pi)
    flags = ["--target-layers", ",".join(map(str, targets))] if targets else []
    said = json.loads(ok(scanctl(server, "orders", "check", "checked", "--length", LENGTH,
                                 *flags, "--readout", readout, "--trials", 1024, "--json")))
    order = effective(pi, readout)
    expected = counts(order, targets, layers)
    assert {name: said[name]["targets"] for name in expected} == expected
    assert said["verdict"] == "confirmed"
    assert sum(said[name]["unread_rows_changed"] for name in expected) == 0
    assert said["in_force"]["scan"]["order"]["name"] == "checked"

    # The same finding, made here: replace all that follows a position, and see which rows stay.
    value = (scan_pb.READOUT_PIN_LAST if readout == "pin-last" else scan_pb.READOUT_NATURAL_LAST)
    choice = scan("checked", layers=targets, readout=value)
    tokens = list(range(100, 100 + LENGTH))
    first = rows(client, tokens, choice)
    for i in range(LENGTH - 1):
        other = rows(client, tokens[:i + 1] + [t + 500 for t in tokens[i + 1:]], choice)
        for j in range(i + 1):
            if max(read_set(j, order, targets, layers)) <= i:
                assert other[j] == first[j]
        if max(read_set(i, order, targets, layers)) > i:
            assert other[i] != first[i]


def test_equal_rows_have_equal_logits(client):
    """Why rows are compared: what a position says of its successor follows from its row."""
    tokens = list(range(40, 40 + LENGTH))
    other = tokens[:12] + [t + 300 for t in tokens[12:]]
    said = [client.generate(each, scan=IDENTITY, prompt_logprobs=True, top_logprobs=20,
                            max_new_tokens=1).prompt_logprobs for each in (tokens, other)]
    alternatives = [[[(top.token_id, top.logprob) for top in entry.logprob.top] for entry in each]
                    for each in said]
    same = [a == b for a, b in zip(rows(client, tokens, IDENTITY), rows(client, other, IDENTITY))]
    assert same == [i < 12 for i in range(LENGTH)]
    offset = len(said[0]) - (LENGTH - 1)
    for i in range(LENGTH - 1):
        assert (alternatives[0][i + offset] == alternatives[1][i + offset]) == same[i]


def test_check_prints_a_certificate(server, tmp_path):
    upload(server, tmp_path, "pairs", [k ^ 1 for k in range(64)])
    text = ok(scanctl(server, "orders", "check", "pairs", "--length", 64))
    assert "pairs@1" in text and "Confirmed" in text and "16 trials" in text
    cells = {line.split()[0]: line.split() for line in text.splitlines() if "%" in line}
    assert cells["leaked"][1] == "32" and cells["causal"][1] == "31"
    assert "Counted" in ok(scanctl(server, "orders", "check", "pairs", "--length", 64,
                                   "--trials", 0))
    refused = scanctl(server, "orders", "check", "pairs", "--length", 1)
    assert refused.returncode == 1 and "INVALID_ARGUMENT" in refused.stderr
    assert scanctl(server, "orders", "check", "pairs").returncode == 2


def test_gc_removes_old_versions_and_says_why_the_others_stay(server, tmp_path):
    for shift in range(4):
        upload(server, tmp_path, "nightly", np.roll(np.arange(20), shift + 1))
    ok(scanctl(server, "orders", "activate", "nightly@2"))
    collect = ("orders", "gc", "--keep", 1, "--name", "nightly")
    planned = ok(scanctl(server, *collect, "--dry-run"))
    assert "would remove 2 version(s)" in planned
    said = json.loads(ok(scanctl(server, *collect, "--json")))
    fates = {each["order"]["version"]: each["fate"] for each in said["orders"]}
    assert fates == {1: "removed", 2: "kept-active", 3: "removed", 4: "kept-newest"}
    listed = ok(scanctl(server, "orders", "list"))
    assert "nightly@2" in listed and "nightly@3" not in listed
    ok(scanctl(server, "orders", "deactivate"))
    # What the rollback leads to stays until something else has taken its place.
    assert "removed 0" in ok(scanctl(server, *collect))
    assert "active: nightly@2" in ok(scanctl(server, "orders", "rollback"))
    ok(scanctl(server, "orders", "deactivate"))
