"""SIGTERM: what runs ends well, what comes late is told so, and the process ends with 0.

Under load: test_drain.py.
"""

import threading
import time

import grpc
import pytest

import health_pb2 as health_pb
from deadline import wait_until
from scanserve_client import CALL_SECONDS, Generation, generate_request, npy_bytes
from scanserve.v1 import scan_order_service_pb2 as orders_pb

STATUS = grpc.StatusCode
NOT_SERVING = health_pb.HealthCheckResponse.NOT_SERVING


def test_a_long_request_is_finished_and_later_ones_are_refused_meanwhile(start_server, connect):
    server = start_server("--drain-delay", "0s")
    client = connect(server)
    events = client.inference.Generate(
        generate_request("The", max_new_tokens=1500, ignore_eos=True), timeout=CALL_SECONDS)
    first = next(events)
    server.ask_to_stop()

    def refusal():
        try:
            client.greedy("The", tokens=1)
        except grpc.RpcError as error:
            return error
        return None

    refused = wait_until(refusal, "the refusal of a later request")
    assert refused.code() == STATUS.UNAVAILABLE and "stopping" in refused.details()
    answer = Generation.of([first, *events])
    assert answer.finished.generated_tokens == 1500
    assert server.wait() == 0


def test_an_upload_under_way_is_stored(start_server, connect):
    client = connect(server := start_server("--drain-delay", "0s"))
    npy = npy_bytes(range(300_000))
    first_half_read, stopping = threading.Event(), threading.Event()

    def parts():
        yield orders_pb.UploadScanOrderRequest(header=orders_pb.UploadScanOrderHeader(name="late"))
        yield orders_pb.UploadScanOrderRequest(npy_chunk=npy[:1 << 20])
        # So much is only sent when the server reads.
        first_half_read.set()
        assert stopping.wait(CALL_SECONDS)
        for begin in range(1 << 20, len(npy), 1 << 20):
            yield orders_pb.UploadScanOrderRequest(npy_chunk=npy[begin:begin + (1 << 20)])

    upload = client.orders.UploadScanOrder.future(parts(), timeout=CALL_SECONDS)
    assert first_half_read.wait(CALL_SECONDS)
    server.ask_to_stop()
    wait_until(lambda: health_of(client) == NOT_SERVING, "the drain")
    stopping.set()
    assert upload.result(CALL_SECONDS).order.name == "late"
    assert server.wait() == 0


def health_of(client, service=""):
    return client.health.Check(health_pb.HealthCheckRequest(service=service),
                               timeout=CALL_SECONDS).status


def test_the_server_serves_on_for_the_drain_delay_and_says_that_it_stops(start_server, connect):
    server = start_server("--drain-delay", "700ms")
    client = connect(server)
    began = time.monotonic()
    server.ask_to_stop()
    wait_until(lambda: health_of(client) == NOT_SERVING, "NOT_SERVING")
    assert time.monotonic() - began < 0.6
    assert client.greedy("The", tokens=1).text
    assert server.wait() == 0
    assert time.monotonic() - began >= 0.7


def test_calls_past_the_drain_deadline_are_ended(start_server, connect):
    server = start_server("--drain-delay", "0s", "--drain-deadline", "300ms",
                          "--stall-limit", "10m")
    client = connect(server)
    events = client.inference.Generate(
        generate_request("The", max_new_tokens=4096, ignore_eos=True, top_logprobs=20),
        timeout=CALL_SECONDS)
    next(events)
    began = time.monotonic()
    server.ask_to_stop()
    assert server.wait() == 0
    assert 0.3 <= time.monotonic() - began < 0.3 + 2
    with pytest.raises(grpc.RpcError) as caught:
        list(events)
    assert caught.value.code() == STATUS.UNAVAILABLE


def test_a_second_signal_stops_without_waiting(start_server, connect):
    server = start_server("--drain-delay", "10m")
    client = connect(server)
    server.ask_to_stop()
    wait_until(lambda: health_of(client) == NOT_SERVING, "the drain")
    server.ask_to_stop()
    assert server.wait(10) == 0


def test_a_stopped_server_leaves_its_port_and_store(start_server, connect):
    first = start_server("--drain-delay", "0s")
    client = connect(first)
    client.greedy("The", tokens=1)
    first.ask_to_stop()
    assert first.wait() == 0
    again = start_server("--listen", first.address, store=first.store)
    assert again.port == first.port
    assert connect(again).greedy("The", tokens=1).text
