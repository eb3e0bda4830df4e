"""Who changed what: each change, and each attempt, leaves a line and a record that stays."""

import hashlib
import json
import re
import shutil
import signal
import struct
import time

import grpc
import pytest
from scanserve.v1 import adapter_service_pb2 as adapters_pb
from scanserve.v1 import experiment_service_pb2 as experiments_pb
from scanserve.v1 import monitoring_service_pb2 as monitoring_pb
from scanserve.v1 import scan_order_service_pb2 as orders_pb
from scanserve.v1 import scan_pb2 as scan_pb

from authority import serial
from command_line import ok, scanctl
from deadline import wait_until
from repository import ADAPTERS
from scanserve_client import CALL_SECONDS, IDENTITY, refused, setting
from secured import Secured, all_methods, new_token, outcome

STATUS = grpc.StatusCode
# Beside List*, Get* and InferenceService: what changes nothing, whatever its name.
READS = {"DownloadScanOrder", "CheckScanSetting", "StreamMetrics", "ReadAuditLog"}
FIRST, SECOND = list(range(63, -1, -1)), [1, 0, *range(2, 64)]
EXPERIMENT = experiments_pb.ExperimentDesign(id="trial", arms=[
    experiments_pb.ExperimentArm(name=name, weight=1, scan=IDENTITY) for name in ("a", "b")])


def is_change(service, method) -> bool:
    reads = method.startswith(("List", "Get")) or method in READS
    return not reads and not service.endswith(".InferenceService")


CHANGES = {method: service for service, method in all_methods() if is_change(service, method)}


def order_digest(entries) -> str:
    return hashlib.sha256(b"scanserve.order.v1\0" + struct.pack("<Q", len(entries)) +
                          struct.pack(f"<{len(entries)}q", *entries)).hexdigest()


D1, D2 = order_digest(FIRST), order_digest(SECOND)
# As docs/digests.md derives them.
KJV = "e02e28e86a828039ad0e51bc7e1e9b4580d30b55d961584b658147beb4c83e18"
DEVIL = "14b2b566f346afd8047ecd37c2d8aeb78611b842f6b9e1508ac234a8653d08b9"


def files_of(name) -> tuple[bytes, bytes]:
    return tuple((ADAPTERS / name / file).read_bytes()
                 for file in ("adapter_config.json", "adapter_model.safetensors"))


def records(client, **fields) -> list:
    """All records, oldest first, read in small pages."""
    request = monitoring_pb.ReadAuditLogRequest(limit=7, **fields)
    found = []
    while True:
        page = client.monitoring.ReadAuditLog(request, timeout=CALL_SECONDS)
        found += page.records
        if not page.next_before:
            return found[::-1]
        request.before = page.next_before


def id_of(token_file, token) -> str:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return next(line.split()[0] for line in token_file.read_text().splitlines() if digest in line)


@pytest.fixture
def audited(tmp_path):
    root = tmp_path / "root"
    shutil.copytree(ADAPTERS, root)
    made = Secured(tmp_path, "--adapter-root", str(root), "--log-format", "json")
    yield made
    made.server.kill()


def ref(name, version=0):
    return scan_pb.ScanOrderRef(name=name, version=version)


