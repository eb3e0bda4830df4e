"""SIGTERM: what runs ends well, what comes late is told so, and the process ends with 0."""

import threading
import time

import grpc
import pytest

import health_pb2 as health_pb
from deadline import wait_until
from scanserve_client import CALL_SECONDS, Client, Generation, generate_request, npy_bytes
from scanserve.v1 import scan_order_service_pb2 as orders_pb

STATUS = grpc.StatusCode
SERVING = health_pb.HealthCheckResponse.SERVING
NOT_SERVING = health_pb.HealthCheckResponse.NOT_SERVING
DRAIN_ROUNDS = 10
LOAD_CLIENTS = 4


class Watch:
    """A health watch on a connection of its own, which remembers what it saw."""

    def __init__(self, address, service=""):
        self.client = Client(address)
        self.statuses = []
        self.end = None
        self._events = self.client.health.Watch(health_pb.HealthCheckRequest(service=service),
                                                timeout=CALL_SECONDS)
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()
        wait_until(lambda: self.statuses, "the first status")

    def _follow(self):
        try:
            for event in self._events:
                self.statuses.append(event.status)
        except grpc.RpcError as error:
            self.end = error.code()

    def close(self):
        self._events.cancel()
        self._thread.join()
        self.client.close()


class Load:
    """Clients that generate without pause, refused or not, until they are told to end."""

    def __init__(self, address, clients=LOAD_CLIENTS):
        self._address = address
        self._going_on = True
        # (code, whether the request had been admitted, when it ended)
        self.outcomes = []
        self._threads = [threading.Thread(target=self._run, args=(number,))
                         for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        with Client(self._address) as client:
            request = generate_request("The", max_new_tokens=20 + 10 * number, ignore_eos=True)
            while self._going_on:
                self.outcomes.append((*self._ask(client, request), time.monotonic()))

    @staticmethod
    def _ask(client, request):
        started = False
        try:
            for event in client.inference.Generate(request, timeout=CALL_SECONDS):
                started = started or event.HasField("started")
            return STATUS.OK, started
        except grpc.RpcError as error:
            return error.code(), started

    def end(self):
        self._going_on = False
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("round_number", range(DRAIN_ROUNDS))
def test_each_request_under_load_ends_well_or_is_told_that_the_server_stops(start_server,
                                                                            round_number):
    server = start_server("--drain-delay", f"{50 * round_number}ms", "--log-level", "warning")
    watch = Watch(server.address)
    load = Load(server.address)
    wait_until(lambda: len(load.outcomes) > LOAD_CLIENTS, "load")
    asked = time.monotonic()
    server.ask_to_stop()
    status = server.wait()
    ended = time.monotonic()
    load.end()
    watch.close()

    assert status == 0
    assert {code for code, _, _ in load.outcomes} == {STATUS.OK, STATUS.UNAVAILABLE}
    for code, started, _ in load.outcomes:
        assert started == (code == STATUS.OK), "an admitted request did not end with OK"
    last_ok = max(when for code, _, when in load.outcomes if code == STATUS.OK)
    assert ended - max(last_ok, asked + 0.05 * round_number) < 1
    assert watch.statuses == [SERVING, NOT_SERVING]


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
