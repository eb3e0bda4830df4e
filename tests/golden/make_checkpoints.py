"""Tiny random checkpoints and adapters of every kind that loading must handle, and their logits."""

import json
import math
import re
import shutil

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import MambaConfig, MambaForCausalLM

import hugging_face
import mamba_formula
from golden_files import GOLDEN, save_array, save_json

FOLDER = GOLDEN / "checkpoints"
TOKENS = 40
PROJECTIONS = ["in_proj", "x_proj", "dt_proj", "out_proj"]

BASE = {
    "architectures": ["MambaForCausalLM"],
    "model_type": "mamba",
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
    "hidden_act": "silu",
    "num_hidden_layers": 2,
    "state_size": 16,
    "expand": 2,
    "conv_kernel": 4,
    "use_bias": False,
    "use_conv_bias": True,
    "layer_norm_epsilon": 1e-5,
    "residual_in_fp32": True,
    "tie_word_embeddings": True,
}
# What differs from BASE, and under "how" what is special in the files themselves.
CHECKPOINTS = {
    "odd_vocabulary": dict(
        vocab_size=97, hidden_size=32, state_size=8, num_hidden_layers=3, time_step_rank=2,
        torch_dtype="bfloat16", how=dict(ascii_tokenizer=True, eos_list=[0, 7]),
    ),
    "wide_state": dict(
        vocab_size=261, hidden_size=24, state_size=32, use_bias=True, time_step_rank=5,
        dtype="float32", how={},
    ),
    "odd_inner": dict(
        vocab_size=257, hidden_size=20, expand=3, intermediate_size=4096, time_step_rank=7,
        tie_word_embeddings=False, torch_dtype="bfloat16", how=dict(float32_scan=True),
    ),
    "auto_time_step_rank": dict(
        vocab_size=300, hidden_size=40, time_step_rank="auto", dtype="float16", how={},
    ),
    "sharded": dict(
        vocab_size=258, hidden_size=32, time_step_rank=2, torch_dtype="float32",
        how=dict(shards=3),
    ),
    "short_convolution": dict(
        vocab_size=259, hidden_size=28, use_conv_bias=False, conv_kernel=2, time_step_rank=9,
        dtype="bfloat16", how={},
    ),
    "original_naming": dict(
        vocab_size=264, hidden_size=32, conv_kernel=5, time_step_rank=2, torch_dtype="float16",
        how=dict(embedding_name="backbone.embedding.weight", repeats_head=True),
    ),
    "fractional_expand": dict(
        vocab_size=263, hidden_size=26, expand=1.5, time_step_rank=3, residual_in_fp32=False,
        layer_norm_epsilon=1e-3, dtype="float32", how={},
    ),
}  # fmt: skip
# Checkpoint -> adapter -> LoraConfig arguments.
ADAPTERS = {
    "odd_vocabulary": {
        "dt_proj_only": dict(r=2, lora_alpha=6, target_modules=["dt_proj"]),
        "all_modules": dict(r=4, lora_alpha=8, target_modules=PROJECTIONS),
    },
    "wide_state": {
        "rslora": dict(r=4, lora_alpha=5, use_rslora=True, target_modules=PROJECTIONS),
        "patterns": dict(
            r=3, lora_alpha=6, target_modules=PROJECTIONS,
            rank_pattern={"layers.0.mixer.in_proj": 5, "x_proj": 1},
            alpha_pattern={"backbone.layers.1.mixer.in_proj": 12, "dt_proj": 2, "x_proj": 3},
        ),
        "regex_patterns": dict(
            r=3, lora_alpha=6, target_modules=["in_proj", "out_proj"], use_rslora=True,
            rank_pattern={r"layers\.[1-9]\.mixer\.(in|x)_proj": 2},
            alpha_pattern={r"^backbone\.layers\.0\..*": 4},
        ),
    },
    "odd_inner": {
        "one_layer": dict(r=3, lora_alpha=9, target_modules=PROJECTIONS, layers_to_transform=[1]),
    },
}  # fmt: skip


