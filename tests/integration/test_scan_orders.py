"""The scan order service over the wire."""

import hashlib
import struct

import grpc
import numpy as np
import pytest

from scanserve.v1 import scan_order_service_pb2 as pb
from scanserve.v1 import scan_pb2 as scan_pb
from scanserve_client import CALL_SECONDS, npy_bytes, refused, scan, setting

STATUS = grpc.StatusCode
REVERSED = list(range(63, -1, -1))
SHUFFLED = np.random.default_rng(5).permutation(100).tolist()


def digest_of(entries) -> str:
    """As the design defines it: tag, length, entries."""
    return hashlib.sha256(b"scanserve.order.v1\0" + struct.pack("<Q", len(entries)) +
                          struct.pack(f"<{len(entries)}q", *entries)).hexdigest()


def listed(client) -> list[tuple[str, int]]:
    answer = client.orders.ListScanOrders(pb.ListScanOrdersRequest(), timeout=CALL_SECONDS)
    return [(order.name, order.version) for order in answer.orders]


def get(client, name="", **fields):
    ref = scan_pb.ScanOrderRef(name=name, **fields)
    return client.orders.GetScanOrder(pb.GetScanOrderRequest(order=ref), timeout=CALL_SECONDS).order


def download(client, name, **fields):
    """The order and the bytes of its .npy."""
    ref = scan_pb.ScanOrderRef(name=name, **fields)
    first, *chunks = client.orders.DownloadScanOrder(pb.DownloadScanOrderRequest(order=ref),
                                                     timeout=CALL_SECONDS)
    return first.order, b"".join(each.npy_chunk for each in chunks)


def delete(client, name, **fields) -> int:
    request = pb.DeleteScanOrderRequest(order=scan_pb.ScanOrderRef(name=name, **fields))
    return client.orders.DeleteScanOrder(request, timeout=CALL_SECONDS).deleted_versions


def get_active(client, history_limit=0):
    return client.orders.GetActiveScan(pb.GetActiveScanRequest(history_limit=history_limit),
                                       timeout=CALL_SECONDS)


def roll_back(client, **fields):
    return client.orders.RollbackActiveScan(pb.RollbackActiveScanRequest(**fields),
                                            timeout=CALL_SECONDS).active


@pytest.fixture(autouse=True)
def identity_is_active_after_each_test(client):
    yield
    client.activate()


@pytest.mark.parametrize("dtype", ["<i8", ">i8", "<i4", ">i4", "<i2", ">i2", "i1",
                                   "<u8", ">u8", "<u4", ">u2", "u1"])
def test_every_integer_type_and_byte_order_is_the_same_order(client, dtype):
    answer = client.upload("types", npy_bytes(REVERSED, dtype))
    assert answer.order.digest == digest_of(REVERSED)
    assert answer.order.length == 64 and answer.order.version == 1


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_file_format_is_read(client, version):
    assert client.upload("formats", npy_bytes(REVERSED, version=version)).order.version == 1


def test_a_large_order_comes_back_as_it_was_uploaded(client):
    entries = np.random.default_rng(1).permutation(1 << 20)
    npy = npy_bytes(entries)
    uploaded = client.upload("large", npy, chunk=100_001).order
    assert uploaded.length == 1 << 20
    order, data = download(client, "large")
    assert data == npy and order == uploaded == get(client, "large")
    assert delete(client, "large") == 1


def test_equal_content_keeps_its_version_and_other_content_adds_one(client):
    first = client.upload("versions", REVERSED)
    again = client.upload("versions", npy_bytes(REVERSED, "<i4"))
    other = client.upload("versions", SHUFFLED)
    assert first.created and first.order.version == 1
    assert not again.created and again.order == first.order
    assert other.created and other.order.version == 2
    assert get(client, "versions") == other.order
    assert get(client, "versions", version=1) == first.order
    assert get(client, digest=first.order.digest).digest == first.order.digest
    assert download(client, "versions", version=1)[1] == npy_bytes(REVERSED)
    assert [each for each in listed(client) if each[0] == "versions"] == [
        ("versions", 1), ("versions", 2)]


def test_must_be_new_refuses_other_content_only(client):
    client.upload("new", REVERSED, must_be_new=True)
    assert not client.upload("new", REVERSED, must_be_new=True).created
    with refused(STATUS.ALREADY_EXISTS, "new"):
        client.upload("new", SHUFFLED, must_be_new=True)


def test_identity_is_listed_first_and_its_name_is_reserved(client):
    assert listed(client)[0][0] == "identity"
    assert get(client, "identity").digest == ""
    with refused(STATUS.INVALID_ARGUMENT, "identity"):
        client.upload("identity", REVERSED)
    with pytest.raises(grpc.RpcError):
        delete(client, "identity")
    assert listed(client)[0][0] == "identity"


def test_delete_takes_one_version_or_all(client):
    for entries in (REVERSED, SHUFFLED, REVERSED[::-1]):
        client.upload("gone", entries)
    assert delete(client, "gone", version=2) == 1
    with refused(STATUS.NOT_FOUND, "gone"):
        get(client, "gone", version=2)
    assert delete(client, "gone") == 2
    with refused(STATUS.NOT_FOUND, "gone"):
        get(client, "gone")


