"""Where the golden values lie, and the two formats in which they are written."""

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parent
REPOSITORY = GOLDEN.parents[1]
EMBEDDED_MODEL = REPOSITORY / "models" / "scanserve-6m"
CORPUS = REPOSITORY / "tests" / "data" / "wikitext-2" / "wiki.test.plain.txt"


def save_array(path, values, dtype):
    """Writes `values` as a C-ordered .npy of `dtype`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.ascontiguousarray(values, dtype=dtype))


def save_json(path, content):
    """Writes `content` indented, but in one line what fits or is a plain list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_format(content, indent="") + "\n", encoding="utf-8")


def rotating_columns(logits):
    """The ids congruent to (position mod 4) modulo 4: [positions, vocabulary / 4] of all logits."""
    return np.stack([row[position % 4 :: 4] for position, row in enumerate(np.asarray(logits))])


def _format(content, indent):
    line = json.dumps(content, ensure_ascii=False)
    nested = isinstance(content, dict) or (
        isinstance(content, list) and any(isinstance(value, (dict, list)) for value in content)
    )
    if not nested or len(indent + line) <= 100:
        return line
    inner = indent + " "
    if isinstance(content, dict):
        items = [f"{json.dumps(key)}: {_format(value, inner)}" for key, value in content.items()]
    else:
        items = [_format(value, inner) for value in content]
    first, last = line[0], line[-1]
    return first + "\n" + inner + f",\n{inner}".join(items) + "\n" + indent + last
