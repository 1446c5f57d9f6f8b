"""Exercises of notebook 17: a level's bin, its logarithm, a mixture over colors."""

from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np


def _sigmoid(z):
    return 0.5 + 0.5 * np.tanh(z / 2)


def _softplus(z):
    return np.logaddexp(0, z)


def _borders(level, levels, mean, scale):
    """The borders of a level's bin, in units of the scale."""
    x, half = 2 * level / (levels - 1) - 1, 1 / (levels - 1)
    return (x + half - mean) / scale, (x - half - mean) / scale


def _bin_probability(level, levels, mean, scale, *, first=None, last=None):
    """The probability of a level under a logistic distribution, cut into bins.

    ``level``: 0 … levels - 1; ``mean`` and ``scale`` in the units of x, which goes from
    -1 (level 0) to 1 (the last level). The result is one number; the first and the last
    bin reach to infinity.
    """
    upper, lower = _borders(level, levels, mean, scale)
    if level == 0:
        return first(upper, lower) if first else _sigmoid(upper)
    if level == levels - 1:
        return last(upper, lower) if last else 1 - _sigmoid(lower)
    return _inside(upper, lower)


def _inside(upper, lower):
    return _sigmoid(upper) - _sigmoid(lower)


def _by_place(level, levels, *bell):
    upper, lower = _borders(level, levels, *bell)
    if abs(2 * level / (levels - 1) - 1) <= 0.999:
        return _inside(upper, lower)
    return _sigmoid(upper) if 2 * level < levels else 1 - _sigmoid(lower)


