"""The perplexity modes, scored with the Hugging Face model."""

import math

import numpy as np

import hugging_face
from scan_semantics import effective_order, token_class

CLASSES = ["leaked", "lookahead", "causal"]


def byte_lengths(tokenizer):
    """UTF-8 bytes of every token: byte-level tokens have a character per byte, special ones 0."""
    special = {id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    ids = range(tokenizer.get_vocab_size())
    return [0 if id in special else len(tokenizer.id_to_token(id)) for id in ids]


def negative_log_likelihood(row, target):
    """-log softmax(row)[target] in double."""
    row = row.astype(np.float64)
    highest = row.max()
    return float(highest + np.log(np.exp(row - highest).sum()) - row[target])


def full_window(model, ids, window, order, target_layers):
    """(targets, nlls, classes) of consecutive windows, each under its own effective order."""
    targets, nlls, classes = [], [], []
    layer_count = model.config.num_hidden_layers
    layers = range(layer_count) if target_layers is None else target_layers
    for start in range(0, len(ids), window or len(ids)):
        part = ids[start : start + (window or len(ids))]
        effective = effective_order(order, len(part))
        logits = hugging_face.prompt_logits(model, part, effective, target_layers)
        for target in range(1, len(part)):
            targets.append(start + target)
            nlls.append(negative_log_likelihood(logits[target - 1], part[target]))
            classes.append(token_class(target, effective, layers, layer_count))
    return targets, nlls, classes


def continuation(model, ids, prefix, order, target_layers, readout):
    """(targets, nlls, classes) after a prompt pass over `prefix` tokens, the readout's first."""
    if len(ids) <= prefix:
        return [], [], []
    effective = effective_order(order, prefix, readout)
    state = hugging_face.Continuation(model, ids[:prefix], effective, target_layers)
    nlls = []
    for token in ids[prefix:]:
        nlls.append(negative_log_likelihood(state.row, token))
        state.read(token)
    return list(range(prefix, len(ids))), nlls, ["causal"] * len(nlls)


def sliding(model, ids, window, stride):
    """(targets, nlls, classes) of overlapping windows in natural order, each target scored once."""
    targets, nlls = [], []
    for start in range(0, len(ids), stride):
        part = ids[start : start + window]
        fresh = [t for t in range(start + 1, start + len(part)) if not targets or t > targets[-1]]
        if fresh:
            logits = hugging_face.prompt_logits(model, part)
            nlls += [negative_log_likelihood(logits[t - start - 1], ids[t]) for t in fresh]
            targets += fresh
    return targets, nlls, ["causal"] * len(nlls)


def document_scores(targets, nlls, classes, ids, sizes):
    """The figures of one document, sums in double; a ratio over nothing is 0."""
    total, size = math.fsum(nlls), sum(sizes[ids[target]] for target in targets)
    scores = {"all": {"nll": total, "tokens": len(nlls)}}
    for name in CLASSES:
        chosen = [nll for nll, found in zip(nlls, classes) if found == name]
        scores[name] = {"nll": math.fsum(chosen), "tokens": len(chosen)}
    scores["perplexity"] = math.exp(total / len(nlls)) if nlls else 0
    scores["bits_per_byte"] = total / math.log(2) / size if size else 0
    scores["scored_bytes"] = size
    scores["classes"] = "".join(
        {"leaked": "L", "lookahead": "A", "causal": "C"}[c] for c in classes
    )
    scores["nlls"] = [round(nll, 6) for nll in nlls]
    return scores
