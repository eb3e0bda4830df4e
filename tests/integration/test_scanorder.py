"""scanorder, held to the reference method in NumPy on the same hidden states."""

import hashlib
import json
import sys

import numpy as np
import pytest

from command_line import ok, run, scanorder
from conftest import ALL_ADAPTERS
from repository import ROOT, WIKI_TEXT
from scanserve.v1 import scan_order_service_pb2 as pb
from scanserve.v1 import scan_pb2 as scan_pb
from scanserve_client import BASE, CALL_SECONDS, IDENTITY, npy_bytes, setting

sys.path.insert(0, str(ROOT / "tests" / "core" / "order"))
import reference_order  # noqa: E402  (found by the line above)

FILES = ("hidden_states.npy", "scan_order.npy", "scan_order_inv.npy")
FIGURES = ("mean_distance", "distance_deviation", "natural_length", "tour_length",
           "improvement_percent")
# Where the reference's two best distances are closer, another rounding may choose the other.
TIE = 1e-9


@pytest.fixture(autouse=True)
def identity_is_active_after_each_test(client):
    yield
    client.activate()


def corpus_documents(max_documents=10, min_characters=10) -> list[str]:
    """The reference corpus rule."""
    lines = (line.strip() for line in WIKI_TEXT.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if len(line) >= min_characters][:max_documents]


def extracted_states(client, documents, adapter=BASE, layer=11, max_tokens=256) -> np.ndarray:
    """What the server itself gives for the documents, joined."""
    parts = []
    for text in documents:
        started, chunks = client.extract(text, scan=IDENTITY, adapter=adapter, layers=[layer],
                                         max_prompt_tokens=max_tokens)
        assert started.rows <= max_tokens
        parts += [np.frombuffer(chunk.data, "<f4").reshape(chunk.rows, -1) for chunk in chunks]
    return np.concatenate(parts)


def assert_files(folder, states):
    """The files are what NumPy writes for these states; returns the reference's figures."""
    order, figures = reference_order.compute(states)
    found = np.load(folder / "scan_order.npy")
    if not np.array_equal(found, order):
        step = int(np.argmax(found != order)) - 1
        print(f"another choice at step {step}: the reference's gap is {figures['gaps'][step]}")
        assert figures["gaps"][step] <= TIE
        order = found
    assert (folder / "hidden_states.npy").read_bytes() == npy_bytes(states, "<f4")
    assert (folder / "scan_order.npy").read_bytes() == npy_bytes(order)
    assert (folder / "scan_order_inv.npy").read_bytes() == npy_bytes(np.argsort(order))
    return figures


def test_run_writes_uploads_and_reports_what_the_reference_computes(server, client, tmp_path):
    out = tmp_path / "out"
    said = json.loads(ok(scanorder(server, "run", "--corpus", WIKI_TEXT, "--name", "wiki", "--out",
                                   out, "--json")))
    states = extracted_states(client, corpus_documents())
    figures = assert_files(out, states)
    assert said["shape"] == list(states.shape)
    assert said["rows_used"] == figures["rows_used"]
    for name in FIGURES:
        assert said[name] == pytest.approx(figures[name], rel=1e-7), name
    assert said["seconds"] > 0
    stored = client.orders.GetScanOrder(
        pb.GetScanOrderRequest(order=scan_pb.ScanOrderRef(name="wiki")), timeout=CALL_SECONDS).order
    assert stored.digest == said["order"]["digest"] and stored.length == figures["rows_used"]
    assert client.info().active.setting.order.name == "identity"


def test_run_tells_how_the_order_came_about(server, client, tmp_path):
    ok(scanorder(server, "run", "--corpus", WIKI_TEXT, "--name", "traced", "--out", tmp_path,
                 "--documents", 3, "--max-tokens", 40, "--layer", 6, "--adapter", "kjv"))
    kjv = next(each for each in client.list_adapters().adapters if each.name == "kjv")
    choice = scan_pb.AdapterChoice(ref=scan_pb.AdapterRef(name="kjv"))
    states = extracted_states(client, corpus_documents(3), choice, layer=6, max_tokens=40)
    figures = assert_files(tmp_path, states)
    stored = client.orders.GetScanOrder(
        pb.GetScanOrderRequest(order=scan_pb.ScanOrderRef(name="traced")), timeout=CALL_SECONDS)
    told = stored.order.provenance
    model = client.info().model
    assert (told.model_digest, told.tokenizer_digest) == (model.digest, model.tokenizer_digest)
    assert told.adapter_digest == kjv.digest and told.layer == 6
    assert told.corpus_digest == hashlib.sha256(WIKI_TEXT.read_bytes()).hexdigest()
    assert told.rows == len(states) and told.rows_used == figures["rows_used"]
    assert told.method == "nearest-neighbour" and told.program.startswith("scanorder ")
    assert told.natural_length == pytest.approx(figures["natural_length"], rel=1e-7)
    assert told.tour_length == pytest.approx(figures["tour_length"], rel=1e-7)
    assert told.created.seconds > 1_600_000_000