def random_tensors(config, seed):
    """Weights of a checkpoint, float32, spread so that every term of the formulas matters."""
    draw = np.random.default_rng(seed).standard_normal
    hidden, states, rank = config["hidden_size"], config["state_size"], config["time_step_rank"]
    rank = math.ceil(hidden / 16) if rank == "auto" else rank
    inner = int(config["expand"] * hidden)
    tensors = {"backbone.embeddings.weight": 0.4 * draw((config["vocab_size"], hidden))}
    for layer in range(config["num_hidden_layers"]):
        mixer = {
            "in_proj.weight": 1.2 / math.sqrt(hidden) * draw((2 * inner, hidden)),
            "conv1d.weight": 0.6 * draw((inner, 1, config["conv_kernel"])),
            "x_proj.weight": 1.5 / math.sqrt(inner) * draw((rank + 2 * states, inner)),
            "dt_proj.weight": 0.6 / math.sqrt(rank) * draw((inner, rank)),
            "dt_proj.bias": -2.0 + draw(inner),
            "A_log": np.log(np.arange(1, states + 1)) + 0.3 * draw((inner, states)),
            "D": 0.5 * draw(inner),
            "out_proj.weight": 1.0 / math.sqrt(inner) * draw((hidden, inner)),
        }
        if config["use_conv_bias"]:
            mixer["conv1d.bias"] = 0.3 * draw(inner)
        if config["use_bias"]:
            mixer["in_proj.bias"] = 0.3 * draw(2 * inner)
            mixer["out_proj.bias"] = 0.3 * draw(hidden)
        prefix = f"backbone.layers.{layer}."
        tensors[prefix + "norm.weight"] = 1.0 + 0.2 * draw(hidden)
        tensors |= {f"{prefix}mixer.{name}": value for name, value in mixer.items()}
    tensors["backbone.norm_f.weight"] = 1.0 + 0.2 * draw(hidden)
    if not config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = 0.4 * draw((config["vocab_size"], hidden))
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in tensors.items()}


def stored_tensors(tensors, dtype, how):
    """`tensors` under the names and in the types in which the checkpoint keeps them."""
    embedding = "backbone.embeddings.weight"
    stored = {}
    for name, value in tensors.items():
        kept = how.get("float32_scan") and name.endswith(("A_log", ".D"))
        stored[name] = value if kept else value.to(getattr(torch, dtype))
    if how.get("repeats_head"):
        stored["lm_head.weight"] = stored[embedding].clone()
    if "embedding_name" in how:
        stored[how["embedding_name"]] = stored.pop(embedding)
    return stored


def write_weights(folder, tensors, shards):
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: tensors[name] for name in sorted(tensors)[shard::shards]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map |= {name: file for name in part}
    size = sum(value.nbytes for value in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(weight_map.items()))}
    save_json(folder / "model.safetensors.index.json", index)


