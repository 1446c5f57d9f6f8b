"""The checks of notebook 14: right answers pass, classic wrong ones are named."""

from pixelcnn_edu.exercises import bin_probability, color_log_prob, log_bin
from pixelcnn_edu.exercises.many_levels import _color_log_prob
from pixelcnn_edu.likelihoods import LogisticMixture

import numpy as np
import pytest


def sigmoid(z):
    return 0.5 + 0.5 * np.tanh(z / 2)


def in_a_bin(level, levels, mean, scale, *, ends=True, step=1.0, unit=True, at=0.0):
    """The right answer, unless an argument plants a mistake."""
    x, half = 2 * level / (levels - 1) - 1, step / (levels - 1)
    by = scale if unit else 1
    upper, lower = (x + half - mean) / by, (x - half - mean) / by
    if ends and level == 0:
        lower = -np.inf
    if ends and level == levels - 1:
        upper = np.inf
    return sigmoid(upper) - sigmoid(lower) + at


def of_the_package(level, levels, mean, scale):
    logits = np.float32([[0, mean, np.log(scale)]])
    likelihood = LogisticMixture(1, levels)
    p = np.asarray(likelihood.probabilities(logits, np.zeros((1, 1), "float32")))
    return float(p[0, 0, level])


def by_adding_up(level, levels, mean, scale):
    """The density of the logistic, added up in small steps from border to border."""
    middle, half = 2 * level / (levels - 1) - 1, 1 / (levels - 1)
    start = mean - 40 * scale if level == 0 else middle - half
    stop = mean + 40 * scale if level == levels - 1 else middle + half
    x, dx = np.linspace(start, stop, 200_000, retstep=True)
    density = 1 / (4 * scale * np.cosh((x - mean) / (2 * scale)) ** 2)
    return (density[1:] + density[:-1]).sum() * dx / 2


@pytest.mark.parametrize("answer", [in_a_bin, by_adding_up])
def test_bin_probability_accepts_right_answers(answer):
    verdict = bin_probability(answer)
    assert verdict.passed, verdict.text


def test_the_package_agrees_in_float32():
    for level, levels, mean, scale in ((0, 4, -0.2, 0.3), (100, 256, -0.2, 0.05)):
        exact = in_a_bin(level, levels, mean, scale)
        assert of_the_package(level, levels, mean, scale) == pytest.approx(exact, 1e-4)


def with_first(first):
    def answer(level, levels, mean, scale):
        upper, lower = (
            (2 * level / (levels - 1) - 1 + half - mean) / scale
            for half in (1 / (levels - 1), -1 / (levels - 1))
        )
        return (
            first(upper, lower) if level == 0 else in_a_bin(level, levels, mean, scale)
        )

    return answer


