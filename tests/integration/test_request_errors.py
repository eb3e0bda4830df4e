"""What a request must not ask for: each is refused by name, and the next request is served."""

import math

import grpc
import pytest

from conftest import ALL_ADAPTERS
from scanserve.v1 import inference_service_pb2 as pb
from scanserve.v1 import scan_order_service_pb2 as orders_pb
from scanserve.v1 import scan_pb2 as scan_pb
from scanserve_client import (CALL_SECONDS, Client, adapter, generate_request, perplexity_requests,
                              refused, scan, setting)

STATUS = grpc.StatusCode
INVALID, NOT_FOUND = STATUS.INVALID_ARGUMENT, STATUS.NOT_FOUND
VOCABULARY, LAYERS = 4096, 12
# Ends at the first token, whatever the limits of the answer are.
AT_ONCE = {"logit_bias": {0: 1000.0}}


@pytest.fixture(scope="module", autouse=True)
def order(client):
    client.upload("short", [1, 0])


@pytest.fixture(autouse=True)
def the_next_request_is_served(client):
    yield
    assert len(client.greedy("The", tokens=2).token_ids) == 2
    assert client.info().engine.slots_used == 0


GENERATE_FAULTS = {
    "no prompt": ({"text": pb.Prompt()}, INVALID, ["prompt"]),
    "an empty text": ({"text": ""}, INVALID, ["prompt", "no tokens"]),
    "no token ids": ({"text": []}, INVALID, ["prompt", "no tokens"]),
    "a negative token": ({"text": [-1]}, INVALID, ["prompt.token_ids", "-1", str(VOCABULARY)]),
    "a token past the vocabulary": ({"text": [VOCABULARY]}, INVALID, ["4096"]),
    "text that is not UTF-8": ({"text": b"ab\xff"}, INVALID, ["prompt", "2"]),
    "too many tokens": ({"text": [5] * 32769}, INVALID, ["prompt", "32769", "32768"]),
    "too much text": ({"text": "a" * ((1 << 20) + 1)}, INVALID, ["prompt", "1048577", "1048576"]),
    "no new tokens": ({"max_new_tokens": 0}, INVALID, ["max_new_tokens", "0", "4096"]),
    "too many new tokens": ({"max_new_tokens": 4097}, INVALID, ["max_new_tokens", "4097"]),
    "a negative temperature": ({"temperature": -0.5}, INVALID, ["temperature", "-0.5"]),
    "a temperature of NaN": ({"temperature": math.nan}, INVALID, ["temperature", "nan"]),
    "a temperature too high": ({"temperature": 101}, INVALID, ["temperature", "101", "100"]),
    "a negative top-k": ({"top_k": -1}, INVALID, ["top_k", "-1"]),
    "a top-p of 0": ({"top_p": 0}, INVALID, ["top_p", "0"]),
    "a top-p over 1": ({"top_p": 1.5}, INVALID, ["top_p", "1.5"]),
    "a min-p over 1": ({"min_p": 1.5}, INVALID, ["min_p", "1.5"]),
    "a repetition penalty of 0": ({"repetition_penalty": 0}, INVALID, ["repetition_penalty"]),
    "an infinite penalty": ({"presence_penalty": math.inf}, INVALID, ["presence_penalty", "inf"]),
    "a penalty too large": ({"frequency_penalty": -101}, INVALID, ["frequency_penalty", "-101"]),
    "a bias of NaN": ({"logit_bias": {3: math.nan}}, INVALID, ["logit_bias", "3"]),
    "a bias of no token": ({"logit_bias": {4096: 1}}, INVALID, ["logit_bias", "4096"]),
    "too many biases": ({"logit_bias": dict.fromkeys(range(1025), 1)}, INVALID,
                        ["logit_bias", "1025", "1024"]),
    "an empty stop string": ({"stop_strings": [""]}, INVALID, ["stop_strings"]),
    "a long stop string": ({"stop_strings": ["é" * 129]}, INVALID, ["stop_strings", "258", "256"]),
    "too many stop strings": ({"stop_strings": ["x"] * 17}, INVALID, ["stop_strings", "17", "16"]),
    "too many stop tokens": ({"stop_token_ids": [5] * 65}, INVALID, ["stop_token_ids", "65", "64"]),
    "a stop token that is none": ({"stop_token_ids": [-7]}, INVALID, ["stop_token_ids", "-7"]),
    "too many alternatives": ({"top_logprobs": 21}, INVALID, ["top_logprobs", "21", "20"]),
    "too many choices": ({"n": 9}, INVALID, ["sampling.n", "9", "8"]),
    "no choice": ({"n": 0}, INVALID, ["sampling.n", "0"]),
    "several choices of nothing": ({"n": 2, "max_new_tokens": 0, "echo": True}, INVALID,
                                   ["sampling.n", "2"]),
    "a suppressed token that is none": ({"suppress_tokens": [9999]}, INVALID, ["9999"]),
    "every token suppressed": ({"suppress_tokens": range(VOCABULARY)}, INVALID, ["suppress"]),
    "an unknown adapter": ({"adapter": adapter("nobody")}, NOT_FOUND, ["adapter", "nobody"]),
    "an adapter without name": ({"adapter": adapter("")}, INVALID, ["adapter"]),
    "an unknown order": ({"scan": scan("nowhere")}, NOT_FOUND, ["nowhere"]),
    "an unknown version": ({"scan": scan("short", version=9)}, NOT_FOUND, ["short", "9"]),
    "an unknown digest": ({"scan": scan(digest="ab" * 32)}, NOT_FOUND, ["abab"]),
    "a digest that is none": ({"scan": scan(digest="ab")}, INVALID, ["digest"]),
    "a digest of another name": ({"scan": scan("identity", digest="ab" * 32)},
                                 STATUS.FAILED_PRECONDITION, []),
    "a layer that the model lacks": ({"scan": scan("short", layers=[0, LAYERS])}, INVALID,
                                     ["target_layers", "12", "0 to 11"]),
    "a negative layer": ({"scan": scan("short", layers=[-1])}, INVALID, ["target_layers", "-1"]),
    "a layer named twice": ({"scan": scan("short", layers=[3, 3])}, INVALID,
                            ["target_layers", "3"]),
    "a readout that is none": ({"scan": scan("short", readout=7)}, INVALID, ["readout", "7"]),
    "a long prompt under a subset": ({"text": [5] * 8193, "scan": scan("short", layers=[0])},
                                     INVALID, ["prompt", "8193", "8192"]),
}