def test_run_prints_the_figures_for_people(server, client, tmp_path):
    shown = ok(scanorder(server, "run", "--corpus", WIKI_TEXT, "--name", "shown", "--out", tmp_path,
                         "--documents", 4, "--max-tokens", 64))
    states = extracted_states(client, corpus_documents(4), max_tokens=64)
    figures = assert_files(tmp_path, states)
    for text in (f"({len(states)}, 256)", f"mean {figures['mean_distance']:.6f}",
                 f"standard deviation {figures['distance_deviation']:.6f}",
                 f"{figures['natural_length']:.4f}", f"{figures['tour_length']:.4f}",
                 f"{figures['improvement_percent']:.2f} %", " s\n", "shown@1 stored"):
        assert text in shown


def test_activate_applies_the_order_to_requests_from_then_on(server, client, tmp_path):
    prompt = "The first settlers came up the river in the spring and built their houses near it"
    before = client.greedy(prompt)
    said = json.loads(ok(scanorder(server, "run", "--corpus", WIKI_TEXT, "--name", "live", "--out",
                                   tmp_path, "--activate", "--json")))
    assert said["active"]["setting"]["order"]["digest"] == said["order"]["digest"]
    after = client.greedy(prompt)
    assert after.order_digest == said["order"]["digest"]
    assert after.token_ids != before.token_ids
    client.activate()
    again = client.greedy(prompt)
    assert again.token_ids == before.token_ids and again.text == before.text


def test_another_active_order_changes_nothing(server, client, tmp_path):
    common = ("run", "--corpus", WIKI_TEXT, "--documents", 3, "--max-tokens", 50)
    ok(scanorder(server, *common, "--name", "quiet", "--out", tmp_path / "quiet"))
    client.upload("other", np.random.default_rng(2).permutation(300))
    client.activate(setting("other", layers=[0, 3], readout=scan_pb.READOUT_PIN_LAST))
    ok(scanorder(server, *common, "--name", "busy", "--out", tmp_path / "busy"))
    for name in FILES:
        assert (tmp_path / "quiet" / name).read_bytes() == (tmp_path / "busy" / name).read_bytes()


def test_the_default_adapter_changes_nothing(start_server, tmp_path):
    common = ("run", "--corpus", WIKI_TEXT, "--documents", 2, "--max-tokens", 30, "--name", "wiki")
    for folder, flags in (("base", ()), ("default", ("--default-adapter", "kjv"))):
        server = start_server(*ALL_ADAPTERS, *flags)
        ok(scanorder(server, *common, "--out", tmp_path / folder))
    for name in FILES:
        assert (tmp_path / "base" / name).read_bytes() == (tmp_path / "default" / name).read_bytes()


@pytest.mark.parametrize("rows", [5, 511, 512, 513, 1237])
def test_compute_needs_no_server_and_equals_the_reference(tmp_path, rows):
    states = reference_order.topic_rows(rows, 64, seed=rows)
    path = tmp_path / "hidden_states.npy"
    np.save(path, states)
    said = json.loads(ok(run("scanorder", "compute", "--states", path, "--out", tmp_path,
                             "--json")))
    figures = assert_files(tmp_path, states)
    assert said["rows_used"] == figures["rows_used"] == min(rows, 512)
    for name in FIGURES:
        assert said[name] == pytest.approx(figures[name], rel=1e-7), name


def path_length(states, order, metric, closed) -> float:
    rows = np.asarray(states, dtype=np.float64)
    if metric == "euclid":
        distances = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2))
    elif metric == "cosine":
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        distances = 1 - unit @ unit.T
    else:
        r = np.corrcoef(rows)
        distances = 1 - (np.abs(r) if metric == "absolute-correlation" else r)
    path = list(order) + ([order[0]] if closed else [])
    return float(distances[path[:-1], path[1:]].sum())


