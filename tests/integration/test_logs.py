"""Whatever clients send, each event is one line that parses, and nobody's text stands in it."""

import json
import re
import signal
import socket

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import MessageFactory
from scanserve.v1 import inference_service_pb2 as inference_pb
from scanserve.v1 import monitoring_service_pb2 as monitoring_pb

from authority import Authority
from deadline import wait_until
from scanserve_client import (CALL_SECONDS, Client, generate_request, perplexity_requests, prompt,
                              sampling, setting)
from secured import Secured, all_methods, tls, tls_flags

LONGEST = 64
# Our own texts, which are not cut.
MESSAGES = {"message", "what", "why", "coverage"}
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d "
                  r"(trace|debug|info|warning|error) [a-z][a-z ]*?( [a-z_]+=.*)?")
FIELD = re.compile(r' ([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=\\]+)')
HOSTILE = "x\r\nevent=call \"quoted\" back\\slash {\x1b[31m\x7f\x00\x85\u2028\u202e\u00e9\U0001f600} "
VALUES = (HOSTILE, HOSTILE + "y" * 5000, "z" * 300)
# Of what nobody may find anywhere.
PROMPT, STOP, TOKEN = "PLANTEDPROMPT", "PLANTEDSTOP", "sst_PLANTEDTOKEN0123456789"
SECRETS = (PROMPT, STOP, "PLANTEDTOKEN")


def text_fields(message_type, path=(), seen=()):
    """The path of each text or bytes field of a message and of the messages in it."""
    for field in message_type.fields:
        if field.message_type is None:
            if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
                yield (*path, field)
        elif field.message_type.full_name not in seen and \
                not field.message_type.full_name.startswith("google."):
            yield from text_fields(field.message_type, (*path, field),
                                   (*seen, field.message_type.full_name))


def planted(message_class, path, value):
    """A message in which the field at `path` has the value."""
    message = made = message_class()
    for field in path[:-1]:
        inner = getattr(message, field.name)
        message = inner.add() if field.label == FieldDescriptor.LABEL_REPEATED else inner
    last = path[-1]
    value = value.encode() if last.type == FieldDescriptor.TYPE_BYTES else value
    if last.label == FieldDescriptor.LABEL_REPEATED:
        getattr(message, last.name).append(value)
    else:
        setattr(message, last.name, value)
    return made


def all_text_fields():
    """Service, method, class of the request and path of each text that a client can send."""
    for service, method in all_methods():
        request = Default().FindServiceByName(service).methods_by_name[method].input_type
        for path in text_fields(request):
            yield service, method, MessageFactory().GetPrototype(request), path


def raw_call(client, path, messages, metadata=()) -> tuple[grpc.StatusCode, str]:
    call = client.channel.stream_stream(path)(iter(messages), timeout=CALL_SECONDS,
                                              metadata=metadata)
    try:
        for _ in call:
            break
        return grpc.StatusCode.OK, ""
    except grpc.RpcError as error:
        return error.code(), error.details()
    finally:
        call.cancel()


def check_answer(details):
    assert len(details) <= 1100, details
    assert details.isascii() and details.isprintable(), repr(details)
    for run in ("y" * (LONGEST + 1), "z" * (LONGEST + 1), *SECRETS):
        assert run not in details, details


def send_hostile_fields(client):
    """Each text field of each request in turn, and bytes that are not UTF-8."""
    for service, method, message_class, path in all_text_fields():
        for value in VALUES:
            message = planted(message_class, path, value)
            check_answer(raw_call(client, f"/{service}/{method}",
                                  [message.SerializeToString()])[1])
        broken = planted(message_class, path, "AAAA").SerializeToString().replace(
            b"AAAA", b"\xff\xfe\n\"")
        raw_call(client, f"/{service}/{method}", [broken])


def send_hostile_metadata(client):
    values = [b"\xff\xfe".decode("latin-1"), '00-"\\ = {x}-y', "v" * 3000, "a" * 16 + "\t"]
    for name in ("traceparent", "user-agent", "x-request-id", "authorization", "tracestate"):
        for value in values:
            try:
                raw_call(client, "/scanserve.v1.MonitoringService/GetServerInfo", [b""],
                         [(name, value)])
            except (ValueError, UnicodeError):
                pass  # the client does not send it
    for path in ('/scanserve.v1.None/"x\\y= ' + "p" * 300, "/other/" + "p" * 300, "/a b=\"c\""):
        raw_call(client, path, [b""])


def send_secrets(client):
    """Prompts and stop strings, in requests that are served and in such as fail at every point."""
    secret = PROMPT + " about the harbour"

    def generate(text=secret, **fields):
        try:
            return client.generate(text, **fields)
        except grpc.RpcError as error:
            check_answer(error.details())
            return None

    assert generate(max_new_tokens=2, stop_strings=[STOP], request_id="of.mine_1-a")
    for fields in ({"temperature": float("nan")}, {"stop_strings": [STOP * 40]},
                   {"stop_strings": [STOP] * 20}, {"stop_strings": [""] + [STOP]},
                   {"max_new_tokens": 1 << 30}, {"unit_key": PROMPT * 30},
                   {"request_id": PROMPT + HOSTILE}, {"text": secret * 70_000},
                   {"text": secret.encode() + b"\xff"}, {"text": prompt(secret + "\x00")}):
        generate(**fields)
    request = generate_request(secret)
    request.session = secret.encode() * 9
    check_answer(raw_call(client, "/scanserve.v1.InferenceService/Generate",
                          [request.SerializeToString()])[1])
    for name, text in (("d", secret), (HOSTILE, secret), ("d" * 300, secret),
                       ("d", secret.encode() + b"\xfe")):
        check_answer(raw_call(client, "/scanserve.v1.InferenceService/ComputePerplexity", [
            each.SerializeToString() for each in perplexity_requests([(name, text)])])[1])
    part = inference_pb.DocumentPart(document_id="d", content=prompt(secret))
    check_answer(raw_call(client, "/scanserve.v1.InferenceService/Compare", [
        inference_pb.CompareRequest(settings=inference_pb.CompareSettings()).SerializeToString(),
        inference_pb.CompareRequest(document=part).SerializeToString()])[1])
    client.tokenize(secret)
    list(client.inference.ExtractHiddenStates(inference_pb.ExtractHiddenStatesRequest(
        prompt=prompt(secret)), timeout=CALL_SECONDS))
    assert sampling(stop_strings=[STOP]).stop_strings == [STOP]


