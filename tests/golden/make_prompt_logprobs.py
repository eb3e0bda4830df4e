"""Log probabilities of prompt tokens with alternatives and classes, natural and under orders."""

import numpy as np

import hugging_face
from golden_files import GOLDEN, save_array, save_json
from scan_semantics import NATURAL_LAST, PIN_LAST, effective_order, token_class

FOLDER = GOLDEN / "prompt_logprobs"
TOKENS, ORDER_LENGTH, ALTERNATIVES = 80, 64, 5
LETTERS = {"leaked": "L", "lookahead": "A", "causal": "C"}
# (adapter, whether the order is used, target layers or None for all, readout)
CASES = [
    (None, False, None, NATURAL_LAST),
    ("kjv", False, None, NATURAL_LAST),
    (None, True, None, NATURAL_LAST),
    (None, True, None, PIN_LAST),
    ("kjv", True, [0, 5], NATURAL_LAST),
    (None, True, [0], PIN_LAST),
]


def log_softmax(row):
    row = row.astype(np.float64)
    highest = row.max()
    return row - highest - np.log(np.exp(row - highest).sum())


def describe(case, ids, order):
    adapter, permuted, layers, readout = case
    model = hugging_face.load_embedded(adapter)
    effective = effective_order(order if permuted else [], len(ids), readout)
    if not permuted:
        effective = list(range(len(ids)))
    rows = hugging_face.prompt_logits(model, ids, effective if permuted else None, layers)
    count = model.config.num_hidden_layers
    logprobs, top, classes = [], [], ""
    for target in range(1, len(ids)):
        row = log_softmax(rows[target - 1])
        likeliest = np.argsort(-row, kind="stable")[:ALTERNATIVES]
        logprobs.append(round(float(row[ids[target]]), 6))
        top.append([[int(token), round(float(row[token]), 6)] for token in likeliest])
        letter = token_class(target, effective, range(count) if layers is None else layers, count)
        classes += LETTERS[letter] if permuted else "C"
    return {
        "adapter": adapter,
        "order": "order.npy" if permuted else None,
        "target_layers": layers or [],
        "readout": readout,
        "logprobs": logprobs,
        "top": top,
        "classes": classes,
    }


def main():
    ids = hugging_face.corpus_ids(TOKENS)
    order = np.random.default_rng(ORDER_LENGTH + 1).permutation(ORDER_LENGTH)
    save_array(FOLDER / "order.npy", order, "<i8")
    cases = []
    for case in CASES:
        cases.append(describe(case, ids, order.tolist()))
        print(f"prompt log probabilities: {case}", flush=True)
    save_json(FOLDER / "cases.json", {"token_ids": ids, "cases": cases})


if __name__ == "__main__":
    main()
