"""A server that cannot start says why in one sentence, and its exit status is not 0."""

import json
import shutil
import socket

import pytest

from repository import ADAPTERS, MODEL
from scanserve_client import setting
from server_process import failing_start


def sentence(run) -> str:
    """What a failing start said: one line on standard error, with the log switched off."""
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("scanserve-server: ") and run.stderr.count("\n") == 1, run.stderr
    return run.stderr


@pytest.fixture
def start(tmp_path):
    """Starts a server that must fail, with a good store and port unless the flags say otherwise."""
    def failing(*flags):
        defaults = {"--listen": "127.0.0.1:0", "--http-listen": "127.0.0.1:0", "--store": str(tmp_path / "store"),
                    "--log-level": "off"}
        given = [text for flag, value in defaults.items() if flag not in flags
                 for text in (flag, value)]
        return sentence(failing_start(*given, *map(str, flags)))
    return failing


@pytest.fixture
def model(tmp_path):
    """A copy of the embedded model, to be damaged."""
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("adapters"))
    return folder


def test_a_port_in_use(start):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert address in start("--listen", address)


def test_an_http_port_in_use(start, server):
    assert f"cannot listen on {server.http_address}: Address already in use" in start(
        "--http-listen", server.http_address)


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:99999", "::1:8002"])
def test_an_http_address_that_is_none(start, listen):
    assert f"--http-listen {listen}" in start("--http-listen", listen)


def test_a_public_http_address_without_the_flag_that_names_the_danger(start):
    assert "--insecure-no-auth" in start("--http-listen", "0.0.0.0:0")


@pytest.mark.parametrize("bounds", ["1,1", "2,1", "0", "1,nan", "nan,1", "1,inf", "-1",
                                    ",".join(map(str, range(1, 42)))])
def test_buckets_that_are_none(start, bounds):
    assert "--duration-buckets" in start(f"--duration-buckets={bounds}")


def test_a_port_of_another_server(start, server):
    assert "in use" in start("--listen", server.address)


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1", "127.0.0.1:99999", ":50051",
                                    "::1:50051"])
def test_an_address_that_is_none(start, listen):
    assert f"--listen {listen}" in start("--listen", listen)


def test_a_public_address_without_the_flags_that_name_the_danger(start):
    said = start("--listen", "0.0.0.0:0")
    assert "--insecure-no-tls" in said and "--insecure-no-auth" in said
    assert "--insecure" in start("--listen", "0.0.0.0:0", "--insecure-no-tls")


def test_an_unknown_flag(start):
    assert "--no-such-flag" in start("--no-such-flag")


def test_values_that_cannot_be_read(start):
    assert "--threads" in start("--threads", "many")
    assert "--drain-delay" in start("--drain-delay", "soon")
    assert "--numerics" in start("--numerics", "f64")


def test_all_faults_of_the_flags_at_once(start):
    faults = {"--threads": "-1", "--max-sequences": "0", "--max-new-tokens": "0",
              "--log-level": "loud", "--max-message-bytes": "1", "--default-adapter": "no/body"}
    said = start(*(text for pair in faults.items() for text in pair))
    for flag, value in faults.items():
        assert f"{flag} {value}" in said


def test_the_configuration_can_be_checked_alone(tmp_path):
    config = tmp_path / "scanserve.toml"
    config.write_text('threads = 1\nnumerics = "torch"\n')
    flags = ("--config", str(config), "--store", str(tmp_path / "store"), "--check-config")
    good = failing_start(*flags)
    assert (good.returncode, good.stdout, good.stderr) == (0, "The configuration is valid.\n", "")
    config.write_text('threads = -1\nnumeric = "torch"\n')
    bad = failing_start(*flags, SCANSERVE_STEP_TOKENS="few")
    assert bad.returncode == 1
    assert bad.stderr.splitlines() == [
        "scanserve-server: 3 faults:",
        f"  {config}:1: threads -1: must be 0 to 1024",
        f"  {config}:2: numeric: no option",
        "  SCANSERVE_STEP_TOKENS few: must be a whole number"]
    assert not (tmp_path / "store").exists()