def send_broken_http(server):
    """Requests that the HTTP port cannot make sense of, with a token in them."""
    host, port = server.http_address.split(":")
    for request in (b"GET /metrics HTTP/1.1\r\nAuthorization: Bearer %s\r\n\r\n",
                    b"GET /metrics NONE\r\nAuthorization: Bearer %s\r\n\r\n",
                    b"\x00\xff %s\r\n\r\n", b"GET /%s\"\x01\n HTTP/9.9\r\n\r\n",
                    b"POST /metrics HTTP/1.1\r\nContent-Length: -%s\r\n\r\n",
                    b"GET /" + b"p" * 9000 + b"%s HTTP/1.1\r\n\r\n",
                    b"Authorization: Bearer %s\r\n" * 400):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            try:
                connection.sendall(request.replace(b"%s", TOKEN.encode()))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
            except OSError:
                pass  # it has heard enough


def fields_of_json(line) -> dict:
    return json.loads(line)


def fields_of_text(line) -> dict:
    match = LINE.fullmatch(line)
    assert match, line
    fields = match.group(2) or ""
    assert FIELD.sub("", fields) == "", line
    return {name: json.loads(value) if value.startswith('"') else value
            for name, value in FIELD.findall(fields)}


@pytest.mark.parametrize("log_format, fields_of",
                         [("json", fields_of_json), ("text", fields_of_text)])
def test_each_event_is_one_line_and_nobodys_text_stands_in_it(tmp_path, log_format, fields_of):
    made = Secured(tmp_path, "--log-format", log_format, "--adapter-root", str(tmp_path))
    try:
        with made.client(TOKEN) as stranger, made.client(made.tokens["infer"]) as reader, \
                made.client(made.tokens["admin"]) as admin:
            for client in (stranger, reader, admin):
                raw_call(client, "/scanserve.v1.ScanOrderService/SetActiveScan", [b"\xff\xff"])
            send_hostile_metadata(reader)
            send_hostile_fields(admin)
            send_secrets(reader)
            send_broken_http(made.server)
            info = str(admin.info())
            snapshot = str(next(admin.monitoring.StreamMetrics(
                monitoring_pb.StreamMetricsRequest(), timeout=CALL_SECONDS)))
            audit = "".join(str(admin.monitoring.ReadAuditLog(
                monitoring_pb.ReadAuditLogRequest(limit=1000, refused=kind), timeout=CALL_SECONDS))
                for kind in (False, True))
        token = {"Authorization": f"Bearer {made.tokens['metrics']}"}
        status, scrape = made.server.get("/metrics", token)
        assert status == 200 and "scanserve_log_lines_dropped_total 0" in scrape
    finally:
        made.server.process.send_signal(signal.SIGTERM)
        made.server.wait()
    log = made.server.log.read_bytes().decode("ascii")
    for secret in (*SECRETS, *made.tokens.values(), made.expired):
        for place in (log, info, snapshot, scrape, audit):
            assert secret not in place, secret
    assert not set(log) - {"\n", *map(chr, range(0x20, 0x7F))}
    lines = log.split("\n")[:-1]
    # One of this call and of hundreds of others.
    assert sum("of.mine_1-a" in line for line in lines) == 1 and len(lines) > 300
    for line in lines:
        if "starting scanserve-server" in line:
            continue
        fields = fields_of(line)
        for name, value in fields.items():
            if name not in MESSAGES and isinstance(value, str):
                assert len(value.encode()) <= LONGEST, line
            else:
                assert len(str(value)) <= 1100, line
            for run in ("y", "z", "v", "p"):
                assert run * (LONGEST + 1) not in str(value), line
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", fields.get("id", "none")), line


def test_a_hostile_name_in_a_certificate_is_cut_and_escaped(start_server, tmp_path):
    authority, clients = Authority(tmp_path / "servers"), Authority(tmp_path / "clients")
    name = r'a\"b\\c\n= ' + "n" * 300
    stranger = clients.issue("stranger", subject_alternative=f"URI.1 = {name}")
    server = start_server(*tls_flags(authority.issue("server")), "--log-format", "json",
                          "--tls-client-ca", str(clients.certificate))
    with Client(server.address, credentials=tls(authority, "", stranger)) as client:
        client.upload("tour", [1, 0])
        client.activate(setting("tour"))
        record = client.monitoring.ReadAuditLog(monitoring_pb.ReadAuditLogRequest(limit=1),
                                                timeout=CALL_SECONDS).records[0]
    assert record.caller.startswith('certificate:a"b\\c\n= nnn')
    assert len(record.caller.encode()) == LONGEST and record.caller.endswith("n..")

    def said():
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
        return [line["caller"] for line in lines if line["event"] == "audit"]

    assert wait_until(lambda: len(said()) == 2 and said(), "both lines") == [record.caller] * 2
