"""Exercises of notebook 06: units, the floor of a cross-entropy, a softmax over levels."""

import math

from pixelcnn_edu.exercises._declared import Exercise, Mistake, then

import numpy as np

LN2 = math.log(2)


def _to_bits(nats, image_shape):
    """Nats per image as bits per dimension, that is, per pixel and channel.

    ``nats``: one number, nats per image. ``image_shape``: (height, width, channels).
    """
    return nats / math.prod(image_shape) / LN2


to_bits = Exercise(
    _to_bits,
    cases=[
        (784 * LN2, (28, 28, 1)),
        (81.45, (28, 28, 1)),
        (6500.0, (32, 24, 3)),
        (90.0, (5, 1, 2)),
    ],
    describe="{:.2f} nats per image of {}",
    mistakes={
        "These are nats per dimension. A nat is more than a bit: divide by ln 2.": (
            lambda nats, shape: nats / math.prod(shape)
        ),
        "These are bits per image. Divide by the number of values.": (
            lambda nats, shape: nats / LN2
        ),
        "Multiplied by ln 2. One nat is 1 / ln 2 = 1.44 bits, so bits are more.": (
            lambda nats, shape: nats / math.prod(shape) * LN2
        ),
        "Divided by the number of pixels; each channel is a dimension of its own.": (
            lambda nats, shape: nats / math.prod(shape[:2]) / LN2
        ),
    },
    hints=(
        "A bit is ln 2 = 0.693 nats. An image has height × width × channels values.",
        "nats / (math.prod(image_shape) * math.log(2))",
    ),
    shape="The answer is one number.",
    otherwise="Those are not bits per dimension.",
    praise="784 ln 2 nats, a fair coin for each pixel, is exactly 1 bit per dimension.",
    rtol=1e-5,
    atol=0,
)


def _lowest_crossentropy(images):
    """The floor under gray targets.

    ``images``: float64 or float32 (N, H, W, 1) in [0, 1]. The result is (N,): the
    lowest binary cross-entropy, in nats per image, that any prediction p can reach when
    the targets are the gray values themselves.
    """
    return _cost(images.astype("float64"), 1e-12)


def _cost(images, clip=0.0):
    p = np.clip(images, clip, 1 - clip)
    cost = -(images * np.log(p) + (1 - images) * np.log(1 - p))
    return cost.sum(axis=(1, 2, 3))


def _gray_images():
    rng = np.random.default_rng(6)
    few = rng.choice([0.0, 0.2, 0.5, 0.9, 1.0], (4, 5, 7, 1))
    yield "every pixel 0.5", np.full((2, 28, 28, 1), 0.5)
    yield "every pixel 0.1 or 0.7", rng.choice([0.1, 0.7], (3, 4, 6, 1))
    yield "only 0 and 1", (rng.random((3, 28, 28, 1)) < 0.3).astype("float64")
    yield "0, 0.2, 0.5, 0.9 and 1", few
    yield "0, 0.2, 0.5, 0.9 and 1 in float32", few.astype("float32")
    yield "a single image", few[:1]


lowest_crossentropy = Exercise(
    _lowest_crossentropy,
    cases=_gray_images,
    run=lambda answer, name, images: answer(images),
    describe="{0}",
    mistakes={
        "In float32, 1 - 1e-12 is exactly 1, and 0 · log 0 is NaN again. Clip at 1e-7, or "
        "work in float64.": Mistake(
            lambda images: _cost(images, images.dtype.type(1e-12)),
            fits=lambda actual, expected, name, images: (
                np.isnan(actual).any() and images.dtype == "float32"
            ),
            hint=2,
        ),
        "0 · log 0 is NaN in floats; it should count as 0.": Mistake(
            _cost,
            fits=lambda actual, expected, name, images: (
                np.isnan(actual).any() and np.isin(images, (0, 1)).any()
            ),
            hint=2,
        ),
        "Even a perfect prediction of gray is not free: predicting .5 for .5 costs "
        "ln 2.": lambda images: np.zeros(len(images)),
        "That is per pixel. An image has all of them: sum, do not average.": (
            lambda images: _lowest_crossentropy(images) / images[0].size
        ),
        "Those are bits (log2). Nats use the natural logarithm.": Mistake(
            then(lambda right: right / LN2), hint=0
        ),
    },
    hints=(
        "For one pixel of gray x, the cross-entropy -x log p - (1 - x) log(1 - p) is "
        "lowest at p = x. Put p = x in, and add up the pixels of each image.",
        "At x = 0 and x = 1 the lowest cost is 0, but 0 * log(0) is NaN: use "
        "np.clip(x, 1e-7, 1 - 1e-7) inside the logarithms. (In float32, 1 - 1e-12 is 1.)",
    ),
    shape="One number for each image is asked for, (N,).",
    otherwise="That is not the lowest cross-entropy.",
    praise="Only images of 0 and 1 can cost nothing. Gray ones have a floor above 0.",
    atol=2e-3,  # 784 clipped pixels cost 1.34e-3 nats
)


