"""Exercises of notebook 18: padding undone, batches pooled, a cost that was expected."""

import math

from pixelcnn_edu.exercises._answers import as_arrays, pair, plus_minus
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np


def _unpadded_bits(bits_per_dim, padded_shape, shape):
    """Bits per dimension with the padding undone.

    ``bits_per_dim``: reported for images of ``padded_shape``, (H, W, C), whose frame is
    known and free. The result is the bits per dimension of the same images without it,
    of ``shape``.
    """
    return bits_per_dim * math.prod(padded_shape) / math.prod(shape)


unpadded_bits = Exercise(
    _unpadded_bits,
    cases=[
        (0.12, (32, 32, 1), (28, 28, 1)),
        (0.5, (8, 10, 1), (4, 5, 1)),
        (2.1, (40, 36, 3), (32, 32, 3)),
    ],
    describe="{} bits per dim of {}, without the frame {}",
    mistakes={
        "The same bits, spread over fewer pixels, are more per pixel.": (
            lambda bits, padded, shape: bits
        ),
        "The other way round: without the frame there are fewer pixels to share the "
        "bits.": lambda bits, padded, shape: _unpadded_bits(bits, shape, padded),
        "The ratio of one side. A page has two: 32/28 counts twice.": (
            lambda bits, padded, shape: bits * padded[0] / shape[0]
        ),
    },
    hints=(
        "Padding leaves the bits of an image as they are: known pixels cost nothing. Only "
        "the number that they are divided by has changed.",
        "bits / math.prod(shape)",
    ),
    shape="The answer is one number.",
    otherwise="Those are not the bits per dimension without the frame.",
    praise="From 32×32 to 28×28 it is a factor of 1024/784 = 1.31.",
    rtol=1e-5,
    atol=0,
    show=as_arrays,
)


def _pooled(
    sizes,
    means,
    spreads,
    *,
    weighted=True,
    between=True,
    once=False,
    less=1,
    root_n=True,
):
    """One mean and its standard error from unequal batches.

    ``sizes``, ``means``, ``spreads``: arrays (B,), for each batch how many digits it
    had, the mean of their nats, and their standard deviation as NumPy gives it,
    ``nats.std()``. The result is (mean, standard error) of all digits.
    """
    count = sizes.sum()
    mean = (sizes * means).sum() / count if weighted else means.mean()
    squares = sizes * spreads**2
    if between:
        squares = squares + (means - mean) ** 2 * (1 if once else sizes)
    variance = squares.sum() / (count - less)
    return mean, math.sqrt(variance / count if root_n else variance)


def _batches():
    rng = np.random.default_rng(15)
    in_order = np.sort(rng.normal(85, 20, 12))
    cuts = [333, 666, 999]
    for name, batches in (
        ("batches of 4, 4 and 1", np.split(rng.normal(85, 20, 9), [4, 8])),
        ("cheap digits first: 6, 4 and 2", np.split(in_order, [6, 10])),
        ("batches of 333, 333, 333 and 1", np.split(rng.normal(85, 20, 1000), cuts)),
    ):
        yield (
            name,
            np.array([len(batch) for batch in batches]),
            np.array([batch.mean() for batch in batches]),
            np.array([batch.std() for batch in batches]),
        )


pooled = Exercise(
    _pooled,
    cases=_batches,
    run=lambda answer, name, *batches: answer(*batches),
    read=pair(
        "Return a pair: (mean, standard error).",
        (),
        "Mean and standard error are one number each.",
    ),
    describe="{0}",
    mistakes={
        "A mean of means: the batch of one digit counts as much as the others.": but(
            weighted=False
        ),
        "Only the distances inside the batches. Each batch's mean also lies away from the "
        "mean of all; with sorted digits that is most of the spread. (Is it there, but not "
        "squared? Then it sums to 0.)": but(between=False),
        "Each batch counts once; a batch of 333 is 333 distances.": but(once=True),
        "This is the spread of the digits. Its mean has an error smaller by √N.": Mistake(
            but(root_n=False), hint=2
        ),
        "Divided by N where N - 1 belongs: each distance is from a mean that the same "
        "digits made.": Mistake(but(less=0), hint=2),
    },
    hints=(
        "The mean of all digits weighs each batch by its size. The squared distances from "
        "the mean of all are those inside a batch, plus size · (batch mean - mean of "
        "all)².",
        "variance = (inside + between).sum() / (count - 1); the standard error is "
        "np.sqrt(variance / count).",
    ),
    shape="Return a pair: (mean, standard error).",
    otherwise=(
        "The mean is another one.",
        "The mean is right, its standard error is another one.",
    ),
    praise="For the mean and its standard error, three numbers per batch are enough.",
    show=plus_minus(4),
)


