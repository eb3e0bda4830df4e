"""The admin port: channelz there and nowhere else, for this machine and for admins."""

import json

import channelz_pb2 as channelz_pb
import channelz_pb2_grpc as channelz_rpc
import grpc
import health_pb2 as health_pb
import pytest
import reflection_pb2 as reflection_pb
import reflection_pb2_grpc as reflection_rpc

from authority import Authority
from scanserve_client import CALL_SECONDS, Client
from secured import ROLES, new_token, tls, tls_flags
from server_process import failing_start

STATUS = grpc.StatusCode
ADMIN = ("--admin-listen", "127.0.0.1:0", "--log-format", "json")


def admin_address(server) -> str:
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    (port,) = [line["port"] for line in lines if line["event"] == "admin is open"]
    return f"127.0.0.1:{port}"


def channelz(client):
    return channelz_rpc.ChannelzStub(client.channel)


def servers(client, token=""):
    """What channelz says of the servers of the process."""
    metadata = [("authorization", f"Bearer {token}")] if token else None
    return channelz(client).GetServers(channelz_pb.GetServersRequest(), timeout=CALL_SECONDS,
                                       metadata=metadata).server


def code_of(call) -> grpc.StatusCode:
    try:
        call()
        return STATUS.OK
    except grpc.RpcError as error:
        return error.code()


@pytest.fixture
def admin_client():
    """A client of a server's admin port: admin_client(server, credentials)."""
    made = []

    def to(server, credentials=None):
        made.append(Client(admin_address(server), credentials=credentials))
        return made[-1]

    yield to
    for each in made:
        each.close()


def test_the_admin_port_shows_the_calls_and_connections_of_the_other(start_server, connect,
                                                                     admin_client):
    server = start_server(*ADMIN)
    client, admin = connect(server), admin_client(server)

    def main_server():
        # The admin port is opened first.
        _, found = servers(admin)
        return found

    before = main_server().data
    for _ in range(3):
        client.info()
    client.tokenize("The")
    with pytest.raises(grpc.RpcError):
        client.generate("The", temperature=-1)
    after = main_server()
    assert after.listen_socket[0].name.endswith("ipv4:127.0.0.1:0")
    assert after.data.calls_started - before.calls_started == 5
    (socket,) = channelz(admin).GetServerSockets(channelz_pb.GetServerSocketsRequest(
        server_id=after.ref.server_id), timeout=CALL_SECONDS).socket_ref
    shown = channelz(admin).GetSocket(channelz_pb.GetSocketRequest(socket_id=socket.socket_id),
                                      timeout=CALL_SECONDS).socket
    assert shown.data.streams_started == 5


def reflect(client):
    stub = reflection_rpc.ServerReflectionStub(client.channel)
    return next(stub.ServerReflectionInfo(
        iter([reflection_pb.ServerReflectionRequest(list_services="*")]), timeout=CALL_SECONDS))


def test_each_port_offers_its_own(start_server, connect, admin_client):
    server = start_server(*ADMIN)
    client, admin = connect(server), admin_client(server)
    assert code_of(lambda: servers(client)) == STATUS.UNIMPLEMENTED
    listed = {each.name for each in reflect(client).list_services_response.service}
    assert "scanserve.v1.InferenceService" in listed
    assert "grpc.channelz.v1.Channelz" not in listed
    assert servers(admin)
    for call in (admin.info, lambda: admin.greedy("The", tokens=1), lambda: reflect(admin),
                 lambda: admin.health.Check(health_pb.HealthCheckRequest(), timeout=CALL_SECONDS)):
        assert code_of(call) == STATUS.UNIMPLEMENTED


@pytest.mark.parametrize("with_tls", [True, False])
def test_channelz_is_for_admins(start_server, admin_client, tmp_path, with_tls):
    authority, file = Authority(tmp_path / "authority"), tmp_path / "tokens"
    tokens = {role: new_token(file, role) for role in ROLES}
    expired = new_token(file, "admin", "--expires", "1ms")
    flags = tls_flags(authority.issue("server")) if with_tls else []
    server = start_server(*ADMIN, "--tokens", str(file), *flags)
    admin = admin_client(server, tls(authority) if with_tls else None)
    for token in ("", "sst_wrong", tokens["admin"] + "x", expired):
        assert code_of(lambda token=token: servers(admin, token)) == STATUS.UNAUTHENTICATED
    for role in ("infer", "metrics"):
        assert code_of(lambda role=role: servers(admin, tokens[role])) == STATUS.PERMISSION_DENIED
    assert servers(admin, tokens["admin"])
    for method in ("GetServerSockets", "GetSocket", "GetTopChannels", "NoSuchMethod"):
        call = admin.channel.unary_unary(f"/grpc.channelz.v1.Channelz/{method}")
        assert code_of(lambda call=call: call(b"", timeout=CALL_SECONDS)) == STATUS.UNAUTHENTICATED
    if with_tls:
        assert code_of(lambda: servers(admin_client(server), tokens["admin"])) == \
            STATUS.UNAVAILABLE


def test_without_the_option_there_is_no_admin_port(start_server, connect):
    server = start_server()
    assert "admin" not in server.log.read_text().split("serving")[1]
    assert code_of(lambda: servers(connect(server))) == STATUS.UNIMPLEMENTED


@pytest.mark.parametrize("address, said", [
    ("0.0.0.0:0", "only loopback addresses"),
    ("[::]:0", "only loopback addresses"),
    ("192.0.2.1:50052", "only loopback addresses"),
    ("server.example:50052", "only loopback addresses"),
    ("nonsense", "must be HOST:PORT"),
])
def test_an_address_that_others_reach_is_refused(tmp_path, address, said):
    # Not for --insecure-no-tls either: that names another danger.
    failed = failing_start("--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--log-level",
                           "off", "--store", str(tmp_path / "store"), "--port-file",
                           str(tmp_path / "port"), "--insecure-no-tls", "--insecure-no-auth",
                           "--admin-listen", address)
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert f"--admin-listen {address}: " in failed.stderr and said in failed.stderr
    assert not (tmp_path / "port").exists()


def test_an_admin_port_in_use_ends_the_start(tmp_path, server):
    failed = failing_start("--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--log-level",
                           "off", "--store", str(tmp_path / "store"), "--port-file",
                           str(tmp_path / "port"), "--admin-listen", server.address)
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert f"cannot listen on {server.address}: Address already in use" in failed.stderr
    assert not (tmp_path / "port").exists()
