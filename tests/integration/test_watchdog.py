"""A server whose engine is held still, as balancers and probes see it."""

import health_pb2 as health_pb

from authority import Authority
from deadline import wait_until
from held_thread import HeldThread
from scanserve_client import CALL_SECONDS, Generation, generate_request
from secured import new_token, tls, tls_flags

HEALTH = health_pb.HealthCheckResponse
STUCK = (503, "stuck\n")


def pages(server):
    """As the kubelet asks: without TLS, without a token."""
    return server.get("/healthz"), server.get("/readyz")


def test_a_stuck_engine_is_told_until_it_goes_on(start_server, connect, tmp_path):
    authority, tokens = Authority(tmp_path / "authority"), tmp_path / "tokens"
    token = new_token(tokens, "infer")
    server = start_server(*tls_flags(authority.issue("server")), "--tls-client-ca",
                          str(authority.certificate), "--tokens", str(tokens),
                          "--liveness-timeout", "100ms", "--drain-delay", "10m")
    client = connect(server, tls(authority, token, authority.issue("client")))
    watch = client.health.Watch(health_pb.HealthCheckRequest(service="scanserve.v1.InferenceService"),
                                timeout=CALL_SECONDS)
    assert next(watch).status == HEALTH.SERVING
    assert client.greedy("The", tokens=1).text
    engine = HeldThread(server.process.pid, "engine")
    try:
        assert pages(server) == ((200, "ok\n"), (200, "ready\n")), "it has nothing to do"
        events = client.inference.Generate(
            generate_request("The", do_sample=False, max_new_tokens=3, ignore_eos=True),
            timeout=CALL_SECONDS)
        assert next(watch).status == HEALTH.NOT_SERVING
        assert pages(server) == (STUCK, STUCK)
    finally:
        engine.release()
    assert len(Generation.of(events).token_ids) == 3
    assert next(watch).status == HEALTH.SERVING
    assert pages(server) == ((200, "ok\n"), (200, "ready\n"))
    # The log has a thread of its own.
    for line in ("the engine is stuck", "the engine goes on"):
        wait_until(lambda line=line: line in server.log.read_text(), line)
    server.ask_to_stop()
    wait_until(lambda: pages(server) == ((200, "ok\n"), (503, "draining\n")), "the drain")
    assert next(watch).status == HEALTH.NOT_SERVING
    server.ask_to_stop()
    assert server.wait() == 0
