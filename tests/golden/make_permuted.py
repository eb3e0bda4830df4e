"""Permuted prompt passes, and what is decoded after them, on the embedded and on a tiny model."""

import numpy as np

import hugging_face
import mamba_formula
from golden_files import EMBEDDED_MODEL, GOLDEN, rotating_columns, save_array, save_json
from make_checkpoints import load_model
from scan_semantics import NATURAL_LAST, PIN_LAST, effective_order

FOLDER = GOLDEN / "permuted"
TINY = "odd_vocabulary"
NEW_TOKENS, FULL_ROWS = 16, 4
PROMPT_TOKENS = {"embedded": 96, "tiny": 40}
# (order, target layers or None for all, readout, adapter)
EMBEDDED_CASES = [
    ("random64", None, NATURAL_LAST, None),
    ("random64", [0, 5, 11], NATURAL_LAST, None),
    ("random64", [11], PIN_LAST, None),
    ("random160", None, NATURAL_LAST, None),
    ("random160", None, PIN_LAST, None),
    ("random160", [3], NATURAL_LAST, None),
    ("random160", [0, 5, 11], PIN_LAST, None),
    ("pairs160", None, NATURAL_LAST, None),
    ("random160", None, NATURAL_LAST, "kjv"),
]
TINY_CASES = [
    (order, layers, readout, None)
    for order in ["random24", "random64"]
    for layers in [None, [0], [1, 2]]
    for readout in [NATURAL_LAST, PIN_LAST]
]
# Of EMBEDDED_CASES, those that are decoded further.
DECODED_CASES = [1, 3, 4, 6]


def make_orders():
    """The orders by name: random ones, and one that swaps neighbours pair by pair."""
    orders = {}
    for length in [24, 64, 160]:
        orders[f"random{length}"] = np.random.default_rng(length).permutation(length)
    orders["pairs160"] = np.arange(160) ^ 1
    for name, order in orders.items():
        save_array(FOLDER / "orders" / f"{name}.npy", order, "<i8")
    return {name: order.tolist() for name, order in orders.items()}


def describe(index, model_name, case, orders):
    """The case's JSON entry; the effective order is stored beside its logits."""
    order, layers, readout, adapter = case
    effective = effective_order(orders[order], PROMPT_TOKENS[model_name], readout)
    name = f"{model_name}{index}"
    save_array(FOLDER / f"{name}_effective.npy", effective, "<i8")
    entry = {
        "name": name,
        "model": "models/scanserve-6m" if model_name == "embedded" else f"checkpoints/{TINY}",
        "adapter": adapter,
        "order": order,
        "target_layers": layers or [],
        "readout": readout,
    }
    return entry, effective


def check(name, logits, folder, ids, effective, layers):
    """Compares logits, or the last position's row of them, with the formulas in double."""
    config, tensors = mamba_formula.load_checkpoint(folder)
    formula = mamba_formula.logits(config, tensors, ids, effective, layers)
    formula = formula[-1] if logits.ndim == 1 else formula
    print(f"permuted {name}: formula differs {np.abs(logits - formula).max():.1e}")
    assert np.abs(logits - formula).max() < 1e-4


def decode(model, name, ids, effective, layers):
    """Greedy tokens from the state that the scan left behind; the first full rows are stored."""
    state = hugging_face.Continuation(model, ids, effective, layers)
    tokens, gaps, rows = hugging_face.greedy(state, NEW_TOKENS)
    # Reading tokens naturally from the carried state is scanning them last.
    read = tokens[: FULL_ROWS - 1]
    longer = effective + list(range(len(ids), len(ids) + len(read)))
    check(f"{name} decoded", rows[len(read)], EMBEDDED_MODEL, ids + read, longer, layers)
    save_array(FOLDER / f"{name}_decoded_rows.npy", rows[:FULL_ROWS], "<f4")
    return {"continuation_ids": tokens, "gaps": gaps}


def embedded_cases(orders):
    ids = hugging_face.corpus_ids(PROMPT_TOKENS["embedded"])
    save_array(FOLDER / "embedded_ids.npy", ids, "<i4")
    models = {name: hugging_face.load_embedded(name) for name in [None, "kjv"]}
    entries = []
    for index, case in enumerate(EMBEDDED_CASES):
        entry, effective = describe(index, "embedded", case, orders)
        _, layers, _, adapter = case
        logits = hugging_face.prompt_logits(models[adapter], ids, effective, layers)
        if adapter is None:
            check(entry["name"], logits, EMBEDDED_MODEL, ids, effective, layers)
        save_array(FOLDER / f"{entry['name']}_columns.npy", rotating_columns(logits), "<f4")
        if index in DECODED_CASES:
            entry |= decode(models[adapter], entry["name"], ids, effective, layers)
        entries.append(entry)
    return entries


def tiny_cases(orders):
    folder = GOLDEN / "checkpoints" / TINY
    ids = np.load(folder / "expected" / "ids.npy").tolist()
    model = load_model(folder)
    entries = []
    for index, case in enumerate(TINY_CASES):
        entry, effective = describe(index, "tiny", case, orders)
        logits = hugging_face.prompt_logits(model, ids, effective, case[1])
        check(entry["name"], logits, folder, ids, effective, case[1])
        save_array(FOLDER / f"{entry['name']}_logits.npy", logits, "<f4")
        entries.append(entry)
    return entries


def main():
    orders = make_orders()
    save_json(FOLDER / "cases.json", embedded_cases(orders) + tiny_cases(orders))


if __name__ == "__main__":
    main()