def write_tokenizer(path, ascii_only):
    """A byte-level BPE tokenizer without merges, of all bytes or of printable ASCII and space."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if ascii_only:
        alphabet = [character for character in alphabet if "!" <= character <= "~"] + ["\u0120"]
    vocabulary = {token: id for id, token in enumerate(["<|endoftext|>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", normalized=False, special=True)])
    tokenizer.save(str(path), pretty=False)
    reloaded = Tokenizer.from_file(str(path))
    text = "Scan, and serve!"
    assert reloaded.decode(reloaded.encode(text).ids) == text


def write_checkpoint(name, seed):
    changes = dict(CHECKPOINTS[name])
    how = changes.pop("how")
    config = BASE | changes
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save_json(folder / "config.json", config)
    if "eos_list" in how:
        save_json(folder / "generation_config.json", {"eos_token_id": how["eos_list"]})
    dtype = config.get("dtype", config.get("torch_dtype"))
    tensors = stored_tensors(random_tensors(config, seed), dtype, how)
    write_weights(folder, tensors, how.get("shards", 1))
    write_tokenizer(folder / "tokenizer.json", how.get("ascii_tokenizer", False))
    ids = np.random.default_rng(1000 + seed).integers(config["vocab_size"], size=TOKENS)
    save_array(folder / "expected" / "ids.npy", ids, "<i4")
    return ids.tolist()


def load_model(folder):
    """The Hugging Face model of a checkpoint, told its inner size.

    MambaConfig refuses a fractional `expand`, and lets a stored `intermediate_size` win over it.
    """
    config = json.loads((folder / "config.json").read_text())
    config["intermediate_size"] = int(config["expand"] * config["hidden_size"])
    config["expand"] = int(config["expand"])
    model = MambaForCausalLM.from_pretrained(
        folder,
        config=MambaConfig(**config),
        dtype=torch.float32,
        key_mapping={r"\.embedding\.": ".embeddings."},
    )
    return model.eval()


def write_adapter(folder, name, arguments, seed):
    """A random adapter, written by PEFT, and the model with it merged by PEFT."""
    model = load_model(folder)
    model.config.model_type = "mamba-to-merge"  # See hugging_face.load_model.
    model.name_or_path = folder.name
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **arguments))
    generator = torch.Generator().manual_seed(seed)
    for parameter_name, parameter in model.named_parameters():
        if "lora_" in parameter_name:
            parameter.copy_(0.15 * torch.randn(parameter.shape, generator=generator))
    adapter = folder / "adapters" / name
    model.save_pretrained(adapter, save_embedding_layers=False)
    (adapter / "README.md").unlink()
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["target_modules"].sort()  # PEFT keeps a set.
    save_json(adapter / "adapter_config.json", config)
    return model.merge_and_unload().eval()


def adapter_scale(arguments):
    """PEFT's rule for the scale of a module: patterns match the end of its name."""

    def scale(module, rank):
        alpha = arguments["lora_alpha"]
        for pattern, value in arguments.get("alpha_pattern", {}).items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                alpha = value
                break
        return alpha / (math.sqrt(rank) if arguments.get("use_rslora") else rank)

    return scale


def check_and_save(label, logits, formula, path):
    difference, largest = np.abs(logits - formula).max(), np.abs(logits).max()
    print(f"checkpoints {label}: largest |logit| {largest:.2f}, formula differs {difference:.1e}")
    assert difference < 5e-5 and 1 < largest < 20
    save_array(path, logits, "<f4")


def main():
    cases = []
    for seed, name in enumerate(CHECKPOINTS):
        folder = FOLDER / name
        ids = write_checkpoint(name, seed)
        config, tensors = mamba_formula.load_checkpoint(folder)
        base = hugging_face.prompt_logits(load_model(folder), ids)
        formula = mamba_formula.logits(config, tensors, ids)
        check_and_save(name, base, formula, folder / "expected" / "logits.npy")
        cases.append({"checkpoint": name, "adapter": None, "logits": "expected/logits.npy"})
        for adapter_seed, (adapter, arguments) in enumerate(ADAPTERS.get(name, {}).items()):
            model = write_adapter(folder, adapter, arguments, 100 * seed + adapter_seed)
            logits = hugging_face.prompt_logits(model, ids)
            file = folder / "adapters" / adapter / "adapter_model.safetensors"
            merged = mamba_formula.merge_adapter(tensors, file, adapter_scale(arguments))
            formula = mamba_formula.logits(config, merged, ids)
            path = f"expected/logits_{adapter}.npy"
            check_and_save(f"{name} + {adapter}", logits, formula, folder / path)
            assert np.abs(logits - base).max() > 0.1
            cases.append({"checkpoint": name, "adapter": adapter, "logits": path})
    save_json(FOLDER / "cases.json", cases)


if __name__ == "__main__":
    main()
