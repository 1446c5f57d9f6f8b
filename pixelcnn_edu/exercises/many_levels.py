"""Checks for notebook 14: a level's bin, its logarithm, a mixture over colors."""

from pixelcnn_edu.exercises._check import Wrong, called, check, close

import numpy as np


@check(
    "All that lies below the upper border of the first bin belongs to level 0, however "
    "far below.",
    "The share below a border is sigmoid(border). So level 0 gets sigmoid(upper).",
)
def bin_probability(answer):
    """Judge ``bin_probability(level, levels, mean, scale)``: a logistic, in bins.

    ``level``: 0 … levels - 1; ``mean`` and ``scale`` in the units of x, which goes from
    -1 (level 0) to 1 (the last level). Returns one number, the probability of the level;
    the first and the last bin reach to infinity.
    """
    cases = ((0, 4, -0.2, 0.3), (0, 256, -1.2, 0.1), (3, 4, 0.9, 0.3), (1, 4, 0.3, 0.2))
    for level, levels, mean, scale in (*cases, (100, 256, -0.2, 0.05), (0, 2, 0.4, 1)):
        x, half = 2 * level / (levels - 1) - 1, 1 / (levels - 1)
        first, last = level == 0, level == levels - 1
        upper, lower = (x + half - mean) / scale, (x - half - mean) / scale
        inside = _sigmoid(upper) - _sigmoid(lower)
        below, above = (
            (0 if first else _sigmoid(lower)),
            (1 if last else _sigmoid(upper)),
        )
        expected = above - below
        actual = np.asarray(called(answer, level, levels, mean, scale), "float64")
        words = {
            "case": f"level {level} of {levels}, mean {mean}, scale {scale}",
            "expected": expected,
        }
        if actual.shape != ():
            raise Wrong("The answer is one number.", **words, actual=actual)
        words["actual"] = float(actual)
        if close(actual, expected, 1e-7):
            continue
        end = "first" if first else "last"
        mistakes = (
            (
                f"The {end} bin is treated like those in the middle. What lies beyond it "
                "then belongs to no level, and the probabilities sum to less than 1.",
                (first or last) and close(actual, inside, 1e-7),
            ),
            (
                "That is the share above the first bin: all other levels together.",
                first and close(actual, 1 - _sigmoid(upper), 1e-7),
            ),
            (
                "That is the share below the lower border, where the first bin should "
                "begin if it had a beginning. It ends at its upper border.",
                first and close(actual, _sigmoid(lower), 1e-7),
            ),
            (
                "That is the share below the last bin: all other levels together.",
                last and close(actual, _sigmoid(lower), 1e-7),
            ),
            (
                "The sigmoid is taken at the level itself. A bin ends half a step "
                "further, at x + half.",
                close(actual, _sigmoid((x - mean) / scale), 1e-7),
            ),
            (
                "Level 0 has a probability too: all that lies below its upper border.",
                first and actual == 0,
            ),
            (
                "The first bin reaches down to −∞; it still ends at its upper border.",
                first and close(actual, 1, 1e-7),
            ),
            (
                "The sign: the upper border has the larger share below it.",
                close(actual, -inside, 1e-7) or close(actual, -expected, 1e-7),
            ),
            (
                "Divide by the scale: a border counts in units of it.",
                close(
                    actual,
                    (1 if last else _sigmoid(x + half - mean))
                    - (0 if first else _sigmoid(x - half - mean)),
                    1e-7,
                ),
            ),
        )
        named = (text for text, fits in mistakes if fits)
        raise Wrong(next(named, "That is not the probability of the level."), **words)
    return (
        "Now each share of the curve belongs to one level and to one only, so that the "
        "levels sum to 1 whatever mean and scale are."
    )


