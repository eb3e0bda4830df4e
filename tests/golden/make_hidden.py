"""Hidden states of the embedded model, by forward hooks, natural and permuted."""

import numpy as np
import torch

import hugging_face
from golden_files import GOLDEN, save_array, save_json
from scan_semantics import effective_order

FOLDER = GOLDEN / "hidden"
TOKENS, ORDER_LENGTH = 48, 40
LAYERS = [0, 6, 11]


def hidden_states(model, ids, order):
    """Name -> [tokens, hidden], in natural order: the hooks sit outside the permuted mixers."""
    states, handles = {}, []

    def keep(name):
        return lambda module, args, output: states.update({name: output[0].numpy().copy()})

    for layer in LAYERS:
        block = model.backbone.layers[layer]
        handles.append(block.norm.register_forward_hook(keep(f"mixer_input_{layer}")))
        handles.append(block.register_forward_hook(keep(f"layer_output_{layer}")))
    handles.append(model.backbone.norm_f.register_forward_hook(keep("final_norm")))
    logits = hugging_face.prompt_logits(model, ids, order)
    for handle in handles:
        handle.remove()
    head = model.lm_head(torch.tensor(states["final_norm"])).numpy()
    assert np.abs(head - logits).max() < 1e-5
    return states


def main():
    ids = hugging_face.corpus_ids(TOKENS)
    order = np.random.default_rng(ORDER_LENGTH).permutation(ORDER_LENGTH)
    save_array(FOLDER / "ids.npy", ids, "<i4")
    save_array(FOLDER / "order.npy", order, "<i8")
    effective = effective_order(order.tolist(), TOKENS)
    for adapter in [None, "kjv"]:
        model = hugging_face.load_embedded(adapter)
        for scan, scan_order in [("natural", None), ("permuted", effective)]:
            for name, states in hidden_states(model, ids, scan_order).items():
                path = FOLDER / f"{adapter or 'base'}_{scan}_{name}.npy"
                save_array(path, states, "<f4")
    save_json(FOLDER / "layers.json", {"layers": LAYERS, "tokens": TOKENS})
    print("hidden: done")


if __name__ == "__main__":
    main()