@pytest.mark.parametrize("case", GENERATE_FAULTS)
def test_generate_refuses(client, case):
    fields, code, words = GENERATE_FAULTS[case]
    with refused(code, *words):
        client.generate(**({"text": "The"} | fields))


@pytest.mark.parametrize("fields", [
    {"max_new_tokens": 4096}, {"temperature": 100}, {"top_p": 1}, {"min_p": 1},
    {"presence_penalty": 100}, {"frequency_penalty": -100}, {"top_logprobs": 20}, {"n": 1},
    {"max_new_tokens": 0, "echo": True}, {"max_new_tokens": 0, "prompt_logprobs": True},
    {"stop_strings": ["é" * 128] * 16}, {"stop_token_ids": range(64)},
    {"logit_bias": {token: 1000.0 * (token == 0) for token in range(1024)}}], ids=str)
def test_generate_accepts_each_limit_itself(client, fields):
    answer = client.generate("The", **(AT_ONCE | fields))
    assert answer.finished.generated_tokens <= 1


def test_generate_accepts_the_largest_number_of_choices(client):
    answers = client.choices("The", n=8, **AT_ONCE)
    assert [each.finished.reason for each in answers] == [pb.FINISH_REASON_END_OF_TEXT] * 8


def test_generate_refuses_more_choices_than_there_are_slots(start_server, connect):
    client = connect(start_server("--max-sequences", "2"))
    assert len(client.choices("The", n=2, max_new_tokens=2)) == 2
    with refused(INVALID, "n 3", "2 sequences"):
        client.choices("The", n=3, max_new_tokens=2)


def test_an_unknown_model_is_not_found(client):
    request = generate_request("The")
    request.model = "gpt-9"
    with refused(NOT_FOUND, "model", "gpt-9"):
        list(client.inference.Generate(request, timeout=CALL_SECONDS))
    request.model = client.info().model.name
    assert list(client.inference.Generate(request, timeout=CALL_SECONDS))


