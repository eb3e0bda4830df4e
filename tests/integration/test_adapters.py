"""Adapters that come and go at run time: names and files that are refused, versions, restarts."""

import json
import os
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from repository import ADAPTERS, GOLDEN
from scanserve_client import adapter, refused
from server_process import failing_start

STATUS = grpc.StatusCode
INVALID = STATUS.INVALID_ARGUMENT
PROMPT = "In the beginning"
CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
MAX_CONFIG, MAX_TENSORS = 1 << 20, 256 << 20


def files_of(name: str) -> tuple[bytes, bytes]:
    return (ADAPTERS / name / CONFIG).read_bytes(), (ADAPTERS / name / TENSORS).read_bytes()


KJV, DEVIL = files_of("kjv"), files_of("devil")


def changed(config: bytes, **fields) -> bytes:
    return json.dumps(json.loads(config) | fields).encode()


def outcome(answer):
    return answer.token_ids, [each.logprob for each in answer.logprobs]


def ask(client, choice):
    return client.greedy(PROMPT, tokens=12, adapter=choice, logprobs=True)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    shutil.copytree(ADAPTERS, folder)
    return folder


@pytest.fixture
def rooted(start_server, connect, root):
    """A client of a server whose --adapter-root holds kjv and devil."""
    return connect(start_server("--adapter-root", str(root)))


def listed(client) -> list[str]:
    return [f"{each.name}@{each.version}" for each in client.list_adapters().adapters]


def test_an_adapter_is_loaded_served_and_unloaded_as_one_from_the_start_is(client, rooted):
    loaded = rooted.load_adapter("kjv")
    assert loaded.created and loaded.adapter.version == 1
    at_start = next(each for each in client.list_adapters().adapters if each.name == "kjv")
    assert loaded.adapter.HasField("created") and not at_start.HasField("created")
    loaded.adapter.ClearField("created")
    assert loaded.adapter == at_start
    assert outcome(ask(rooted, adapter("kjv"))) == outcome(ask(client, adapter("kjv")))
    unloaded = rooted.unload_adapter("kjv")
    assert unloaded.unloaded_versions == 1
    assert unloaded.memory_bytes == at_start.memory_bytes
    with refused(STATUS.NOT_FOUND, "kjv"):
        ask(rooted, adapter("kjv"))
    with refused(STATUS.NOT_FOUND, "kjv"):
        rooted.unload_adapter("kjv")
    assert listed(rooted) == []


def test_versions_are_named_by_name_number_and_digest(rooted):
    first = rooted.upload_adapter("mine", *KJV).adapter
    second = rooted.upload_adapter("mine", *DEVIL).adapter
    again = rooted.load_adapter("kjv", name="mine", must_be_new=True)
    assert (again.created, again.adapter) == (False, first)
    assert listed(rooted) == ["mine@1", "mine@2"]
    with refused(STATUS.ALREADY_EXISTS, "mine"):
        rooted.upload_adapter("mine", changed(KJV[0], lora_alpha=3), KJV[1], must_be_new=True)
    for choice, expected in ((adapter("mine"), second), (adapter("mine", version=1), first),
                             (adapter(digest=first.digest), first),
                             (adapter("mine", version=2, digest=second.digest), second)):
        used = ask(rooted, choice).started.in_force.adapter
        assert (used.version, used.digest) == (expected.version, expected.digest)
    with refused(STATUS.FAILED_PRECONDITION, "mine version 2 has digest"):
        ask(rooted, adapter("mine", version=2, digest=first.digest))
    with refused(STATUS.NOT_FOUND, "version 3"):
        ask(rooted, adapter("mine", version=3))
    with refused(STATUS.FAILED_PRECONDITION, "digest"):
        rooted.upload_adapter("mine", *KJV, digest=second.digest)
    rooted.unload_adapter(digest=second.digest)
    assert listed(rooted) == ["mine@1"]
    assert rooted.upload_adapter("mine", *DEVIL).adapter.version == 3
    assert rooted.unload_adapter("mine").unloaded_versions == 2


@pytest.mark.parametrize("folder", ["..", ".", "", "../root", "kjv/..", "./kjv", "kjv/", ".hidden",
                                    "a\0b", "x" * 65, "a\nb"])
def test_a_folder_that_is_no_name_is_refused(rooted, folder):
    with refused(INVALID, "folder: name"):
        rooted.load_adapter(folder)


def test_an_absolute_path_is_refused(rooted, root):
    with refused(INVALID, "folder: name"):
        rooted.load_adapter(str(root / "kjv"))


