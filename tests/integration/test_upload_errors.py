"""Uploads that are no scan order: each is refused with a sentence, and nothing is stored."""

import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from deadline import wait_until
from scanserve.v1 import scan_order_service_pb2 as pb
from scanserve_client import CALL_SECONDS, npy_bytes, refused

STATUS = grpc.StatusCode
INVALID = STATUS.INVALID_ARGUMENT
GOOD = npy_bytes([2, 0, 1])
MAX_ENTRIES = 1 << 20


def with_header(text: str, data: bytes = b"", version=(1, 0)) -> bytes:
    """A .npy whose header says `text`, whatever follows."""
    header = text.encode()
    size = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + size + header + data


def described(descr="<i8", fortran_order=False, shape="(3,)") -> str:
    return f"{{'descr': '{descr}', 'fortran_order': {fortran_order}, 'shape': {shape}, }}\n"


THREE = struct.pack("<3q", 2, 0, 1)
REFUSED = {
    "nothing": b"",
    "the magic alone": GOOD[:6],
    "half a header": GOOD[:40],
    "half an entry": GOOD[:-4],
    "an entry too few": GOOD[:-8],
    "an entry too many": GOOD + b"\0" * 8,
    "another magic": b"\x93NUMPX" + GOOD[6:],
    "an unknown version": GOOD[:6] + b"\x04\x00" + GOOD[8:],
    "a header longer than the file": GOOD[:8] + b"\xff\xff" + GOOD[10:],
    "a header of 4 GiB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + GOOD[10:],
    "a shape that lies": with_header(described(shape="(1000000,)"), THREE),
    "a shape of 2**63": with_header(described(shape="(9223372036854775808,)"), THREE),
    "a shape past every integer": with_header(described(shape=f"({'9' * 40},)"), THREE),
    "a negative shape": with_header(described(shape="(-3,)"), THREE),
    "no shape": with_header("{'descr': '<i8', 'fortran_order': False, }\n", THREE),
    "a header that is no dictionary": with_header("import os\n", THREE),
    "a header that does not end": with_header("{'descr': '<i8'", THREE),
    "floats": npy_bytes([2, 0, 1], "<f8"),
    "booleans": npy_bytes([1, 0], "?"),
    "text": npy_bytes(["b", "a"], "<U1"),
    "objects": with_header(described(descr="|O"), THREE),
    "an unknown type": with_header(described(descr="<i3"), THREE),
    "two dimensions": npy_bytes([[1, 0], [2, 3]]),
    "no dimension": npy_bytes(0),
    "no entries": npy_bytes([]),
    "an entry twice": npy_bytes([0, 2, 2]),
    "an entry out of range": npy_bytes([0, 1, 3]),
    "a negative entry": npy_bytes([0, -1, 1]),
    "an unsigned entry out of range": npy_bytes([0, 2**64 - 1], "<u8"),
    "entries from 1": npy_bytes([1, 2, 3]),
    "a text file": b"0 1 2\n",
}


def names(client) -> set[str]:
    answer = client.orders.ListScanOrders(pb.ListScanOrdersRequest(), timeout=CALL_SECONDS)
    return {order.name for order in answer.orders}


@pytest.fixture(autouse=True)
def the_next_upload_is_stored(client):
    before = names(client)
    yield
    assert names(client) - before <= {"next"}
    assert client.upload("next", GOOD).order.length == 3


@pytest.mark.parametrize("case", REFUSED)
def test_an_upload_is_refused_that_is(client, case):
    with refused(INVALID) as caught:
        client.upload("bad", REFUSED[case])
    assert 10 < len(caught.value.details()) < 500


def test_one_dimension_in_fortran_order_is_one_in_c_order_too(client):
    npy = with_header(described(fortran_order=True), THREE)
    try:
        answer = client.upload("next", npy)
    except grpc.RpcError as error:
        assert error.code() == INVALID and "ortran" in error.details()
    else:
        assert answer.order.digest == client.upload("next", GOOD).order.digest


def test_more_entries_than_the_limit_are_refused(client):
    with refused(INVALID, str(MAX_ENTRIES)):
        client.upload("bad", npy_bytes(np.arange(MAX_ENTRIES + 1), "<i4"))