def test_a_long_unit_key_is_refused(client):
    request = generate_request("The", **AT_ONCE)
    request.unit_key = "k" * 256
    assert list(client.inference.Generate(request, timeout=CALL_SECONDS))
    request.unit_key += "k"
    with refused(INVALID, "unit_key", "257", "256"):
        list(client.inference.Generate(request, timeout=CALL_SECONDS))


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "line\nbreak", "é"])
def test_a_request_id_of_other_characters_is_replaced(client, given):
    answer = client.generate("The", request_id=given, **AT_ONCE)
    assert answer.started.request_id and answer.started.request_id != given


PERPLEXITY_FAULTS = {
    "an unknown mode": ({"mode": 9}, INVALID, ["mode", "9"]),
    "a negative window": ({"window_tokens": -1}, INVALID, ["window_tokens", "-1"]),
    "a window over the limit": ({"window_tokens": 32769}, INVALID, ["window_tokens", "32768"]),
    "no prefix": ({"mode": pb.PERPLEXITY_MODE_CONTINUATION}, INVALID, ["prefix_tokens", "0"]),
    "a window of one token": ({"mode": pb.PERPLEXITY_MODE_SLIDING, "window_tokens": 1}, INVALID,
                              ["window_tokens", "1"]),
    "a stride over the window": ({"mode": pb.PERPLEXITY_MODE_SLIDING, "window_tokens": 8,
                                  "stride_tokens": 9}, INVALID, ["stride_tokens", "9", "8"]),
    "an order with sliding windows": ({"mode": pb.PERPLEXITY_MODE_SLIDING, "scan": scan("short")},
                                      INVALID, ["short", "SLIDING"]),
    "an unknown order": ({"scan": scan("nowhere")}, NOT_FOUND, ["nowhere"]),
    "an unknown adapter": ({"adapter": adapter("nobody")}, NOT_FOUND, ["nobody"]),
    "an unknown model": ({"model": "gpt-9"}, NOT_FOUND, ["gpt-9"]),
}


@pytest.mark.parametrize("case", PERPLEXITY_FAULTS)
def test_perplexity_refuses(client, case):
    fields, code, words = PERPLEXITY_FAULTS[case]
    with refused(code, *words):
        client.score([("one", "some text")], **fields)


def part(name, text, more=False) -> pb.ComputePerplexityRequest:
    content = pb.Prompt(text=text) if isinstance(text, str) else pb.Prompt(text_bytes=text)
    return pb.ComputePerplexityRequest(
        document=pb.DocumentPart(document_id=name, content=content, more=more))


SETTINGS = pb.ComputePerplexityRequest(settings=pb.PerplexitySettings())
STREAM_FAULTS = {
    "nothing": ([], ["settings"]),
    "a document before the settings": ([part("a", "text")], ["settings"]),
    "settings twice": ([SETTINGS, SETTINGS], ["settings", "twice"]),
    "an empty message": ([SETTINGS, pb.ComputePerplexityRequest()],
                         ["settings, document and stop"]),
    "a document without content": ([SETTINGS, pb.ComputePerplexityRequest(
        document=pb.DocumentPart())], ["document 0"]),
    "a long document id": ([SETTINGS, part("i" * 65, "text")], ["document_id", "65", "64"]),
    "a document whose last part is missing": ([SETTINGS, part("a", "text", more=True)],
                                              ["document 0", "last part"]),
    "parts of two documents mixed": ([SETTINGS, part("a", "text", more=True), part("b", "text")],
                                     ["document 0", "document_id"]),
    "parts of two kinds": ([SETTINGS, part("a", "text", more=True), part("a", b"text")],
                           ["document 0", "mix"]),
    "bytes that are not UTF-8": ([SETTINGS, part("a", "fine"), part("b", b"ab\xff")],
                                 ["document 1", "2"]),
}


@pytest.mark.parametrize("case", STREAM_FAULTS)
def test_a_stream_of_documents_is_refused_with(client, case):
    requests, words = STREAM_FAULTS[case]
    with refused(INVALID, *words):
        list(client.inference.ComputePerplexity(iter(requests), timeout=CALL_SECONDS))