@check(
    "log(σ(a) - σ(b)) = log σ(a) + log σ(-b) + log(1 - e^(b - a)). Each of the three is "
    "a number of moderate size, wherever the bin lies.",
    "log σ(z) = -np.logaddexp(0, -z), and log(1 - e^z) = np.log(-np.expm1(z)), which "
    "keeps its digits when z is nearly 0.",
)
def log_bin(answer):
    """Judge ``log_bin(upper, lower)``: log(σ(upper) - σ(lower)) wherever the bin lies.

    ``upper``, ``lower``: arrays of one shape, float32 or float64, the borders of bins in
    units of the scale, lower < upper; upper may be +inf, lower -inf. Returns the
    logarithms, shaped likewise.
    """
    a = np.linspace(-4, 5, 7)
    far = np.array([20.0, 60.0, 300.0])
    cases = (
        ("bins near the mean", a, a - 1.5),
        ("bins far above the mean", far, far - 1),
        ("bins far below the mean", -far * 3, -far * 3 - 1),
        ("a first and a last bin", np.array([-30, np.inf]), np.array([-np.inf, 30])),
        (
            "narrow bins in float32",
            np.float32([7e-6, -7e-6]),
            np.float32([0, -1.5e-5]),
        ),
        ("wide bins in float32", np.float32([200, -100]), np.float32([100, -200])),
    )
    for case, upper, lower in cases:
        high, low = upper.astype("float64"), lower.astype("float64")
        expected = _log_bin(high, low)
        with np.errstate(all="ignore"):
            actual = np.asarray(called(answer, upper.copy(), lower.copy()), "float64")
            difference = _sigmoid(high) - _sigmoid(low)
            naive = np.log(difference)
            single = _sigmoid(upper) - _sigmoid(lower)
            density = -_softplus(-(high + low) / 2) - _softplus((high + low) / 2)
            density += np.log(high - low)
            as_logs = _softplus(-low) - _softplus(-high)
            same_sign = expected + _softplus(low) - _softplus(-low)
            swapped = np.log(1 - np.exp(high - low))
            rest = -np.expm1(low - high)
            two_terms = -_softplus(-high) - _softplus(low)
        words = {"case": case, "expected": expected, "actual": actual}
        if actual.shape != expected.shape:
            raise Wrong("One logarithm for each bin is asked for.", **words)
        if np.allclose(actual, expected, rtol=1e-5, atol=2e-3):
            continue
        mistakes = (
            (
                "That is the probability of the bin; its logarithm is asked for.",
                close(actual, difference, 1e-6),
            ),
            (
                "The sign: a log-probability is never positive.",
                close(actual, -expected, 1e-3),
            ),
            (
                "log σ(a) - log σ(b) is the logarithm of a quotient. The difference must "
                "come before the logarithm.",
                _same(actual, as_logs, 1e-3),
            ),
            (
                "The second sigmoid is that of -lower: it is the share *above* the lower "
                "border.",
                _same(actual, same_sign, 1e-3),
            ),
            (
                "The third factor is 1 − e^(b − a); its *logarithm* is missing.",
                close(actual, two_terms + rest, 1e-4),
            ),
            (
                "The third term is missing: that is log σ(a) + log σ(-b).",
                close(actual, two_terms, 1e-4),
            ),
            (
                "e^(upper - lower) is larger than 1, so the logarithm has no value. It is "
                "e^(lower - upper).",
                np.isnan(swapped).all() and np.isnan(actual).all(),
            ),
            (
                "Both sigmoids were computed and subtracted. Far above the mean both "
                "round to 1 and nothing is left; far below both round to 0.",
                not np.isfinite(actual).all()
                and (_same(actual, naive, 1e-3) or (single == 0).any()),
            ),
            (
                "In float32, 1 - exp(z) has lost digits when z is nearly 0. "
                "np.expm1 keeps them: log(1 - e^z) = np.log(-np.expm1(z)).",
                upper.dtype == "float32" and case.startswith("narrow"),
            ),
            (
                "The difference is kept above a floor. Everything farther away then costs "
                "the same: there is no slope that would pull the mean back.",
                case.startswith("bins far") and close(*actual[-2:], 1e-6),
            ),
            (
                "That is the density times the width, which holds for narrow bins only.",
                close(actual, density, 1e-3),
            ),
        )
        named = (text for text, fits in mistakes if fits)
        raise Wrong(next(named, "That is not log(σ(upper) - σ(lower))."), **words)
    return (
        "At 300 scales from the mean it still says −299.5, with a slope. Infinite borders "
        "need no case of their own: their terms are 0."
    )


@check(
    "Add up the three channels of each component first. Then log Σ exp over the "
    "components, with the log weights (a log-softmax) added.",
    "Layout: weights (M), means (3, M), log scales (3, M), coefficients (3, M). With "
    "r, g in [-1, 1] and c = tanh(coefficients): green's mean is means[1] + c[0] * r, "
    "blue's is means[2] + c[1] * r + c[2] * g.",
)
def color_log_prob(answer):
    """Judge ``color_log_prob(logits, color, levels)``: a mixture over RGB, by hand.

    ``logits``: float64 (10·M,), laid out as weights (M), means (3, M), log scales (3, M)
    and coefficients (3, M). ``color``: three levels, integers. Returns log p in nats,
    one number.
    """
    rng = np.random.default_rng(14)
    for m, levels, color in (
        (1, 8, (3, 2, 5)),
        (3, 8, (2, 4, 3)),
        (3, 4, (0, 3, 1)),
        (2, 256, (20, 200, 90)),
        (2, 256, (0, 255, 255)),
    ):
        logits = rng.normal(0, 0.8, 10 * m)
        logits[7 * m :] += 1.0  # coefficients for which tanh makes a difference
        far = levels == 256 and color[0] == 20
        logits[4 * m : 7 * m] -= 4.0 if far else 0.5  # log scales
        expected = _color_log_prob(logits, color, levels)
        with np.errstate(all="ignore"):
            result = called(answer, logits.copy(), np.array(color), levels)
            actual = np.asarray(result, "float64")
        words = {
            "case": f"M = {m}, color {color} of {levels} levels",
            "expected": expected,
        }
        if actual.shape != ():
            raise Wrong("The answer is one number.", **words, actual=actual)
        words["actual"] = actual = float(actual)
        if abs(actual - expected) <= 1e-4 + 1e-6 * abs(expected):
            continue
        if not np.isfinite(actual):
            raise Wrong(
                "A channel far from every mean: its probability is 0 in floats. Stay with "
                "logarithms, as in `log_bin`, down to log Σ exp.",
                **words,
            )
        for diagnosis, planted in _COLOR_MISTAKES.items():
            wrong = _color_log_prob(logits, color, levels, **planted)
            if abs(actual - wrong) <= 1e-4 + 1e-6 * abs(wrong):
                raise Wrong(diagnosis, **words)
        raise Wrong("That is not the log-probability of this color.", **words)
    return (
        "One component is drawn for the whole pixel, and inside it green follows red, and "
        "blue both."
    )


