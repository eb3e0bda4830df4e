"""ComputePerplexity over the wire."""

import math
import queue
import threading

import pytest

from repository import GOLDEN, golden_json
from scanserve.v1 import inference_service_pb2 as pb
from scanserve.v1 import scan_pb2 as scan_pb
from scanserve_client import IDENTITY, PerplexityResult, adapter, prompt, same_bits, scan

DOCUMENTS = golden_json("perplexity/documents.json")
RUNS = golden_json("perplexity/runs.json")
CLASS_LETTERS = {pb.TARGET_CLASS_LEAKED: "L", pb.TARGET_CLASS_LOOKAHEAD: "A",
                 pb.TARGET_CLASS_CAUSAL: "C"}


@pytest.fixture(scope="module", autouse=True)
def order(client):
    """The golden order, under the name "golden"."""
    return client.upload("golden", (GOLDEN / "perplexity" / "order.npy").read_bytes()).order


def name_of(run) -> str:
    parts = [run["mode"], run["adapter"] or "base", "order" if run["order"] else "natural"]
    parts += [str(run[key]) for key in ("target_layers", "window_tokens", "prefix_tokens",
                                        "readout") if run.get(key)]
    return "-".join(parts)


def settings_of(run) -> dict:
    readout = scan_pb.Readout.Value("READOUT_" + run.get("readout", "UNSPECIFIED"))
    choice = IDENTITY
    if run["order"]:
        choice = scan("golden", layers=run["target_layers"], readout=readout)
    return {"mode": pb.PerplexityMode.Value("PERPLEXITY_MODE_" + run["mode"]), "scan": choice,
            "adapter": adapter(run["adapter"]), "window_tokens": run.get("window_tokens", 0),
            "stride_tokens": run.get("stride_tokens", 0),
            "prefix_tokens": run.get("prefix_tokens", 0)}


def texts():
    return [(document["id"], document["text"]) for document in DOCUMENTS]


def assert_score(score, golden):
    assert score.tokens == golden["tokens"]
    assert score.nll == pytest.approx(golden["nll"], rel=1e-4)


@pytest.mark.parametrize("run", RUNS, ids=name_of)
def test_a_golden_run_comes_out(client, run):
    result = client.score(texts(), per_token=True, **settings_of(run))
    assert len(result.documents) == len(run["documents"])
    for index, (document, golden) in enumerate(zip(result.documents, run["documents"])):
        assert (document.document_id, document.index) == (golden["id"], index)
        assert document.document_tokens == len(DOCUMENTS[index]["token_ids"])
        for name in ("all", "leaked", "lookahead", "causal"):
            assert_score(getattr(document.scores, name), golden[name])
        assert document.scores.scored_bytes == golden["scored_bytes"]
        assert document.scores.perplexity == pytest.approx(golden["perplexity"], rel=1e-3)
        assert document.scores.bits_per_byte == pytest.approx(golden["bits_per_byte"], rel=1e-4)
        if "first_target" in golden:
            assert_score(document.first_target, golden["first_target"])
        classes = "".join(CLASS_LETTERS[each] for each in result.classes.get(index, []))
        assert classes == golden["classes"]
        assert result.nlls.get(index, []) == pytest.approx(golden["nlls"], abs=2e-3)


def test_token_scores_name_their_targets_and_add_up_to_the_sum(client):
    result = client.score(texts(), per_token=True, scan=IDENTITY)
    for index, document in enumerate(result.documents):
        tokens = len(DOCUMENTS[index]["token_ids"])
        assert result.positions.get(index, []) == list(range(1, tokens))
        assert math.fsum(result.nlls.get(index, [])) == pytest.approx(document.scores.all.nll)


def test_totals_are_the_sums_of_the_documents(client):
    result = client.score(texts(), scan=scan("golden"))
    totals = result.totals
    assert totals.documents == len(DOCUMENTS) and totals.dropped_documents == 0
    assert totals.document_tokens == sum(len(each["token_ids"]) for each in DOCUMENTS)
    for name in ("all", "leaked", "lookahead", "causal"):
        scores = [getattr(document.scores, name) for document in result.documents]
        total = getattr(totals.scores, name)
        assert total.tokens == sum(score.tokens for score in scores)
        assert total.nll == pytest.approx(math.fsum(score.nll for score in scores), rel=1e-12)
    everything = totals.scores.all
    assert totals.scores.perplexity == pytest.approx(math.exp(everything.nll / everything.tokens))
    assert totals.scores.bits_per_byte == pytest.approx(
        everything.nll / math.log(2) / totals.scores.scored_bytes)


