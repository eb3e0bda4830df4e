"""Who may do what: TLS, tokens, roles, client certificates, rate, over the wire."""

import subprocess
import sys

import grpc
import health_pb2 as health_pb
import pytest
import reflection_pb2 as reflection_pb
import reflection_pb2_grpc as reflection_rpc
from error_details_pb2 import RetryInfo
from scanserve.v1 import scan_order_service_pb2 as orders_pb
from status_pb2 import Status

from authority import Authority
from command_line import ok, run, scanctl
from deadline import wait_until
from repository import ROOT
from scanserve_client import CALL_SECONDS, Client, generate_request
from secured import Secured, all_methods, new_token, outcome, tls, tls_flags
from server_process import failing_start

REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
PROMPT = "planted prompt about the harbour"


def role_of(service, method) -> str:
    """The rule as documented, apart from the server's table."""
    if method == "StreamMetrics":
        return "metrics"
    reads = method.startswith(("List", "Get"))
    return "infer" if service.endswith(".InferenceService") or reads else "admin"


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    made = Secured(tmp_path_factory.mktemp("secured"))
    yield made
    made.server.kill()


@pytest.mark.parametrize("service, method", all_methods())
def test_each_call_needs_a_token_of_its_role(secured, service, method):
    for token in ("", "sst_wrong", secured.tokens["admin"] + "x", secured.expired):
        with secured.client(token) as client:
            assert outcome(client, service, method) == grpc.StatusCode.UNAUTHENTICATED
    for role, token in secured.tokens.items():
        with secured.client(token) as client:
            code = outcome(client, service, method)
        if role in ("admin", role_of(service, method)):
            assert code not in REFUSED, role
        else:
            assert code == grpc.StatusCode.PERMISSION_DENIED, role


def test_the_http_port_shows_metrics_to_their_role_and_probes_to_all(secured):
    def status(path, authorization=None):
        headers = {"Authorization": authorization} if authorization else {}
        return secured.server.get(path, headers)[0]

    for path in ("/metrics", "/version"):
        assert status(path) == 401
        assert status(path, "Bearer sst_wrong") == 401
        assert status(path, f"Bearer {secured.expired}") == 401
        assert status(path, f"Bearer {secured.tokens['infer']}") == 403
        for role in ("metrics", "admin"):
            assert status(path, f"Bearer {secured.tokens[role]}") == 200
    for path in ("/healthz", "/readyz"):
        assert status(path) == 200


def test_only_one_token_in_the_right_form_is_taken(secured):
    token = secured.tokens["infer"]
    service, method = "scanserve.v1.MonitoringService", "GetServerInfo"
    with secured.client() as client:
        def code(*values):
            return outcome(client, service, method, [("authorization", each) for each in values])
        assert code(f"Bearer {token}") == grpc.StatusCode.OK
        for wrong in ([token], [f"Basic {token}"], ["Bearer "], [f"Bearer {token}", "Bearer x"]):
            assert code(*wrong) == grpc.StatusCode.UNAUTHENTICATED


def test_refusals_are_sentences(secured):
    def sentence(token):
        with secured.client(token) as client, pytest.raises(grpc.RpcError) as caught:
            client.orders.RollbackActiveScan(orders_pb.RollbackActiveScanRequest(), timeout=60)
        return caught.value.details()
    assert sentence("") == "a token is needed: authorization: Bearer TOKEN"
    assert sentence("sst_wrong") == "the token is not known"
    assert sentence(secured.expired).startswith("the token expired at 20")
    assert sentence(secured.tokens["infer"]) == \
        "needs the role admin; the token has the role infer"


def reflect(client):
    stub = reflection_rpc.ServerReflectionStub(client.channel)
    return next(stub.ServerReflectionInfo(
        iter([reflection_pb.ServerReflectionRequest(list_services="*")]), timeout=CALL_SECONDS))


def test_health_is_open_and_reflection_is_for_admins(secured):
    codes = {"": grpc.StatusCode.UNAUTHENTICATED, "infer": grpc.StatusCode.PERMISSION_DENIED,
             "metrics": grpc.StatusCode.PERMISSION_DENIED}
    for role, code in codes.items():
        with secured.client(secured.tokens.get(role, "")) as client:
            answer = client.health.Check(health_pb.HealthCheckRequest(), timeout=CALL_SECONDS)
            assert answer.status == health_pb.HealthCheckResponse.SERVING
            with pytest.raises(grpc.RpcError) as caught:
                reflect(client)
            assert caught.value.code() == code
    with secured.client(secured.tokens["admin"]) as client:
        assert reflect(client).list_services_response.service


