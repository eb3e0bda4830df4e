"""Perplexity of documents of many lengths in every mode, under orders, subsets and adapters."""

import numpy as np

import hugging_face
import mamba_formula
from golden_files import CORPUS, GOLDEN, save_array, save_json
from perplexity_reference import byte_lengths, continuation, document_scores, full_window, sliding
from scan_semantics import NATURAL_LAST, PIN_LAST, effective_order, read_set

FOLDER = GOLDEN / "perplexity"
# (line of the corpus to start looking at, tokens)
DOCUMENTS = [(1, 1), (2, 2), (5, 40), (10, 64), (20, 65), (40, 129), (60, 300), (100, 600)]
ORDER_LENGTH = 100
WINDOW, PREFIX, STRIDE = 128, 64, 64
# (adapter, whether the order is used, target layers or None for all)
SETTINGS = [
    (None, False, None),
    (None, True, None),
    (None, True, [0, 5]),
    (None, True, [0]),  # Of subsets, one that leaves lookahead targets.
    ("kjv", False, None),
    ("kjv", True, None),
]


def make_documents(tokenizer):
    """Texts of the wanted numbers of tokens, and one with a special token inside."""
    lines = CORPUS.read_text(encoding="utf-8").splitlines(keepends=True)
    documents = []
    for line, count in DOCUMENTS:
        # A cut inside a word may encode otherwise: then the next line is taken.
        text, ids = "", []
        while len(ids) != count:
            ids = tokenizer.encode("".join(lines[line : line + 40])).ids[:count]
            text = tokenizer.decode(ids)
            ids = tokenizer.encode(text).ids
            line += 1
        documents.append({"id": f"tokens{count}", "text": text, "token_ids": ids})
    joined = documents[2]["text"] + "<|endoftext|>" + documents[3]["text"]
    ids = tokenizer.encode(joined).ids
    documents.append({"id": "with_end_of_text", "text": joined, "token_ids": ids})
    return documents


def runs_of(model, order, layers):
    """Yields (mode fields, function from token ids to targets, nlls and classes)."""
    identity = order is None
    order = [] if identity else order
    for window in [0, WINDOW]:
        fields = {"mode": "FULL_WINDOW", "window_tokens": window}
        yield fields, lambda ids, window=window: full_window(model, ids, window, order, layers)
    for readout in [NATURAL_LAST] if identity else [NATURAL_LAST, PIN_LAST]:
        fields = {"mode": "CONTINUATION", "prefix_tokens": PREFIX, "readout": readout}
        yield fields, lambda ids, readout=readout: continuation(
            model, ids, PREFIX, order, layers, readout
        )
    if identity:
        fields = {"mode": "SLIDING", "window_tokens": WINDOW, "stride_tokens": STRIDE}
        yield fields, lambda ids: sliding(model, ids, WINDOW, STRIDE)


def score(documents, sizes, fields, run):
    """The run's JSON entry: its setting and the scores of every document."""
    results = []
    for document in documents:
        ids = document["token_ids"]
        targets, nlls, classes = run(ids)
        scores = document_scores(targets, nlls, classes, ids, sizes)
        if fields["mode"] == "CONTINUATION":
            scores["first_target"] = {"nll": sum(nlls[:1]), "tokens": len(nlls[:1])}
        results.append({"id": document["id"]} | scores)
    return fields | {"documents": results}


def check_read_sets():
    """Compares read sets with brute force: replace a token, see which rows of logits move."""
    length, random = 20, np.random.default_rng(0)
    config, tensors = mamba_formula.load_checkpoint(GOLDEN / "checkpoints" / "odd_vocabulary")
    for layers in [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]]:
        order = effective_order(random.permutation(16).tolist(), length)
        ids = random.integers(config["vocab_size"], size=length)
        before = mamba_formula.logits(config, tensors, ids, order, layers)
        expected = [read_set(position, order, layers, 3) for position in range(length)]
        for changed in range(length):
            other = ids.copy()
            other[changed] = (ids[changed] + 1) % config["vocab_size"]
            after = mamba_formula.logits(config, tensors, other, order, layers)
            moved = np.abs(after - before).max(axis=1) > 0
            assert moved.tolist() == [changed in reads for reads in expected]
    print("perplexity: read sets equal brute force")


def main():
    check_read_sets()
    tokenizer = hugging_face.load_tokenizer()
    sizes, documents = byte_lengths(tokenizer), make_documents(tokenizer)
    order = np.random.default_rng(ORDER_LENGTH).permutation(ORDER_LENGTH)
    save_array(FOLDER / "order.npy", order, "<i8")
    save_json(FOLDER / "documents.json", documents)
    runs = []
    for adapter, permuted, layers in SETTINGS:
        model = hugging_face.load_embedded(adapter)
        setting = {"adapter": adapter, "order": "order.npy" if permuted else None}
        setting["target_layers"] = layers or []
        for fields, run in runs_of(model, order.tolist() if permuted else None, layers):
            runs.append(score(documents, sizes, setting | fields, run))
            print(f"perplexity: {setting | fields}", flush=True)
    save_json(FOLDER / "runs.json", runs)


if __name__ == "__main__":
    main()
