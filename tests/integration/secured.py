"""Servers with TLS and tokens, and clients that show what they need."""

from pathlib import Path

import grpc

from authority import Authority, Certificate
from command_line import ok, run

ROLES = ("infer", "metrics", "admin")


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