def test_an_active_order_is_not_deleted(client):
    client.upload("held", REVERSED)
    client.activate(setting("held"))
    with refused(STATUS.FAILED_PRECONDITION):
        delete(client, "held")
    client.activate()
    assert delete(client, "held") == 1


def test_an_activation_pins_the_version_that_the_name_had(client):
    first = client.upload("pinned", REVERSED).order
    active = client.activate(setting("pinned"))
    client.upload("pinned", SHUFFLED)
    assert active.setting.order.digest == first.digest and active.setting.order.version == 1
    in_force = client.greedy("What is assigned", tokens=1).started.in_force
    assert in_force.scan == active.setting and in_force.revision == active.revision


def test_history_and_rollback_lead_back_and_forth(client):
    client.upload("one", REVERSED)
    client.upload("two", SHUFFLED)
    one = client.activate(setting("one", layers=[3, 1], readout=scan_pb.READOUT_PIN_LAST))
    two = client.activate(setting("two"))
    assert two.revision == one.revision + 1
    assert list(one.setting.target_layers) == [1, 3]
    state = get_active(client, history_limit=2)
    assert state.active == two and state.history[0] == one
    assert not get_active(client).history
    back = roll_back(client)
    assert back.setting == one.setting and back.revision == two.revision + 1
    assert roll_back(client).setting == two.setting


def test_a_stale_expected_revision_is_aborted_with_the_one_that_won(client):
    client.upload("raced", REVERSED)
    won = client.activate(setting("raced"))
    for stale in (won.revision - 1, won.revision + 1, 0):
        with refused(STATUS.ABORTED, str(won.revision)):
            client.activate(expected_revision=stale)
        with refused(STATUS.ABORTED, str(won.revision)):
            roll_back(client, expected_revision=stale)
    assert get_active(client).active == won
    client.activate(expected_revision=won.revision)


def test_an_order_of_another_model_needs_force_to_be_stored_and_to_be_active(client):
    own = client.info().model
    other = scan_pb.Provenance(model_digest="ab" * 32, tokenizer_digest=own.tokenizer_digest)
    with refused(STATUS.FAILED_PRECONDITION, "model"):
        client.upload("foreign", REVERSED, provenance=other)
    stored = client.upload("foreign", REVERSED, provenance=other, force=True).order
    assert stored.provenance.model_digest == other.model_digest
    with refused(STATUS.FAILED_PRECONDITION, "model"):
        client.activate(setting("foreign"))
    assert client.activate(setting("foreign"), force=True).setting.order.name == "foreign"
    tokenizer = scan_pb.Provenance(model_digest=own.digest, tokenizer_digest="cd" * 32)
    with refused(STATUS.FAILED_PRECONDITION, "tokenizer"):
        client.upload("foreign2", REVERSED, provenance=tokenizer)


def test_provenance_comes_back_as_it_was_given(client):
    own = client.info().model
    given = scan_pb.Provenance(
        model_digest=own.digest, tokenizer_digest=own.tokenizer_digest, adapter_digest="01" * 32,
        layer=11, corpus_digest="23" * 32, rows=1237, rows_used=512, method="nearest-neighbour",
        seed=-4, natural_length=123.456789012345, tour_length=1e-7, program="scanorder 9.9")
    given.created.FromJsonString("2024-02-29T12:34:56.789Z")
    client.upload("traced", REVERSED, provenance=given)
    assert get(client, "traced").provenance == given


def test_a_request_chooses_its_scan_whatever_is_active(client):
    prompt = "The river rises in the hills and flows through the town to the sea near"
    order = client.upload("chosen", SHUFFLED).order
    natural = client.greedy(prompt)
    client.activate(setting("chosen"))
    choices = {"assigned": None, "active": scan_pb.ScanChoice(active=scan_pb.ActiveScan()),
               "identity": scan_pb.ScanChoice(identity=scan_pb.IdentityScan()),
               "by name": scan("chosen"), "by digest": scan(digest=order.digest),
               "identity by name": scan("identity")}
    answers = {name: client.greedy(prompt, scan=choice) for name, choice in choices.items()}
    for name, answer in answers.items():
        is_natural = "identity" in name
        assert answer.order_digest == ("" if is_natural else order.digest), name
        assert (answer.token_ids == natural.token_ids) == is_natural, name


def test_switching_an_order_off_gives_the_first_result_back(client):
    prompt = "In the beginning of the season the team had lost most of its players and"
    client.upload("switched", SHUFFLED)
    first = client.generate(prompt, seed=11, max_new_tokens=30, ignore_eos=True, top_logprobs=2)
    client.activate(setting("switched"))
    under_order = client.generate(prompt, seed=11, max_new_tokens=30, ignore_eos=True)
    client.activate()
    again = client.generate(prompt, seed=11, max_new_tokens=30, ignore_eos=True, top_logprobs=2)
    assert under_order.text != first.text
    assert again.text == first.text and again.logprobs == first.logprobs