def steps(client):
    """Each change of the contract, with what its records must say: name, version, digests."""
    orders, adapters, experiments = client.orders, client.adapters, client.experiments

    def call(method, request):
        return lambda: method(request, timeout=CALL_SECONDS)

    yield "UploadScanOrder", lambda: client.upload("tour", FIRST), [("tour", 1, "", D1)]
    yield "UploadScanOrder", lambda: client.upload("tour", SECOND), [("tour", 2, D1, D2)]
    yield "UploadScanOrder", lambda: client.upload("tour", FIRST), [("tour", 1, D2, D1)]
    yield "SetActiveScan", lambda: client.activate(setting("tour", version=1)), \
        [("tour", 1, "", D1)]
    yield "SetActiveScan", lambda: client.activate(setting(digest=D2)), [("tour", 2, D1, D2)]
    yield "RollbackActiveScan", \
        call(orders.RollbackActiveScan, orders_pb.RollbackActiveScanRequest()), \
        [("tour", 1, D2, D1)]
    yield "SetActiveScan", client.activate, [("identity", 0, D1, "")]
    for entries in (FIRST, SECOND, [2, 1, 0]):
        client.upload("old", entries)
    yield "CollectScanOrders", call(orders.CollectScanOrders, orders_pb.CollectScanOrdersRequest(
        keep_versions=1, name="old")), [("old", 1, D1, ""), ("old", 2, D2, "")]
    yield "CollectScanOrders", call(orders.CollectScanOrders, orders_pb.CollectScanOrdersRequest(
        keep_versions=1, name="old")), [("old", 0, "", "")]
    client.activate(setting("old"))
    client.activate()
    yield "DeleteScanOrder", call(orders.DeleteScanOrder, orders_pb.DeleteScanOrderRequest(
        order=ref("tour"))), [("tour", 1, D1, ""), ("tour", 2, D2, "")]
    yield "LoadAdapter", lambda: client.load_adapter("kjv", name="bible"), [("bible", 1, "", KJV)]
    yield "UploadAdapter", lambda: client.upload_adapter("bible", *files_of("devil")), \
        [("bible", 2, KJV, DEVIL)]
    yield "UnloadAdapter", call(adapters.UnloadAdapter, adapters_pb.UnloadAdapterRequest(
        adapter=scan_pb.AdapterRef(name="bible"))), [("bible", 1, KJV, ""), ("bible", 2, DEVIL, "")]
    yield "CreateExperiment", call(experiments.CreateExperiment,
                                   experiments_pb.CreateExperimentRequest(design=EXPERIMENT)), \
        [("trial", 0, "", "")]
    yield "StopExperiment", call(experiments.StopExperiment,
                                 experiments_pb.StopExperimentRequest(id="trial")), \
        [("trial", 0, "", "")]


def test_each_change_leaves_a_record_that_says_who_did_what(audited):
    caller = f"token:{id_of(audited.token_file, audited.tokens['admin'])}"
    done = set()
    with audited.client(audited.tokens["admin"]) as client:
        for method, change, expected in steps(client):
            before, begin = len(records(client)), time.time()
            answer = change()
            made = records(client)[before:]
            assert [(each.name, each.version, each.old_digest, each.new_digest)
                    for each in made] == expected, method
            for each in made:
                assert (each.method, each.caller, each.code) == (method, caller, "OK")
                assert re.fullmatch(r"ipv4:127\.0\.0\.1:\d+", each.peer)
                assert re.fullmatch(r"[0-9a-f]{16}", each.request_id)
                assert begin - 1 <= each.time.ToNanoseconds() / 1e9 <= time.time() + 1
                assert each.message == ""
                if hasattr(answer, "revision"):
                    assert each.revision == answer.revision
                if hasattr(answer, "active"):
                    assert each.revision == answer.active.revision
            done.add(method)
        everything = records(client)
    assert done == set(CHANGES), "a change that this test does not know"
    assert [each.number for each in everything] == list(range(1, len(everything) + 1))


def test_each_attempt_that_is_refused_leaves_a_record_of_its_own_kind(audited):
    infer, wrong = audited.tokens["infer"], "sst_wrong"
    for method, service in CHANGES.items():
        for token in (infer, wrong):
            with audited.client(token) as client:
                outcome(client, service, method)
    expected = {(method, caller, code) for method in CHANGES for caller, code in
                (("", "UNAUTHENTICATED"),
                 (f"token:{id_of(audited.token_file, infer)}", "PERMISSION_DENIED"))}
    with audited.client(audited.tokens["admin"]) as client:
        found = records(client, refused=True)
        assert {(each.method, each.caller, each.code) for each in found} == expected
        assert len(found) == len(expected)
        for each in found:
            assert each.peer.startswith("ipv4:127.0.0.1:") and each.message
            assert (each.new_digest, each.revision) == ("", 0)
        assert records(client) == [], "what was refused pushes out no change"
    path = audited.server.store / "audit" / "refused" / "1.jsonl"
    wait_until(lambda: path.exists() and path.read_text().count("\n") == len(found),
               "the records on disk")


def test_a_refused_attempt_names_what_it_was_about(audited):
    with audited.client(audited.tokens["infer"]) as client:
        with refused(STATUS.PERMISSION_DENIED):
            client.activate(setting("tour"))
    with audited.client(audited.tokens["admin"]) as client:
        assert [each.name for each in records(client, refused=True)] == ["tour"]


