"""Checks for notebook 06: units, the floor of a cross-entropy, a softmax over levels."""

import math

from pixelcnn_edu.exercises._check import Wrong, called, check, close

import numpy as np

LN2 = math.log(2)


@check(
    "A bit is ln 2 = 0.693 nats. An image has height × width × channels values.",
    "nats / (math.prod(image_shape) * math.log(2))",
)
def to_bits(answer):
    """Judge ``to_bits(nats, image_shape)``: nats per image as bits per dimension.

    ``nats``: one number, nats per image. ``image_shape``: (height, width, channels).
    Returns bits per dimension: per pixel and channel.
    """
    cases = ((784 * LN2, (28, 28, 1)), (81.45, (28, 28, 1)), (6500.0, (32, 32, 3)))
    for nats, shape in cases:
        dims = math.prod(shape)
        expected = nats / dims / LN2
        actual = np.asarray(called(answer, nats, shape), "float64")
        if actual.shape == () and abs(actual - expected) <= 1e-5 * expected:
            continue
        mistakes = {
            "These are nats per dimension. A nat is more than a bit: divide by ln 2.": (
                nats / dims
            ),
            "These are bits per image. Divide by the number of values.": nats / LN2,
            "Multiplied by ln 2. One nat is 1 / ln 2 = 1.44 bits, so bits are more.": (
                nats / dims * LN2
            ),
            "That is the logarithm of the nats; nats are already one. Divide by ln 2.": (
                math.log2(nats) / dims
            ),
            "Divided by the number of pixels; each channel is a dimension of its own.": (
                nats / (shape[0] * shape[1]) / LN2
            ),
            "Divided by 784 whatever the shape.": nats / 784 / LN2,
            "Divided by 2, where ln 2 belongs.": nats / dims / 2,
        }
        words = {
            "case": f"{nats:.2f} nats per image of {shape}",
            "expected": expected,
            "actual": actual,
        }
        if actual.shape != ():
            raise Wrong("The answer is one number.", **words)
        for diagnosis, wrong in mistakes.items():
            if abs(actual - wrong) <= 1e-5 * abs(wrong):
                raise Wrong(diagnosis, **words)
        raise Wrong("Those are not bits per dimension.", **words)
    return "784 ln 2 nats, a fair coin for each pixel, is exactly 1 bit per dimension."


@check(
    "For one pixel of gray x, the cross-entropy -x log p - (1 - x) log(1 - p) is lowest "
    "at p = x. Put p = x in, and add up the pixels of each image.",
    "At x = 0 and x = 1 the lowest cost is 0, but 0 * log(0) is NaN: use "
    "np.clip(x, 1e-7, 1 - 1e-7) inside the logarithms. (In float32, 1 - 1e-12 is 1.)",
)
def lowest_crossentropy(answer):
    """Judge ``lowest_crossentropy(images)``: the floor under gray targets.

    ``images``: float64 or float32 (N, H, W, 1) in [0, 1]. Returns (N,): the lowest
    binary cross-entropy, in nats per image, that any prediction p can reach when the
    targets are the gray values themselves.
    """
    rng = np.random.default_rng(6)
    few = rng.choice([0.0, 0.2, 0.5, 0.9, 1.0], (4, 5, 7, 1))
    cases = (
        ("every pixel 0.5", np.full((2, 28, 28, 1), 0.5)),
        ("every pixel 0.1 or 0.7", rng.choice([0.1, 0.7], (3, 4, 6, 1))),
        ("only 0 and 1", (rng.random((3, 28, 28, 1)) < 0.3).astype("float64")),
        ("0, 0.2, 0.5, 0.9 and 1", few),
        ("0, 0.2, 0.5, 0.9 and 1 in float32", few.astype("float32")),
    )
    for case, images in cases:
        count, pixels = len(images), images[0].size
        expected = _entropy(images.astype("float64")).sum(axis=(1, 2, 3))
        with np.errstate(divide="ignore", invalid="ignore"):
            actual = np.asarray(called(answer, images.copy()), "float64")
        words = {"case": case, "expected": expected, "actual": actual}
        if np.isnan(actual).any() and images.dtype == "float32":
            raise Wrong(
                "In float32, 1 - 1e-12 is exactly 1, and 0 · log 0 is NaN again. Clip at "
                "1e-7, or work in float64.",
                **words,
            )
        if np.isnan(actual).any():
            raise Wrong("0 · log 0 is NaN in floats; it should count as 0.", **words)
        mistakes = {
            "That is per pixel. An image has all of them: sum, do not average.": (
                expected / pixels
            ),
            "Those are bits (log2). Nats use the natural logarithm.": expected / LN2,
            "The sign: a cost is -log.": -expected,
            "The term of the paper, -(1 - x) log(1 - x), is missing.": (
                -images * _log(images)
            ).sum(axis=(1, 2, 3)),
            "A fair coin at every pixel costs this much; p = x costs less.": np.full(
                count, pixels * LN2
            ),
        }
        if actual.shape == expected.shape and close(actual, expected, 1e-3):
            continue
        if actual.shape in ((), (count,)) and np.all(actual == 0):
            raise Wrong(
                "Even a perfect prediction of gray is not free: predicting .5 for .5 "
                "costs ln 2.",
                **words,
            )
        for diagnosis, wrong in mistakes.items():
            if actual.shape == wrong.shape and close(actual, wrong, 1e-4):
                raise Wrong(diagnosis, **words)
        if actual.shape == images.shape:
            raise Wrong("That is the cost of each pixel; add up each image.", **words)
        if actual.shape == ():
            whole = {
                "That is the sum over all images; one number per image is asked for.": (
                    expected.sum()
                ),
                "That is the mean over the images; one number per image is asked for.": (
                    expected.mean()
                ),
                "That is per pixel. An image has all of them: sum, do not average.": (
                    expected.mean() / pixels
                ),
            }
            for diagnosis, wrong in whole.items():
                if close(actual, np.asarray(wrong), 1e-4):
                    raise Wrong(diagnosis, **words)
        if actual.shape != expected.shape:
            raise Wrong("One number for each image is asked for, (N,).", **words)
        raise Wrong("That is not the lowest cross-entropy.", **words)
    return "Only images of 0 and 1 can cost nothing. Gray ones have a floor above 0."


