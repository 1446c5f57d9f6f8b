"""Checks for notebook 15: padding undone, batches pooled, a cost that was expected."""

import math

from pixelcnn_edu.exercises._check import Blank, Wrong, called, check, close

import numpy as np


@check(
    "Padding leaves the bits of an image as they are: known pixels cost nothing. Only the "
    "number that they are divided by has changed.",
    "bits / math.prod(shape)",
)
def unpadded_bits(answer):
    """Judge ``unpadded_bits(bits_per_dim, padded_shape, shape)``: padding undone.

    ``bits_per_dim``: reported for images of ``padded_shape``, (H, W, C), whose frame is
    known and free. Returns the bits per dimension of the same images without it, of
    ``shape``.
    """
    cases = (
        (0.12, (32, 32, 1), (28, 28, 1)),
        (0.5, (8, 10, 1), (4, 5, 1)),
        (2.1, (40, 36, 3), (32, 32, 3)),
    )
    for reported, padded, shape in cases:
        dims, more = math.prod(shape), math.prod(padded)
        expected = reported * more / dims
        actual = np.asarray(called(answer, reported, padded, shape), "float64")
        words = {
            "case": f"{reported} bits per dim of {padded}, without the frame {shape}",
            "expected": expected,
            "actual": actual,
        }
        if actual.shape != ():
            raise Wrong("The answer is one number.", **words)
        if abs(actual - expected) <= 1e-5 * expected:
            continue
        mistakes = {
            "The same bits, spread over fewer pixels, are more per pixel.": reported,
            "The other way round: without the frame there are fewer pixels to share the "
            "bits.": reported * dims / more,
            "Those are the bits of the whole image. Divide by its number of values.": (
                reported * more
            ),
            "Divided once more, and never multiplied: reported are bits per value of the "
            "padded image.": reported / dims,
            "The ratio of one side. A page has two: 32/28 counts twice.": (
                reported * padded[0] / shape[0]
            ),
            "Those are nats per dimension. The question and the answer are in bits.": (
                expected * math.log(2)
            ),
            "Divided by 784 whatever the shape.": reported * more / 784,
            "A value is a pixel *of a channel*: divide by all three.": (
                reported * more / (shape[0] * shape[1])
            ),
            "A value is a pixel *of a channel*: multiply by all three.": (
                reported * padded[0] * padded[1] / dims
            ),
            "Divided by ln 2, as nats would be. Reported were bits already.": (
                expected / math.log(2)
            ),
        }
        for diagnosis, wrong in mistakes.items():
            if abs(actual - wrong) <= 1e-5 * abs(wrong):
                raise Wrong(diagnosis, **words)
        raise Wrong("Those are not the bits per dimension without the frame.", **words)
    return "From 32×32 to 28×28 it is a factor of 1024/784 = 1.31."