def test_a_model_that_is_not_there(start, tmp_path):
    assert "nowhere" in start("--model", tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_model_with_a_missing_file(start, model, name):
    (model / name).unlink()
    said = start("--model", model)
    assert name in said or "safetensors" in said


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors",
                                  "generation_config.json"])
def test_a_model_with_a_truncated_file(start, model, name):
    data = (model / name).read_bytes()
    for size in (0, len(data) // 2, len(data) - 1):
        (model / name).write_bytes(data[:size])
        assert name in start("--model", model), size


def test_a_model_whose_tensors_have_another_shape(start, model):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"time_step_rank": 8}))
    said = start("--model", model)
    assert "tensor backbone.layers." in said and "expected [" in said and "shape [" in said


def test_a_model_of_another_kind(start, model):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    assert "model_type" in start("--model", model)


def test_a_model_of_another_digest(start, model, client, tmp_path):
    store, port = tmp_path / "store", tmp_path / "port"
    served = client.info().model.digest
    other = "0" * 64

    def refused(digest):
        return start("--model", model, "--model-digest", digest, "--port-file", port)

    assert refused(other) == f"scanserve-server: --model-digest {other}: {model} has the digest {served}\n"
    weights = model / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    said = refused(served)
    assert f"--model-digest {served}: {model} has the digest" in said and said.count(served) == 1
    # Nothing was touched, and nobody served.
    assert not store.exists() and not port.exists()


def test_the_model_of_the_digest_is_served(start_server, connect, client):
    digest = client.info().model.digest
    assert connect(start_server("--model-digest", digest)).info().model.digest == digest


@pytest.mark.parametrize("digest", ["0", "0" * 63, "0" * 65, "A" * 64, "g" * 64])
def test_a_digest_that_is_none(start, digest):
    assert f"--model-digest {digest}: must be 64 of 0-9 and a-f" in start("--model-digest", digest)


def test_an_adapter_that_is_not_there(start, tmp_path):
    assert "adapter kjv" in start("--adapter", f"kjv={tmp_path / 'nowhere'}")


def test_an_adapter_flag_that_is_none(start):
    assert "--adapter" in start("--adapter", "kjv")
    assert "--adapter" in start("--adapter", f"../up={ADAPTERS / 'kjv'}")
    twice = ("--adapter", f"kjv={ADAPTERS / 'kjv'}")
    assert "twice" in start(*twice, *twice)


def test_a_name_that_no_adapter_has(start, tmp_path):
    for flag in ("--default-adapter", "--merge-adapter"):
        line = start("--adapter", f"kjv={ADAPTERS / 'kjv'}", flag, "nobody", "--store",
                     str(tmp_path / "store"))
        assert f'{flag} nobody: no adapter "nobody"' in line


def test_an_adapter_root_that_is_not_there(start, tmp_path):
    assert "--adapter-root" in start("--adapter-root", str(tmp_path / "nowhere"))


def test_a_truncated_adapter(start, tmp_path):
    folder = tmp_path / "adapter"
    shutil.copytree(ADAPTERS / "kjv", folder)
    tensors = folder / "adapter_model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    assert "adapter kjv" in start("--adapter", f"kjv={folder}")


def test_an_adapter_with_a_field_that_changes_the_result(start, tmp_path):
    folder = tmp_path / "adapter"
    shutil.copytree(ADAPTERS / "kjv", folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    assert "use_dora" in start("--adapter", f"kjv={folder}")


def test_a_store_that_cannot_be_one(start, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert "file" in start("--store", tmp_path / "file")
    assert "file" in start("--store", tmp_path / "file" / "store")


def test_a_damaged_active_setting_is_not_replaced_by_identity(start, tmp_path, start_server,
                                                              connect):
    first = start_server()
    client = connect(first)
    client.upload("order", [1, 0])
    client.activate(setting("order"))
    first.kill()
    (active,) = (first.store / "active").iterdir()
    active.write_text(active.read_text()[:-10])
    assert active.name in start("--store", first.store)


def test_version_and_help_end_with_0():
    version = failing_start("--version")
    assert version.returncode == 0 and version.stdout.startswith("scanserve-server ")
    usage = failing_start("--help")
    assert usage.returncode == 0 and "--listen" in usage.stdout and usage.stderr == ""
