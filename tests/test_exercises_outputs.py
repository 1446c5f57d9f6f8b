"""The checks of notebook 06: right answers accepted, classic mistakes named."""

import math

from pixelcnn_edu import exercises
from pixelcnn_edu.likelihoods import Categorical

import keras
import numpy as np
import pytest

LN2 = math.log(2)


def bits(nats, shape):
    return nats / (math.prod(shape) * math.log(2))


def floor_by_clipping(images):
    p = np.clip(images, 1e-7, 1 - 1e-7)
    return -(images * np.log(p) + (1 - images) * np.log(1 - p)).sum(axis=(1, 2, 3))


def floor_clipped_too_finely(images):
    p = np.clip(images, 1e-12, 1 - 1e-12)
    with np.errstate(all="ignore"):
        cost = -(images * np.log(p) + (1 - images) * np.log(1 - p))
    return cost.sum(axis=(1, 2, 3))


def floor_in_float64(images):
    return floor_clipped_too_finely(images.astype("float64"))


def floor_by_keras(images):
    cost = keras.losses.binary_crossentropy(images, images).numpy()
    return cost.sum(axis=(1, 2)).tolist()


def level_nats_with(
    shift=True,
    axis=-1,
    normalize=True,
    log=np.log,
    of=lambda chosen, all_: -chosen.sum(),
):
    def level_nats(logits, levels):
        over = None if shift == "image" else axis
        z = logits - logits.max(axis=over, keepdims=True) if shift else logits
        if normalize:
            z = z - np.log(np.exp(z).sum(axis=axis, keepdims=True))
        chosen = np.take_along_axis(z, levels[..., None], -1)
        return of(chosen, z)

    return level_nats


def level_nats_by_the_package(logits, levels):
    count = logits.shape[-1]
    images = (levels / (count - 1)).astype("float32")[None, ..., None]
    return -Categorical(count).log_prob(logits[None], images)[0]


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.to_bits, bits),
        (exercises.to_bits, lambda nats, s: np.float32(nats / np.prod(s)) / np.log(2)),
        (exercises.lowest_crossentropy, floor_by_clipping),
        (exercises.lowest_crossentropy, floor_in_float64),
        (exercises.lowest_crossentropy, floor_by_keras),
        (exercises.level_nats, level_nats_with()),
        (exercises.level_nats, level_nats_by_the_package),
    ],
)
def test_right_answers_are_accepted(check, answer):
    verdict = check(answer)
    assert verdict.passed, verdict.text


@pytest.mark.parametrize(
    "check",
    [exercises.to_bits, exercises.lowest_crossentropy, exercises.level_nats],
)
def test_a_blank_is_not_yet(check):
    for blank in (..., lambda *args: ..., lambda *args: None):
        assert check(blank).status == "not yet"
    assert "Hint 2" in check(..., hint=2).text


def raw_entropy(images):
    with np.errstate(all="ignore"):
        return -(images * np.log(images) + (1 - images) * np.log(1 - images))


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.to_bits, lambda n, s: n / math.prod(s), "divide by ln 2"),
        (exercises.to_bits, lambda n, s: n / LN2, "bits per image"),
        (exercises.to_bits, lambda n, s: n / math.prod(s) * LN2, "Multiplied by ln 2"),
        (
            exercises.to_bits,
            lambda n, s: math.log2(n) / math.prod(s),
            "logarithm of the nats",
        ),
        (exercises.to_bits, lambda n, s: n / s[0] / s[1] / LN2, "each channel"),
        (exercises.to_bits, lambda n, s: n / 784 / LN2, "Divided by 784"),
        (exercises.to_bits, lambda n, s: n / math.prod(s) / 2, "where ln 2 belongs"),
        (exercises.to_bits, lambda n, s: [n, n], "one number"),
        (exercises.to_bits, lambda n, s: 3, "not bits"),
        (
            exercises.lowest_crossentropy,
            lambda x: np.zeros(len(x)),
            "predicting .5 for .5 costs ln 2",
        ),
        (
            exercises.lowest_crossentropy,
            lambda x: floor_by_clipping(x) / x[0].size,
            "per pixel",
        ),
        (exercises.lowest_crossentropy, lambda x: floor_by_clipping(x) / LN2, "bits"),
        (exercises.lowest_crossentropy, lambda x: -floor_by_clipping(x), "sign"),
        (
            exercises.lowest_crossentropy,
            lambda x: raw_entropy(x).sum((1, 2, 3)),
            "NaN",
        ),
        (
            exercises.lowest_crossentropy,
            floor_clipped_too_finely,
            "In float32, 1 - 1e-12 is exactly 1",
        ),
        (
            exercises.lowest_crossentropy,
            lambda x: np.full(len(x), x[0].size * LN2),
            "fair coin",
        ),
        (
            exercises.lowest_crossentropy,
            lambda x: -(x * np.log(np.clip(x, 1e-12, 1))).sum((1, 2, 3)),
            "paper",
        ),
        (
            exercises.lowest_crossentropy,
            lambda x: floor_by_clipping(x).mean(),
            "mean over the images",
        ),
        (
            exercises.lowest_crossentropy,
            lambda x: floor_by_clipping(x).sum(),
            "sum over all images",
        ),
        (
            exercises.lowest_crossentropy,
            lambda x: (
                floor_by_keras(x) and keras.losses.binary_crossentropy(x, x)[..., None]
            ),
            "cost of each pixel",
        ),
        (exercises.lowest_crossentropy, lambda x: np.ones((2, 2)), "(N,)"),
        (exercises.lowest_crossentropy, lambda x: np.ones(len(x)), "not the lowest"),
        (
            exercises.level_nats,
            level_nats_with(of=lambda chosen, z: chosen.sum()),
            "The sign",
        ),
        (
            exercises.level_nats,
            level_nats_with(of=lambda chosen, z: -chosen.mean()),
            "per pixel",
        ),
        (
            exercises.level_nats,
            level_nats_with(of=lambda chosen, z: -chosen.sum() / LN2),
            "bits",
        ),
        (exercises.level_nats, level_nats_with(shift=False), "is inf"),
        (exercises.level_nats, level_nats_with(shift="image"), "own largest logit"),
        (
            exercises.level_nats,
            level_nats_with(shift=False, normalize=False),
            "as if they were log-probabilities",
        ),
        (exercises.level_nats, level_nats_with(axis=(0, 1)), "over the pixels"),
        (
            exercises.level_nats,
            level_nats_with(of=lambda chosen, z: -z.sum()),
            "All levels",
        ),
        (
            exercises.level_nats,
            level_nats_with(of=lambda chosen, z: np.exp(chosen).sum()),
            "logarithms",
        ),
        (exercises.level_nats, lambda z, k: z, "one number"),
        (exercises.level_nats, lambda z, k: 1.5, "not the nats"),
        (exercises.level_nats, lambda z, k: z[99], "IndexError"),
    ],
)
def test_a_classic_mistake_is_named(check, answer, words):
    verdict = check(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text
