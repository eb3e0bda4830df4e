"""ExtractHiddenStates over the wire."""

import numpy as np
import pytest

from repository import GOLDEN, golden_json
from scanserve.v1 import inference_service_pb2 as pb
from scanserve_client import IDENTITY, adapter, scan

FOLDER = GOLDEN / "hidden"
IDS = np.load(FOLDER / "ids.npy").tolist()
LAYERS = golden_json("hidden/layers.json")["layers"]
KINDS = {"mixer_input": pb.HIDDEN_STATE_KIND_MIXER_INPUT,
         "layer_output": pb.HIDDEN_STATE_KIND_LAYER_OUTPUT,
         "final_norm": pb.HIDDEN_STATE_KIND_FINAL_NORM}
HIDDEN_SIZE = 256
TOLERANCE = 5e-4


@pytest.fixture(scope="module", autouse=True)
def order(client):
    """The golden order, under the name "golden"."""
    return client.upload("golden", (FOLDER / "order.npy").read_bytes()).order


def matrices(started, chunks) -> dict:
    """The matrix of each layer (None for FINAL_NORM); bfloat16 as its uint16 bits."""
    dtype = "<f4" if started.type == pb.HIDDEN_STATE_TYPE_FLOAT32 else "<u2"
    rows = {layer: [] for layer in list(started.layers) or [None]}
    for chunk in chunks:
        layer = chunk.layer if chunk.HasField("layer") else None
        values = np.frombuffer(chunk.data, dtype).reshape(chunk.rows, started.hidden_size)
        begin = rows[layer][0][0] + sum(len(each) for _, each in rows[layer]) if rows[layer] else \
            chunk.begin_position
        assert chunk.begin_position == begin
        rows[layer].append((chunk.begin_position, values))
    return {layer: np.concatenate([values for _, values in parts])
            for layer, parts in rows.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scan_name", ["natural", "permuted"])
@pytest.mark.parametrize("adapter_name", ["base", "kjv"])
def test_states_equal_the_golden_ones(client, adapter_name, scan_name, kind):
    layers = [] if kind == "final_norm" else LAYERS
    started, chunks = client.extract(
        IDS, kind=KINDS[kind], layers=layers,
        scan=IDENTITY if scan_name == "natural" else scan("golden"),
        adapter=adapter(None if adapter_name == "base" else adapter_name))
    assert (started.rows, started.hidden_size) == (len(IDS), HIDDEN_SIZE)
    assert list(started.layers) == layers and started.prompt_tokens == len(IDS)
    for layer, states in matrices(started, chunks).items():
        name = f"{adapter_name}_{scan_name}_{kind}" + ("" if layer is None else f"_{layer}")
        golden = np.load(FOLDER / f"{name}.npy")
        assert np.abs(states - golden).max() <= TOLERANCE, name


def test_a_range_is_those_rows_of_the_whole(client):
    whole = matrices(*client.extract(IDS, layers=[6], scan=scan("golden")))[6]
    for begin, end in [(0, 1), (7, 31), (47, 48), (20, 0)]:
        started, chunks = client.extract(IDS, layers=[6], scan=scan("golden"),
                                         begin_position=begin, end_position=end)
        part = matrices(started, chunks)[6]
        assert chunks[0].begin_position == begin
        assert part.tobytes() == whole[begin:end or None].tobytes()


def test_no_layer_means_the_mixer_input_of_the_last(client):
    started, chunks = client.extract(IDS)
    assert list(started.layers) == [11]
    assert started.kind == pb.HIDDEN_STATE_KIND_MIXER_INPUT
    assert started.type == pb.HIDDEN_STATE_TYPE_FLOAT32
    named = matrices(*client.extract(IDS, layers=[11], kind=KINDS["mixer_input"]))[11]
    assert matrices(started, chunks)[11].tobytes() == named.tobytes()


def test_max_prompt_tokens_keeps_the_first_tokens(client):
    started, chunks = client.extract(IDS, max_prompt_tokens=10, scan=IDENTITY)
    alone = matrices(*client.extract(IDS[:10], scan=IDENTITY))[11]
    assert started.prompt_tokens == started.rows == 10
    assert matrices(started, chunks)[11].tobytes() == alone.tobytes()


def rounded_to_bfloat16(values: np.ndarray) -> np.ndarray:
    """The bits of the nearest bfloat16, ties to even."""
    bits = values.view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)).astype(
        "<u2")


def test_bfloat16_is_the_rounding_of_float32(client):
    for kind in KINDS.values():
        layers = [] if kind == KINDS["final_norm"] else LAYERS
        exact = matrices(*client.extract(IDS, kind=kind, layers=layers))
        started, chunks = client.extract(IDS, kind=kind, layers=layers,
                                         type=pb.HIDDEN_STATE_TYPE_BFLOAT16)
        assert started.type == pb.HIDDEN_STATE_TYPE_BFLOAT16
        for layer, bits in matrices(started, chunks).items():
            assert bits.tobytes() == rounded_to_bfloat16(exact[layer]).tobytes()


def test_a_long_answer_comes_in_chunks_below_1_mib(client):
    ids = (IDS * 50)[:2000]
    started, chunks = client.extract(ids, layers=[0, 11])
    assert len(chunks) >= 4
    for chunk in chunks:
        assert chunk.ByteSize() < 1 << 20
    whole = matrices(started, chunks)
    assert {layer: states.shape for layer, states in whole.items()} == {
        0: (2000, HIDDEN_SIZE), 11: (2000, HIDDEN_SIZE)}
    few = matrices(*client.extract(ids[:48], layers=[0, 11], scan=IDENTITY))
    for layer in (0, 11):
        assert whole[layer][:48].tobytes() == few[layer].tobytes()
