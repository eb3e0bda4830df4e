"""The perplexity of the embedded model over the whole test corpus, as its README states it.

Takes about twenty minutes on one thread.
"""

import math

import torch

import hugging_face
from golden_files import CORPUS, GOLDEN, save_json
from perplexity_reference import byte_lengths

WINDOW, STRIDE, BATCH = 512, 256, 8
END_OF_TEXT = 0


def joined_corpus():
    """Token ids of the articles, END_OF_TEXT before each and at the end."""
    articles = CORPUS.read_text(encoding="utf-8").split("\n\n")
    ids = []
    for encoding in hugging_face.load_tokenizer().encode_batch(articles):
        ids += [END_OF_TEXT, *encoding.ids]
    return ids + [END_OF_TEXT], len(articles)


def window_nll(model, windows, kept):
    """Summed negative log likelihood of the last `kept` targets of windows of one length."""
    ids = torch.tensor(windows)
    logits = model(ids, use_cache=False, logits_to_keep=kept + 1).logits[:, :-1]
    scores = logits.double().log_softmax(-1)
    return -scores.gather(2, ids[:, -kept:, None]).sum().item()


def main():
    model = hugging_face.load_embedded()
    ids, articles = joined_corpus()
    sizes = byte_lengths(hugging_face.load_tokenizer())
    full = range(STRIDE, len(ids) - WINDOW + 1, STRIDE)
    total = window_nll(model, [ids[:WINDOW]], WINDOW - 1)
    for first in range(0, len(full), BATCH):
        batch = [ids[start : start + WINDOW] for start in full[first : first + BATCH]]
        total += window_nll(model, batch, STRIDE)
        if first % 80 == 0:
            scored = WINDOW - 1 + STRIDE * (first + len(batch))
            print(
                f"corpus: {first}/{len(full)} windows, {math.exp(total / scored):.3f}", flush=True
            )
    rest = len(ids) - (full[-1] + WINDOW)
    if rest > 0:
        total += window_nll(model, [ids[full[-1] + STRIDE :]], rest)
    scored, size = len(ids) - 1, sum(sizes[token] for token in ids[1:])
    save_json(
        GOLDEN / "perplexity" / "corpus.json",
        {
            "file": "tests/data/wikitext-2/wiki.test.plain.txt",
            "window_tokens": WINDOW,
            "stride_tokens": STRIDE,
            "articles": articles,
            "tokens": len(ids),
            "scored_tokens": scored,
            "scored_bytes": size,
            "sum_nll": total,
            "perplexity": math.exp(total / scored),
            "bits_per_byte": total / math.log(2) / size,
        },
    )
    print(f"corpus: perplexity {math.exp(total / scored):.4f}")


if __name__ == "__main__":
    main()
