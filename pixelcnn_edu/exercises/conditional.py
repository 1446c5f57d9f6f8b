"""Checks for notebook 13: Bayes' rule, the label averaged out, a digit read in pieces."""

from pixelcnn_edu.exercises._check import Blank, Wrong, called, check, close

import numpy as np

# log p(x | y) of four digits under three labels, in nats, and a prior that is not even
_LOG_P = np.array(
    [
        [-90.0, -88.0, -95.0],
        [-70.5, -70.5, -72.0],
        [-1200.0, -1203.0, -1201.0],
        [-101.0, -93.0, -93.5],
    ]
)
_PRIOR = np.array([0.7, 0.2, 0.1])
_CASE = "prior [0.7 0.2 0.1], log_p\n" + "\n".join(
    " " * 12 + str(row) for row in _LOG_P
)


@check(
    "Bayes' rule multiplies p(x | y) by p(y). What becomes of a product under a logarithm?",
    "log p(x, y) = log p(x | y) + log p(y): add np.log(prior) to every row.",
)
def posterior(answer):
    """Judge ``posterior(log_p, prior)`` → p(y | x), (N, K).

    ``log_p``: (N, K), log p(x | y) of N images under K labels, in nats. ``prior``: (K,),
    p(y). Each row of the result sums to 1.
    """
    right = _posterior(_LOG_P, _PRIOR)
    actual = _array(_called(answer, _LOG_P.copy(), _PRIOR.copy()), "an array (N, K)")
    small = _LOG_P - _LOG_P.max(axis=1, keepdims=True)
    joint = _LOG_P + np.log(_PRIOR)
    small_joint = joint - joint.max(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        mistakes = {
            "The prior is left out: this is the answer for three equally likely labels.": (
                _posterior(_LOG_P, np.full(3, 1 / 3))
            ),
            "A logarithm is missing: p(y) itself is added to log p(x | y).": (
                _normal(np.exp(small + _PRIOR))
            ),
            "A logarithm cannot be multiplied by p(y). The product p(x | y) p(y) is a sum "
            "of logarithms.": _rows(_LOG_P * _PRIOR),
            "The prior comes too late: after it each row must be divided by its sum once "
            "more.": _rows(_LOG_P) * _PRIOR,
            "The prior is divided by, not multiplied with.": (
                _rows(_LOG_P - np.log(_PRIOR))
            ),
            "The sign is turned: these are posteriors of nats, not of log-probabilities.": (
                _rows(-_LOG_P + np.log(_PRIOR))
            ),
            "This is p(x, y), or a multiple of it: divide each row by its sum.": (
                np.exp(joint)
            ),
            "Divide each row by its sum: subtracting the maximum does not do that.": (
                np.exp(small_joint)
            ),
            "These are logarithms. Take np.exp of them.": np.log(right),
        }
    _judge_numbers(actual, right, mistakes, case=_CASE)
    return (
        "Image 1 is as likely under label 0 as under label 1: there the prior decides."
    )


@check(
    "Inside the logarithm stand probabilities: Σ p(y) p(x | y). Averaging the nats "
    "themselves is something else.",
    "joint = log_p + np.log(prior); highest = joint.max(axis=1); then -(highest + "
    "np.log(np.exp(joint - highest[:, None]).sum(axis=1))).",
)
def mixture_nats(answer):
    """Judge ``mixture_nats(log_p, prior)`` → (N,), nats of each image, label unknown.

    ``log_p``: (N, K), log p(x | y) in nats. ``prior``: (K,), p(y). The result is
    -log Σ p(y) p(x | y).
    """
    right = _mixture(_LOG_P, _PRIOR)
    actual = _array(_called(answer, _LOG_P.copy(), _PRIOR.copy()), "an array (N,)")
    highest = (_LOG_P + np.log(_PRIOR)).max(axis=1)
    mistakes = {
        "This averages the nats. A mixture averages the probabilities, and takes the "
        "logarithm after that.": -_LOG_P @ _PRIOR,
        "The prior is left out: this is -log Σ p(x | y).": _mixture(_LOG_P, np.ones(3)),
        "This takes p(y) as even for all labels; use the prior.": (
            _mixture(_LOG_P, np.full(3, 1 / 3))
        ),
        "The highest was taken off before np.exp and not added again after np.log.": (
            right + highest
        ),
        "The highest was taken off before np.exp; after np.log it was taken off again "
        "instead of added.": right + 2 * highest,
        "Nats are minus the logarithm: the sign is turned.": -right,
        "This is the term of the likeliest label alone. The others add to the sum.": (
            -highest
        ),
        "This is the lowest nats among the labels: it takes the best label for each "
        "image, which nobody has told.": -_LOG_P.max(axis=1),
        "These are bits (log₂); nats use the natural logarithm.": right / np.log(2),
    }
    _judge_numbers(actual, right, mistakes, case=_CASE)
    return (
        "At least the nats given the best label, and never more than those given a label y "
        "plus -log p(y): not knowing costs at most the price of the label."
    )


@check(
    "Bayes' rule once per pixel: after i pixels log p(y, x₁ … x_i) is log p(y) plus the "
    "first i terms. np.cumsum adds them up.",
    "joint = np.log(prior) + np.cumsum(log_p, axis=0), and before the first pixel "
    "np.log(prior) alone: np.concatenate([np.log(prior)[None], ...]). Then normalize each "
    "row, as in posterior.",
)
def reading(answer):
    """Judge ``reading(log_p, prior)`` → (P + 1, K): the posterior while an image is read.

    ``log_p``: (P, K), log p(x_i | x_1 … x_{i-1}, y) of each pixel, in reading order, under
    each label. ``prior``: (K,). Row i of the result is p(y | x_1 … x_i); row 0 is the
    prior.
    """
    rng = np.random.default_rng(0)
    log_p = np.log(rng.uniform(0.05, 0.95, (6, 3)))
    log_p = np.concatenate([log_p, [[-800.0, -801.0, -803.0]]])  # as if of many pixels
    prior = _PRIOR
    right = _reading(log_p, prior)
    actual = _array(_called(answer, log_p.copy(), prior.copy()), "an array (P + 1, K)")
    even = np.full(3, 1 / 3)
    again = np.arange(1, 9)[:, None] * np.log(prior)
    terms = np.concatenate([np.zeros((1, 3)), np.cumsum(log_p, axis=0)])
    backwards = np.concatenate([np.zeros((1, 3)), np.cumsum(log_p[::-1], axis=0)])
    with np.errstate(all="ignore"):
        mistakes = {
            "Row 0 is missing: before the first pixel is read the answer is the prior.": (
                right[1:]
            ),
            "The last row is missing: P pixels give P + 1 moments.": right[:-1],
            "The prior is left out: row 0 should be the prior.": _reading(log_p, even),
            "Each pixel is judged by itself, with the prior anew: what was read before is "
            "forgotten. Sum the logarithms.": _rows(
                np.concatenate([np.zeros((1, 3)), log_p]) + np.log(prior)
            ),
            "The prior is multiplied in at every pixel. It counts once; after that the "
            "posterior so far takes its place.": _rows(terms + again),
            "The pixels are added up from the last to the first. Reading order starts at "
            "pixel 0.": _rows(backwards + np.log(prior)),
            "These are joint probabilities: divide each row by its sum.": np.exp(
                terms + np.log(prior)
            ),
        }
    _judge_numbers(
        actual,
        right,
        mistakes,
        case="7 pixels, 3 labels, prior [0.7 0.2 0.1]",
        overflow="The last pixel stands for many: its logarithms are near -800, and np.exp "
        "of that is 0. Subtract each row's maximum before np.exp.",
    )
    return "The posterior after one pixel is the prior for the next."


def _judge_numbers(actual, right, mistakes, *, case, overflow=None):
    words = {"case": case, "expected": right, "actual": actual}
    for diagnosis, wrong in mistakes.items():
        if np.isfinite(wrong).all() and wrong.any() and close(actual, wrong):
            raise Wrong(diagnosis, **words)
    if actual.shape != right.shape:
        raise Wrong(
            "The result has another shape.",
            case=case,
            expected=right.shape,
            actual=actual.shape,
        )
    if np.allclose(np.sum(actual, axis=0), 1):
        raise Wrong(
            "Each column sums to 1, not each row: the sum should run over the labels "
            "(axis=1).",
            **words,
        )
    if not np.isfinite(actual).all() or (actual == 0).any():
        raise Wrong(
            overflow
            or "One image is rare: log p near -1200, and np.exp of that is 0 in float64. "
            "Subtract each image's maximum before np.exp.",
            **words,
        )
    if not close(actual, right):
        raise Wrong("Those are not the right numbers.", **words)


def _called(answer, *arrays):
    with np.errstate(all="ignore"):  # the verdict tells of it in words
        return called(answer, *arrays)


def _array(result, what):
    try:
        if any(part is ... for part in np.ravel(np.asarray(result, object))):
            raise Blank
        return np.asarray(result, "float64")
    except (TypeError, ValueError):
        raise Wrong(f"Return {what} of numbers.", actual=result) from None


def _normal(values, axis=1):
    return values / values.sum(axis=axis, keepdims=True)


def _rows(joint):
    """Normalize the rows of log-probabilities."""
    return _normal(np.exp(joint - joint.max(axis=1, keepdims=True)))


def _posterior(log_p, prior):
    return _rows(log_p + np.log(prior))


def _mixture(log_p, prior):
    joint = log_p + np.log(prior)
    highest = joint.max(axis=1)
    return -(highest + np.log(np.exp(joint - highest[:, None]).sum(axis=1)))


def _reading(log_p, prior):
    terms = np.concatenate([np.zeros((1, len(prior))), np.cumsum(log_p, axis=0)])
    return _rows(terms + np.log(prior))
