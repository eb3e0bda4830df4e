"""SIGTERM under load, many times: what was admitted ends well, what comes later is told so."""

import datetime
import itertools
import json
import threading
import time
from types import SimpleNamespace

import grpc
import health_pb2 as health_pb
from google.protobuf.duration_pb2 import Duration
from scanserve.v1 import inference_service_pb2 as inference_pb
from scanserve.v1 import monitoring_service_pb2 as monitoring_pb

from deadline import wait_until
from repository import GOLDEN
from scanserve_client import CALL_SECONDS, Client, generate_request, perplexity_requests

STATUS = grpc.StatusCode
SERVING = health_pb.HealthCheckResponse.SERVING
NOT_SERVING = health_pb.HealthCheckResponse.NOT_SERVING
FULL_WINDOW = inference_pb.PERPLEXITY_MODE_FULL_WINDOW
ROUNDS = 50
GENERATING_CLIENTS = 3
# A model of a few kilobytes: a round is about the stop, not about the model.
MODEL = ("--model", str(GOLDEN / "checkpoints" / "odd_vocabulary"), "--threads", "1")
STOPPING = "the server is stopping"
DEADLINE_SECONDS = 30
# Of the rounds; a busy machine may hold up the process at its end in the others.
PUNCTUAL = 0.8


class Watch:
    """A health watch on a connection of its own, which remembers what it saw and how it ended."""

    def __init__(self, address, service=""):
        self.client = Client(address)
        self.seen = []
        events = self.client.health.Watch(health_pb.HealthCheckRequest(service=service))
        self._thread = threading.Thread(target=self._follow, args=(events,))
        self._thread.start()
        wait_until(lambda: self.seen, "the first status")

    def _follow(self, events):
        try:
            for event in events:
                self.seen.append(event.status)
            self.seen.append(STATUS.OK)
        except grpc.RpcError as error:
            self.seen.append(error.code())

    def close(self):
        """Once the server has ended."""
        self._thread.join()
        self.client.close()


class MetricsStream:
    """A stream of metrics that is idle after its first snapshot."""

    def __init__(self, address):
        self.client = Client(address)
        self.events = self.client.monitoring.StreamMetrics(monitoring_pb.StreamMetricsRequest(
            interval=Duration(seconds=3600), request_id="metrics"))
        assert next(self.events).families

    def end(self) -> grpc.RpcError:
        """How it ended, once the server has."""
        while True:
            try:
                next(self.events)
            except grpc.RpcError as error:
                self.client.close()
                return error


class Load:
    """Clients that generate and score without pause, refused or not, until they are told to end."""

    def __init__(self, address):
        self._address = address
        self._going_on = True
        # By the request's id: its code, and whether it had been admitted.
        self.outcomes = {}
        self._threads = [threading.Thread(target=self._run, args=(number,))
                         for number in range(GENERATING_CLIENTS + 1)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        with Client(self._address) as client:
            for turn in itertools.count():
                if not self._going_on:
                    return
                request_id = f"client{number}-{turn}"
                call = (self._generate(client, number, request_id) if number < GENERATING_CLIENTS
                        else self._score(client, request_id))
                self.outcomes[request_id] = self._outcome(call)

    @staticmethod
    def _generate(client, number, request_id):
        return client.inference.Generate(
            generate_request("The", max_new_tokens=50 + 200 * number, ignore_eos=True,
                             request_id=request_id), timeout=CALL_SECONDS)

    @staticmethod
    def _score(client, request_id):
        documents = [("first", "The river " * 40), ("second", "flows " * 40)]
        return client.inference.ComputePerplexity(
            perplexity_requests(documents, request_id=request_id, mode=FULL_WINDOW),
            timeout=CALL_SECONDS)

    @staticmethod
    def _outcome(call):
        admitted = False
        try:
            for event in call:
                admitted = admitted or event.HasField("started")
            return STATUS.OK, admitted
        except grpc.RpcError as error:
            return error.code(), admitted

    def end(self):
        self._going_on = False
        for thread in self._threads:
            thread.join()


def seconds_of(line: dict) -> float:
    """When a line was written, in seconds since 1970."""
    return datetime.datetime.fromisoformat(line["time"]).timestamp()


def stop_under_load(server) -> SimpleNamespace:
    """Stops a server that has all to do, and says how everything ended."""
    watches = [Watch(server.address), Watch(server.address, "scanserve.v1.InferenceService")]
    metrics = MetricsStream(server.address)
    load = Load(server.address)
    wait_until(lambda: len(load.outcomes) > 2 * GENERATING_CLIENTS, "load")
    server.ask_to_stop()
    status = server.wait()
    ended = time.time()
    load.end()
    for watch in watches:
        watch.close()
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    return SimpleNamespace(
        status=status, ended=ended, outcomes=load.outcomes, metrics=metrics.end(),
        watched=[watch.seen for watch in watches],
        calls={line["id"]: line for line in lines if line["event"] == "call"},
        stopping=next(seconds_of(line) for line in lines if line["event"] == "stopping"))


def check_ends(stop) -> None:
    """Every request was either admitted and ended OK, or was told UNAVAILABLE."""
    assert stop.status == 0
    assert {code for code, _ in stop.outcomes.values()} <= {STATUS.OK, STATUS.UNAVAILABLE}
    for line in stop.calls.values():
        assert line["code"] == "OK" or line.get("message") == STOPPING, line
        # A stream that is refused before its first message was read has told no id.
        assert line["code"] == "UNAVAILABLE" or line["id"] in stop.outcomes, line
    for request_id, (code, admitted) in stop.outcomes.items():
        assert admitted == (code == STATUS.OK), request_id
        # One that came when the port was closed is not in the log.
        logged = stop.calls.get(request_id, {"code": "UNAVAILABLE"})
        assert logged["code"] == code.name, logged
    for seen in stop.watched:
        assert seen == [SERVING, NOT_SERVING, STATUS.UNAVAILABLE]
    assert (stop.metrics.code(), stop.metrics.details()) == (STATUS.UNAVAILABLE, STOPPING)


def test_each_request_under_load_ends_well_or_is_told_that_the_server_stops(start_server):
    late, refused = [], 0
    for number in range(ROUNDS):
        delay = 0.02 * (number % 10)
        stop = stop_under_load(start_server(
            *MODEL, "--drain-delay", f"{delay:.2f}s", "--drain-deadline", f"{DEADLINE_SECONDS}s",
            "--log-format", "json"))
        check_ends(stop)
        refused += sum(line["code"] == "UNAVAILABLE" for line in stop.calls.values())
        refusing = stop.stopping + delay
        assert stop.ended < refusing + DEADLINE_SECONDS + 2
        last = max(seconds_of(line) for line in stop.calls.values() if line["code"] == "OK")
        late.append(stop.ended - max(last, refusing))
    print("after the last request, seconds:", sorted(round(each, 3) for each in late))
    # Each round but the metrics stream's own line: some requests must have come while it drained.
    assert refused > ROUNDS
    assert sum(each < 1 for each in late) >= PUNCTUAL * ROUNDS, sorted(late)
