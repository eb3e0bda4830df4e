"""Full queues, deadlines, clients that leave or stall, messages that are too large."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

import error_details_pb2
import status_pb2
from deadline import wait_until
from repository import golden_json
from scanserve.v1 import inference_service_pb2 as pb
from scanserve_client import (CALL_SECONDS, Client, generate_request, perplexity_requests, prompt,
                              refused)

STATUS = grpc.StatusCode
CASE = golden_json("greedy/continuations.json")["cases"][0]
ONE_AT_A_TIME = ("--max-sequences", "1", "--queue-requests", "1")
# Runs for seconds, while what is tested takes milliseconds.
LONG = {"max_new_tokens": 4096, "ignore_eos": True}


def begin(client, timeout=CALL_SECONDS, **fields):
    """A Generate call under way: its events."""
    return client.inference.Generate(generate_request("The", **(LONG | fields)), timeout=timeout)


def engine(client):
    return client.info().engine


def wait_for(client, **expected):
    def reached():
        now = engine(client)
        return all(getattr(now, name) == value for name, value in expected.items())
    wait_until(reached, f"engine {expected}")


def assert_serves(client):
    assert client.greedy(CASE["prompt"], tokens=8).token_ids == CASE["continuation_ids"][:8]
    wait_for(client, slots_used=0, running=0, queued=0)


def outcome(events) -> grpc.StatusCode:
    """How a call ends."""
    try:
        for _ in events:
            pass
    except grpc.RpcError as error:
        return error.code()
    return STATUS.OK


def rest_of(events) -> list:
    """The tokens that a call still gives."""
    return [token for event in events for token in event.delta.token_ids]


def retry_delay(error: grpc.RpcError) -> float:
    """Seconds of the RetryInfo that comes with a status."""
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)
    assert status.code == error.code().value[0] and status.message == error.details()
    info = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    return info.retry_delay.ToTimedelta().total_seconds()


def test_a_full_queue_refuses_with_a_time_to_retry(start_server, connect):
    client = connect(start_server(*ONE_AT_A_TIME))
    running = begin(client)
    next(running)
    waiting = begin(client, max_new_tokens=3)
    wait_for(client, slots_used=1, queued=1)
    calls = {
        "generate": lambda: client.greedy("The"),
        "extract": lambda: client.extract("The"),
        "perplexity": lambda: client.score([("one", "The end")]),
    }
    for call in calls.values():
        with refused(STATUS.RESOURCE_EXHAUSTED, "1") as caught:
            call()
        assert 0 < retry_delay(caught.value) <= 60
    running.cancel()
    assert outcome(waiting) == STATUS.OK
    assert_serves(client)


def test_the_servers_own_deadline_ends_running_and_queued_requests(start_server, connect):
    client = connect(start_server(*ONE_AT_A_TIME, "--max-request-duration", "400ms"))
    running = begin(client)
    next(running)
    waiting = begin(client)
    assert outcome(running) == STATUS.DEADLINE_EXCEEDED
    assert outcome(waiting) == STATUS.DEADLINE_EXCEEDED
    assert_serves(client)


def test_the_clients_deadline_frees_what_runs_and_what_waits(start_server, connect):
    client = connect(start_server(*ONE_AT_A_TIME))
    running = begin(client, timeout=0.8)
    next(running)
    waiting = begin(client, timeout=0.3)
    wait_for(client, queued=1)
    assert outcome(waiting) == STATUS.DEADLINE_EXCEEDED
    wait_for(client, slots_used=1, queued=0)
    assert outcome(running) == STATUS.DEADLINE_EXCEEDED
    assert_serves(client)


def test_cancelled_requests_leave_slot_and_queue(start_server, connect):
    client = connect(start_server(*ONE_AT_A_TIME))
    running = begin(client)
    next(running)
    waiting = begin(client)
    wait_for(client, queued=1)
    waiting.cancel()
    wait_for(client, slots_used=1, queued=0)
    running.cancel()
    assert_serves(client)


def test_a_client_that_disconnects_leaves_its_slot(start_server, connect):
    server = start_server(*ONE_AT_A_TIME)
    with Client(server.address) as leaving:
        next(begin(leaving))
    assert_serves(connect(server))


def test_cancelled_scoring_and_extraction_leave_their_slots(start_server, connect):
    client = connect(start_server(*ONE_AT_A_TIME))
    long_ids = [5, 6, 7, 8] * 8000
    scoring = client.inference.ComputePerplexity(
        perplexity_requests([("long", long_ids)]), timeout=CALL_SECONDS)
    next(scoring)
    wait_for(client, slots_used=1)
    scoring.cancel()
    wait_for(client, slots_used=0)
    extracting = client.inference.ExtractHiddenStates(
        pb.ExtractHiddenStatesRequest(prompt=prompt(long_ids)), timeout=CALL_SECONDS)
    wait_for(client, slots_used=1)
    extracting.cancel()
    assert_serves(client)


def test_a_reader_that_stalls_loses_its_slot_and_hinders_nobody(start_server, connect):
    server = start_server("--stall-limit", "500ms", "--max-sequences", "2")
    client = connect(server)
    # A window that does not grow, and more than fits into it.
    with Client(server.address, options=[("grpc.http2.bdp_probe", 0)]) as slow:
        stalled = begin(slow, top_logprobs=20)
        next(stalled)
        assert client.greedy(CASE["prompt"], tokens=8).token_ids == CASE["continuation_ids"][:8]
        wait_for(client, slots_used=0)
        assert outcome(stalled) == STATUS.RESOURCE_EXHAUSTED
    assert_serves(client)


def test_as_many_stalled_readers_as_slots_leave_them_to_a_new_client(start_server, connect):
    server = start_server("--stall-park", "300ms", "--max-sequences", "2")
    client = connect(server)
    window = [("grpc.http2.bdp_probe", 0)]
    with Client(server.address, options=window) as one, Client(server.address, options=window) as two:
        stalled = [begin(slow, top_logprobs=20, seed=7) for slow in (one, two)]
        for call in stalled:
            next(call)
        wait_for(client, parked=2, slots_used=0, running=0)
        # Much shorter than the stall limit of 30 s.
        new = client.greedy(CASE["prompt"], tokens=8, timeout=5)
        assert new.token_ids == CASE["continuation_ids"][:8]
        assert engine(client).parked == 2
        assert engine(client).parked_bytes > 0
        # Who reads again gets all of it. Both at once: one that waits for the other stalls on.
        with ThreadPoolExecutor() as readers:
            tokens = list(readers.map(rest_of, stalled))
        assert len(tokens[0]) == LONG["max_new_tokens"] and tokens[0] == tokens[1]
    wait_for(client, parked=0, parked_bytes=0)
    assert_serves(client)


def test_scoring_and_extraction_are_of_low_priority_unless_asked_otherwise(start_server, connect):
    client = connect(start_server(*ONE_AT_A_TIME))
    running = begin(client)
    next(running)

    def expect(call, **gauges):
        wait_for(client, queued=1, **gauges)
        call.cancel()
        wait_for(client, queued=0, queued_low=0, queued_tokens=0)

    def extract(priority):
        request = pb.ExtractHiddenStatesRequest(prompt=prompt([5, 6, 7]), priority=priority)
        return client.inference.ExtractHiddenStates(request, timeout=CALL_SECONDS)

    def score(priority):
        requests = list(perplexity_requests([("one", [5, 6, 7])]))
        requests[0].settings.priority = priority
        return client.inference.ComputePerplexity(iter(requests), timeout=CALL_SECONDS)

    def generate(priority):
        request = generate_request([5, 6, 7])
        request.priority = priority
        return client.inference.Generate(request, timeout=CALL_SECONDS)

    for call, usual in ((extract, 1), (score, 1), (generate, 0)):
        expect(call(pb.PRIORITY_UNSPECIFIED), queued_low=usual, queued_tokens=3)
        expect(call(pb.PRIORITY_NORMAL), queued_low=0, queued_tokens=3)
        expect(call(pb.PRIORITY_LOW), queued_low=1, queued_tokens=3)
        with refused(STATUS.INVALID_ARGUMENT, "priority: 7"):
            for _ in call(7):
                pass
    running.cancel()
    assert_serves(client)


def test_a_message_over_4_mib_is_refused(client):
    with refused(STATUS.RESOURCE_EXHAUSTED):
        client.tokenize("a" * (4 << 20))
    assert_serves(client)


def test_metadata_over_16_kib_is_refused(server, client):
    def tokenize(caller, kib):
        caller.inference.Tokenize(pb.TokenizeRequest(prompt=prompt("The")), timeout=CALL_SECONDS,
                                  metadata=[("x-long", "v" * (kib << 10))])

    tokenize(client, 15)
    # gRPC may close the connection that such metadata came on.
    with Client(server.address) as other, refused(STATUS.RESOURCE_EXHAUSTED):
        tokenize(other, 17)
    assert_serves(client)


def peak_memory_kib(server) -> int:
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_message_is_refused_before_it_is_inflated(start_server, connect, compression):
    server = start_server()
    client = connect(server)
    assert_serves(client)
    before = peak_memory_kib(server)
    inflated = pb.TokenizeRequest(prompt=prompt("a" * (128 << 20)))
    for request in (inflated, pb.TokenizeRequest(prompt=prompt("a" * 10_000))):
        with pytest.raises(grpc.RpcError) as caught:
            client.inference.Tokenize(request, timeout=CALL_SECONDS, compression=compression)
        assert caught.value.code() == STATUS.UNIMPLEMENTED, caught.value.details()
    assert peak_memory_kib(server) - before < 16 << 10
    assert_serves(client)


@pytest.mark.parametrize("text", ["a", " ", "\u0300", "é", "😀", "\n"])
def test_a_mebibyte_of_one_character_is_tokenized(client, text):
    size = (1 << 20) // len(text.encode())
    # Some give more tokens than an answer holds, which is refused by size.
    try:
        assert client.detokenize(client.tokenize(text * size)) == text * size
    except grpc.RpcError as error:
        assert error.code() == STATUS.INVALID_ARGUMENT and "bytes of answer" in error.details()
    assert_serves(client)