def _log_softmax(logits, axis=-1):
    shifted = logits - logits.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _chosen(log_p, levels):
    return np.take_along_axis(log_p, levels[..., None], -1)


def _level_nats(logits, levels):
    """Nats of one image under a softmax.

    ``logits``: float64 (H, W, K), K logits per pixel. ``levels``: int (H, W), each in
    0 … K-1: the level of each pixel. The result is one number: -log p(image), in nats.
    Logits may be as large as ±1000.
    """
    return -_chosen(_log_softmax(logits), levels).sum()


def _shifted_by(highest):
    """The nats after ``highest(logits)``, one number, is subtracted from all logits."""

    def level_nats(logits, levels):
        z = logits - highest(logits)
        return -_chosen(z - np.log(np.exp(z).sum(-1, keepdims=True)), levels).sum()

    return level_nats


def _logits_and_levels():
    rng = np.random.default_rng(7)
    apart = rng.normal(0, 2, (2, 3, 3))
    apart[0, 0] += 1000
    apart[1, 2] -= 1000
    for name, logits in (
        ("random logits, K = 3", rng.normal(0, 2, (3, 4, 3))),
        ("random logits, K = 4", rng.normal(0, 2, (4, 4, 4))),
        ("all logits 0, K = 4", np.zeros((2, 3, 4))),
        ("logits of ±1000, K = 5", rng.choice([-1e3, 0.0, 1e3], (3, 2, 5))),
        ("one pixel at +1000, one at -1000, K = 3", apart),
    ):
        yield name, logits, rng.integers(0, logits.shape[-1], logits.shape[:2])


level_nats = Exercise(
    _level_nats,
    cases=_logits_and_levels,
    run=lambda answer, name, *case: answer(*case),
    describe="{0}",
    mistakes={
        "Where all logits of a pixel lie far below the largest of the image, every exp is "
        "0. Subtract each pixel's own largest logit.": Mistake(
            _shifted_by(lambda logits: logits.max()),
            fits=lambda actual, expected, name, *_: (
                not np.isfinite(actual) and "one pixel" in name
            ),
            hint=2,
        ),
        "exp of a large logit is inf, or of a small one 0. Subtract each pixel's largest "
        "logit, and stay with logarithms.": Mistake(
            _shifted_by(lambda logits: 0),
            fits=lambda actual, expected, name, *_: (
                not np.isfinite(actual) and "1000" in name
            ),
            hint=2,
        ),
        "The logits were used as if they were log-probabilities: log Σ exp(z) is "
        "missing.": lambda logits, levels: -_chosen(logits, levels).sum(),
        "The softmax ran over the pixels; it belongs over the K levels of each.": (
            lambda logits, levels: -_chosen(_log_softmax(logits, (0, 1)), levels).sum()
        ),
    },
    hints=(
        "softmax(z) = exp(z) / Σ exp(z) over the K levels of one pixel, so "
        "log p(k) = z[k] - log Σ exp(z). Add it up over the pixels; change the sign.",
        "exp(1000) is inf. Subtract the largest logit of each pixel first: the softmax "
        "does not change, and exp never sees a number above 0.",
    ),
    shape="The answer is one number for the whole image.",
    otherwise="Those are not the nats of this image.",
    praise="Equal logits cost ln K nats per pixel: log2(K) bits, whatever the image.",
    rtol=1e-5,
    atol=1e-4,
)