_COLOR_MISTAKES = {
    "The sign: log p is negative, nats are -log p.": {"sign": -1},
    "Each channel has a log Σ exp of its own: that is a model in which red, green and "
    "blue choose their components independently. Add up the channels before.": {
        "apart": True
    },
    "The weights are not normalized: a log-softmax is missing.": {"softmax": False},
    "The components are weighted evenly; the first M logits say how much each counts.": {
        "weights": False
    },
    "The means do not move: green's needs c[0] · r, blue's c[1] · r + c[2] · g.": {
        "moved": False
    },
    "The coefficients go through tanh first.": {"tanh": False},
    "Red and green enter as x in [-1, 1], not as levels or as numbers in [0, 1].": {
        "unit": "share"
    },
    "Red and green enter as x in [-1, 1], not as levels.": {"unit": "level"},
    "Coefficients 1 and 2 are swapped: blue's mean is moved by c[1] · r + c[2] · g.": {
        "order": (0, 2, 1)
    },
    "Green takes coefficient 0, blue 1 and 2.": {"order": (2, 0, 1)},
    "Those logits are *log* scales: exp them.": {"log_scale": False},
    "The first and the last bin reach to infinity, in every channel.": {"ends": False},
    "Bins are half as wide or twice: half a bin is 1 / (levels - 1).": {"half": 2},
    "Those are bits (log2). Nats use the natural logarithm.": {"sign": 1 / np.log(2)},
}


def _color_log_prob(
    logits,
    color,
    levels,
    *,
    sign=1,
    apart=False,
    softmax=True,
    weights=True,
    moved=True,
    tanh=True,
    unit="x",
    order=(0, 1, 2),
    log_scale=True,
    ends=True,
    half=1,
):
    """log p of a color; each argument plants a mistake."""
    m = len(logits) // 10
    rows = np.reshape(logits, (10, m))
    log_weights, means, scales, c = rows[0], rows[1:4].copy(), rows[4:7], rows[7:]
    if softmax:
        log_weights = log_weights - _log_sum_exp(log_weights)
    if not weights:
        log_weights = np.full(m, -np.log(m))
    level = np.asarray(color)
    x = 2 * level / (levels - 1) - 1
    red, green = {"x": x, "share": level / (levels - 1), "level": level}[unit][:2]
    c = (np.tanh(c) if tanh else c)[list(order)]
    if moved:
        means[1] += c[0] * red
        means[2] += c[1] * red + c[2] * green
    width = half / (levels - 1)
    scale = np.exp(scales) if log_scale else np.abs(scales) + 1e-9
    upper = (x[:, None] + width - means) / scale
    lower = (x[:, None] - width - means) / scale
    if ends:
        upper[level == levels - 1] = np.inf
        lower[level == 0] = -np.inf
    log_p = _log_bin(upper, lower)
    if apart:
        return sign * sum(_log_sum_exp(log_weights + channel) for channel in log_p)
    return sign * float(_log_sum_exp(log_weights + log_p.sum(axis=0)))


def _sigmoid(z):
    return 0.5 + 0.5 * np.tanh(z / 2)


def _softplus(z):
    return np.logaddexp(0, z)


def _log_bin(upper, lower):
    with np.errstate(invalid="ignore"):
        inside = np.log(-np.expm1(lower - upper))
    return -_softplus(-upper) - _softplus(lower) + inside


def _log_sum_exp(z):
    return z.max() + np.log(np.exp(z - z.max()).sum())


def _same(actual, wrong, tolerance):
    """Whether two arrays agree, where infinite or NaN too."""
    return np.allclose(actual, wrong, rtol=0, atol=tolerance, equal_nan=True)
