"""Where things stand: the repository and the programs that were built from it."""

import json
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
DATA = ROOT / "tests" / "data"
MODEL = ROOT / "models" / "scanserve-6m"
ADAPTERS = MODEL / "adapters"
WIKI_TEXT = DATA / "wikitext-2" / "wiki.test.plain.txt"


def program(name: str) -> str:
    """The path of a built program."""
    return os.path.join(os.environ["SCANSERVE_BIN"], name)


def golden_json(path: str):
    return json.loads((GOLDEN / path).read_text(encoding="utf-8"))
