"""Exercises of notebook 17: a level's bin, its logarithm, a mixture over colors."""

from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np


def _sigmoid(z):
    return 0.5 + 0.5 * np.tanh(z / 2)


def _softplus(z):
    return np.logaddexp(0, z)


def _between(upper, lower):
    return _sigmoid(upper) - _sigmoid(lower)


def _below(upper, lower):
    return _sigmoid(upper)


def _above(upper, lower):
    return 1 - _sigmoid(lower)


def _bin_probability(level, levels, mean, scale, *, first=_below, last=_above):
    """The probability of a level under a logistic distribution, cut into bins.

    ``level``: 0 … levels - 1; ``mean`` and ``scale`` in the units of x, which goes from
    -1 (level 0) to 1 (the last level). The result is one number; the first and the last
    bin reach to infinity.
    """
    x, half = 2 * level / (levels - 1) - 1, 1 / (levels - 1)
    share = {0: first, levels - 1: last}.get(level, _between)
    return share((x + half - mean) / scale, (x - half - mean) / scale)


bin_probability = Exercise(
    _bin_probability,
    cases=[
        (0, 4, -0.2, 0.3),
        (0, 256, -1.2, 0.1),
        (3, 4, 0.9, 0.3),
        (1, 4, 0.3, 0.2),
        (100, 256, -0.2, 0.05),
        (0, 2, 0.4, 1),
        (1, 4096, -1.0, 0.1),
        (0, 256, 0.0, 0.02),
    ],
    describe="level {} of {}, mean {}, scale {}",
    mistakes={
        "The first bin is treated like those in the middle. What lies beyond it then "
        "belongs to no level, and the probabilities sum to less than 1.": but(
            first=_between
        ),
        "The last bin is treated like those in the middle. What lies beyond it then "
        "belongs to no level, and the probabilities sum to less than 1.": but(
            last=_between
        ),
        "That is the share above the first bin: all other levels together.": but(
            first=lambda upper, lower: 1 - _sigmoid(upper)
        ),
        "The sigmoid is taken at the level itself. A bin ends half a step further, at "
        "x + half.": Mistake(
            but(first=lambda upper, lower: _sigmoid((upper + lower) / 2)), hint=2
        ),
    },
    hints=(
        "All that lies below the upper border of the first bin belongs to level 0, however "
        "far below.",
        "The share below a border is sigmoid(border). So level 0 gets sigmoid(upper).",
    ),
    shape="The answer is one number.",
    otherwise="That is not the probability of the level.",
    praise="Now each share of the curve belongs to one level and to one only, so that the "
    "levels sum to 1 whatever mean and scale are.",
    rtol=0,
    atol=1e-5,  # float32 will do
)


def _log_bin(upper, lower):
    """log(σ(upper) - σ(lower)) wherever the bin lies.

    ``upper``, ``lower``: arrays of one shape, float32 or float64, the borders of bins
    in units of the scale, lower < upper; upper may be +inf, lower -inf. The result is
    the logarithms, shaped likewise.
    """
    inside = np.log(-np.expm1(lower - upper))
    return (-_softplus(-upper) - _softplus(lower) + inside).astype(upper.dtype)


def _rounded_in_float32(upper, lower):
    inside = np.log(1 - np.exp(lower - upper))
    return -_softplus(-upper) - _softplus(lower) + inside


def _bins():
    a = np.linspace(-4, 5, 7)
    far = np.array([20.0, 60.0, 300.0])
    yield "bins near the mean", a, a - 1.5
    yield "bins far above the mean", far, far - 1
    yield "bins far below the mean", -far * 3, -far * 3 - 1
    yield "a first and a last bin", np.array([-30, np.inf]), np.array([-np.inf, 30])
    narrow = np.float32([7e-6, -7e-6]), np.float32([0, -1.5e-5])
    yield "narrow bins in float32", *narrow