def test_an_endless_upload_is_refused_before_it_ends(client):
    with refused(INVALID, "npy_chunk"):
        client.upload("bad", b"\0" * (12 << 20))


def test_a_chunk_over_1_mib_is_refused(client):
    with refused(INVALID, "npy_chunk", str((1 << 20) + 1), str(1 << 20)):
        client.upload("bad", b"\0" * ((1 << 20) + 1), chunk=(1 << 20) + 1)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../up", "a b", "é", "x" * 65, "identity",
                                  "nul\0", "a\nb"])
def test_a_name_of_other_characters_is_refused(client, name):
    with refused(INVALID, "name"):
        client.upload(name, GOOD)


@pytest.mark.parametrize("fields", [
    {"model_digest": "xyz"}, {"corpus_digest": "AB" * 32}, {"method": "m" * 129},
    {"natural_length": float("nan")}, {"tour_length": float("inf")}], ids=str)
def test_provenance_that_cannot_be_is_refused(client, fields):
    with refused(INVALID, "provenance." + next(iter(fields))):
        client.upload("bad", GOOD, provenance=fields)


HEADER = pb.UploadScanOrderRequest(header=pb.UploadScanOrderHeader(name="bad"))
CHUNK = pb.UploadScanOrderRequest(npy_chunk=GOOD)
STREAMS = {
    "no message": ([], "header"),
    "a chunk before the header": ([CHUNK, HEADER], "header"),
    "the header twice": ([HEADER, HEADER, CHUNK], "header"),
    "an empty message": ([HEADER, pb.UploadScanOrderRequest()], "npy_chunk"),
    "no chunk": ([HEADER], ""),
}


@pytest.mark.parametrize("case", STREAMS)
def test_an_upload_is_refused_with(client, case):
    requests, word = STREAMS[case]
    with refused(INVALID, word):
        client.orders.UploadScanOrder(iter(requests), timeout=CALL_SECONDS)


class HeldUpload:
    """An upload whose first parts are under way, and that goes on when it is told to."""

    def __init__(self, client):
        self._begun, self._released = threading.Event(), threading.Event()
        self.answer = client.orders.UploadScanOrder.future(self._parts(), timeout=CALL_SECONDS)
        assert self._begun.wait(CALL_SECONDS)

    def _parts(self):
        yield HEADER
        yield pb.UploadScanOrderRequest(npy_chunk=b"\0" * (1 << 20))
        self._begun.set()
        self._released.wait(CALL_SECONDS)

    def release(self):
        self._released.set()


def test_uploads_over_the_limit_are_told_to_wait(start_server, connect):
    client = connect(start_server("--max-open-uploads", "2"))
    held = [HeldUpload(client) for _ in range(2)]
    # What a transport has taken, its server need not have begun to read.
    wait_until(lambda: not is_stored(client, "third"), "both uploads to be open")
    with refused(STATUS.RESOURCE_EXHAUSTED, "2 uploads"):
        client.upload("third", GOOD)
    for upload in held:
        assert not upload.answer.done()
        upload.release()
        assert upload.answer.exception(CALL_SECONDS).code() == INVALID
    wait_until(lambda: is_stored(client, "fourth"), "room for an upload")


def is_stored(client, name) -> bool:
    try:
        return client.upload(name, GOOD).order.length == 3
    except grpc.RpcError as error:
        assert error.code() == STATUS.RESOURCE_EXHAUSTED
        return False


def test_an_idle_upload_is_ended(start_server, connect):
    client = connect(start_server("--upload-idle", "300ms"))
    upload = HeldUpload(client)
    assert upload.answer.exception(CALL_SECONDS).code() == STATUS.DEADLINE_EXCEEDED
    upload.release()
    assert client.upload("next", GOOD).order.length == 3


def test_the_same_order_uploaded_many_times_at_once_is_one_version(client):
    npy = npy_bytes(np.random.default_rng(3).permutation(5000))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.upload("next", npy), range(4)))
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.order.version for answer in answers}) == 1
    client.orders.DeleteScanOrder(
        pb.DeleteScanOrderRequest(order={"name": "next"}), timeout=CALL_SECONDS)
