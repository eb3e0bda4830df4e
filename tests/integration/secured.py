"""Servers with TLS and tokens, and clients that show what they need."""

from pathlib import Path

import grpc
from google.protobuf.descriptor_pb2 import ServiceDescriptorProto
from scanserve.v1 import adapter_service_pb2 as adapters_pb
from scanserve.v1 import experiment_service_pb2 as experiments_pb
from scanserve.v1 import inference_service_pb2 as inference_pb
from scanserve.v1 import monitoring_service_pb2 as monitoring_pb
from scanserve.v1 import scan_order_service_pb2 as orders_pb

from authority import Authority, Certificate
from command_line import ok, run
from scanserve_client import CALL_SECONDS, Client
from server_process import ServerProcess

MODULES = (inference_pb, orders_pb, adapters_pb, experiments_pb, monitoring_pb)
ROLES = ("infer", "metrics", "admin")


def all_methods():
    """Each RPC of the contract, as its service and its description."""
    for module in MODULES:
        for service in module.DESCRIPTOR.services_by_name.values():
            proto = ServiceDescriptorProto()
            service.CopyToProto(proto)
            yield from ((service.full_name, method.name) for method in proto.method)


def new_token(tokens: Path, role: str, *flags: str) -> str:
    return ok(run("scanctl", "token", "new", tokens, "--role", role, *flags)).strip()


def tls_flags(certificate: Certificate) -> list[str]:
    return ["--tls-certificate", str(certificate.certificate), "--tls-key", str(certificate.key)]


def tls(authority: Authority, token: str = "", certificate: Certificate | None = None):
    """Credentials of a client that trusts `authority`."""
    channel = grpc.ssl_channel_credentials(
        authority.certificate.read_bytes(),
        certificate and certificate.key.read_bytes(),
        certificate and certificate.certificate.read_bytes())
    if not token:
        return channel
    return grpc.composite_channel_credentials(channel, grpc.access_token_call_credentials(token))


class Secured:
    """A server with TLS and tokens."""

    def __init__(self, folder, *flags):
        self.authority = Authority(folder / "authority")
        self.token_file = folder / "tokens"
        self.tokens = {role: new_token(self.token_file, role) for role in ROLES}
        self.expired = new_token(self.token_file, "admin", "--expires", "1ms")
        self.server = ServerProcess(
            folder / "server", *tls_flags(self.authority.issue("server")),
            "--tokens", str(self.token_file), "--log-level", "trace", *flags)

    def client(self, token="", authority=None) -> Client:
        return Client(self.server.address, credentials=tls(authority or self.authority, token))


def outcome(client, service, method, metadata=()) -> grpc.StatusCode:
    """What an empty request leads to; the first answer counts as OK."""
    call = client.channel.stream_stream(f"/{service}/{method}")(
        iter([b""]), timeout=CALL_SECONDS, metadata=metadata)
    try:
        for _ in call:
            break
        return grpc.StatusCode.OK
    except grpc.RpcError as error:
        return error.code()
    finally:
        call.cancel()
