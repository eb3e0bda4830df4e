"""A thousand clients that open reflection and ask for nothing."""

import asyncio
import contextlib
import json
import re
from pathlib import Path

import channelz_pb2 as channelz_pb
import channelz_pb2_grpc as channelz_rpc
import grpc
import health_pb2 as health_pb
import reflection_pb2 as reflection_pb
import reflection_pb2_grpc as reflection_rpc

from deadline import wait_until
from scanserve_client import CALL_SECONDS, Client, refused

STATUS = grpc.StatusCode
STREAMS = 1000
CONNECTIONS = 10
# ResourceQuota::SetMaxThreads; an idle stream holds one, and what finds none is refused.
MAX_IDLE = 16
# Those, and a few that gRPC starts when it has more to do.
MAX_MORE_THREADS = MAX_IDLE + 8
MAX_MORE_BYTES = 64 << 20
# While the streams wait; the server is asked for each.
ROUNDS = 5
SERVING = health_pb.HealthCheckResponse.SERVING


class Observer:
    """What the system and channelz say of a server."""

    def __init__(self, server):
        self._pid = server.process.pid
        (port,) = [line["port"] for line in map(json.loads, server.log.read_text().splitlines())
                   if line["event"] == "admin is open"]
        self.client = Client(f"127.0.0.1:{port}")
        self._channelz = channelz_rpc.ChannelzStub(self.client.channel)

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self._pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE).group(1))

    def threads(self) -> int:
        return self._status("Threads")

    def resident_bytes(self) -> int:
        return self._status("VmRSS") << 10

    def streams(self) -> int:
        """Open streams of all connections of the main port, which is opened second."""
        _, main = self._channelz.GetServers(channelz_pb.GetServersRequest(),
                                            timeout=CALL_SECONDS).server
        sockets = self._channelz.GetServerSockets(channelz_pb.GetServerSocketsRequest(
            server_id=main.ref.server_id), timeout=CALL_SECONDS).socket_ref
        shown = [self._channelz.GetSocket(channelz_pb.GetSocketRequest(socket_id=each.socket_id),
                                          timeout=CALL_SECONDS).socket.data for each in sockets]
        return sum(each.streams_started - each.streams_succeeded - each.streams_failed
                   for each in shown)


def reflects(client) -> bool:
    try:
        return bool(reflect(client))
    except grpc.RpcError as error:
        assert error.code() == STATUS.RESOURCE_EXHAUSTED
        return False


def reflect(client):
    stub = reflection_rpc.ServerReflectionStub(client.channel)
    answer = next(stub.ServerReflectionInfo(
        iter([reflection_pb.ServerReflectionRequest(list_services="*")]), timeout=CALL_SECONDS))
    return {each.name for each in answer.list_services_response.service}


@contextlib.asynccontextmanager
async def idle_streams(address):
    """Streams on a few connections; gives those that are open still."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(CONNECTIONS)]
    stubs = [reflection_rpc.ServerReflectionStub(channel) for channel in channels]
    calls = [stubs[number % CONNECTIONS].ServerReflectionInfo() for number in range(STREAMS)]
    try:
        yield lambda: [call for call in calls if not call.done()]
        assert {await call.code() for call in calls if call.done()} == {STATUS.RESOURCE_EXHAUSTED}
    finally:
        for call in calls:
            call.cancel()
        for channel in channels:
            await channel.close()


async def reached(condition, what):
    """As wait_until, while the streams go on."""
    await asyncio.to_thread(wait_until, condition, what, CALL_SECONDS)


async def hold_streams(server, client, observer):
    threads, resident = observer.threads(), observer.resident_bytes()
    async with idle_streams(server.address) as still_open:
        await reached(lambda: len(still_open()) <= MAX_IDLE, "the refusal of most streams")
        await reached(lambda: observer.streams() == len(still_open()) > 0, "the others")
        for _ in range(ROUNDS):
            answer = client.health.Check(health_pb.HealthCheckRequest(), timeout=CALL_SECONDS)
            assert answer.status == SERVING
            assert len(client.greedy("The", tokens=4).token_ids) == 4
            assert server.get("/readyz") == (200, "ready\n")
        with refused(STATUS.RESOURCE_EXHAUSTED):
            reflect(client)
        print(len(still_open()), "streams", threads, observer.threads(), "threads",
              resident >> 20, observer.resident_bytes() >> 20, "MiB")
        assert observer.threads() <= threads + MAX_MORE_THREADS
        assert observer.resident_bytes() <= resident + MAX_MORE_BYTES
    await reached(lambda: observer.streams() == 0, "the end of the streams")


def test_idle_reflection_streams_take_neither_threads_nor_memory_nor_the_service(start_server,
                                                                                 connect):
    server = start_server("--admin-listen", "127.0.0.1:0", "--log-format", "json")
    client = connect(server)
    observer = Observer(server)
    assert len(client.greedy("The", tokens=4).token_ids) == 4
    services = reflect(client)
    asyncio.run(hold_streams(server, client, observer))
    # The server may learn of the last ends a little later.
    wait_until(lambda: reflects(client), "a free thread", CALL_SECONDS)
    assert reflect(client) == services
    observer.client.close()