def _total(values):
    return values.sum(axis=(1, 2, 3))


def _surprise(
    logits, images, *, divisor=lambda logits, variance: np.sqrt(_total(variance))
):
    """Costs beyond what the network expected, in standard deviations, (N,).

    ``logits``, ``images``: float64 (N, H, W, 1), images of 0 and 1. For each image: the
    nats paid, minus the nats expected by the network's own probabilities, divided by
    the standard deviation that goes with them.
    """
    if_ink, if_paper = np.logaddexp(0, -logits), np.logaddexp(0, logits)
    p, q = np.exp(-if_ink), np.exp(-if_paper)
    paid = np.where(images == 1, if_ink, if_paper)
    expected = p * if_ink + q * if_paper
    return _total(paid - expected) / divisor(logits, p * q * logits**2)


def _through_p(logits, images):
    p = 1 / (1 + np.exp(-logits))
    paid = -images * np.log(p) - (1 - images) * np.log(1 - p)
    expected = -p * np.log(p) - (1 - p) * np.log(1 - p)
    return _total(paid - expected) / np.sqrt(_total(p * (1 - p) * logits**2))


def _logits_and_images():
    rng = np.random.default_rng(16)
    shape = (4, 3, 5, 1)
    logits = rng.normal(0, 2, shape)
    images = (rng.random(shape) < 0.4).astype("float64")
    sure = np.where(rng.random(shape) < 0.5, 1000.0, -1000.0)
    sure[:, 0] = logits[:, 0]
    agreeing = np.where(sure == 1000, 1.0, np.where(sure == -1000, 0.0, images))
    yield "logits of about ±2", logits, images
    yield "every logit 0.5", np.full(shape, 0.5), images
    yield "a network that is sure: logits of ±1,000", sure, agreeing
    wrong = logits.copy()
    wrong[:, 0, 0] = np.where(images[:, 0, 0], -40.0, 40.0)
    yield "a network that is sure of a pixel, and wrong: a logit of ±40", wrong, images


surprise = Exercise(
    _surprise,
    cases=_logits_and_images,
    run=lambda answer, name, *case: answer(*case),
    describe="{0}",
    mistakes={
        "Infinite, or not a number. Through p, a sure network gives log(0) and 0 · log(0); "
        "np.logaddexp(0, logits) has no such trouble. Where a pixel is sure, its variance "
        "is 0, so divide sums only.": Mistake(
            _through_p,
            fits=lambda actual, expected, name, *_: (
                not np.isfinite(actual).all() and "sure" in name
            ),
            hint=2,
        ),
        "The sign: a digit that costs more than expected has a positive surprise.": then(
            lambda right: -right
        ),
        "These are the nats beyond what was expected. In standard deviations, please: "
        "divide by the root of the summed variances.": Mistake(
            but(divisor=lambda logits, variance: 1), hint=2
        ),
        "Standard deviations do not add; variances do. Sum them, then take the "
        "root.": Mistake(
            but(divisor=lambda logits, variance: _total(np.sqrt(variance))), hint=2
        ),
        "That is the variance of the pixel, p (1 - p). The cost moves by |logit| when the "
        "pixel moves by 1: p (1 - p) · logit².": Mistake(
            but(divisor=lambda logits, variance: np.sqrt(_total(variance / logits**2))),
            hint=2,
        ),
    },
    hints=(
        "A pixel of logit l is ink with p = 1 / (1 + exp(-l)). It costs softplus(-l) if it "
        "is ink and softplus(l) if it is paper. The expected cost is p · the first + "
        "(1 - p) · the second; the paid cost is the one that came.",
        "The two costs lie |l| apart, so the variance of a pixel's cost is "
        "p · (1 - p) · l². Add the variances of an image's pixels before you take the "
        "root. softplus(l) is np.logaddexp(0, l).",
    ),
    shape="One number for each image is asked for, (N,).",
    otherwise="Those are not the surprises.",
    praise=(
        "For images that the network draws, the mean is about 0 and the standard "
        "deviation about 1. The solution tries digits and other images."
    ),
    rtol=1e-5,
)