log_bin = Exercise(
    _log_bin,
    cases=_bins,
    run=lambda answer, name, *borders: answer(*borders),
    describe="{0}",
    mistakes={
        "log σ(a) - log σ(b) is the logarithm of a quotient. The difference must come "
        "before the logarithm.": lambda upper, lower: (
            _softplus(-lower) - _softplus(-upper)
        ),
        "A sigmoid was computed before its logarithm was taken. Far above the mean it "
        "rounds to 1, so the difference of two is 0; far below, it rounds to "
        "0.": lambda upper, lower: np.log(_between(upper, lower)),
        "In float32, the digits of narrow bins are lost. Compute z = lower - upper first, "
        "and log(1 - e^z) as np.log(-np.expm1(z)): 1 - np.exp(z) is rounded.": Mistake(
            _rounded_in_float32, hint=2
        ),
        "The difference is kept above a floor. Everything farther away then costs the "
        "same: there is no gradient that would pull the mean back.": Mistake(
            lambda upper, lower: np.log(np.maximum(_between(upper, lower), 1e-12)),
            fits=lambda actual, expected, name, *_: (
                name.startswith("bins far") and abs(actual[-1] - actual[-2]) <= 1e-6
            ),
        ),
    },
    hints=(
        "log(σ(a) - σ(b)) = log σ(a) + log σ(-b) + log(1 - e^(b - a)). Each of the three "
        "is a number of moderate size, wherever the bin lies.",
        "log σ(z) = -np.logaddexp(0, -z), and log(1 - e^z) = np.log(-np.expm1(z)), which "
        "keeps its digits when z is nearly 0.",
    ),
    shape="One logarithm for each bin is asked for.",
    otherwise="That is not log(σ(upper) - σ(lower)).",
    praise="At 300 scales from the mean it still says −299.5, with a gradient. Infinite "
    "borders need no case of their own: their terms are 0.",
    rtol=1e-5,
    atol=2e-3,
)


def _color_log_prob(
    logits, color, levels, *, apart=False, softmax=True, moved=True, tanh=True
):
    """log p of a color under a mixture over RGB, in nats.

    ``logits``: float64 (10·M,), laid out as weights (M), means (3, M), log scales (3,
    M) and coefficients (3, M). ``color``: three levels, integers. The result is one
    number.
    """
    rows = np.reshape(logits, (10, -1))
    log_weights, means, scales, c = rows[0], rows[1:4].copy(), rows[4:7], rows[7:]
    if softmax:
        log_weights = log_weights - np.logaddexp.reduce(log_weights)
    level = np.asarray(color)
    x = 2 * level / (levels - 1) - 1
    red, green, _ = x
    c = np.tanh(c) if tanh else c
    if moved:
        means[1] += c[0] * red
        means[2] += c[1] * red + c[2] * green
    half = 1 / (levels - 1)
    upper = (x[:, None] + half - means) / np.exp(scales)
    lower = (x[:, None] - half - means) / np.exp(scales)
    upper[level == levels - 1] = np.inf
    lower[level == 0] = -np.inf
    log_p = _log_bin(upper, lower)
    if apart:
        return np.logaddexp.reduce(log_weights + log_p, axis=1).sum()
    return np.logaddexp.reduce(log_weights + log_p.sum(axis=0))


def _colors():
    rng = np.random.default_rng(14)
    for m, levels, color in (
        (1, 8, (3, 2, 5)),
        (3, 8, (2, 4, 3)),
        (3, 4, (0, 3, 1)),
        (3, 256, (20, 200, 90)),
        (2, 4096, (1, 2000, 4094)),
    ):
        logits = rng.normal(0, 0.8, 10 * m)
        logits[7 * m :] += 1.0  # coefficients for which tanh makes a difference
        logits[4 * m : 7 * m] -= 0.5  # log scales
        yield logits, np.array(color), levels
    # 889 nats: far from the only bell
    yield np.repeat([0.0, -1, -5, 0], (1, 3, 3, 3)), np.array((255, 255, 255)), 256


color_log_prob = Exercise(
    _color_log_prob,
    cases=_colors,
    describe=lambda logits, color, levels: (
        f"M = {len(logits) // 10}, color {tuple(color.tolist())} of {levels} levels"
    ),
    mistakes={
        "The sign: log p is negative, nats are -log p.": then(lambda right: -right),
        "Each channel has a log Σ exp of its own: that is a model in which red, green and "
        "blue choose their bells independently. Add up the channels before.": but(
            apart=True
        ),
        "The weights are not normalized: a log-softmax is missing.": but(softmax=False),
        "The means do not move: green's needs c[0] · r, blue's c[1] · r + c[2] · g.": (
            Mistake(but(moved=False), hint=2)
        ),
        "The coefficients go through tanh first.": Mistake(but(tanh=False), hint=2),
    },
    hints=(
        "Add up the three channels of each bell first. Then log Σ exp over the "
        "bells, with the log weights (a log-softmax) added.",
        "Layout: weights (M), means (3, M), log scales (3, M), coefficients (3, M). With "
        "r, g in [-1, 1] and c = tanh(coefficients): green's mean is means[1] + c[0] * r, "
        "blue's is means[2] + c[1] * r + c[2] * g.",
    ),
    shape="The answer is one number.",
    otherwise="That is not the log-probability of this color.",
    praise=(
        "One bell is drawn for the whole pixel, and inside it green follows red, "
        "and blue follows both."
    ),
    atol=1e-4,
)
