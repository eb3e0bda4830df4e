"""Means and quantiles of drawn times by NumPy, for the statistics of scanctl bench."""

import numpy as np
from golden_files import GOLDEN, save_json

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def case(values):
    values = np.round(values, 6)
    return {
        "values": values.tolist(),
        "mean": float(np.mean(values)),
        **{name: float(np.quantile(values, share)) for name, share in SHARES.items()},
        "max": float(np.max(values)),
    }


def main():
    generator = np.random.default_rng(11)
    drawn = [
        np.array([0.25]),
        np.array([3.0, 1.0]),
        np.full(7, 0.002),
        generator.exponential(0.05, 100),
        generator.lognormal(-4, 1.5, 257),
        -generator.exponential(0.01, 10),
    ]
    save_json(GOLDEN / "latency_statistics" / "cases.json", [case(values) for values in drawn])


if __name__ == "__main__":
    main()