def test_each_attempt_that_fails_leaves_a_record_with_its_reason(audited):
    with audited.client(audited.tokens["admin"]) as client:
        for method, service in CHANGES.items():
            before = len(records(client))
            code = outcome(client, service, method)
            made = records(client)[before:]
            assert [(each.method, each.code) for each in made] == [(method, code.name)]
            assert bool(made[0].message) == (code != STATUS.OK)
        client.upload("tour", FIRST)
        client.activate(setting("tour"))
        before = len(records(client))
        with refused(STATUS.ABORTED):
            client.activate(setting("identity"), expected_revision=77)
        with refused(STATUS.NOT_FOUND):
            client.activate(setting("nobody", version=3))
        with refused(STATUS.FAILED_PRECONDITION):
            client.orders.DeleteScanOrder(orders_pb.DeleteScanOrderRequest(order=ref("tour")),
                                          timeout=CALL_SECONDS)
        stale, unknown, in_use = records(client)[before:]
        assert (stale.code, stale.name, stale.old_digest) == ("ABORTED", "identity", D1)
        assert "expected_revision 77" in stale.message
        assert (unknown.code, unknown.name, unknown.version) == ("NOT_FOUND", "nobody", 3)
        assert (in_use.code, in_use.name) == ("FAILED_PRECONDITION", "tour")
        for each in (stale, unknown, in_use):
            assert (each.new_digest, each.revision) == ("", 0)


def test_reading_and_inference_leave_no_record(audited):
    with audited.client(audited.tokens["admin"]) as client:
        client.upload("tour", FIRST)
        client.upload("tour", SECOND)
        made = records(client)
        for service, method in all_methods():
            if not is_change(service, method):
                outcome(client, service, method)
        client.orders.CollectScanOrders(
            orders_pb.CollectScanOrdersRequest(keep_versions=1, dry_run=True), timeout=CALL_SECONDS)
        assert records(client) == made and records(client, refused=True) == []


def test_the_log_says_the_same_as_the_records(audited):
    with audited.client(audited.tokens["admin"]) as client:
        client.upload("tour", FIRST)
        client.activate(setting("tour"))
        with refused(STATUS.NOT_FOUND):
            client.activate(setting("nobody"))
        made = records(client)

    def lines():
        found = [json.loads(line) for line in audited.server.log.read_text().splitlines()]
        found = [line for line in found if line["event"] == "audit"]
        return found if len(found) >= len(made) else None

    for line, record in zip(wait_until(lines, "the lines"), made, strict=True):
        assert line["level"] == "info"
        assert (line["id"], line["method"], line["code"], line["caller"], line["peer"]) == (
            record.request_id, record.method, record.code, record.caller, record.peer)
        assert (line.get("name", ""), line.get("version", 0), line.get("revision", 0)) == (
            record.name, record.version, record.revision)
        assert (line.get("old", ""), line.get("new", ""), line.get("detail", "")) == (
            record.old_digest, record.new_digest, record.detail)


def test_what_the_server_does_by_itself_is_recorded_too(audited):
    design = experiments_pb.ExperimentDesign()
    design.CopyFrom(EXPERIMENT)
    design.stop.max_units = 1
    list_digest = hashlib.sha256(audited.token_file.read_bytes()).hexdigest()
    with audited.client(audited.tokens["admin"]) as client:
        def own():
            return [each for each in records(client) if each.caller == "server"]

        client.experiments.CreateExperiment(experiments_pb.CreateExperimentRequest(design=design),
                                            timeout=CALL_SECONDS)
        client.greedy("The", tokens=1, unit_key="ann")
        ended = wait_until(own, "the end of the experiment")
        assert [(each.method, each.name, each.code, each.peer) for each in ended] == [
            ("StopExperiment", "trial", "OK", "")]
        new_token(audited.token_file, "infer")
        tokens = wait_until(lambda: own()[1:], "the new list of tokens")[0]
        assert (tokens.method, tokens.old_digest) == ("ReloadTokens", list_digest)
        assert tokens.new_digest == hashlib.sha256(audited.token_file.read_bytes()).hexdigest()
        audited.server.process.send_signal(signal.SIGHUP)
        level = wait_until(lambda: own()[2:], "the log level")[0]
        assert (level.method, level.detail) == ("ReloadLogLevel", "level=trace")
        renewed = audited.authority.issue("server")
        taken = wait_until(lambda: own()[3:], "the new certificate")[0]
        assert taken.method == "ReloadCertificates"
        assert int(taken.detail.removeprefix("serial="), 16) == serial(renewed.certificate)