def test_plain_text_to_a_tls_port_and_another_authority_do_not_connect(secured, tmp_path):
    stranger = Authority(tmp_path / "stranger")
    for credentials in (None, tls(stranger, secured.tokens["admin"])):
        with Client(secured.server.address, credentials=credentials) as client, \
                pytest.raises(grpc.RpcError) as caught:
            client.info()
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    with secured.client(secured.tokens["infer"]) as client:
        assert client.info().version


def test_a_session_belongs_to_the_token_that_made_it(secured):
    other = new_token(secured.token_file, "infer")
    request = generate_request(PROMPT, max_new_tokens=2, do_sample=False, ignore_eos=True)
    request.return_session = True
    with secured.client(secured.tokens["infer"]) as client:
        session = b"".join(event.session.data for event in
                           client.inference.Generate(request, timeout=CALL_SECONDS))
        request.session = session
        list(client.inference.Generate(request, timeout=CALL_SECONDS))
    with secured.client(secured.tokens["admin"]) as client, \
            pytest.raises(grpc.RpcError) as caught:
        list(client.inference.Generate(request, timeout=CALL_SECONDS))
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert other != secured.tokens["infer"]


def test_no_token_and_no_prompt_stands_in_log_or_answer(secured):
    planted = "sst_planted0123456789"
    with secured.client(planted) as client, pytest.raises(grpc.RpcError) as caught:
        client.generate(PROMPT)
    assert planted not in str(caught.value)
    with secured.client(secured.tokens["infer"]) as client:
        client.greedy(PROMPT, tokens=2)
        info = client.info()
    log = secured.server.log.read_text()
    assert "caller=token:" in log and "UNAUTHENTICATED" in log
    for line in (each for each in log.splitlines() if " call " in each):
        assert ("peer=ipv4:127.0.0.1:" in line) == ("caller=" not in line), line
    for secret in (planted, PROMPT, "harbour", secured.expired, *secured.tokens.values()):
        assert secret not in log
        assert secret not in str(info)
    assert "sst_" not in secured.token_file.read_text()
    assert secured.token_file.stat().st_mode & 0o077 == 0


def test_client_certificates_are_asked_for_and_name_the_caller(start_server, tmp_path):
    authority, clients = Authority(tmp_path / "servers"), Authority(tmp_path / "clients")
    server = start_server(*tls_flags(authority.issue("server")),
                          "--tls-client-ca", str(clients.certificate))
    for certificate in (None, authority.issue("stranger"), clients.issue("late", days=-1)):
        with Client(server.address, credentials=tls(authority, "", certificate)) as client, \
                pytest.raises(grpc.RpcError) as caught:
            client.info()
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    with Client(server.address, credentials=tls(authority, "", clients.issue("ann"))) as client:
        assert client.info().version
        client.activate()
    wait_until(lambda: "caller=certificate:" in server.log.read_text(), "the call's line")


def test_a_caller_over_its_rate_waits_and_others_do_not(start_server, connect, tmp_path):
    authority, tokens = Authority(tmp_path / "authority"), tmp_path / "tokens"
    one, two = new_token(tokens, "infer"), new_token(tokens, "infer")
    watching = {"Authorization": f"Bearer {new_token(tokens, 'metrics')}"}
    server = start_server(*tls_flags(authority.issue("server")), "--tokens", str(tokens),
                          "--max-requests-per-second", "0.01", "--request-burst", "3")
    client = connect(server, tls(authority, one))
    for _ in range(3):
        client.info()
    with pytest.raises(grpc.RpcError) as caught:
        client.info()
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    details = Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    retry = RetryInfo()
    assert details.details[0].Unpack(retry) and 0 < retry.retry_delay.seconds <= 100
    assert connect(server, tls(authority, two)).info().version
    rejected = [line for line in server.get("/metrics", watching)[1].splitlines()
                if line.startswith("scanserve_requests_rejected_total") and line[-2:] != " 0"]
    assert len(rejected) == 1 and 'method="GetServerInfo"' in rejected[0]
    assert 'reason="rate_limit"' in rejected[0] and rejected[0].endswith(" 1")


