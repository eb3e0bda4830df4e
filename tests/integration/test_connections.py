"""What connections bring along and how long they live."""

import socket
import struct

import grpc
import pytest
from scanserve.v1 import monitoring_service_pb2 as monitoring_pb

from deadline import wait_until
from scanserve_client import CALL_SECONDS

GOAWAY = 7
TRACE = "0af7651916cd43dd8448eb211c80319c"


def frames(connection):
    """The types of the HTTP/2 frames that come, until the connection ends (RFC 9113, 4.1)."""
    data = b""
    while True:
        while len(data) >= 9:
            length = struct.unpack(">I", b"\0" + data[:3])[0]
            if len(data) < 9 + length:
                break
            yield data[3]
            data = data[9 + length:]
        received = connection.recv(4096)
        if not received:
            return
        data += received


def test_an_old_connection_is_told_to_go_away(start_server):
    server = start_server("--max-connection-age", "1ms")
    with socket.create_connection(("127.0.0.1", server.port), timeout=CALL_SECONDS) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
        assert GOAWAY in frames(connection)


def test_no_call_is_broken_off_for_the_age_of_its_connection(start_server, connect):
    client = connect(start_server("--max-connection-age", "1ms"))
    assert len(client.greedy("The river", tokens=200).token_ids) == 200
    assert client.info().version


@pytest.mark.parametrize("traceparent, logged", [
    (f"00-{TRACE}-b7ad6b7169203331-01", True),
    (f"00-{TRACE}-b7ad6b7169203331-01\" planted=\"", False)])
def test_the_trace_of_a_call_stands_in_its_log_line(server, client, traceparent, logged):
    request = monitoring_pb.GetServerInfoRequest()
    try:
        client.monitoring.GetServerInfo(request, timeout=CALL_SECONDS,
                                        metadata=[("traceparent", traceparent)])
    except grpc.RpcError as error:
        pytest.fail(str(error))
    lines = server.log.read_text
    if logged:
        wait_until(lambda: f"trace_id={TRACE}" in lines(), "the log line")
    assert "planted" not in lines()
