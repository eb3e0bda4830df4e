"""How much a server's memory grows with each request, and how much it may at most."""

import numpy as np

BLOCKS = 40
# Neighbouring blocks that are drawn together, since what disturbs one disturbs the next too.
RUN = 5
RESAMPLES = 2000


def growth_per_request(requests, resident_bytes, seed=0):
    """(bytes a request, one-sided 95 % upper bound of it).

    `requests[i]` had ended when `resident_bytes[i]` were measured. The samples are cut into 40
    blocks of equally many requests, each block gives its median (single spikes do not count), and
    the growth is the slope of least squares through the medians. The bound is the 95th percentile
    of the slopes when the residuals are drawn anew in circular runs of 5 blocks (moving-block
    bootstrap), so that drifting noise does not make it too narrow.
    """
    requests = np.asarray(requests, float)
    resident_bytes = np.asarray(resident_bytes, float)
    edges = np.linspace(requests.min(), requests.max(), BLOCKS + 1)
    block_of = np.clip(np.searchsorted(edges, requests, side="right") - 1, 0, BLOCKS - 1)
    filled = np.unique(block_of)
    if len(filled) < BLOCKS // 2:
        raise ValueError(f"samples in only {len(filled)} of {BLOCKS} blocks: sample more often")
    x = np.array([np.median(requests[block_of == block]) for block in filled])
    y = np.array([np.median(resident_bytes[block_of == block]) for block in filled])

    centred = x - x.mean()
    weights = centred / (centred @ centred)
    slope = weights @ y
    residuals = y - y.mean() - slope * centred
    generator = np.random.default_rng(seed)
    starts = generator.integers(len(x), size=(RESAMPLES, -(-len(x) // RUN)))
    drawn = ((starts[:, :, None] + np.arange(RUN)) % len(x)).reshape(RESAMPLES, -1)[:, :len(x)]
    slopes = slope + residuals[drawn] @ weights
    return float(slope), float(np.quantile(slopes, 0.95))