def test_only_regular_files_in_a_folder_below_the_root_are_read(rooted, root, tmp_path):
    outside = tmp_path / "outside"
    shutil.copytree(ADAPTERS / "kjv", outside)
    (root / "link").symlink_to(outside)
    (root / "inner").symlink_to("kjv")
    os.mkfifo(root / "fifo")
    for name in ("link", "inner"):
        with refused(INVALID, f"{name} is a symbolic link"):
            rooted.load_adapter(name)
    with refused(INVALID, "fifo is not a folder"):
        rooted.load_adapter("fifo")
    with refused(STATUS.NOT_FOUND, "nowhere"):
        rooted.load_adapter("nowhere")
    for file in (CONFIG, TENSORS):
        for kind in ("link", "fifo", "folder", "gone"):
            folder = root / f"{kind}.{file}"
            shutil.copytree(ADAPTERS / "kjv", folder)
            (folder / file).unlink()
            if kind == "link":
                (folder / file).symlink_to(outside / file)
            elif kind == "fifo":
                os.mkfifo(folder / file)
            elif kind == "folder":
                (folder / file).mkdir()
            with refused(STATUS.NOT_FOUND if kind == "gone" else INVALID, file) as caught:
                rooted.load_adapter(folder.name)
            assert str(tmp_path) not in caught.value.details()
    assert listed(rooted) == []


def test_without_a_root_nothing_is_loaded(client):
    with refused(STATUS.FAILED_PRECONDITION, "--adapter-root"):
        client.load_adapter("kjv")


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../up", "a b", "x" * 65, "nul\0"])
def test_a_name_of_other_characters_is_refused(client, name):
    with refused(INVALID, "name"):
        client.upload_adapter(name, *KJV)


