"""The perplexity that the model's README names, of a whole corpus through scanctl."""

import json

import pytest

from command_line import ok, scanctl
from repository import WIKI_TEXT, golden_json

CORPUS = golden_json("perplexity/corpus.json")
SECONDS = 500


def test_scanctl_computes_the_figure_of_the_models_readme(server):
    text = ok(scanctl(server, "perplexity", WIKI_TEXT, "--documents", "blank-line",
                      "--join-with-eos", "--mode", "sliding", "--window", "512", "--stride", "256",
                      "--json", seconds=SECONDS))
    totals = json.loads(text.splitlines()[-1])
    scores = totals["scores"]
    assert scores["perplexity"] == pytest.approx(78.6, abs=0.1)
    assert scores["all"]["tokens"] == CORPUS["scored_tokens"]
    assert scores["all"]["nll"] == pytest.approx(CORPUS["sum_nll"], rel=1e-4)
    assert scores["scored_bytes"] == CORPUS["scored_bytes"]
    assert scores["bits_per_byte"] == pytest.approx(CORPUS["bits_per_byte"], rel=1e-4)
    assert totals["document_tokens"] == CORPUS["tokens"]
