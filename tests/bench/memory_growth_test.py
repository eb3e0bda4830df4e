"""Checks of bench/memory_growth.py on memory whose growth is known."""

import pathlib
import sys
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import memory_growth

REQUESTS = np.linspace(2000, 10_000, 1600)
START_BYTES = 3e8


def drifting_noise(generator, deviation):
    """Steps that fade slowly, as an allocator's do: neighbours are alike (correlation 0.95)."""
    noise = np.empty(len(REQUESTS))
    level = 0.0
    for i, step in enumerate(generator.normal(0, deviation, len(REQUESTS))):
        level = 0.95 * level + step
        noise[i] = level
    return noise


class GrowthPerRequest(unittest.TestCase):
    def test_is_the_slope_of_a_straight_line(self):
        for growth in (0, 250, -40):
            slope, upper = memory_growth.growth_per_request(REQUESTS,
                                                            START_BYTES + growth * REQUESTS)
            self.assertAlmostEqual(slope, growth, places=3)
            self.assertAlmostEqual(upper, growth, places=3)

    def test_equals_numpys_least_squares_on_samples_as_many_as_blocks(self):
        generator = np.random.default_rng(2)
        x = np.arange(40.0)
        y = generator.normal(0, 1, 40)
        slope, _ = memory_growth.growth_per_request(x, y)
        self.assertAlmostEqual(slope, np.polyfit(x, y, 1)[0], places=12)

    def test_does_not_see_single_spikes(self):
        resident = np.full(len(REQUESTS), START_BYTES)
        resident[-1] += 1e9
        self.assertEqual(memory_growth.growth_per_request(REQUESTS, resident), (0, 0))

    def test_bounds_the_growth_in_most_of_many_runs(self):
        generator = np.random.default_rng(7)
        bounded = 0
        for _ in range(200):
            resident = START_BYTES + 50 * REQUESTS + drifting_noise(generator, 20_000)
            bounded += memory_growth.growth_per_request(REQUESTS, resident)[1] >= 50
        # 95 % is the aim; a short series with drifting noise keeps a little less.
        self.assertGreaterEqual(bounded, 176)
        self.assertLessEqual(bounded, 198)

    def test_tells_a_leak_from_none(self):
        generator = np.random.default_rng(3)
        noise = drifting_noise(generator, 5_000)
        self.assertLess(memory_growth.growth_per_request(REQUESTS, START_BYTES + noise)[1], 100)
        leaking = START_BYTES + noise + 150 * REQUESTS
        self.assertGreater(memory_growth.growth_per_request(REQUESTS, leaking)[1], 100)

    def test_refuses_too_few_samples(self):
        with self.assertRaisesRegex(ValueError, "sample more often"):
            memory_growth.growth_per_request([1, 2, 3], [1, 1, 1])


if __name__ == "__main__":
    unittest.main()
