"""Exercise of notebook 10: weights of particles."""

from pixelcnn_edu.exercises._answers import pair
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np


def _normalized(logs):
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _particle_weights(
    probs,
    images,
    known,
    *,
    factor=lambda images, p: np.where(images == 1, p, 1 - p),
    log=lambda logs, known: logs[:, known].sum(axis=1),
    weigh=_normalized,
    number=lambda weights: 1 / (weights**2).sum(),
):
    """What clamping left out: the weights of particles.

    ``probs(images)``: from (n, H, W, 1) of 0 and 1 to the probability of ink of each
    pixel given those before it, same shape. ``images``: n drawings, the pixels of
    ``known``, boolean (H, W), clamped. The result is the weights (n,), which sum to 1,
    each in proportion to Π p(known pixel | its past); and the effective number of
    particles.
    """
    factors = factor(images, np.asarray(probs(images), float))[..., 0]
    logs = log(np.log(factors), known)
    return weigh(logs), number(_normalized(logs))


def _second_copies_first(images):
    p = np.full(np.shape(images), 0.5)
    p[:, 0, 1] = 0.1 + 0.8 * np.asarray(images)[:, 0, 0]
    return p


def _random_world(rng):
    matrix = np.tril(rng.normal(0, 1.5, (9, 9)), -1)
    bias = rng.normal(0, 1, 9)

    def probs(images):
        logits = np.reshape(images, (-1, 9)) @ matrix.T + bias
        return (1 / (1 + np.exp(-logits))).reshape(np.shape(images))

    return probs


def _ink_by_share(images):
    """The more ink in the upper half, the likelier is a pixel of the lower one."""
    images = np.asarray(images)
    p = np.full(images.shape, 0.1)
    p[:, 14:] = 0.015 + 0.02 * images[:, :14].mean(axis=(1, 2, 3), keepdims=True)
    return p


def _particles():
    rng = np.random.default_rng(6)
    ink, paper = [[[1.0], [1.0]]], [[[0.0], [1.0]]]
    yield (
        "first pixel ink with p = 0.5, the second copies it with p = 0.9 and is ink",
        _second_copies_first,
        np.array([ink, paper, paper]),
        np.array([[False, True]]),
    )
    bottom, middle, nothing = np.zeros((3, 3, 3), bool)
    bottom[2], middle[1, 1] = True, True
    for about, known in (
        ("the bottom row is known, 3 × 3 pixels", bottom),
        ("the middle pixel is known, 3 × 3 pixels", middle),
        ("nothing is known", nothing),
    ):
        images = (rng.random((5, 3, 3, 1)) < 0.5).astype(float)
        images[:, known] = rng.integers(0, 2, (known.sum(), 1))
        yield about, _random_world(rng), images, known
    page = np.zeros((28, 28), bool)
    page[14:] = True
    images = (rng.random((4, 28, 28, 1)) < 0.1).astype(float)
    images[:, page] = np.arange(392)[:, None] % 2  # far from what is expected
    yield "the lower half is known, 28 × 28 pixels", _ink_by_share, images, page


def _weights_or_number(expected, actual, about, probs, images, known):
    weights, number = expected
    if actual[0].shape != weights.shape:
        return {"expected": weights, "actual": actual[0]}
    if not np.allclose(actual[0], weights, rtol=0, atol=1e-3, equal_nan=True):
        return {"expected": weights, "actual": actual[0]}
    case = f"weights {weights.round(3).tolist()}"
    return {"case": case, "expected": number.item(), "actual": actual[1]}


_WRONG_NUMBER = (
    "The weights are right, the effective number is not. If all n weights are 1/n it is n; "
    "if one of them is 1, it is 1."
)

particle_weights = Exercise(
    _particle_weights,
    cases=_particles,
    run=lambda answer, about, *case: answer(*case),
    read=pair("Return a pair: the weights, and the effective number."),
    describe=lambda about, probs, images, known: f"{about}; {len(images)} particles",
    mistakes={
        "Return a pair: the weights, and the effective number.": then(
            lambda right: right[0]
        ),
        "A product of hundreds of probabilities can be 0 in floating point, and 0 / 0 is "
        "no weight. Sum logarithms, and subtract the largest before np.exp.": Mistake(
            but(weigh=lambda logs: np.exp(logs) / np.exp(logs).sum()),
            fits=lambda actual, *_: (
                not np.isfinite(actual[0]).all() or (actual[0].any() == np.False_)
            ),
        ),
        "Those are the probabilities of whole images, divided. Clamping drew with the "
        "factors of the unknown pixels: they must not count twice.": but(
            log=lambda logs, known: logs.sum(axis=(1, 2))
        ),
        "Those are the factors of the unknown pixels. Clamping used them already; the "
        "known ones are missing.": but(
            log=lambda logs, known: logs[:, ~known].sum(axis=1)
        ),
        "A known pixel of paper has the factor 1 - p, not p.": but(
            factor=lambda images, p: p
        ),
        "Those do not sum to 1: divide by their total.": Mistake(
            but(weigh=np.exp), hint=2
        ),
        "The largest is 1, but they do not sum to 1: divide by their total.": Mistake(
            but(weigh=lambda logs: np.exp(logs - logs.max())), hint=2
        ),
        "Those are logarithms. Take np.exp, then divide by the total.": Mistake(
            but(weigh=lambda logs: logs), hint=2
        ),
        "Factors multiply; you have added them.": but(
            log=lambda logs, known: np.log(
                np.maximum(np.exp(logs)[:, known].sum(axis=1), 1e-300)
            )
        ),
        "Reversed: a drawing that makes the known pixels likely weighs more.": but(
            log=lambda logs, known: -logs[:, known].sum(axis=1)
        ),
        _WRONG_NUMBER: Mistake(
            but(number=len), but(number=lambda weights: (weights**2).sum())
        ),
    },
    hints=(
        "One pass gives p(ink) of every pixel of every image. A known pixel's factor is p "
        "if it is ink and 1 - p if it is paper. Clamping drew with the other factors "
        "already.",
        "Sum np.log(factor) over the known pixels, subtract the largest sum, np.exp, "
        "divide by the total. The effective number is 1 / (weights ** 2).sum().",
    ),
    shape="The answer needs one weight per image.",
    otherwise=("Not these weights.", _WRONG_NUMBER),
    praise="The more there is to explain, the fewer particles compete.",
    rtol=0,
    atol=1e-3,
    show=_weights_or_number,
)
