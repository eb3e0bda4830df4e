"""Logits of the embedded model, alone and with each adapter, over 512 tokens of the test corpus."""

import json

import numpy as np

import hugging_face
import mamba_formula
from golden_files import EMBEDDED_MODEL, GOLDEN, rotating_columns, save_array

FOLDER = GOLDEN / "logits"
TOKENS = 512


def formula_logits(ids, adapter):
    config, tensors = mamba_formula.load_checkpoint(EMBEDDED_MODEL)
    if adapter is not None:
        folder = EMBEDDED_MODEL / "adapters" / adapter
        lora = json.loads((folder / "adapter_config.json").read_text())
        scale = lora["lora_alpha"] / lora["r"]
        file = folder / "adapter_model.safetensors"
        tensors = mamba_formula.merge_adapter(tensors, file, lambda module, rank: scale)
    return mamba_formula.logits(config, tensors, ids)


def main():
    ids = hugging_face.corpus_ids(TOKENS)
    save_array(FOLDER / "ids.npy", ids, "<i4")
    for adapter in [None, "kjv", "devil"]:
        logits = hugging_face.prompt_logits(hugging_face.load_embedded(adapter), ids)
        difference = np.abs(logits - formula_logits(ids, adapter)).max()
        name = adapter or "base"
        print(
            f"logits {name}: largest {np.abs(logits).max():.2f}, formula differs {difference:.1e}"
        )
        assert difference < 2e-4
        highest = logits.max(axis=1)
        total = np.exp(logits.astype(np.float64) - highest[:, None]).sum(axis=1)
        save_array(FOLDER / f"{name}_columns.npy", rotating_columns(logits), "<f4")
        save_array(FOLDER / f"{name}_logsumexp.npy", highest + np.log(total), "<f4")
        save_array(FOLDER / f"{name}_max.npy", highest, "<f4")


if __name__ == "__main__":
    main()
