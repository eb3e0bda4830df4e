"""Certificates, tokens and log level change while the server runs."""

import os
import shutil
import signal
import socket
import ssl
import statistics
import threading
import time
from types import SimpleNamespace

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from authority import Authority, Certificate, openssl
from command_line import ok, run
from deadline import wait_until
from scanserve_client import Client
from secured import new_token, tls, tls_flags

SWAP_SECONDS = 5


def served_serial(server, authority) -> str:
    """Of the certificate that a new connection is shown, in hex."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain, \
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
        return secure.getpeercert()["serialNumber"]


def serial_of(certificate: Certificate) -> str:
    return openssl("x509", "-in", certificate.certificate, "-noout", "-serial").strip()[7:]


def expiry_of(certificate: Certificate) -> float:
    end = openssl("x509", "-in", certificate.certificate, "-noout", "-enddate").strip()
    return ssl.cert_time_to_seconds(end.removeprefix("notAfter="))


def metrics(served) -> dict[str, float]:
    """What the HTTP port says of the certificates."""
    status, text = served.server.get("/metrics")
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "scanserve_certificate_reloads_total":
                found[sample.labels["result"]] = sample.value
            elif sample.name == "scanserve_certificate_expiry_timestamp_seconds":
                found["expires"] = sample.value
    return found


@pytest.fixture
def served(start_server, tmp_path):
    """A server whose certificate can be replaced."""
    authority = Authority(tmp_path / "authority")
    used = Certificate(tmp_path / "server.crt", tmp_path / "server.key")

    def replace(source, target):
        beside = target.with_suffix(".new")
        shutil.copy(source, beside)
        os.replace(beside, target)

    def install(certificate=None, key=None):
        if certificate:
            replace(certificate, used.certificate)
        if key:
            replace(key, used.key)

    first = authority.issue("first")
    install(first.certificate, first.key)
    server = start_server(*tls_flags(used), "--runtime-dir", str(tmp_path / "run"))

    def faults():
        return server.log.read_text().count("certificates not read again")
    return SimpleNamespace(server=server, authority=authority, first=first, install=install,
                           faults=faults, runtime=tmp_path / "run")


def test_a_new_certificate_is_served_soon_and_no_handshake_fails(served):
    assert served_serial(served.server, served.authority) == serial_of(served.first)
    stop, failures, calls = threading.Event(), [], []

    def load():
        while not stop.is_set():
            with Client(served.server.address, credentials=tls(served.authority)) as client:
                try:
                    calls.append(client.info().version)
                except grpc.RpcError as error:
                    failures.append(error.details())

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    taken = []
    try:
        for name in ("second", "third", "fourth"):
            new = served.authority.issue(name)
            began = time.monotonic()
            served.install(new.certificate, new.key)
            wait_until(lambda new=new: served_serial(served.server, served.authority) ==
                       serial_of(new), "the new certificate", 30)
            taken.append(time.monotonic() - began)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print("seconds until it is served:", [round(each, 2) for each in taken], len(calls), "calls")
    assert calls and not failures
    assert metrics(served) == {"ok": len(taken), "failed": 0, "expires": expiry_of(new)}
    # A busy machine may hold up one.
    assert statistics.median(taken) < SWAP_SECONDS


def test_a_bad_set_is_logged_and_the_good_one_stays(served, tmp_path):
    other = served.authority.issue("other")
    expired = served.authority.issue("expired", days=-1)
    truncated = tmp_path / "truncated.key"
    truncated.write_bytes(served.first.key.read_bytes()[:60])
    bad = [(other.certificate, None, "the key is not that of the certificate"),
           (served.first.certificate, truncated, "no PEM private key"),
           (expired.certificate, expired.key, "the certificate is valid from"),
           (truncated, served.first.key, "no PEM certificate")]
    for certificate, key, why in bad:
        served.install(certificate, key)
        wait_until(lambda why=why: why in served.server.log.read_text(), why)
        assert served_serial(served.server, served.authority) == serial_of(served.first)
    assert served.faults() >= len(bad)
    served.install(other.certificate, other.key)
    wait_until(lambda: served_serial(served.server, served.authority) == serial_of(other),
               "the good set after bad ones", 30)
    assert metrics(served) == {"ok": 1, "failed": served.faults(), "expires": expiry_of(other)}


def test_the_key_in_use_is_its_owners_alone_and_goes_with_the_server(served):
    keys = list(served.runtime.rglob("*.key"))
    assert keys and all(key.stat().st_mode & 0o077 == 0 for key in keys)
    served.server.ask_to_stop()
    assert served.server.wait() == 0
    assert not list(served.runtime.rglob("*"))


def test_tokens_are_added_and_revoked_while_it_runs(start_server, tmp_path):
    authority, tokens = Authority(tmp_path / "authority"), tmp_path / "tokens"
    first = new_token(tokens, "infer")
    first_id = ok(run("scanctl", "token", "list", tokens)).split()[0]
    metrics_token = new_token(tokens, "metrics")
    server = start_server(*tls_flags(authority.issue("server")), "--tokens", str(tokens))

    def works(token):
        with Client(server.address, credentials=tls(authority, token)) as client:
            try:
                return bool(client.info().version)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAUTHENTICATED
                return False

    def stale() -> bool:
        text = server.get("/metrics", {"Authorization": f"Bearer {metrics_token}"})[1]
        return "\nscanserve_token_list_stale 1\n" in text

    assert works(first) and not stale()
    second = new_token(tokens, "infer")
    wait_until(lambda: works(second), "the second token")
    assert works(first)
    ok(run("scanctl", "token", "revoke", tokens, first_id))
    wait_until(lambda: not works(first), "the end of the first token")
    good = tokens.read_text()
    tokens.write_text("no list\n")
    wait_until(lambda: "tokens not read again" in server.log.read_text(), "the fault")
    assert works(second) and not works(first) and stale()
    tokens.write_text(good)
    wait_until(lambda: not stale(), "the end of the fault")
    tokens.unlink()
    wait_until(stale, "the fault of a list that is gone")
    assert works(second)


def test_sighup_takes_over_the_log_level(start_server, tmp_path):
    config = tmp_path / "scanserve.toml"
    config.write_text('log_level = "error"\n')
    server = start_server("--config", str(config))
    assert server.log.read_text() == ""
    config.write_text('log_level = "info"\n')
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reloaded" in server.log.read_text(), "the new level")
    config.write_text("log_level = 1\n")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "configuration not read again" in server.log.read_text(), "the fault")
    assert server.process.poll() is None