def with_last(last):
    def answer(level, levels, mean, scale):
        lower = (2 * level / (levels - 1) - 1 - 1 / (levels - 1) - mean) / scale
        whole = in_a_bin(level, levels, mean, scale)
        return last(lower) if level == levels - 1 else whole

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *a: in_a_bin(*a, ends=False), "treated like those in the middle"),
        (with_first(lambda a, b: sigmoid(a) - sigmoid(b)), "The first bin is treated"),
        (with_first(lambda a, b: 1 - sigmoid(a)), "above the first bin"),
        (with_first(lambda a, b: sigmoid(b)), "below the lower border"),
        (with_first(lambda a, b: 1.0), "ends at its upper border"),
        (with_first(lambda a, b: 0), "Level 0 has a probability too"),
        (with_first(lambda a, b: sigmoid(b) - sigmoid(a)), "The sign"),
        (with_last(sigmoid), "below the last bin"),
        (
            lambda k, n, mean, scale: sigmoid((2 * k / (n - 1) - 1 - mean) / scale),
            "half a step",
        ),
        (lambda *a: in_a_bin(*a, unit=False), "Divide by the scale"),
        (lambda *a: in_a_bin(*a, step=2), "not the probability"),
        (lambda *a: np.zeros(3), "one number"),
        (lambda *a: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_bin_probability_names_the_mistake(answer, words):
    verdict = bin_probability(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def softplus(z):
    return np.logaddexp(0, z).astype(z.dtype)


def product(upper, lower):
    return -softplus(-upper) - softplus(lower) + np.log(-np.expm1(lower - upper))


def from_the_nearer_tail(upper, lower):
    """Mirror a bin above the mean to below it; log σ(a) + log(1 - σ(b)/σ(a))."""
    mirrored = lower > 0
    a, b = np.where(mirrored, -lower, upper), np.where(mirrored, -upper, lower)
    log_a, log_b = -softplus(-a), -softplus(-b)
    ratio = np.where(np.isinf(b), -np.inf, log_b - log_a)
    exact = -softplus(-a) - softplus(b) + np.log(-np.expm1(b - a))
    return np.where(np.abs(ratio) < 1e-3, exact, log_a + np.log(-np.expm1(ratio)))


@pytest.mark.parametrize("answer", [product, from_the_nearer_tail])
def test_log_bin_accepts_right_answers(answer):
    verdict = log_bin(answer)
    assert verdict.passed, verdict.text


def exact_in_decimals(upper, lower):
    import decimal

    decimal.getcontext().prec = 400
    a, b = decimal.Decimal(upper), decimal.Decimal(lower)
    difference = 1 / (1 + (-a).exp()) - 1 / (1 + (-b).exp())
    return float(difference.ln())


@pytest.mark.parametrize("upper", [-300.0, -3.0, 0.4, 20.0, 300.0])
def test_the_product_is_exact_to_many_decimals(upper):
    low, high = np.array([upper - 1]), np.array([upper])
    assert product(high, low)[0] == pytest.approx(exact_in_decimals(upper, upper - 1))


def clamped(upper, lower):
    return np.log(np.maximum(sigmoid(upper) - sigmoid(lower), 1e-12))


def density(upper, lower):
    middle = (upper + lower) / 2
    return -softplus(-middle) - softplus(middle) + np.log(upper - lower)


def plain_log(upper, lower):
    inside = np.log(1 - np.exp(lower - upper))
    return -softplus(-upper) - softplus(lower) + inside


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: np.log(sigmoid(a) - sigmoid(b)), "round to 1"),
        (
            lambda a, b: np.log(1 / (1 + np.exp(-a)) - 1 / (1 + np.exp(-b))),
            "round to 1",
        ),
        (clamped, "above a floor"),
        (density, "narrow bins only"),
        (lambda a, b: softplus(-b) - softplus(-a), "logarithm of a quotient"),
        (
            lambda a, b: -softplus(-a) - softplus(-b) + np.log(-np.expm1(b - a)),
            "that of -lower",
        ),
        (
            lambda a, b: -softplus(-a) - softplus(b) + np.log(1 - np.exp(a - b)),
            "e^(lower - upper)",
        ),
        (plain_log, "np.expm1 keeps them"),
        (
            lambda a, b: -softplus(-a) - softplus(b) - np.expm1(b - a),
            "its *logarithm* is missing",
        ),
        (lambda a, b: -softplus(-a) - softplus(b), "The third term is missing"),
        (lambda a, b: sigmoid(a) - sigmoid(b), "its logarithm"),
        (lambda a, b: -product(a, b), "The sign"),
        (lambda a, b: product(a, b).sum(), "for each bin"),
        (lambda a, b: a, "That is not log"),
        (lambda a, b: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_log_bin_names_the_mistake(answer, words):
    verdict = log_bin(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def with_the_package(logits, color, levels):
    image = (np.array(color) / (levels - 1)).reshape(1, 1, 1, 3).astype("float32")
    likelihood = LogisticMixture(len(logits) // 10, levels)
    logits = np.float32(logits).reshape(1, 1, 1, -1)
    return float(likelihood.log_prob(logits, image)[0])


def by_hand(logits, color, levels):
    """A sum over the components, each channel by `product`."""
    m = len(logits) // 10
    weights = logits[:m] - np.logaddexp.reduce(logits[:m])
    x, total = np.array(color) * 2 / (levels - 1) - 1, []
    for j in range(m):
        mean, scale, c = np.reshape(logits[m:], (3, 3, m))[..., j]
        c = np.tanh(c)
        moved = mean + np.array([0, c[0] * x[0], c[1] * x[0] + c[2] * x[1]])
        upper = (x + 1 / (levels - 1) - moved) / np.exp(scale)
        lower = (x - 1 / (levels - 1) - moved) / np.exp(scale)
        upper[x > 1 - 1e-9], lower[x < -1 + 1e-9] = np.inf, -np.inf
        total.append(weights[j] + product(upper, lower).sum())
    return np.logaddexp.reduce(total)


@pytest.mark.parametrize("answer", [by_hand, _color_log_prob])
def test_color_log_prob_accepts_right_answers(answer):
    verdict = color_log_prob(answer)
    assert verdict.passed, verdict.text


def test_the_hand_written_mixture_is_that_of_the_package():
    rng = np.random.default_rng(0)
    for levels in (2, 4, 256):
        logits = rng.normal(0, 1, 30)
        for color in ((0, 1, levels - 1), (1, 1, 0)):
            ours, theirs = by_hand(logits, color, levels), _color_log_prob
            assert ours == pytest.approx(theirs(logits, color, levels))
            assert ours == pytest.approx(with_the_package(logits, color, levels), 1e-4)


def planted(**mistake):
    return lambda *arguments: _color_log_prob(*arguments, **mistake)


def in_probabilities(logits, color, levels):
    m = len(logits) // 10
    rows = np.reshape(logits, (10, m))
    c, x = np.tanh(rows[7:]), np.array(color) * 2 / (levels - 1) - 1
    means = rows[1:4].copy()
    means[1] += c[0] * x[0]
    means[2] += c[1] * x[0] + c[2] * x[1]
    upper, lower = (
        (x[:, None] + half - means) / np.exp(rows[4:7])
        for half in (1 / (levels - 1), -1 / (levels - 1))
    )
    upper[np.array(color) == levels - 1] = np.inf
    lower[np.array(color) == 0] = -np.inf
    p = (sigmoid(upper) - sigmoid(lower)).prod(axis=0)
    return np.log(p @ np.exp(rows[0]) / np.exp(rows[0]).sum())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (planted(sign=-1), "The sign"),
        (planted(apart=True), "log Σ exp of its own"),
        (planted(softmax=False), "not normalized"),
        (planted(weights=False), "weighted evenly"),
        (planted(moved=False), "do not move"),
        (planted(tanh=False), "through tanh"),
        (planted(unit="share"), "or as numbers in [0, 1]"),
        (planted(unit="level"), "not as levels."),
        (planted(order=(0, 2, 1)), "are swapped"),
        (planted(order=(2, 0, 1)), "Green takes coefficient 0"),
        (planted(log_scale=False), "*log* scales"),
        (planted(ends=False), "reach to infinity"),
        (planted(half=2), "half a bin is"),
        (planted(half=0.5), "not the log-probability"),
        (planted(sign=1 / np.log(2)), "bits"),
        (in_probabilities, "Stay with"),
        (lambda logits, color, levels: np.zeros(3), "one number"),
        (lambda logits, color, levels: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_color_log_prob_names_the_mistake(answer, words):
    verdict = color_log_prob(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text, verdict.text


@pytest.mark.parametrize("judge", [bin_probability, log_bin, color_log_prob])
def test_a_blank_is_not_yet(judge):
    for blank in (..., lambda *arguments: ..., lambda *arguments: None):
        assert judge(blank).status == "not yet"
    assert "Hint 2" in judge(..., hint=2).text


def test_the_gap_in_the_notebook_is_a_blank():
    assert bin_probability(with_first(lambda a, b: ...)).status == "not yet"