@check(
    "The mean of all digits weighs each batch by its size. The squared distances from the "
    "mean of all are those inside a batch, plus size · (batch mean - mean of all)².",
    "variance = (inside + between).sum() / (count - 1); the standard error is "
    "np.sqrt(variance / count).",
)
def pooled(answer):
    """Judge ``pooled(sizes, means, spreads)``: one mean and error from unequal batches.

    ``sizes``, ``means``, ``spreads``: arrays (B,), for each batch how many digits it
    had, the mean of their nats, and their standard deviation as NumPy gives it,
    ``nats.std()``. Returns (mean, standard error) of all digits.
    """
    rng = np.random.default_rng(15)
    in_order = np.sort(rng.normal(85, 20, 12))
    cases = (
        ("batches of 4, 4 and 1", np.split(rng.normal(85, 20, 9), [4, 8])),
        ("cheap digits first: 6, 4 and 2", np.split(in_order, [6, 10])),
        ("batches of 333, 333, 333 and 1", np.split(rng.normal(85, 20, 1000), _CUTS)),
    )
    for case, batches in cases:
        sizes = np.array([len(batch) for batch in batches])
        means = np.array([batch.mean() for batch in batches])
        spreads = np.array([batch.std() for batch in batches])
        every = np.concatenate(batches)
        count = len(every)
        expected = every.mean(), every.std(ddof=1) / math.sqrt(count)
        given = sizes.copy(), means.copy(), spreads.copy()
        actual = _pair(_called(answer, *given))
        words = {
            "case": case,
            "expected": "{:.4f} ± {:.4f}".format(*expected),
            "actual": "{:.4f} ± {:.4f}".format(*actual),
        }
        if close(actual, expected, 1e-6):
            continue
        mean, error = actual
        if not close(mean, expected[0]):
            mistakes = {
                "A mean of means: the batch of one digit counts as much as the others.": (
                    means.mean()
                ),
                "That is the sum, not the mean.": every.sum(),
                "The two are swapped: first the mean, then its error.": expected[1],
                "That is the median.": np.median(every),
            }
            for diagnosis, wrong in mistakes.items():
                if close(mean, wrong, 1e-6):
                    raise Wrong(diagnosis, **words)
            raise Wrong("The mean is another one.", **words)
        inside = (sizes * spreads**2).sum()
        between = (sizes * (means - expected[0]) ** 2).sum()
        once = ((means - expected[0]) ** 2).sum()
        bessel = math.sqrt(count - 1)
        mistakes = {
            "Only the distances inside the batches. Each batch's mean also lies away from "
            "the mean of all; with sorted digits that is most of the spread. (Is it there, "
            "but not squared? Then it sums to 0.)": (
                math.sqrt(inside / (count - 1) / count)
            ),
            "Each batch counts once; a batch of 333 is 333 distances.": (
                math.sqrt((inside + once) / (count - 1) / count)
            ),
            "Divided by N minus the number of batches. One mean was made from the digits, "
            "that of all: N - 1.": (
                math.sqrt((inside + between) / (count - len(sizes)) / count)
            ),
            "Only the distances between the batches; inside each there are more.": (
                math.sqrt(between / (count - 1) / count)
            ),
            "This is the spread of the digits. The mean is surer by √N.": (
                math.sqrt((inside + between) / (count - 1))
            ),
            "This is the spread of the digits, with N for N - 1. The mean is surer by "
            "√N.": math.sqrt((inside + between) / count),
            "Divided by N where N - 1 belongs: each distance is from a mean that the same "
            "digits made.": math.sqrt((inside + between) / count / count),
            "This is the squared error; take the root.": (
                (inside + between) / (count - 1) / count
            ),
            "Divided by the root of the number of batches. N counts digits.": (
                math.sqrt((inside + between) / (count - 1) / len(sizes))
            ),
            "The error of the batch means, as if each were one digit.": (
                means.std(ddof=1) / math.sqrt(len(means))
            ),
            "The average of the batches' spreads leaves out their sizes, and how far the "
            "batches lie apart.": spreads.mean() / math.sqrt(count),
            "The average of the batches' spreads leaves out how far the batches lie "
            "apart.": (sizes * spreads).sum() / count / bessel,
        }
        for diagnosis, wrong in mistakes.items():
            if close(error, wrong, 1e-6):
                raise Wrong(diagnosis, **words)
        raise Wrong("The mean is right, its standard error is another one.", **words)
    return "Nothing is lost: three numbers per batch tell as much as all its digits."


_CUTS = [333, 666, 999]


