"""Exercises of notebook 16: Bayes' rule, the label averaged out, a digit in pieces."""

from pixelcnn_edu.exercises._answers import numbers
from pixelcnn_edu.exercises._declared import Exercise, Mistake, then

import numpy as np

# log p(x | y) of five digits under three labels, in nats, and a prior that is not even
_LOG_P = np.array(
    [
        [-90.0, -88.0, -95.0],
        [-70.5, -70.5, -72.0],
        [-1200.0, -1203.0, -1201.0],
        [-101.0, -93.0, -93.5],
        [-1830.0, -100.0, -1830.5],
    ]
)
_PRIOR = np.array([0.7, 0.2, 0.1])
_DIGITS = {
    "cases": [
        (_LOG_P, _PRIOR),
        (_LOG_P[:2, :2], np.array([0.4, 0.6])),
        (np.hstack([_LOG_P[:2], _LOG_P[:2, :1] + 2]), np.array([0.4, 0.3, 0.2, 0.1])),
    ],
    "describe": lambda log_p, prior: "\n".join(
        [f"prior {prior}, log_p", *(" " * 12 + str(row) for row in log_p)]
    ),
}
_ANOTHER_RESULT = {
    "shape": "The result has another shape.",
    "otherwise": "Those are not the right numbers.",
}
_UNDERFLOW = (
    "One image is rare: log p near -1200, and np.exp of that is 0 in float64. Subtract "
    "each image's maximum before np.exp."
)


def _normal(values):
    return values / values.sum(axis=1, keepdims=True)


def _rows(joint):
    """Normalize the rows of log-probabilities."""
    return _normal(np.exp(joint - joint.max(axis=1, keepdims=True)))


def _posterior(log_p, prior):
    """p(y | x), (N, K).

    ``log_p``: (N, K), log p(x | y) of N images under K labels, in nats. ``prior``:
    (K,), p(y). Each row of the result sums to 1.
    """
    return _rows(log_p + np.log(prior))


posterior = Exercise(
    _posterior,
    **_DIGITS,
    **_ANOTHER_RESULT,
    read=numbers("Return an array (N, K) of numbers."),
    mistakes={
        "The prior is left out: this is the answer for three equally likely labels.": (
            lambda log_p, prior: _rows(log_p)
        ),
        "A logarithm is missing: p(y) itself is added to log p(x | y).": Mistake(
            lambda log_p, prior: _rows(log_p + prior), hint=2
        ),
        "The prior comes too late: after it each row must be divided by its sum once "
        "more.": lambda log_p, prior: _rows(log_p) * prior,
        "Each column sums to 1, not each row: the sum should run over the labels "
        "(axis=1).": Mistake(
            lambda log_p, prior: _rows((log_p + np.log(prior)).T).T,
            fits=lambda actual, *_: np.allclose(actual.sum(axis=0), 1),
        ),
        _UNDERFLOW: lambda log_p, prior: _normal(np.exp(log_p) * prior),
    },
    hints=(
        "Bayes' rule multiplies p(x | y) by p(y). What becomes of a product under a "
        "logarithm?",
        "log p(x, y) = log p(x | y) + log p(y): add np.log(prior) to every row.",
    ),
    praise="Image 1 is as likely under label 0 as under label 1: there the prior decides.",
)


def _mixture_nats(log_p, prior):
    """Nats of each image when its label is unknown, (N,): -log Σ p(y) p(x | y).

    ``log_p``: (N, K), log p(x | y) in nats. ``prior``: (K,), p(y).
    """
    return -np.logaddexp.reduce(log_p + np.log(prior), axis=1)