def test_records_outlive_restarts_and_torn_writes(start_server, connect, tmp_path):
    store = tmp_path / "store"
    server = start_server(store=store)
    client = connect(server)
    client.upload("tour", FIRST)
    client.activate(setting("tour", layers=[0, 3], readout=scan_pb.READOUT_PIN_LAST))
    made = records(client)
    assert [each.caller for each in made] == ["", ""]
    assert made[1].detail == "layers=0,3 readout=pin_last"
    server.kill()
    path = store / "audit" / "changes" / "1.jsonl"
    with open(path, "ab") as file:
        file.write(path.read_bytes()[:99])
    server = start_server(store=store)
    client = connect(server)
    assert "1.jsonl: 1 damaged, skipped" in server.log.read_text()
    assert records(client) == made
    client.activate()
    later = records(client)
    assert later[:-1] == made and later[-1].old_digest == D1
    server.ask_to_stop()
    assert server.wait() == 0
    assert records(connect(start_server(store=store))) == later


def write_failures(server) -> int:
    text = server.get("/metrics")[1]
    assert "\nscanserve_audit_records_lost_total 0\n" in text
    return int(re.search(r"^scanserve_audit_write_failures_total (\d+)$", text, re.M).group(1))


def test_a_disk_that_refuses_records_takes_nothing_from_the_change(start_server, connect,
                                                                    tmp_path):
    store = tmp_path / "store"
    server = start_server(store=store)
    client = connect(server)
    blocked = store / "audit" / "changes" / "1.jsonl"
    blocked.mkdir()
    client.upload("tour", FIRST)
    assert client.activate(setting("tour")).setting.order.name == "tour"
    made = records(client)
    assert [each.method for each in made] == ["UploadScanOrder", "SetActiveScan"]
    wait_until(lambda: write_failures(server) > 4, "seconds without the disk")
    assert server.log.read_text().count("audit records not written") == 1
    blocked.rmdir()
    wait_until(blocked.exists, "the records on disk")
    before = write_failures(server)
    wait_until(lambda: time.time() > blocked.stat().st_mtime + 2, "two more looks")
    assert write_failures(server) == before
    server.kill()
    client = connect(start_server(store=store))
    assert records(client) == made and client.info().active.setting.order.name == "tour"


def test_records_are_found_by_time_name_method_and_caller(start_server, connect):
    client = connect(start_server())
    for name in ("one", "two"):
        client.upload(name, FIRST)
        client.activate(setting(name))
    made = records(client)
    assert len(made) == 4
    assert records(client, name="two") == made[2:]
    assert records(client, method="SetActiveScan") == made[1::2]
    assert records(client, since=made[2].time) == made[2:]
    assert records(client, until=made[2].time) == made[:2]
    assert records(client, caller="token:nobody") == []
    for fields in ({"limit": 1001}, {"limit": -1}, {"before": -1},
                   {"since": {"seconds": 1, "nanos": -1}}):
        with refused(STATUS.INVALID_ARGUMENT, next(iter(fields))):
            client.monitoring.ReadAuditLog(monitoring_pb.ReadAuditLogRequest(**fields),
                                           timeout=CALL_SECONDS)


def test_scanctl_shows_the_records(start_server, connect):
    server = start_server()
    client = connect(server)
    client.upload("tour", FIRST)
    for _ in range(2):
        client.activate(setting("tour"))
        client.activate()
    made = records(client)
    shown = json.loads(ok(scanctl(server, "audit", "--json")))["records"]
    assert [each["number"] for each in shown] == [5, 4, 3, 2, 1]
    assert shown[-1]["new_digest"] == D1 == made[0].new_digest
    table = ok(scanctl(server, "audit", "--limit", "2", "--method", "SetActiveScan"))
    assert [line.split()[-3:] for line in table.splitlines()[1:]] == [
        ["SetActiveScan", "identity", "OK"], ["SetActiveScan", "tour@1", "OK"]]
    assert D1 in ok(scanctl(server, "audit", "--all-fields", "--name", "tour"))
    assert "5 " not in ok(scanctl(server, "audit", "--until", "24h")), "titles alone"
    assert len(json.loads(ok(scanctl(server, "audit", "--since", "1h", "--json")))["records"]) == 5
    assert json.loads(ok(scanctl(server, "audit", "--refused", "--json")))["records"] == []
    wrong = scanctl(server, "audit", "--since", "yesterday")
    assert wrong.returncode == 2 and "24h" in wrong.stderr
