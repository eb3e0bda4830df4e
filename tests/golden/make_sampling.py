"""Distributions that Hugging Face's logits processors leave, one rule at a time and all together.

The processors are those that `generate()` builds for the same settings, so their order is theirs too.
Presence and frequency penalty, which Hugging Face lacks, are OpenAI's published formula
(API reference, "Frequency and presence penalties"), applied between its processors and its warpers:

    logit[j] -= count[j] * frequency_penalty + (count[j] > 0) * presence_penalty
"""

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

import hugging_face
from golden_files import GOLDEN, save_json

VOCABULARY = 48
PROMPT = [3, 3, 9, 41, 0, 17]
ANSWER = [5, 9, 5, 5, 30]
PENALTIES = {"repetition_penalty": 1.3, "presence_penalty": 0.4, "frequency_penalty": 0.25}
BIAS = {"logit_bias": {"7": 1.5, "30": -2.0, "9": 0.75}}
CASES = [
    {},
    {"temperature": 0.7},
    {"temperature": 1.8},
    {"top_k": 5},
    {"top_k": 200},
    {"top_p": 0.8},
    {"top_p": 0.05},
    {"min_p": 0.1},
    {"min_p": 1.0},
    {"top_k": 12, "top_p": 0.6},
    {"temperature": 1.4, "top_p": 0.9, "min_p": 0.08},
    {"temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0.02},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.8},
    {"presence_penalty": 0.9},
    {"frequency_penalty": 0.6},
    {"presence_penalty": -0.5, "frequency_penalty": -0.3},
    BIAS,
    {"suppress_tokens": [2, 9, 31]},
    PENALTIES,
    PENALTIES | BIAS | {"suppress_tokens": [4, 30]},
    PENALTIES | BIAS | {"suppress_tokens": [4], "temperature": 0.9, "top_k": 16, "top_p": 0.9},
    PENALTIES | BIAS | {"suppress_tokens": [4], "temperature": 1.2, "top_p": 0.85, "min_p": 0.03},
]


class AnswerPenalties(LogitsProcessor):
    """OpenAI's presence and frequency penalty."""

    def __init__(self, presence, frequency):
        self.presence, self.frequency = presence, frequency

    def __call__(self, input_ids, scores):
        counts = torch.bincount(input_ids[0, len(PROMPT) :], minlength=VOCABULARY)
        return scores - counts * self.frequency - (counts > 0) * self.presence


def processors(model, case):
    """What generate() would apply, in its order."""
    rules = dict(case)
    answer = AnswerPenalties(rules.pop("presence_penalty", 0), rules.pop("frequency_penalty", 0))
    bias = rules.pop("logit_bias", None)
    if bias is not None:
        rules["sequence_bias"] = [[[int(token)], value] for token, value in bias.items()]
    rules = {"do_sample": True, "top_k": 0} | rules
    return model._get_logits_processor(
        GenerationConfig(**rules),
        input_ids_seq_length=len(PROMPT),
        logits_processor=LogitsProcessorList([answer]),
        device="cpu",
        model_kwargs={},
    )


def main():
    model = hugging_face.load_embedded()
    # Distinct to far more than rounding: Hugging Face keeps all of a tie at top_k, this server k.
    logits = np.random.default_rng(48).permutation(np.linspace(-4, 4, VOCABULARY))
    logits = np.round(logits, 3).astype(np.float32)
    ids, scores = torch.tensor([PROMPT + ANSWER]), torch.tensor(logits[None])
    cases = []
    for case in CASES:
        left = processors(model, case)(ids, scores.clone())
        probabilities = torch.softmax(left.double(), dim=-1)[0].tolist()
        cases.append({"rules": case, "probabilities": [float(f"{p:.9g}") for p in probabilities]})
    content = {"prompt": PROMPT, "answer": ANSWER, "logits": logits.tolist(), "cases": cases}
    save_json(GOLDEN / "sampling" / "distributions.json", content)
    print(f"sampling: {len(cases)} distributions")


if __name__ == "__main__":
    main()
