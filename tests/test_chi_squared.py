"""The test of draws itself: its false alarms, and the smallest bias that it catches."""

from pixelcnn_edu.likelihoods import Bernoulli

import chi_squared
import numpy as np
import pytest
from chi_squared import assert_fit, limit, smallest_bias


class Biased(Bernoulli):
    """A coin that shows ink with probability 0.5 + bias."""

    bias = 0.0

    def _sample(self, logits, uniforms, temperature):
        return super()._sample(logits, uniforms - self.bias, temperature)


def test_the_smallest_biases_are_those_of_the_table():
    for draws, images in ((20_000, 512), (20_000, 2), (100_000, 2), (400_000, 2)):
        row = f"{draws:<10,} {images:<8} {smallest_bias(draws, images):.4f} "
        assert row in chi_squared.__doc__


@pytest.mark.parametrize("draws", [20_000, 400_000])
def test_a_coin_of_the_smallest_bias_is_caught_and_a_fair_one_is_not(draws):
    def refused(bias, samples):
        coin, rng = Biased(), np.random.default_rng(0)
        coin.bias, logits = np.float32(bias), np.zeros((draws, 1), "float32")
        values = (
            coin.sample(logits, rng.random((draws, 1), dtype="float32"))
            for _ in range(samples)
        )
        ink = np.array([np.sum(value) for value in values])
        chi2 = (ink - draws / 2) ** 2 / (draws / 4)
        return (chi2 > limit(1)).mean()

    bias = smallest_bias(draws)
    assert refused(bias, 100) >= 0.96  # 0.99 are expected
    assert refused(bias / 2, 100) < 0.3
    assert refused(0, 100) == 0


@pytest.mark.parametrize(
    "expected", [[26, 19_974], [26, 40, 9_967, 9_967], 20_000 / 64 * np.ones(64)]
)
def test_a_right_sampler_exceeds_the_limit_at_the_stated_rate(expected):
    rate, samples = 1e-3, 50_000
    expected = np.asarray(expected, float)
    p = expected / expected.sum()
    counts = np.random.default_rng(0).multinomial(20_000, p, samples)
    chi2 = ((counts - expected) ** 2 / expected).sum(axis=1)
    exceeded = (chi2 > limit(len(p) - 1, rate)).mean()
    assert rate / 2 < exceeded < 2 * rate


def test_draws_that_are_rare_or_impossible_are_counted_together():
    expected = np.array([1_000.0, 976, 10, 10, 4, 1e-9])
    assert_fit([1_000, 976, 10, 10, 4, 0], expected)
    assert_fit([1_000, 976, 24, 0, 0, 0], expected)
    for counts in ([1_000, 946, 10, 10, 4, 30], [1_000, 1_000, 0, 0, 0, 0]):
        with pytest.raises(AssertionError, match="rare draws, 24 expected"):
            assert_fit(counts, expected)
    expected[1:3] -= 10, -10  # 34 together: enough for a cell of their own
    with pytest.raises(AssertionError, match="χ² = .*, 2 degrees of freedom"):
        assert_fit([1_000, 936, 20, 10, 4, 30], expected)
