"""The prefix cache over the wire: what is found, equal answers, and what the server tells."""

import re

import numpy as np
import pytest

from command_line import ok, scanctl
from scanserve.v1 import inference_service_pb2 as pb
from scanserve_client import IDENTITY, adapter, same_bits, scan

BLOCK = 32
CACHED = ("--prefix-block-tokens", str(BLOCK))
COLD = ("--prefix-cache-bytes", "0")


def tokens(count: int, seed: int = 1) -> list[int]:
    return [int(each) for each in np.random.default_rng(seed).integers(3, 4096, count)]


@pytest.fixture
def clients(start_server, connect):
    """A client of a server with a cache, and one of a server without."""
    return connect(start_server(*CACHED)), connect(start_server(*COLD))


def sampled(client, prompt, **fields):
    return client.generate(prompt, max_new_tokens=12, seed=3, ignore_eos=True, top_logprobs=3,
                           logprobs=True, **fields)


def expect_same_answer(answer, cold):
    assert answer.token_ids == cold.token_ids
    assert all(same_bits(*pair) for pair in zip(answer.logprobs, cold.logprobs, strict=True))
    assert cold.started.cached_tokens == cold.summary.cached_tokens == 0


def test_a_conversation_is_not_read_twice(clients):
    cached, cold = clients
    prompt = tokens(50)
    found = 0
    for turn in range(3):
        answer = sampled(cached, prompt)
        expect_same_answer(answer, sampled(cold, prompt))
        assert answer.started.cached_tokens == answer.summary.cached_tokens == found
        # All but the token that was sampled last has been read.
        found = len(prompt) + len(answer.token_ids) - 1
        prompt = prompt + answer.token_ids + tokens(20, seed=turn + 2)


def test_a_shared_system_prompt_is_found_under_an_order_from_its_length_on(clients):
    cached, cold = clients
    for client in clients:
        client.upload("mixed", np.random.default_rng(4).permutation(40))
    system = tokens(70)
    for seed, found in ((2, 0), (3, 2 * BLOCK), (4, 2 * BLOCK)):
        prompt = system + tokens(30, seed)
        answer = sampled(cached, prompt, scan=scan("mixed"))
        expect_same_answer(answer, sampled(cold, prompt, scan=scan("mixed")))
        assert answer.started.cached_tokens == found
    assert sampled(cached, system + tokens(30, 4), scan=IDENTITY).started.cached_tokens == 0


def test_perplexity_and_extraction_say_what_they_found(clients):
    cached, cold = clients
    document = tokens(90)
    settings = {"mode": pb.PERPLEXITY_MODE_CONTINUATION, "prefix_tokens": 70, "scan": IDENTITY}
    documents = [("a", document), ("b", document[:80])]
    sampled(cached, document[:70], scan=IDENTITY)
    result, reference = (client.score(documents, **settings) for client in clients)
    assert [each.cached_tokens for each in result.documents] == [70, 70]
    assert result.totals.cached_tokens == 140 and reference.totals.cached_tokens == 0
    assert same_bits(result.totals.scores, reference.totals.scores)
    assert same_bits(result.totals.first_target, reference.totals.first_target)

    late = {"begin_position": 66, "end_position": 70, "scan": IDENTITY}
    started, chunks = cached.extract(document, **late)
    cold_started, cold_chunks = cold.extract(document, **late)
    assert (started.cached_tokens, cold_started.cached_tokens) == (2 * BLOCK, 0)
    assert [chunk.data for chunk in chunks] == [chunk.data for chunk in cold_chunks]


def test_the_server_counts_tokens_and_keeps_its_bound(start_server, connect):
    bound = 3_000_000
    server = start_server(*CACHED, "--prefix-cache-bytes", str(bound))
    client = connect(server)
    before = client.info().cache
    assert (before.max_bytes, before.block_tokens) == (bound, BLOCK)
    for seed in range(6):
        for _ in range(2):
            client.greedy(tokens(40, seed), tokens=1)
            assert client.info().cache.bytes <= bound
    after = client.info().cache
    assert after.lookups - before.lookups == 12
    assert after.hit_tokens - before.hit_tokens == 6 * 40
    assert after.missed_tokens - before.missed_tokens == 6 * 40
    assert after.evictions > 0 and 0 < after.entries < 12
    shown = ok(scanctl(server, "info"))
    # What the server read to warm up counts too.
    hit = f"{after.hit_tokens} of {after.hit_tokens + after.missed_tokens} tokens hit"
    assert re.search(rf"prefix cache +\d+ states, .* of .*, {hit}", shown), shown


def test_without_a_cache_nothing_is_found(start_server, connect):
    server = start_server(*COLD)
    client = connect(server)
    prompt = tokens(50)
    assert [sampled(client, prompt).started.cached_tokens for _ in range(2)] == [0, 0]
    assert client.info().cache.lookups == client.info().cache.bytes == 0
    assert re.search(r"prefix cache +off", ok(scanctl(server, "info")))


@pytest.mark.parametrize("name", ["kjv", None])
def test_adapters_have_states_of_their_own(server, client, name):
    prompt = tokens(50, seed=9)
    assert [client.greedy(prompt, adapter=adapter(name)).started.cached_tokens
            for _ in range(2)] == [0, 50]


def test_scanctl_shows_cached_tokens(server, tmp_path):
    text = tmp_path / "text"
    text.write_text("In the beginning was the word, and the word was with the reader.\n" * 40)
    extract = ("extract", text, "--range", "400:", "--out", tmp_path / "states.npy")
    ok(scanctl(server, "generate", "--prompt-file", text, "-m", 1))
    shown = ok(scanctl(server, *extract))
    assert re.search(r"prompt +[\d,]+ tokens, [1-9]\d* of them cached", shown)
    shown = ok(scanctl(server, "perplexity", text, "--documents", "file", "--mode", "continuation",
                       "--prefix", 300))
    assert re.search(r"tokens +[\d,]+, 256 of them cached", shown)