@check(
    "softmax(z) = exp(z) / Σ exp(z) over the K levels of one pixel, so "
    "log p(k) = z[k] - log Σ exp(z). Add it up over the pixels; change the sign.",
    "exp(1000) is inf. Subtract the largest logit of each pixel first: the softmax "
    "does not change, and exp never sees a number above 0.",
)
def level_nats(answer):
    """Judge ``level_nats(logits, levels)``: nats of one image under a softmax.

    ``logits``: float64 (H, W, K), K logits per pixel. ``levels``: int (H, W), each in
    0 … K-1: the level of each pixel. Returns one number: -log p(image), in nats. Logits
    may be as large as ±1000.
    """
    rng = np.random.default_rng(7)
    apart = np.random.default_rng(8).normal(0, 2, (2, 3, 3))
    apart[0, 0] += 1000
    apart[1, 2] -= 1000
    cases = (
        ("random logits, K = 3", rng.normal(0, 2, (3, 4, 3)), None),
        ("random logits, K = 4", rng.normal(0, 2, (4, 4, 4)), None),
        ("all logits 0, K = 4", np.zeros((2, 3, 4)), rng.integers(0, 4, (2, 3))),
        ("logits of ±1000, K = 5", rng.choice([-1e3, 0.0, 1e3], (3, 2, 5)), None),
        ("one pixel at +1000, one at -1000, K = 3", apart, None),
    )
    for case, logits, levels in cases:
        height, width, count = logits.shape
        if levels is None:
            levels = rng.integers(0, count, (height, width))
        log_p = _log_softmax(logits, -1)
        chosen = np.take_along_axis(log_p, levels[..., None], -1)
        expected = -chosen.sum()
        with np.errstate(all="ignore"):
            actual = np.asarray(called(answer, logits.copy(), levels.copy()), "float64")
        if actual.shape == () and abs(actual - expected) <= 1e-5 * expected + 1e-4:
            continue
        words = {"case": case, "expected": float(expected), "actual": actual}
        if actual.shape != ():
            raise Wrong("The answer is one number for the whole image.", **words)
        words["actual"] = float(actual)
        if not np.isfinite(actual) and logits is apart:
            raise Wrong(
                "Where all logits of a pixel lie far below the largest of the image, "
                "every exp is 0. Subtract each pixel's own largest logit.",
                **words,
            )
        if not np.isfinite(actual):
            raise Wrong(
                "exp of a large logit is inf, or of a small one 0. Subtract each pixel's "
                "largest logit, and stay with logarithms.",
                **words,
            )
        raw = np.take_along_axis(logits, levels[..., None], -1)
        across = np.take_along_axis(_log_softmax(logits, (0, 1)), levels[..., None], -1)
        mistakes = {
            "The sign: log p is negative, nats are -log p.": -expected,
            "That is per pixel; the nats of an image are the sum.": (
                expected / levels.size
            ),
            "Those are bits (log2). Nats use the natural logarithm.": expected / LN2,
            "The logits were used as if they were log-probabilities: log Σ exp(z) is "
            "missing.": -raw.sum(),
            "The softmax ran over the pixels; it belongs over the K levels of each.": (
                -across.sum()
            ),
            "All levels are added up. Only the level that the pixel has counts.": (
                -log_p.sum()
            ),
            "That is the sum of the probabilities; take their logarithms.": (
                np.exp(chosen).sum()
            ),
        }
        for diagnosis, wrong in mistakes.items():
            if abs(actual - wrong) <= 1e-5 * abs(wrong) + 1e-9:
                raise Wrong(diagnosis, **words)
        raise Wrong("Those are not the nats of this image.", **words)
    return "Equal logits cost ln K nats per pixel: log2(K) bits, whatever the image."


def _log(x):
    return np.log(np.where(x > 0, x, 1))  # 0 where x is 0, as the factor x is


def _entropy(x):
    return -x * _log(x) - (1 - x) * _log(1 - x)


def _log_softmax(logits, axis):
    shifted = logits - logits.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
