"""The reference: transformers in float32 on one CPU thread, adapters merged by PEFT."""

from contextlib import contextmanager

import numpy as np
import torch
from peft import PeftModel
from tokenizers import Tokenizer
from transformers import MambaForCausalLM
from transformers.utils import logging

from golden_files import CORPUS, EMBEDDED_MODEL

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(1)
torch.set_grad_enabled(False)

SUPPRESSED = [1, 2]  # <|padding|> and <unk> of the embedded tokenizer.


def load_model(folder=EMBEDDED_MODEL, adapter=None):
    """The model of `folder` with the PEFT folder `adapter` merged into its weights."""
    model = MambaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    if adapter is None:
        return model
    # PEFT refuses out_proj where the model says "mamba", because fused kernels would read past its
    # wrapper. Merged weights leave no wrapper to read past.
    model.config.model_type = "mamba-to-merge"
    return PeftModel.from_pretrained(model, adapter).merge_and_unload().eval()


def load_embedded(adapter=None):
    """The embedded model, with one of its own adapters by name."""
    folder = None if adapter is None else EMBEDDED_MODEL / "adapters" / adapter
    return load_model(EMBEDDED_MODEL, folder)


def load_tokenizer():
    return Tokenizer.from_file(str(EMBEDDED_MODEL / "tokenizer.json"))


def corpus_ids(count):
    """The first `count` token ids of the test corpus, nothing added."""
    text = CORPUS.read_text(encoding="utf-8")[: 20 * count]
    return load_tokenizer().encode(text).ids[:count]


@contextmanager
def permuted_mixers(model, order, target_layers=None):
    """Gathers the mixers' input by the effective `order` and scatters their output.

    None for `order` leaves the model as it is; None for `target_layers` means all of them.
    """
    handles = []
    if order is not None:
        order = torch.tensor(order)
        inverse = torch.argsort(order)
        for index, block in enumerate(model.backbone.layers):
            if target_layers is None or index in target_layers:
                gather = lambda _, args: (args[0][:, order],) + args[1:]
                scatter = lambda _, args, output: output[:, inverse]
                handles.append(block.mixer.register_forward_pre_hook(gather))
                handles.append(block.mixer.register_forward_hook(scatter))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def prompt_logits(model, ids, order=None, target_layers=None):
    """Logits of every position in natural order, float32 [tokens, vocabulary]."""
    with permuted_mixers(model, order, target_layers):
        return model(torch.tensor([ids]), use_cache=False).logits[0].numpy()


class Continuation:
    """A prompt pass under an order and natural steps after it; `row` holds the newest logits."""

    def __init__(self, model, ids, order=None, target_layers=None):
        self.model = model
        with permuted_mixers(model, order, target_layers):
            output = model(torch.tensor([ids]), use_cache=True)
        self.cache = output.cache_params
        # Both readouts read natural position L-1: PIN_LAST only moves where the scan meets it.
        self.row = output.logits[0, -1].numpy()

    def read(self, token):
        output = self.model(torch.tensor([[token]]), cache_params=self.cache, use_cache=True)
        self.cache = output.cache_params
        self.row = output.logits[0, -1].numpy()


def greedy(continuation, count):
    """`count` greedy tokens, never suppressed ones: (ids, gaps of the two best, logits rows)."""
    ids, gaps, rows = [], [], []
    for _ in range(count):
        row = continuation.row
        allowed = row.copy()
        allowed[SUPPRESSED] = -np.inf
        best = int(allowed.argmax())
        second_highest, highest = np.partition(allowed, -2)[-2:]
        ids.append(best)
        gaps.append(round(float(highest - second_highest), 6))
        rows.append(row)
        continuation.read(best)
    return ids, gaps, rows