def test_scores_are_equal_to_the_bit_with_and_without_values_of_tokens(client):
    plain, detailed = (client.score(texts(), per_token=each) for each in (False, True))
    by_index = {each.index: each for each in plain.documents}
    for document in detailed.documents:
        assert same_bits(document, by_index[document.index])


def parts_of(name, pieces):
    for number, piece in enumerate(pieces):
        yield pb.ComputePerplexityRequest(document=pb.DocumentPart(
            document_id=name, content=prompt(piece), more=number + 1 < len(pieces)))


def test_a_document_in_parts_is_scored_as_the_whole(client):
    text = next(each["text"] for each in DOCUMENTS if "—" in each["text"])
    data = text.encode()
    inside = data.index("—".encode()) + 1
    ids = client.tokenize(text)

    def requests():
        yield pb.ComputePerplexityRequest(settings=pb.PerplexitySettings(scan=IDENTITY))
        yield from parts_of("whole", [text])
        yield from parts_of("text", [text[:1], text[1:50], text[50:]])
        yield from parts_of("bytes", [data[:inside], data[inside:]])
        yield from parts_of("ids", [ids[:3], ids[3:100], ids[100:]])

    result = PerplexityResult.of(client.inference.ComputePerplexity(requests(), timeout=60))
    whole, *others = result.documents
    for other in others:
        assert same_bits(other.scores, whole.scores), other.document_id


def test_a_document_no_longer_than_the_prefix_has_a_reason_and_no_score(client):
    ids = DOCUMENTS[3]["token_ids"]
    result = client.score([("equal", ids[:64]), ("longer", ids[:64] + ids[:1])],
                          mode=pb.PERPLEXITY_MODE_CONTINUATION, prefix_tokens=64)
    equal, longer = result.documents
    assert equal.scores.all.tokens == 0 and equal.unscored_reason
    assert longer.scores.all.tokens == 1 and not longer.unscored_reason
    assert longer.first_target.tokens == 1


def test_sliding_takes_natural_order_though_another_is_active(client):
    documents = [("one", DOCUMENTS[6]["text"])]
    sliding = {"mode": pb.PERPLEXITY_MODE_SLIDING, "window_tokens": 128, "stride_tokens": 64}
    natural = client.score(documents, **sliding)
    client.activate(scan("golden").setting)
    under_order = client.score(documents, **sliding)
    client.activate()
    assert under_order.started.in_force.scan.order.name == "identity"
    assert same_bits(under_order.documents[0], natural.documents[0])


class Requests:
    """A stream of requests that a test feeds while answers come."""

    def __init__(self):
        self._queue = queue.Queue()

    def send(self, **part):
        self._queue.put(pb.ComputePerplexityRequest(**part))

    def send_document(self, name, text):
        self.send(document=pb.DocumentPart(document_id=name, content=prompt(text)))

    def close(self):
        self._queue.put(None)

    def __iter__(self):
        return iter(self._queue.get, None)


def test_a_result_comes_as_soon_as_its_document_is_done(client):
    requests = Requests()
    answers = client.inference.ComputePerplexity(iter(requests), timeout=60)
    requests.send(settings=pb.PerplexitySettings())
    assert next(answers).HasField("started")
    for name in ("first", "second"):
        requests.send_document(name, DOCUMENTS[2]["text"])
        assert next(answers).document.document_id == name
    requests.close()
    assert next(answers).totals.documents == 2
    assert list(answers) == []


def test_stop_asks_for_no_more_and_totals_follow(client):
    requests = Requests()
    requests.send(settings=pb.PerplexitySettings())
    sent = 50
    for number in range(sent):
        requests.send_document(str(number), DOCUMENTS[7]["text"])
    requests.send(stop=pb.StopScoring())
    result = PerplexityResult.of(client.inference.ComputePerplexity(iter(requests), timeout=60))
    requests.close()
    totals = result.totals
    assert totals.documents == len(result.documents)
    assert totals.documents + totals.dropped_documents == sent
    assert totals.dropped_documents > 0


def test_documents_are_scored_alike_beside_other_calls(client):
    alone = client.score(texts(), scan=scan("golden"), adapter=adapter("kjv"))
    results = {}

    def run(number):
        choice = scan("golden") if number % 2 == 0 else IDENTITY
        results[number] = client.score(texts(), scan=choice, adapter=adapter("kjv"))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in (0, 2):
        assert same_bits(results[number].totals.scores, alone.totals.scores)
    assert not same_bits(results[1].totals.scores, alone.totals.scores)