def with_header(header, data=b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


KEY = "base_model.model.backbone.layers.0.mixer.in_proj.lora_A.weight"
LIES = {
    "nothing": b"",
    "a header of 8 EiB": struct.pack("<Q", 1 << 63) + b"{}",
    "a header longer than the file": struct.pack("<Q", 100) + b"{}",
    "no JSON": with_header(b"{"),
    "data past the end": with_header({KEY: {"dtype": "F32", "shape": [8, 192],
                                            "data_offsets": [0, 8 * 192 * 4]}}),
    "a shape of 2**62": with_header({KEY: {"dtype": "F32", "shape": [1 << 31, 1 << 31],
                                           "data_offsets": [0, 4]}}, b"\0" * 4),
    "offsets backwards": with_header({KEY: {"dtype": "F32", "shape": [1],
                                            "data_offsets": [8, 4]}}, b"\0" * 8),
    "half of it": KJV[1][:len(KJV[1]) // 2],
    "another's": DEVIL[1],
}


@pytest.mark.parametrize("case", LIES)
def test_tensors_are_refused_that_are(client, case):
    with refused(INVALID, TENSORS):
        client.upload_adapter("bad", KJV[0], LIES[case])
    assert "bad@1" not in listed(client)


def test_a_config_is_refused_that_is_none_or_asks_for_more(client):
    for config, words in ((b"", CONFIG), (b"[]", CONFIG), (changed(KJV[0], r=257), "field r"),
                          (changed(KJV[0], use_dora=True), "use_dora")):
        with refused(INVALID, words):
            client.upload_adapter("bad", config, KJV[1])


def test_files_over_the_limits_are_refused_before_they_are_read(rooted, root):
    for file, limit in ((CONFIG, MAX_CONFIG), (TENSORS, MAX_TENSORS)):
        folder = root / file
        shutil.copytree(ADAPTERS / "kjv", folder)
        os.truncate(folder / file, limit + 1)
        with refused(INVALID, file, str(limit + 1), str(limit)):
            rooted.load_adapter(file)


def test_an_adapter_of_another_model_is_refused(client):
    folder = GOLDEN / "checkpoints" / "odd_vocabulary" / "adapters" / "all_modules"
    with refused(INVALID, "shape"):
        client.upload_adapter("bad", (folder / CONFIG).read_bytes(),
                              (folder / TENSORS).read_bytes())


def test_names_from_the_start_are_taken_and_stay(client):
    with refused(STATUS.FAILED_PRECONDITION, "kjv", "--adapter"):
        client.upload_adapter("kjv", *DEVIL)
    with refused(STATUS.FAILED_PRECONDITION, "kjv", "--adapter"):
        client.unload_adapter("kjv")


def test_a_name_of_the_store_is_none_for_the_start(start_server, connect):
    first = start_server()
    connect(first).upload_adapter("kjv", *DEVIL)
    first.kill()
    run = failing_start("--listen", "127.0.0.1:0", "--store", str(first.store), "--log-level",
                        "off", "--adapter", f"kjv={ADAPTERS / 'kjv'}")
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert "--adapter kjv: the store holds an adapter of that name" in run.stderr


def test_the_default_adapter_stays(start_server, connect):
    first = start_server()
    connect(first).upload_adapter("mine", *KJV)
    first.kill()
    client = connect(start_server("--default-adapter", "mine", store=first.store))
    client.upload_adapter("mine", *DEVIL)
    with refused(STATUS.FAILED_PRECONDITION, "mine version 1 is the default adapter"):
        client.unload_adapter("mine")
    assert listed(client) == ["mine@1", "mine@2"]
    client.unload_adapter("mine", version=2)
    assert client.greedy(PROMPT, tokens=1).started.in_force.adapter.version == 1
    client.upload_adapter("mine", *KJV, merge=True)
    assert client.greedy(PROMPT, tokens=1).started.in_force.adapter_merged
    with refused(STATUS.FAILED_PRECONDITION, "default"):
        client.unload_adapter("mine", version=1)


def test_adapters_survive_a_crash_as_they_were_served(start_server, connect):
    first = start_server()
    client = connect(first)
    client.upload_adapter("mine", *KJV)
    client.upload_adapter("mine", *DEVIL, merge=True)
    client.upload_adapter("other", *KJV)
    client.unload_adapter("other")
    before = client.list_adapters()
    choices = [adapter("mine", version=1), adapter("mine")]
    answers = [outcome(ask(client, choice)) for choice in choices]
    first.kill()
    again = connect(start_server(store=first.store))
    assert again.list_adapters() == before
    assert [outcome(ask(again, choice)) for choice in choices] == answers


def test_another_models_adapters_wait_in_the_store(start_server, connect):
    first = start_server()
    connect(first).upload_adapter("mine", *KJV)
    first.kill()
    model = GOLDEN / "checkpoints" / "odd_vocabulary"
    second = start_server("--model", str(model), store=first.store)
    client = connect(second)
    assert listed(client) == []
    folder = model / "adapters" / "all_modules"
    files = (folder / CONFIG).read_bytes(), (folder / TENSORS).read_bytes()
    assert client.upload_adapter("mine", *files).adapter.version == 2
    client.unload_adapter("mine")
    second.kill()
    assert listed(connect(start_server(store=first.store))) == ["mine@1"]


def test_files_cut_short_under_the_server_harm_nothing(start_server, connect, root):
    server = start_server("--adapter-root", str(root))
    client = connect(server)
    client.load_adapter("kjv")
    client.upload_adapter("devil", *DEVIL)
    quiet = outcome(ask(client, adapter("kjv")))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: [outcome(ask(client, adapter("kjv"))) for _ in range(20)])
        for folder in (root / "kjv", server.store / "adapters" / "kjv" / "1"):
            os.truncate(folder / TENSORS, 100)
        assert running.result() == [quiet] * 20
    with refused(INVALID, TENSORS):
        client.load_adapter("kjv")
    server.kill()
    restarted = start_server(store=server.store)
    client = connect(restarted)
    assert "adapter kjv version 1 is damaged" in restarted.log_tail()
    assert listed(client) == ["devil@1"]
    with refused(STATUS.FAILED_PRECONDITION, "kjv version 1 is damaged"):
        ask(client, adapter("kjv"))
    assert client.unload_adapter("kjv").unloaded_versions == 1


def test_altered_files_are_not_served_and_no_older_version_instead(start_server, connect):
    server = start_server()
    client = connect(server)
    client.upload_adapter("mine", *DEVIL)
    client.upload_adapter("mine", *KJV)
    server.kill()
    tensors = server.store / "adapters" / "mine" / "2" / TENSORS
    altered = bytearray(tensors.read_bytes())
    altered[-1] ^= 1
    tensors.write_bytes(altered)
    client = connect(start_server(store=server.store))
    assert listed(client) == ["mine@1"]
    with refused(STATUS.FAILED_PRECONDITION, "mine version 2 is damaged"):
        ask(client, adapter("mine"))
    ask(client, adapter("mine", version=1))
    assert client.upload_adapter("mine", *KJV).adapter.version == 3


def test_a_merged_adapter_answers_as_the_unmerged_within_1e_3(start_server, connect):
    flags = [flag for name in ("kjv", "devil") for flag in ("--adapter", f"{name}={ADAPTERS / name}")]
    client = connect(start_server(*flags, "--merge-adapter", "kjv", "--merge-adapter", "devil"))
    unmerged = connect(start_server(*flags))
    for name in ("kjv", "devil"):
        one, other = (ask(each, adapter(name)) for each in (client, unmerged))
        assert one.started.in_force.adapter_merged
        assert not other.started.in_force.adapter_merged
        assert one.token_ids == other.token_ids
        for first, second in zip(one.logprobs, other.logprobs):
            assert first.logprob == pytest.approx(second.logprob, abs=2e-3)
    for merged, plain in zip(client.list_adapters().adapters, unmerged.list_adapters().adapters):
        assert merged.merged and not plain.merged
        assert merged.memory_bytes > plain.memory_bytes
    assert not ask(client, adapter(None)).started.in_force.adapter_merged


def test_uploads_of_one_name_at_once_are_told_apart_by_their_content(client):
    # Two of the four uploads that may be open: one that has ended counts a moment longer.
    with ThreadPoolExecutor(2) as pool:
        same = list(pool.map(lambda _: client.upload_adapter("same", *KJV), range(4)))
        other = list(pool.map(lambda files: client.upload_adapter("other", *files),
                              (KJV, DEVIL, KJV, DEVIL)))
    assert sum(answer.created for answer in same) == 1
    assert {answer.adapter.version for answer in same} == {1}
    assert sum(answer.created for answer in other) == 2
    assert {(answer.adapter.version, answer.adapter.digest) for answer in other} == {
        (answer.adapter.version, answer.adapter.digest) for answer in other if answer.created}
    client.unload_adapter("same")
    client.unload_adapter("other")
