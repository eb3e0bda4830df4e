"""Tokenize and Detokenize over the wire."""

import grpc
import pytest

from repository import golden_json
from scanserve.v1 import inference_service_pb2 as pb
from scanserve_client import refused

ENCODINGS = next(case["encodings"] for case in golden_json("tokenizer/encodings.json")["cases"]
                 if case["name"] == "scanserve-6m")


def test_ids_and_texts_of_hard_strings_equal_the_tokenizers_library(client):
    for case in ENCODINGS:
        assert client.tokenize(case["text"]) == case["ids"], repr(case["text"])
        assert client.detokenize(case["ids"], keep_special_tokens=True) == case["decoded"]
        assert client.detokenize(case["ids"]) == case["skipped"]


def test_pieces_joined_are_the_bytes_of_the_text(client):
    text = "naïve 😀 日本語\r\n\tx"
    request = pb.TokenizeRequest(prompt=pb.Prompt(text=text), with_pieces=True)
    answer = client.inference.Tokenize(request, timeout=60)
    assert len(answer.pieces) == len(answer.token_ids)
    assert b"".join(answer.pieces) == text.encode()
    assert answer.tokenizer_digest == client.info().model.tokenizer_digest


def test_pieces_are_left_out_unless_asked_for(client):
    answer = client.inference.Tokenize(pb.TokenizeRequest(prompt=pb.Prompt(text="a b")), timeout=60)
    assert not answer.pieces


@pytest.mark.parametrize("data, offset", [
    (b"\xff", 0), (b"abc\x80def", 3), ("é".encode()[:1], 0), (b"ok \xf0\x9f\x98", 3),
    (b"\xc0\xaf", 0), (b"a\xed\xa0\x80", 1), (b"\xf4\x90\x80\x80", 0)])
def test_invalid_utf8_is_refused_with_its_offset_or_replaced(client, data, offset):
    with refused(grpc.StatusCode.INVALID_ARGUMENT, str(offset)):
        client.tokenize(data)
    replaced = data.decode("utf-8", "replace")
    assert client.tokenize(data, replace_invalid=True) == client.tokenize(replaced)


def test_a_long_text_is_tokenized_too(client):
    text = "The quick brown fox. " * 4000
    assert len(text) > 64 << 10
    assert client.detokenize(client.tokenize(text)) == text