mixture_nats = Exercise(
    _mixture_nats,
    **_DIGITS,
    **_ANOTHER_RESULT,
    read=numbers("Return an array (N,) of numbers."),
    mistakes={
        "This averages the nats. A mixture averages the probabilities, and takes the "
        "logarithm after that.": lambda log_p, prior: -log_p @ prior,
        "The prior is left out: this is -log Σ p(x | y).": (
            lambda log_p, prior: -np.logaddexp.reduce(log_p, axis=1)
        ),
        "Nats are minus the logarithm: the sign is turned.": Mistake(
            then(lambda right: -right), hint=2
        ),
        "This is the lowest nats among the labels: it takes the best label for each "
        "image, which nobody has told.": lambda log_p, prior: -log_p.max(axis=1),
        _UNDERFLOW: Mistake(
            lambda log_p, prior: -np.log(np.exp(log_p) @ prior), hint=2
        ),
    },
    hints=(
        "The logarithm is of a sum of probabilities: Σ p(y) p(x | y). A mean of the "
        "nats is something else.",
        "joint = log_p + np.log(prior); highest = joint.max(axis=1); then -(highest + "
        "np.log(np.exp(joint - highest[:, None]).sum(axis=1))).",
    ),
    praise=(
        "The result is never below the nats given the best label, and never above "
        "those given a label y plus -log p(y)."
    ),
)


def _reading(log_p, prior):
    """The posterior while an image is read, (P + 1, K).

    ``log_p``: (P, K), log p(x_i | x_1 … x_{i-1}, y) of each pixel, in reading order,
    under each label. ``prior``: (K,). Row i of the result is p(y | x_1 … x_i); row 0 is
    the prior.
    """
    return _rows(_sums(log_p) + np.log(prior))


def _sums(log_p):
    return np.cumsum(np.concatenate([0 * log_p[:1], log_p]), axis=0)


def _pixels():
    log_p = np.log(np.random.default_rng(0).uniform(0.05, 0.95, (6, 3)))
    many = [[-2530.0, -801.0, -2533.0]]  # as if of many pixels
    two = _PRIOR[1:] / 0.3
    return [
        (np.concatenate([log_p, many]), _PRIOR),
        (log_p[:, :2], two),
        (np.tile(log_p[:, :2], (300, 1)), two),
    ]


reading = Exercise(
    _reading,
    cases=_pixels,
    **_ANOTHER_RESULT,
    read=numbers("Return an array (P + 1, K) of numbers."),
    describe=lambda log_p, prior: (
        f"{len(log_p)} pixels, {len(prior)} labels, prior {prior.round(2)}"
    ),
    mistakes={
        "Row 0 is missing: before the first pixel is read the answer is the "
        "prior.": Mistake(then(lambda right: right[1:]), hint=2),
        "The prior is left out: row 0 should be the prior.": (
            lambda log_p, prior: _rows(_sums(log_p))
        ),
        "Each pixel is judged by itself, with the prior anew: what was read before is "
        "forgotten. Sum the logarithms.": lambda log_p, prior: _rows(
            np.concatenate([0 * log_p[:1], log_p]) + np.log(prior)
        ),
        "The prior is multiplied in at every pixel. It counts once; after that the "
        "posterior so far takes its place.": lambda log_p, prior: _rows(
            _sums(log_p + np.log(prior)) + np.log(prior)
        ),
        "The last pixel stands for many: its logarithms are -801 and less, and np.exp of "
        "that is 0. Subtract each row's maximum before np.exp.": Mistake(
            lambda log_p, prior: _normal(np.exp(_sums(log_p) + np.log(prior))), hint=2
        ),
    },
    hints=(
        "Bayes' rule once per pixel: after i pixels log p(y, x₁ … xᵢ) is log p(y) plus "
        "the first i terms. np.cumsum adds them up.",
        "joint = np.log(prior) + np.cumsum(log_p, axis=0), and before the first pixel "
        "np.log(prior) alone: np.concatenate([np.log(prior)[None], ...]). Then normalize "
        "each row, as in posterior.",
    ),
    praise="The posterior after one pixel is the prior for the next.",
    rtol=0.01,  # sums of 1800 logarithms in float32
    atol=1e-5,
)