EXTRACT_FAULTS = {
    "a layer past the last": ({"layers": [LAYERS]}, ["layers", "12", "0 to 11"]),
    "layers that do not ascend": ({"layers": [3, 2]}, ["layers", "ascend"]),
    "a layer twice": ({"layers": [3, 3]}, ["layers", "ascend"]),
    "layers of the final norm": ({"layers": [1], "kind": pb.HIDDEN_STATE_KIND_FINAL_NORM},
                                 ["layers", "FINAL_NORM"]),
    "an end past the prompt": ({"end_position": 4}, ["end_position", "4", "3"]),
    "a negative begin": ({"begin_position": -1}, ["begin_position", "-1"]),
    "an empty range": ({"begin_position": 2, "end_position": 2}, ["begin_position", "2"]),
    "an unknown kind": ({"kind": 9}, ["kind", "9"]),
    "an unknown type": ({"type": 9}, ["type", "9"]),
    "a negative cut": ({"max_prompt_tokens": -1}, ["max_prompt_tokens", "-1"]),
}


@pytest.mark.parametrize("case", EXTRACT_FAULTS)
def test_extraction_refuses(client, case):
    fields, words = EXTRACT_FAULTS[case]
    with refused(INVALID, *words):
        client.extract([5, 6, 7], **fields)


def test_an_order_for_a_layer_that_the_model_lacks_does_not_become_active(client):
    for layers in ([LAYERS], [-1], [2, 2]):
        with refused(INVALID, "target_layers"):
            client.activate(setting("short", layers=layers))
    with refused(NOT_FOUND, "nowhere"):
        client.activate(setting("nowhere"))
    assert client.info().active.setting.order.name == "identity"


def test_questions_for_nothing_are_refused(client):
    calls = {client.orders.GetScanOrder: orders_pb.GetScanOrderRequest,
             client.orders.DeleteScanOrder: orders_pb.DeleteScanOrderRequest}
    for call, request in calls.items():
        with refused(INVALID):
            call(request(), timeout=CALL_SECONDS)
        with refused(NOT_FOUND, "nowhere"):
            call(request(order=scan_pb.ScanOrderRef(name="nowhere")), timeout=CALL_SECONDS)
    with refused(NOT_FOUND, "nowhere"):
        list(client.orders.DownloadScanOrder(orders_pb.DownloadScanOrderRequest(
            order=scan_pb.ScanOrderRef(name="nowhere")), timeout=CALL_SECONDS))
    for limit in (-1, 101):
        with refused(INVALID, "history_limit", str(limit), "0 to 100"):
            client.orders.GetActiveScan(orders_pb.GetActiveScanRequest(history_limit=limit),
                                        timeout=CALL_SECONDS)
    with refused(INVALID, "token_ids", "4096"):
        client.detokenize([VOCABULARY])


def test_the_limits_are_those_that_operations_name(client):
    limits = client.info().limits
    assert (limits.prompt_bytes, limits.prompt_tokens) == (1 << 20, 32768)
    assert (limits.subset_prompt_tokens, limits.new_tokens) == (8192, 4096)
    assert (limits.perplexity_tokens, limits.extraction_bytes) == (10_000_000, 1 << 30)
    assert limits.message_bytes == 4 << 20


def test_limits_of_the_server_hold_at_and_over_each(start_server):
    small = {"--max-prompt-bytes": 12, "--max-prompt-tokens": 16, "--max-subset-prompt-tokens": 8,
             "--max-perplexity-tokens": 50, "--max-extraction-bytes": 1024 * 10,
             "--max-document-bytes": 200}
    flags = [text for flag, value in small.items() for text in (flag, str(value))]
    with Client(start_server(*ALL_ADAPTERS, *flags).address) as client:
        client.upload("short", [1, 0])
        subset = scan("short", layers=[2])
        pairs = [
            (lambda size: client.greedy("a" * size, tokens=1), 12, "bytes"),
            (lambda size: client.greedy([5] * size, tokens=1), 16, "tokens"),
            (lambda size: client.greedy([5] * size, tokens=1, scan=subset), 8, "tokens"),
            (lambda size: client.extract([5] * 11, end_position=size), 10, "bytes"),
            (lambda size: client.score([("one", [5] * 16)] * 3 + [("two", [5] * (size - 48))]), 50,
             "model tokens"),
            (lambda size: client.score([("one", [5] * size)], window_tokens=10), 50, "bytes"),
        ]
        for call, limit, unit in pairs:
            call(limit)
            with refused(INVALID, unit):
                call(limit + 1)


def test_perplexity_requests_name_the_document_at_fault(client):
    documents = [("good", "some text"), ("bad", [VOCABULARY])]
    with refused(INVALID, "document 1", "4096"):
        list(client.inference.ComputePerplexity(perplexity_requests(documents),
                                                timeout=CALL_SECONDS))
