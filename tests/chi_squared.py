"""χ²: do draws follow their probabilities? With a stated rate of false alarms.

A right sampler is refused with the probability `FALSE_ALARM`, one in 100,000 for each
sample of draws. (Measured with 800,000 samples from 400 random tables of probabilities:
the rate is 1.0 times the stated one at 1e-4, and 1.1 times at 1e-3.) `make test` judges
about 60 samples of right samplers, with the same seeds in each run. `make trust` judges
100 more, of new models: a false alarm in about 1,000 runs.

A sampler that shows ink with probability 0.5 + bias at one pixel, where 0.5 is right, is
refused in 99 of 100 samples:

    draws      images   smallest bias
    20,000     512      0.0558          3 × 3 pixels by `generate`
    20,000     2        0.0238          one pixel by `generate`
    100,000    2        0.0107          the coin of tests/test_planted_bugs.py
    400,000    2        0.0053          values by `Likelihood.sample`
"""

from pixelcnn_edu import evaluation

import numpy as np
from scipy import optimize, stats

FALSE_ALARM = 1e-5
FEWEST = 25  # draws expected in a cell; rarer cells are pooled


def limit(degrees, rate=FALSE_ALARM):
    """The χ² that a right sampler exceeds with probability ``rate``.

    That is the rate for large counts. In cells of `FEWEST` draws the counts have heavier
    tails, and the true rate is up to 4 times as high.
    """
    return stats.chi2.isf(rate, max(degrees, 1))


def smallest_bias(draws, images=2, power=0.99):
    """The bias of one pixel that is refused with probability ``power``.

    All ``images`` are equally likely otherwise. Two images: a coin.
    """
    degrees = images - 1
    excess = optimize.brentq(
        lambda excess: stats.ncx2.sf(limit(degrees), degrees, excess) - power, 1, 1000
    )
    return np.sqrt(excess / (4 * draws))  # a bias b adds 4 b² to χ² with each draw


def chi_squared(counts, expected):
    """χ² of counts, and its degrees of freedom."""
    return ((counts - expected) ** 2 / expected).sum(), len(expected) - 1


def assert_fit(counts, expected):
    """Assert that counts are as likely as those of a right sampler."""
    counts, expected = np.asarray(counts), np.asarray(expected, float)
    rare = expected < FEWEST
    cells = np.append(counts[~rare], counts[rare].sum())
    means = np.append(expected[~rare], expected[rare].sum())
    seldom, mean = cells[-1], means[-1]
    if mean < FEWEST:  # all rare cells together are too rare for χ²
        tail = min(stats.poisson.cdf(seldom, mean), stats.poisson.sf(seldom - 1, mean))
        assert tail > FALSE_ALARM, f"{seldom} rare draws, {mean:.3g} expected"
        cells, means = cells[:-1], means[:-1]
        means = means * (cells.sum() / means.sum())
    chi2, degrees = chi_squared(cells, means)
    assert chi2 <= limit(degrees), f"χ² = {chi2:.1f}, {degrees} degrees of freedom"


def assert_images_fit(model, images):
    """Assert that drawn images are as frequent as the model's probabilities say."""
    levels = model.likelihood.levels
    everything = evaluation.all_images(model.input_shape[1:], levels)
    p = np.exp(-evaluation.nats_per_image(model, everything))
    digits = np.round(images.reshape(len(images), -1) * (levels - 1)).astype(int)
    index = digits @ levels ** np.arange(digits.shape[1])[::-1]
    assert_fit(np.bincount(index, minlength=len(p)), p * len(images))