@check(
    "A pixel of logit l is ink with p = 1 / (1 + exp(-l)). It costs softplus(-l) if it is "
    "ink and softplus(l) if it is paper. The expected cost is p · the first + (1 - p) · "
    "the second; the paid cost is the one that came.",
    "The two costs lie |l| apart, so the variance of a pixel's cost is p · (1 - p) · l². "
    "Add the variances of an image's pixels before you take the root. "
    "softplus(l) is np.logaddexp(0, l).",
)
def surprise(answer):
    """Judge ``surprise(logits, images)``: costs beyond what the network expected.

    ``logits``, ``images``: float64 (N, H, W, 1), images of 0 and 1. For each image: the
    nats paid, minus the nats expected by the network's own probabilities, divided by the
    standard deviation that goes with them. Returns (N,).
    """
    rng = np.random.default_rng(16)
    shape = (4, 3, 5, 1)
    logits = rng.normal(0, 2, shape)
    images = (rng.random(shape) < 0.4).astype("float64")
    sure = np.where(rng.random(shape) < 0.5, 1000.0, -1000.0)
    sure[:, 0] = logits[:, 0]
    agreeing = np.where(sure == 1000, 1.0, np.where(sure == -1000, 0.0, images))
    coin = np.full(shape, 0.5)
    cases = (
        ("logits of about ±2", logits, images),
        ("every logit 0.5", coin, images),
        ("a network that is sure: logits of ±1,000", sure, agreeing),
    )
    for case, logits, images in cases:
        paid, expected_cost, variance = _parts(logits, images)
        apart = (paid - expected_cost).sum(axis=(1, 2, 3))
        deviation = np.sqrt(variance.sum(axis=(1, 2, 3)))
        expected = apart / deviation
        with np.errstate(all="ignore"):
            actual = np.asarray(called(answer, logits.copy(), images.copy()), "float64")
        words = {"case": case, "expected": expected, "actual": actual}
        if actual.shape == images.shape:
            raise Wrong(
                "One number for each image is asked for: add up the pixels.", **words
            )
        if actual.shape != expected.shape:
            raise Wrong("One number for each image is asked for, (N,).", **words)
        if not np.isfinite(actual).all():
            raise Wrong(
                "Infinite, or not a number. Through p, a sure network gives log(0) and "
                "0 · log(0); np.logaddexp(0, logits) has no such trouble. Where a pixel is "
                "sure, its variance is 0, so divide sums only.",
                **words,
            )
        if close(actual, expected, 1e-6):
            continue
        p = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))

        def total(values):
            return values.sum(axis=(1, 2, 3))

        paid_all = total(paid)
        mistakes = {
            "The sign: a digit that costs more than expected has a positive surprise.": (
                -expected
            ),
            "These are the nats beyond what was expected. In standard deviations, please: "
            "divide by the root of the summed variances.": apart,
            "Divided by the variance; its root is the standard deviation.": (
                apart / deviation**2
            ),
            "Standard deviations do not add; variances do. Sum them, then take the root.": (
                apart / total(np.sqrt(variance))
            ),
            "That is the variance of the pixel, p (1 - p). The cost moves by |logit| when "
            "the pixel moves by 1: p (1 - p) · logit².": (
                apart / np.sqrt(total(p * (1 - p)))
            ),
            "Only what was paid. The network expected to pay something.": (
                paid_all / deviation
            ),
            "Standardized by these images. The network has an expectation for each image "
            "by itself; other images do not enter.": (
                (paid_all - paid_all.mean()) / paid_all.std()
            ),
            "The pixels' scores, averaged: pixels of which the network is nearly sure then "
            "count as much as doubtful ones. Sum first, divide once.": (
                _safe_mean((paid - expected_cost) / np.sqrt(variance))
            ),
        }
        for diagnosis, wrong in mistakes.items():
            if close(actual, wrong, 1e-6):
                raise Wrong(diagnosis, **words)
        raise Wrong("Those are not the surprises.", **words)
    return (
        "For images as the network draws them this has mean 0 and standard deviation 1, "
        "about. "
        "The solutions try it on digits, and on what is none."
    )


def _parts(logits, images):
    """Paid cost, expected cost and its variance, of each pixel."""
    p = np.exp(-np.logaddexp(0, -logits))
    if_ink, if_paper = np.logaddexp(0, -logits), np.logaddexp(0, logits)
    paid = np.where(images == 1, if_ink, if_paper)
    # a sure network's other cost is large, but its probability is 0
    q = np.exp(-np.logaddexp(0, logits))
    return paid, p * if_ink + q * if_paper, p * q * logits**2


def _safe_mean(values):
    return np.nan_to_num(values).mean(axis=(1, 2, 3))


def _called(answer, *given):
    """Call the answer; one that calculates with a ``...`` it has left is a blank."""
    try:
        return called(answer, *given)
    except TypeError as error:
        if "ellipsis" in str(error):
            raise Blank from error
        raise


def _pair(result):
    if not isinstance(result, tuple | list | np.ndarray) or len(result) != 2:
        raise Wrong("Return a pair: (mean, standard error).", actual=result)
    if any(part is ... for part in result):
        raise Blank
    if any(np.ndim(part) for part in result):
        raise Wrong("Mean and standard error are one number each.", actual=result)
    return tuple(float(part) for part in result)