def _at_the_level(level, levels, mean, scale):
    return _sigmoid((2 * level / (levels - 1) - 1 - mean) / scale)


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
        (4094, 4096, 1.0, 0.1),
        (0, 256, 0.0, 0.02),
    ],
    describe="level {} of {}, mean {}, scale {}",
    mistakes={
        "The first bin is treated like those in the middle. What lies beyond it then "
        "belongs to no level, and the probabilities sum to less than 1.": Mistake(
            but(first=_inside),
            but(first=_inside, last=_inside),
            fits=lambda actual, expected, level, *case: (
                level == 0
                and np.allclose(actual, _inside(*_borders(level, *case)), 0, 1e-5)
            ),
        ),
        "The last bin is treated like those in the middle. What lies beyond it then "
        "belongs to no level, and the probabilities sum to less than 1.": but(
            last=_inside
        ),
        "All levels at x < -0.999 or x > 0.999 count as ends here, as in the paper's code. "
        "Of 4,096 levels several lie there: ask level == 0.": _by_place,
        "That is the share above the first bin: all other levels together.": but(
            first=lambda upper, lower: 1 - _sigmoid(upper)
        ),
        "That is the share below the lower border, where the first bin should begin if it "
        "had a beginning. It ends at its upper border.": Mistake(
            but(first=lambda upper, lower: _sigmoid(lower)), hint=2
        ),
        "That is the share below the last bin: all other levels together.": Mistake(
            but(last=lambda upper, lower: _sigmoid(lower)), hint=0
        ),
        "The sigmoid is taken at the level itself. A bin ends half a step further, at "
        "x + half.": Mistake(_at_the_level, hint=2),
        "Level 0 has a probability too: all that lies below its upper border.": but(
            first=lambda upper, lower: 0
        ),
        "The first bin reaches down to −∞; it still ends at its upper border.": Mistake(
            but(first=lambda upper, lower: 1.0), hint=2
        ),
        "The sign: the upper border has the larger share below it.": Mistake(
            but(first=lambda upper, lower: -_inside(upper, lower)),
            then(lambda right: -right),
            hint=2,
        ),
        "Divide by the scale: a border counts in units of it.": Mistake(
            lambda level, levels, mean, scale: _bin_probability(level, levels, mean, 1),
            hint=0,
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


def _subtracted(upper, lower):
    return np.log(_sigmoid(upper) - _sigmoid(lower))


def _density(upper, lower):
    middle = (upper + lower) / 2
    return -_softplus(-middle) - _softplus(middle) + np.log(upper - lower)


ENDS = "a first and a last bin"


def _bins():
    a = np.linspace(-4, 5, 7)
    far = np.array([20.0, 60.0, 300.0])
    yield "bins near the mean", a, a - 1.5
    yield "bins far above the mean", far, far - 1
    yield "bins far below the mean", -far * 3, -far * 3 - 1
    yield ENDS, np.array([-30, np.inf]), np.array([-np.inf, 30])
    narrow = np.float32([7e-6, -7e-6]), np.float32([0, -1.5e-5])
    yield "narrow bins in float32", *narrow
    yield "wide bins in float32", np.float32([200, -100]), np.float32([100, -200])


def _lost_all(actual, expected, name, upper, lower):
    """Not finite, as if both sigmoids had been computed first."""
    naive, each = _subtracted(upper, lower), _sigmoid(upper) - _sigmoid(lower)
    return not np.isfinite(actual).all() and (
        np.allclose(actual, naive, 0, 1e-3, equal_nan=True) or (each == 0).any()
    )


def _overflowed(actual, expected, name, upper, lower):
    """Whether the only wrong bins are those with borders too large for np.exp."""
    largest, border = 88 if upper.dtype == "float32" else 709, np.maximum(-lower, upper)
    far = (largest < border) & (border < np.inf)
    lost = ~np.isfinite(actual[far])
    return lost.any() and np.allclose(actual[~far], expected[~far], 1e-5, 2e-3)


log_bin = Exercise(
    _log_bin,
    cases=_bins,
    run=lambda answer, name, *borders: answer(*borders),
    describe="{0}",
    mistakes={
        "At an infinite border this computes, for example, inf - inf. Write the answer as "
        "a sum of logarithms. The terms of an infinite border are then 0.": Mistake(
            fits=lambda actual, expected, name, *_: (
                name == ENDS and np.isnan(actual).any()
            )
        ),
        "That is the probability of the bin; its logarithm is asked for.": Mistake(
            lambda upper, lower: _sigmoid(upper) - _sigmoid(lower), hint=0
        ),
        "The sign: a log-probability is never positive.": Mistake(
            then(lambda right: -right), hint=2
        ),
        "log σ(a) - log σ(b) is the logarithm of a quotient. The difference must come "
        "before the logarithm.": lambda upper, lower: (
            _softplus(-lower) - _softplus(-upper)
        ),
        "The second sigmoid is that of -lower: it is the share *above* the lower "
        "border.": lambda upper, lower: (
            _log_bin(upper, lower) + _softplus(lower) - _softplus(-lower)
        ),
        "The third factor is 1 − e^(b − a); its *logarithm* is missing.": (
            lambda upper, lower: (
                -_softplus(-upper) - _softplus(lower) - np.expm1(lower - upper)
            )
        ),
        "The third term is missing: that is log σ(a) + log σ(-b).": (
            lambda upper, lower: -_softplus(-upper) - _softplus(lower)
        ),
        "The logarithm of a negative number has no value. The third term is "
        "log(1 - e^(lower - upper)): look at the signs.": (
            lambda upper, lower: (
                _log_bin(upper, lower) + np.log(1 - np.exp(upper - lower))
            )
        ),
        "np.exp of a large number is infinite. np.logaddexp(0, z) is log(1 + e^z) for "
        "every z.": Mistake(
            lambda upper, lower: (
                -np.log1p(np.exp(-upper))
                - np.log1p(np.exp(lower))
                + np.log(-np.expm1(lower - upper))
            ),
            fits=_overflowed,
            hint=2,
        ),
        "A sigmoid was computed before its logarithm was taken. Far above the mean it "
        "rounds to 1, so the difference of two is 0; far below, it rounds to "
        "0.": Mistake(
            _subtracted,
            lambda upper, lower: np.log(
                1 / (1 + np.exp(-upper)) - 1 / (1 + np.exp(-lower))
            ),
            fits=_lost_all,
        ),
        "In float32, the digits of narrow bins are lost. Compute z = lower - upper first, "
        "and log(1 - e^z) as np.log(-np.expm1(z)): 1 - np.exp(z) is rounded.": Mistake(
            lambda upper, lower: (
                -_softplus(-upper)
                - _softplus(lower)
                + np.log(1 - np.exp(lower - upper))
            ),
            fits=lambda actual, expected, name, *_: name == "narrow bins in float32",
            hint=2,
        ),
        "The difference is kept above a floor. Everything farther away then costs the "
        "same: there is no gradient that would pull the mean back.": Mistake(
            lambda upper, lower: np.log(
                np.maximum(_sigmoid(upper) - _sigmoid(lower), 1e-12)
            ),
            fits=lambda actual, expected, name, *_: (
                name.startswith("bins far") and abs(actual[-1] - actual[-2]) <= 1e-6
            ),
        ),
        "That is the density times the width, which holds for narrow bins only.": _density,
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


def _log_sum_exp(z, subtracted=np.max):
    return subtracted(z) + np.log(np.exp(z - subtracted(z)).sum())


def _color_log_prob(
    logits,
    color,
    levels,
    *,
    apart=False,
    softmax=True,
    weights=True,
    moved=True,
    tanh=True,
    x_of=lambda level, levels: 2 * level / (levels - 1) - 1,
    order=(0, 1, 2),
    log_scale=True,
    ends=True,
    half=1,
    log_bin=_log_bin,
    subtracted=np.max,
):
    """log p of a color under a mixture over RGB, in nats.

    ``logits``: float64 (10·M,), laid out as weights (M), means (3, M), log scales (3,
    M) and coefficients (3, M). ``color``: three levels, integers. The result is one
    number.
    """
    m = len(logits) // 10
    rows = np.reshape(logits, (10, m))
    log_weights, means, scales, c = rows[0], rows[1:4].copy(), rows[4:7], rows[7:]
    if softmax:
        log_weights = log_weights - _log_sum_exp(log_weights)
    if not weights:
        log_weights = np.full(m, -np.log(m))
    level = np.asarray(color)
    x = 2 * level / (levels - 1) - 1
    red, green, _ = x_of(level, levels)
    c = (np.tanh(c) if tanh else c)[list(order)]
    if moved:
        means[1] += c[0] * red
        means[2] += c[1] * red + c[2] * green
    scale = np.exp(scales) if log_scale else np.abs(scales) + 1e-9
    upper, lower = (
        (x[:, None] + s * half / (levels - 1) - means) / scale for s in (1, -1)
    )
    if ends:
        upper[level == levels - 1] = np.inf
        lower[level == 0] = -np.inf
    log_p = log_bin(upper, lower)
    if apart:
        return sum(_log_sum_exp(log_weights + channel) for channel in log_p)
    return _log_sum_exp(log_weights + log_p.sum(axis=0), subtracted)


def _colors():
    rng = np.random.default_rng(14)
    for m, levels, color in (
        (1, 8, (3, 2, 5)),
        (3, 8, (2, 4, 3)),
        (3, 4, (0, 3, 1)),
        (3, 256, (20, 200, 90)),
        (2, 256, (0, 255, 255)),
        (2, 4096, (1, 2000, 4094)),
    ):
        logits = rng.normal(0, 0.8, 10 * m)
        logits[7 * m :] += 1.0  # coefficients for which tanh makes a difference
        far = levels == 256 and color[0] == 20
        logits[4 * m : 7 * m] -= 4.0 if far else 0.5  # log scales
        logits[4 * m : 7 * m : m] -= 4.0 * far  # e^1000 lies between two bells
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
        "A channel is far from every mean, so its probability is rounded to 0. Stay with "
        "logarithms, as in `log_bin`, down to log Σ exp.": Mistake(
            but(log_bin=_subtracted),
            but(subtracted=np.mean),
            fits=lambda actual, expected, *_: (
                not np.isfinite(actual) and expected < -30
            ),
        ),
        "The result is NaN: perhaps the logarithm of a negative number, or inf - inf. Is a "
        "scale negative? The logits of the scales are their logarithms.": Mistake(
            lambda *case: np.nan, fits=lambda actual, *_: np.isnan(actual)
        ),
        "The sign: log p is negative, nats are -log p.": Mistake(
            then(lambda right: -right)
        ),
        "Each channel has a log Σ exp of its own: that is a model in which red, green and "
        "blue choose their bells independently. Add up the channels before.": but(
            apart=True
        ),
        "The weights are not normalized: a log-softmax is missing.": but(softmax=False),
        "The bells are weighted evenly; the first M logits say how much each "
        "counts.": but(weights=False),
        "The means do not move: green's needs c[0] · r, blue's c[1] · r + c[2] · g.": (
            Mistake(but(moved=False), hint=2)
        ),
        "The coefficients go through tanh first.": Mistake(but(tanh=False), hint=2),
        "Red and green enter as x in [-1, 1], not as levels or as numbers in [0, 1].": (
            Mistake(but(x_of=lambda level, levels: level / (levels - 1)), hint=2)
        ),
        "Red and green enter as x in [-1, 1], not as levels.": Mistake(
            but(x_of=lambda level, levels: level), hint=2
        ),
        "Coefficients 1 and 2 are swapped: blue's mean is moved by c[1] · r + c[2] · "
        "g.": Mistake(but(order=(0, 2, 1)), hint=2),
        "Green takes coefficient 0, blue 1 and 2.": Mistake(
            but(order=(2, 0, 1)), hint=2
        ),
        "Those logits are *log* scales: exp them.": Mistake(
            but(log_scale=False), hint=2
        ),
        "The first and the last bin reach to infinity, in every channel.": Mistake(
            but(ends=False), hint=0
        ),
        "Bins are half as wide or twice: half a bin is 1 / (levels - 1).": Mistake(
            but(half=2), hint=0
        ),
        "Those are bits (log2). Nats use the natural logarithm.": Mistake(
            then(lambda right: right / np.log(2)), hint=0
        ),
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