@pytest.mark.parametrize("metric, closed", [("absolute-correlation", False), ("correlation", True),
                                            ("cosine", False), ("euclid", True)])
def test_other_methods_give_shorter_tours_of_the_length_that_they_state(tmp_path, metric, closed):
    states = reference_order.topic_rows(600, 64, seed=3)
    np.save(tmp_path / "states.npy", states)
    command = ("scanorder", "compute", "--states", tmp_path / "states.npy", "--out", tmp_path,
               "--rows", "all", "--method", "all", "--iterations", 200, "--seed", 5, "--threads", 1,
               "--distance", metric, *(["--closed"] if closed else []))
    said = json.loads(ok(run(*command, "--json")))
    methods = {each["method"]: each for each in said["methods"]}
    assert list(methods) == ["nearest-neighbour", "2-opt", "or-opt", "or-3opt", "genetic"]
    order = np.load(tmp_path / "scan_order.npy")
    assert sorted(order) == list(range(600)) and order[0] == 0
    assert said["tour_length"] == min(each["tour_length"] for each in said["methods"])
    assert said["tour_length"] < methods["nearest-neighbour"]["tour_length"]
    assert said["tour_length"] == methods[said["method"]]["tour_length"]
    assert said["tour_length"] == pytest.approx(path_length(states, order, metric, closed),
                                                rel=1e-5)
    assert said["natural_length"] == pytest.approx(path_length(states, range(600), metric, closed),
                                                   rel=1e-5)
    first = (tmp_path / "scan_order.npy").read_bytes()
    shown = ok(run(*command))
    assert (tmp_path / "scan_order.npy").read_bytes() == first
    for name in methods:
        assert name in shown


def test_a_wrong_choice_of_method_is_refused_before_anything_is_read(tmp_path):
    for flags, word in [(("--method", "3-opt"), "--method"), (("--rows", "1"), "--rows"),
                        (("--rows", "20001"), "20000"), (("--distance", "manhattan"), "--distance"),
                        (("--time-limit", "0"), "above 0"), (("--iterations", "-1"), "--iterations"),
                        (("--threads", "257"), "--threads")]:
        process = run("scanorder", "compute", "--states", tmp_path / "none.npy", "--out", tmp_path,
                      *flags)
        assert process.returncode == 2 and word in process.stderr, flags


def assert_one_sentence(process, *words):
    assert process.returncode == 1 and process.stdout == ""
    assert process.stderr.count("\n") == 1
    for word in words:
        assert word in process.stderr


def test_what_cannot_be_computed_is_one_sentence(tmp_path):
    states = tmp_path / "states.npy"
    for data, word in [(b"", "states.npy"), (npy_bytes([1, 2]), "states.npy"),
                       (npy_bytes(np.zeros((4, 4)), "<f4")[:-1], "states.npy"),
                       (npy_bytes(np.zeros((0, 4)), "<f4"), "row")]:
        states.write_bytes(data)
        assert_one_sentence(run("scanorder", "compute", "--states", states, "--out", tmp_path),
                            word)
        assert not (tmp_path / "scan_order.npy").exists()
    assert_one_sentence(run("scanorder", "compute", "--states", tmp_path / "none.npy", "--out",
                            tmp_path), "none.npy")


def test_what_cannot_be_run_is_one_sentence(server, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("short\n\n  \n")
    common = ("run", "--name", "x", "--out", tmp_path / "out")
    assert_one_sentence(scanorder(server, *common, "--corpus", empty), "empty.txt", "10")
    assert_one_sentence(scanorder(server, *common, "--corpus", tmp_path / "none.txt"), "none.txt")
    assert_one_sentence(scanorder(server, *common, "--corpus", WIKI_TEXT, "--adapter", "nobody"),
                        "NOT_FOUND", "nobody")
    assert_one_sentence(scanorder(server, *common, "--corpus", WIKI_TEXT, "--layer", 12),
                        "INVALID_ARGUMENT", "layers")
    assert_one_sentence(scanorder(server, "run", "--name", "identity", "--out", tmp_path / "out",
                                  "--corpus", WIKI_TEXT, "--documents", 1), "identity")
    assert_one_sentence(run("scanorder", *common, "--corpus", WIKI_TEXT, "--server", "127.0.0.1:1"),
                        "no server answers")


@pytest.mark.parametrize("command", ["run", "compute"])
def test_help_of_each_command_has_an_example_of_it(command):
    text = ok(run("scanorder", command, "--help"))
    assert f"scanorder {command}" in text.split("Example:")[1]
