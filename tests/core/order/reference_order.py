"""The reference method that computes a scan order, in NumPy, on made-up hidden states.

Usage: reference_order.py FOLDER

For each case it writes into FOLDER/<case>: hidden_states.npy, scan_order.npy, scan_order_inv.npy
and figures.json. `gaps` holds, for each step of the tour, how far apart the two best distances
were: where they all but tie, another rounding may choose the other row.
"""

import json
import os
import sys
import warnings

import numpy as np

MAX_ROWS = 512


def compute(states):
    n = len(states)
    rows = states
    if n > MAX_ROWS:
        rows = states[np.linspace(0, n - 1, MAX_ROWS).astype(int)]
    deviation = rows.std(axis=1, keepdims=True)
    z = (rows - rows.mean(axis=1, keepdims=True)) / (deviation + 1e-8)
    r = np.nan_to_num(np.atleast_2d(np.corrcoef(z)), nan=0.0)
    distances = 1 - np.abs(r)

    order, gaps = [0], []
    left = list(range(1, len(rows)))
    while left:
        best = distances[order[-1], left]
        ranked = np.sort(best)
        gaps.append(float(ranked[1] - ranked[0]) if len(ranked) > 1 else 2.0)
        order.append(left.pop(int(np.argmin(best))))
    order = np.array(order, dtype=np.int64)

    natural = float(sum(distances[i, i + 1] for i in range(len(rows) - 1)))
    tour = float(sum(distances[a, b] for a, b in zip(order[:-1], order[1:])))
    figures = {
        "rows": n,
        "columns": states.shape[1],
        "rows_used": len(rows),
        "mean_distance": float(distances.mean()),
        "distance_deviation": float(distances.std()),
        "natural_length": natural,
        "tour_length": tour,
        "improvement_percent": (natural - tour) / natural * 100 if natural > 0 else 0.0,
        "gaps": gaps,
    }
    return order, figures


def topic_rows(n, d, seed):
    """Rows about one of 40 topics each, as the tokens of a text are."""
    generator = np.random.default_rng(seed)
    topics = generator.standard_normal((40, d))
    rows = topics[generator.integers(0, 40, n)] + generator.standard_normal((n, d)) * 0.7
    return rows.astype(np.float32)


def cases():
    for n, d in [(2, 32), (5, 32), (100, 256), (511, 256), (512, 32), (513, 256), (1237, 256)]:
        yield f"rows_{n}_{d}", topic_rows(n, d, seed=n + d)
    yield "odd_width", topic_rows(300, 203, seed=1)
    # (n - 1) / 511 * 511 rounds below n - 1 here: linspace ends at n - 1 all the same.
    yield "long", topic_rows(261638, 4, seed=7)
    constant = topic_rows(1237, 256, seed=2)
    constant[700] = 0.3
    constant[0] = -1.7
    yield "constant_rows", constant
    doubled = topic_rows(200, 64, seed=3)
    doubled[50] = doubled[10]
    doubled[60] = -doubled[20]
    doubled[70] = 3 * doubled[30] + 1
    yield "equal_and_opposite_rows", doubled
    broken = topic_rows(40, 32, seed=4)
    broken[7, 3] = np.nan
    broken[9, 3] = np.inf
    yield "rows_that_are_not_finite", broken
    yield "one_row", topic_rows(1, 32, seed=5)
    yield "one_column", topic_rows(30, 1, seed=6)


def main():
    warnings.simplefilter("ignore", RuntimeWarning)  # of rows without a correlation
    for name, states in cases():
        folder = os.path.join(sys.argv[1], name)
        os.makedirs(folder)
        order, figures = compute(states)
        np.save(os.path.join(folder, "hidden_states.npy"), states)
        np.save(os.path.join(folder, "scan_order.npy"), order)
        np.save(os.path.join(folder, "scan_order_inv.npy"), np.argsort(order))
        with open(os.path.join(folder, "figures.json"), "w") as file:
            json.dump(figures, file)


if __name__ == "__main__":
    main()