def test_scanctl_shows_its_token_over_tls(secured, tmp_path):
    token = tmp_path / "token"
    token.write_text(secured.tokens["infer"] + "\n")
    trust = ["--tls-ca", secured.authority.certificate]
    assert "version" in ok(scanctl(secured.server, "info", *trust, "--token-file", token))
    assert ok(scanctl(secured.server, "info", env={
        "SCANSERVE_TLS_CA": str(secured.authority.certificate),
        "SCANSERVE_TOKEN_FILE": str(token)}))
    assert ok(scanctl(secured.server, "health", *trust)) == "SERVING\n"
    without = scanctl(secured.server, "info", *trust)
    assert without.returncode == 1 and "UNAUTHENTICATED: a token is needed" in without.stderr
    denied = scanctl(secured.server, "orders", "deactivate", *trust, "--token-file", token)
    assert denied.returncode == 1 and "PERMISSION_DENIED" in denied.stderr


def test_scanctl_says_why_tls_failed(secured, start_server, tmp_path):
    authority, stranger = Authority(tmp_path / "servers"), Authority(tmp_path / "stranger")
    other_name = start_server(*tls_flags(
        authority.issue("elsewhere", subject_alternative="DNS.1=elsewhere.invalid")))
    mutual = start_server(*tls_flags(authority.issue("server")),
                          "--tls-client-ca", str(stranger.certificate))
    plain = start_server()
    trust = ["--tls-ca", authority.certificate]
    cases = [(secured.server, ["--tls-ca", stranger.certificate], "is of no authority that is trusted"),
             (other_name, trust, "does not name that host"),
             (mutual, trust, "hung up at once"),
             (secured.server, [], "hung up at once"),
             (plain, trust, "does not speak TLS")]
    for server, flags, words in cases:
        said = scanctl(server, "info", *flags)
        assert said.returncode == 1 and said.stderr.startswith("error: ")
        assert words in said.stderr and server.address in said.stderr, said.stderr
        assert said.stderr.count("\n") == 1


def test_the_python_example_runs_with_tls_and_a_token(secured, tmp_path):
    token = tmp_path / "token"
    token.write_text(secured.tokens["admin"])
    done = subprocess.run(
        [sys.executable, ROOT / "client" / "python" / "example.py", secured.server.address,
         secured.authority.certificate, token],
        capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert "stored example@1" in done.stdout


def test_scanctl_sends_no_token_in_the_clear(secured, tmp_path):
    token = tmp_path / "token"
    token.write_text(secured.tokens["infer"])
    refused = run("scanctl", "info", "--token-file", token, "--server", "192.0.2.1:50051")
    assert refused.returncode == 2 and "unencrypted" in refused.stderr


def test_checking_the_configuration_reads_tokens_and_certificates(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("planted\n")
    authority = Authority(tmp_path / "authority")
    one, two = authority.issue("one"), authority.issue("two")
    checked = failing_start(
        "--check-config", "--store", str(tmp_path / "store"), "--tokens", str(tokens),
        "--tls-certificate", str(one.certificate), "--tls-key", str(two.key))
    assert checked.returncode == 1 and "2 faults" in checked.stderr
    assert "line 1: expected an id" in checked.stderr and "planted" not in checked.stderr
    assert "the key is not that of the certificate" in checked.stderr


@pytest.mark.parametrize("listen, flags, missing", [
    ("0.0.0.0:0", [], "--tls-certificate"),
    ("0.0.0.0:0", ["--insecure-no-tls"], "--tokens"),
    ("127.0.0.1:0", ["--tls-key", "k"], "goes together"),
    ("127.0.0.1:0", ["--tls-client-ca", "c"], "needs --tls-certificate"),
    ("0.0.0.0:0", ["--insecure-no-tls", "--insecure-no-auth", "--reflection"], "--reflection"),
    ("127.0.0.1:0", ["--tokens", "nowhere"], "nowhere"),
    ("127.0.0.1:0", ["--tls-certificate", "nowhere", "--tls-key", "nowhere"], "nowhere"),
])
def test_a_server_that_would_be_open_does_not_start(tmp_path, listen, flags, missing):
    failed = failing_start("--listen", listen, "--store", str(tmp_path / "store"),
                           "--log-level", "off", *flags)
    assert failed.returncode == 1 and missing in failed.stderr
    assert failed.stderr.count("\n") == 1
