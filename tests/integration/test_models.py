"""Other models, other arithmetic, and permuted prompts, held to golden values over the wire."""

import numpy as np
import pytest

from repository import GOLDEN, golden_json
from scanserve.v1 import scan_pb2 as scan_pb
from scanserve_client import adapter, scan

PERMUTED = [case for case in golden_json("permuted/cases.json") if "continuation_ids" in case]
CHECKPOINTS = golden_json("checkpoints/cases.json")
GREEDY = golden_json("greedy/continuations.json")["cases"]
TOLERANCE = 5e-4


@pytest.mark.parametrize("case", PERMUTED, ids=lambda case: case["name"])
def test_a_permuted_prompt_continues_as_the_reference_does(client, case):
    npy = (GOLDEN / "permuted" / "orders" / f"{case['order']}.npy").read_bytes()
    client.upload(case["order"], npy)
    choice = scan(case["order"], layers=case["target_layers"],
                  readout=scan_pb.Readout.Value(f"READOUT_{case['readout']}"))
    answer = client.greedy(np.load(GOLDEN / "permuted" / "embedded_ids.npy").tolist(), tokens=16,
                           scan=choice, adapter=adapter(case["adapter"]))
    assert answer.token_ids == case["continuation_ids"]
    assert list(answer.started.in_force.scan.target_layers) == case["target_layers"]


def folders_of(checkpoint):
    """The folder of a checkpoint, and the names of its adapters."""
    return GOLDEN / "checkpoints" / checkpoint, sorted(
        case["adapter"] for case in CHECKPOINTS
        if case["checkpoint"] == checkpoint and case["adapter"])


@pytest.mark.parametrize("checkpoint", sorted({case["checkpoint"] for case in CHECKPOINTS}))
def test_a_checkpoint_of_another_shape_is_served_with_its_adapters(start_server, connect,
                                                                   checkpoint):
    folder, adapters = folders_of(checkpoint)
    flags = [text for name in adapters
             for text in ("--adapter", f"{name}={folder / 'adapters' / name}")]
    client = connect(start_server("--model", str(folder), *flags))
    ids = np.load(folder / "expected" / "ids.npy").tolist()
    for name in (None, *adapters):
        suffix = f"_{name}" if name else ""
        logits = np.load(folder / "expected" / f"logits{suffix}.npy")[-1].astype(np.float64)
        expected = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        (found,) = client.greedy(ids, tokens=1, adapter=adapter(name), top_logprobs=20).logprobs
        assert len(found.top) == 20
        for top in found.top:
            assert top.logprob == pytest.approx(expected[top.token_id], abs=2 * TOLERANCE)


def test_libtorchs_products_give_the_same_tokens_under_another_numerics_id(start_server, connect):
    client = connect(start_server("--numerics", "torch"))
    assert client.info().numerics_id == "torch"
    for case in GREEDY[:4]:
        answer = client.greedy(case["prompt"], tokens=64)
        assert answer.token_ids == case["continuation_ids"]
        assert answer.started.in_force.numerics_id == "torch"
