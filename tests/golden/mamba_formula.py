"""Mamba-1 in double precision, one token after the other, written from the formulas of the paper.

Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023). It shares no
code with transformers, so agreement of the two says that neither misreads a checkpoint. Legend:
u mixer channels, z gate, h state, A B C D delta as in the paper, W projection weights.
"""

import json
import math
from pathlib import Path

import numpy as np
from safetensors.torch import load_file


def load_checkpoint(folder):
    """(config, tensors widened to float64) of a Hugging Face Mamba folder."""
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text())
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= {name: value.double().numpy() for name, value in load_file(file).items()}
    return config, tensors


def merge_adapter(tensors, adapter, scale_of):
    """`tensors` with W + scale_of(module, rank) B A for every module of the PEFT file."""
    merged = dict(tensors)
    lora = {name: value.double().numpy() for name, value in load_file(adapter).items()}
    for name, a in lora.items():
        if name.endswith(".lora_A.weight"):
            module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            b = lora[name.replace("lora_A", "lora_B")]
            merged[module + ".weight"] = (
                tensors[module + ".weight"] + scale_of(module, len(a)) * b @ a
            )
    return merged


def logits(config, tensors, ids, order=None, target_layers=None):
    """Logits [tokens, vocabulary] in natural order; `order` is effective."""
    embedding = tensors.get("backbone.embeddings.weight", tensors.get("backbone.embedding.weight"))
    epsilon = config["layer_norm_epsilon"]
    x = embedding[ids]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"backbone.layers.{layer}."
        weights = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
        targeted = order is not None and (target_layers is None or layer in target_layers)
        scan = np.array(order) if targeted else np.arange(len(ids))
        normed = rms_norm(x, weights["norm.weight"], epsilon)
        x[scan] += mixer(config, weights, normed[scan])
    head = embedding if config.get("tie_word_embeddings", True) else tensors["lm_head.weight"]
    return rms_norm(x, tensors["backbone.norm_f.weight"], epsilon) @ head.T


def mixer(config, weights, x):
    """One mixer over the rows of `x` in the order given, from a zero state."""
    w = {n.removeprefix("mixer."): v for n, v in weights.items() if n.startswith("mixer.")}
    inner = int(config["expand"] * config["hidden_size"])
    rank, states = config["time_step_rank"], config["state_size"]
    if rank == "auto":
        rank = math.ceil(config["hidden_size"] / 16)
    uz = x @ w["in_proj.weight"].T + w.get("in_proj.bias", 0.0)
    u, z = uz[:, :inner], uz[:, inner:]
    kernel = w["conv1d.weight"][:, 0, :]
    width = kernel.shape[1]
    padded = np.vstack([np.zeros((width - 1, inner)), u])
    u = sum(padded[k : k + len(u)] * kernel[:, k] for k in range(width))
    u = silu(u + w.get("conv1d.bias", 0.0))
    dt, b, c = np.split(u @ w["x_proj.weight"].T, [rank, rank + states], axis=1)
    delta = np.logaddexp(0.0, dt @ w["dt_proj.weight"].T + w["dt_proj.bias"])
    a = -np.exp(w["A_log"])
    h, y = np.zeros((inner, states)), np.empty_like(u)
    for t in range(len(u)):
        h = np.exp(delta[t][:, None] * a) * h + (delta[t] * u[t])[:, None] * b[t]
        y[t] = h @ c[t] + w["D"] * u[t]
    return (y * silu(z)) @ w["out_proj.weight"].T + w.get("out_proj.bias", 0.0)


def rms_norm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + epsilon) * weight


def silu(x):
    return x / (1.0 + np.exp(-x))
