"""How short a path through hidden states of the embedded model LKH finds.

`states.npy` holds hidden states of 2,000 tokens, the input of the last layer's mixer for documents
of the test corpus cut to 256 tokens. For all rows, and for the 512 that the reference method takes,
`lengths.json` gives the lengths of the natural path, of the nearest-neighbour path from row 0, and of
the open path from row 0 that LKH finds (elkai), in 1 - |r| by numpy.corrcoef.
"""

import numpy as np

import elkai
import hugging_face
from golden_files import CORPUS, GOLDEN, save_array, save_json

FOLDER = GOLDEN / "tours"
ROWS, REFERENCE_ROWS, DOCUMENT_TOKENS = 2000, 512, 256
# LKH works on integers.
SCALE = 100_000


def corpus_states():
    """[ROWS, hidden]: as `scanorder run` extracts them."""
    model, tokenizer = hugging_face.load_embedded(), hugging_face.load_tokenizer()
    states, rows = [], 0
    keep = lambda module, args, output: states.append(output[0].numpy().copy())
    handle = model.backbone.layers[-1].norm.register_forward_hook(keep)
    for line in CORPUS.read_text(encoding="utf-8").splitlines():
        if len(line.strip()) >= 10 and rows < ROWS:
            ids = tokenizer.encode(line.strip()).ids[:DOCUMENT_TOKENS]
            hugging_face.prompt_logits(model, ids)
            rows += len(ids)
    handle.remove()
    return np.concatenate(states)[:ROWS]


def distances(states):
    deviation = states.std(axis=1, keepdims=True)
    z = (states - states.mean(axis=1, keepdims=True)) / (deviation + 1e-8)
    return 1 - np.abs(np.corrcoef(z))


def length(distance, path):
    return float(distance[path[:-1], path[1:]].sum())


def nearest_neighbour(distance):
    path, left = [0], list(range(1, len(distance)))
    while left:
        path.append(left.pop(int(np.argmin(distance[path[-1], left]))))
    return path


def lkh(distance, runs):
    """A closed tour through one more city, which is near row 0 and as far from all other rows."""
    n = len(distance)
    matrix = np.full((n + 1, n + 1), SCALE)
    matrix[:n, :n] = np.rint(distance * SCALE)
    matrix[0, n] = matrix[n, 0] = 0
    np.fill_diagonal(matrix, 0)
    tour = elkai.DistanceMatrix(matrix.tolist()).solve_tsp(runs=runs)[:-1]
    tour = tour[tour.index(n) :] + tour[: tour.index(n)]
    path = tour[1:] if tour[1] == 0 else tour[:0:-1]
    assert path[0] == 0 and sorted(path) == list(range(n))
    return path


def figures(states, runs):
    distance = distances(states)
    return {
        "rows": len(states),
        "natural": length(distance, list(range(len(states)))),
        "nearest_neighbour": length(distance, nearest_neighbour(distance)),
        "lkh": length(distance, lkh(distance, runs)),
    }


def main():
    states = corpus_states()
    save_array(FOLDER / "states.npy", states, "<f4")
    sample = np.linspace(0, ROWS - 1, REFERENCE_ROWS).astype(int)
    save_json(FOLDER / "lengths.json", [figures(states[sample], 3), figures(states, 1)])
    print("tours: done")


if __name__ == "__main__":
    main()
