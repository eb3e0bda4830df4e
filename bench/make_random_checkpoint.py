#!/usr/bin/python3
"""Writes a random Mamba checkpoint of a given shape: something large to measure with, without a download.

    bench/make_random_checkpoint.py FOLDER [--layers 24] [--hidden 768] [--vocabulary 50280]
                                    [--type bfloat16|float32] [--seed 0]

The default is the 130M-parameter shape. The tokenizer is the GPT-NeoX one that the tests use. Weights are drawn so
that activations keep their size from layer to layer; the text that comes out means nothing.
"""
import argparse
import json
import math
import pathlib
import shutil
import struct

import numpy as np

TOKENIZER = pathlib.Path(__file__).parent.parent / "tests/data/gpt-neox-20b/tokenizer.json"
STATE, KERNEL = 16, 4


def shapes(layers, hidden, vocabulary):
    """Yields (name, shape) of each tensor."""
    inner, rank = 2 * hidden, math.ceil(hidden / 16)
    yield "backbone.embeddings.weight", (vocabulary, hidden)
    for layer in range(layers):
        prefix = f"backbone.layers.{layer}."
        yield prefix + "norm.weight", (hidden,)
        yield prefix + "mixer.A_log", (inner, STATE)
        yield prefix + "mixer.D", (inner,)
        yield prefix + "mixer.conv1d.weight", (inner, 1, KERNEL)
        yield prefix + "mixer.conv1d.bias", (inner,)
        yield prefix + "mixer.in_proj.weight", (2 * inner, hidden)
        yield prefix + "mixer.x_proj.weight", (rank + 2 * STATE, inner)
        yield prefix + "mixer.dt_proj.weight", (inner, rank)
        yield prefix + "mixer.dt_proj.bias", (inner,)
        yield prefix + "mixer.out_proj.weight", (hidden, inner)
    yield "backbone.norm_f.weight", (hidden,)


def values(name, shape, generator):
    """Draws a tensor as the reference initialisation does."""
    if name.endswith("A_log"):
        return np.broadcast_to(np.log(np.arange(1, STATE + 1, dtype=np.float32)), shape)
    if name.endswith((".D", "norm.weight", "norm_f.weight")):
        return np.ones(shape, np.float32)
    if name.endswith("dt_proj.bias"):
        step = np.exp(generator.uniform(math.log(1e-3), math.log(0.1), shape))
        return (step + np.log(-np.expm1(-step))).astype(np.float32)
    if name.endswith("conv1d.bias"):
        return np.zeros(shape, np.float32)
    scale = 0.02 if "embeddings" in name else 1 / math.sqrt(np.prod(shape[1:]))
    return generator.standard_normal(shape, np.float32) * np.float32(scale)


def stored(array, kind):
    """The bytes of a float32 array as `kind`; bfloat16 rounds to the nearest, ties to even."""
    array = np.ascontiguousarray(array, np.float32)
    if kind == "float32":
        return array.tobytes()
    bits = array.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--vocabulary", type=int, default=50280)
    parser.add_argument("--type", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    options.folder.mkdir(parents=True, exist_ok=True)
    width = 2 if options.type == "bfloat16" else 4
    header, offset = {}, 0
    tensors = list(shapes(options.layers, options.hidden, options.vocabulary))
    for name, shape in tensors:
        size = int(np.prod(shape)) * width
        header[name] = {"dtype": "BF16" if width == 2 else "F32", "shape": list(shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    generator = np.random.default_rng(options.seed)
    with open(options.folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            file.write(stored(values(name, shape, generator), options.type))
    config = {"architectures": ["MambaForCausalLM"], "model_type": "mamba", "vocab_size": options.vocabulary,
              "hidden_size": options.hidden, "num_hidden_layers": options.layers, "state_size": STATE,
              "conv_kernel": KERNEL, "expand": 2, "time_step_rank": "auto", "use_bias": False,
              "use_conv_bias": True, "hidden_act": "silu", "layer_norm_epsilon": 1e-5,
              "tie_word_embeddings": True, "eos_token_id": 0, "torch_dtype": options.type}
    (options.folder / "config.json").write_text(json.dumps(config, indent=1))
    shutil.copy(TOKENIZER, options.folder / "tokenizer.json")


if __name__ == "__main__":
    main()
