"""The checks of notebook 15: right answers pass, classic wrong ones are named."""

import math

from pixelcnn_edu import evaluation, models
from pixelcnn_edu.exercises import pooled, surprise, unpadded_bits

import keras
import numpy as np
import pytest

LN2 = math.log(2)


def unpadded(bits_per_dim, padded_shape, shape):
    return bits_per_dim * math.prod(padded_shape) / math.prod(shape)


def by_nats(bits_per_dim, padded_shape, shape):
    nats = bits_per_dim * LN2 * math.prod(padded_shape)
    return np.float32(nats / LN2 / math.prod(shape))


@pytest.mark.parametrize("answer", [unpadded, by_nats])
def test_unpadded_bits_accepts_right_answers(answer):
    verdict = unpadded_bits(answer)
    assert verdict.passed, verdict.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda bits, padded, shape: bits, "spread over fewer pixels"),
        (lambda bits, padded, shape: unpadded(bits, shape, padded), "other way round"),
        (lambda bits, padded, shape: bits * math.prod(padded), "whole image"),
        (lambda bits, padded, shape: bits / math.prod(shape), "never multiplied"),
        (lambda bits, padded, shape: bits * padded[0] / shape[0], "ratio of one side"),
        (lambda bits, padded, shape: unpadded(bits, padded, shape) * LN2, "nats"),
        (lambda bits, padded, shape: bits * math.prod(padded) / 784, "Divided by 784"),
        (
            lambda bits, padded, shape: bits * math.prod(padded) / math.prod(shape[:2]),
            "divide by all three",
        ),
        (
            lambda bits, padded, shape: bits * math.prod(padded[:2]) / math.prod(shape),
            "multiply by all three",
        ),
        (
            lambda bits, padded, shape: unpadded(bits, padded, shape) / LN2,
            "bits already",
        ),
        (lambda bits, padded, shape: 1.0, "not the bits per dimension"),
        (lambda bits, padded, shape: np.ones(3), "one number"),
        (lambda bits, padded, shape: bits / [], "raised TypeError"),
    ],
)
def test_unpadded_bits_names_the_mistake(answer, words):
    verdict = unpadded_bits(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def test_the_bits_of_a_padded_network_are_those_of_the_one_inside():
    keras.utils.set_random_seed(0)
    inside = models.pixelcnn((4, 5, 1), filters=4, depth=1)
    image = keras.Input((8, 9, 1))
    frame = np.pad(np.zeros((4, 5)), 2, constant_values=-50)[..., None]
    logits = inside(keras.layers.Cropping2D(2)(image))
    logits = keras.layers.ZeroPadding2D(2)(logits) + frame.astype("float32")
    outside = models.ImageModel(image, logits, likelihood=inside.likelihood)
    images = (np.random.default_rng(0).random((6, 4, 5, 1)) < 0.5).astype("float32")
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    reported = evaluation.bits_per_dim(outside, padded)
    bits = unpadded(reported, (8, 9, 1), (4, 5, 1))
    assert np.allclose(bits, evaluation.bits_per_dim(inside, images), atol=1e-6)


def pool(
    sizes,
    means,
    spreads,
    *,
    weights=True,
    inside=True,
    between=True,
    square=2,
    once=False,
    bessel=1,
    divisor=None,
    root=True,
):
    """Pool as the right answer does, unless an argument plants a mistake."""
    count = sizes.sum()
    mean = (sizes * means).sum() / count if weights else means.mean()
    outside = (means - mean) ** square * (1 if once else sizes)
    squares = inside * sizes * spreads**2 + between * outside
    variance = squares.sum() / (count - bessel)
    variance = variance / (count if divisor is None else divisor)
    return mean, math.sqrt(variance) if root else variance


def by_sums(sizes, means, spreads):
    count, total = sizes.sum(), (sizes * means).sum()
    squares = (sizes * (spreads**2 + means**2)).sum()
    variance = (squares - total**2 / count) / (count - 1)
    return np.array([total / count, (variance / count) ** 0.5])


@pytest.mark.parametrize("answer", [pool, by_sums])
def test_pooled_accepts_right_answers(answer):
    verdict = pooled(answer)
    assert verdict.passed, verdict.text


def test_pooling_gives_what_the_package_gives_for_all_digits_at_once():
    nats = np.random.default_rng(0).normal(85, 20, 50)
    parts = np.split(nats, [7, 8, 31])
    sizes = np.array([len(part) for part in parts])
    spreads = np.array([part.std() for part in parts])
    result = pool(sizes, np.array([part.mean() for part in parts]), spreads)
    assert np.allclose(result, evaluation.mean_and_standard_error(nats))


def averaged(weighted):
    def answer(sizes, means, spreads):
        count = sizes.sum()
        spread = (sizes * spreads).sum() / count if weighted else spreads.mean()
        error = spread / math.sqrt(count - 1 if weighted else count)
        return (sizes * means).sum() / count, error

    return answer


def of_the_batches(sizes, means, spreads):
    return pool(sizes, means, spreads)[0], means.std(ddof=1) / math.sqrt(len(means))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *batches: pool(*batches, weights=False), "mean of means"),
        (lambda *batches: pool(*batches)[::-1], "swapped"),
        (lambda n, m, s: ((n * m).sum(), 1.0), "the sum"),
        (lambda *batches: (1.0, 1.0), "mean is another one"),
        (lambda *batches: pool(*batches, between=False), "Only the distances inside"),
        (lambda *batches: pool(*batches, square=1), "Then it sums to 0"),
        (lambda *batches: pool(*batches, once=True), "333 is 333 distances"),
        (lambda n, m, s: pool(n, m, s, bessel=len(n)), "minus the number of batches"),
        (lambda *batches: pool(*batches, inside=False), "Only the distances between"),
        (lambda *batches: pool(*batches, divisor=1), "surer by √N"),
        (lambda *batches: pool(*batches, divisor=1, bessel=0), "with N for N - 1"),
        (lambda *batches: pool(*batches, bessel=0), "N - 1 belongs"),
        (lambda *batches: pool(*batches, root=False), "take the root"),
        (lambda n, m, s: pool(n, m, s, divisor=len(n)), "the number of batches"),
        (of_the_batches, "as if each were one digit"),
        (averaged(weighted=False), "leaves out their sizes"),
        (averaged(weighted=True), "leaves out how far"),
        (lambda n, m, s: (pool(n, m, s)[0], 0.0), "its standard error is another"),
        (lambda *batches: 85.0, "Return a pair"),
        (lambda n, m, s: (m, s), "one number each"),
        (lambda *batches: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_pooled_names_the_mistake(answer, words):
    verdict = pooled(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def parts(logits, images):
    p, q = (np.exp(-np.logaddexp(0, sign * logits)) for sign in (-1, 1))
    if_ink, if_paper = np.logaddexp(0, -logits), np.logaddexp(0, logits)
    paid = np.logaddexp(0, logits) - images * logits
    return paid, p * if_ink + q * if_paper, p * q * logits**2


def total(values):
    return values.sum(axis=(1, 2, 3))


def right(logits, images):
    paid, expected, variance = parts(logits, images)
    return total(paid - expected) / np.sqrt(total(variance))


def in_bits_from_the_two_costs(logits, images):
    """The variance as a mean of squares, in another unit, which cancels."""
    costs = [np.logaddexp(0, sign * logits) / LN2 for sign in (1, -1)]  # paper, ink
    chances = [np.exp(-np.logaddexp(0, sign * logits)) for sign in (-1, 1)]
    chances = chances[::-1]
    mean = chances[0] * costs[0] + chances[1] * costs[1]
    square = sum(
        chance * (cost - mean) ** 2 for chance, cost in zip(chances, costs, strict=True)
    )
    paid = np.where(images > 0, costs[1], costs[0])
    return total(paid - mean) / total(square) ** 0.5


@pytest.mark.parametrize("answer", [right, in_bits_from_the_two_costs])
def test_surprise_accepts_right_answers(answer):
    verdict = surprise(answer)
    assert verdict.passed, verdict.text


def test_surprise_has_mean_0_and_deviation_1_for_images_that_the_network_draws():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 4, 5, 1))
    images = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype("float64")
    scores = right(logits, images)
    assert abs(scores.mean()) < 4 / math.sqrt(4000)
    assert abs(scores.std() - 1) < 0.05
    inverted = right(logits, 1 - images)  # the planted stranger
    assert inverted.mean() > 3


def through_p(logits, images):
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-logits))
        paid = -images * np.log(p) - (1 - images) * np.log(1 - p)
        expected = -p * np.log(p) - (1 - p) * np.log(1 - p)
        return total(paid - expected) / np.sqrt(total(p * (1 - p) * logits**2))


def apart(logits, images):
    paid, expected, _ = parts(logits, images)
    return total(paid - expected)


def per_pixel_mean(logits, images):
    paid, expected, variance = parts(logits, images)
    return ((paid - expected) / np.sqrt(variance)).mean(axis=(1, 2, 3))


def across_images(logits, images):
    paid = total(parts(logits, images)[0])
    return (paid - paid.mean()) / paid.std()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, y: -right(x, y), "The sign"),
        (apart, "In standard deviations"),
        (lambda x, y: apart(x, y) / total(parts(x, y)[2]), "Divided by the variance"),
        (
            lambda x, y: apart(x, y) / total(np.sqrt(parts(x, y)[2])),
            "deviations do not add",
        ),
        (
            lambda x, y: apart(x, y) / np.sqrt(total(parts(x, y)[2] / x**2)),
            "variance of the pixel",
        ),
        (
            lambda x, y: total(parts(x, y)[0]) / np.sqrt(total(parts(x, y)[2])),
            "Only what was paid",
        ),
        (across_images, "Standardized by these images"),
        (per_pixel_mean, "Sum first"),
        (through_p, "not a number"),
        (lambda x, y: x - y, "add up the pixels"),
        (lambda x, y: 0.5, "(N,)"),
        (lambda x, y: np.full(len(x), 7.0), "not the surprises"),
        (lambda x, y: x.nothing, "raised AttributeError"),
    ],
)
def test_surprise_names_the_mistake(answer, words):
    verdict = surprise(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


@pytest.mark.parametrize("judge", [unpadded_bits, pooled, surprise])
def test_a_blank_is_not_yet(judge):
    for blank in (..., lambda *arguments: ..., lambda *arguments: None):
        assert judge(blank).status == "not yet"
    assert "Hint 2" in judge(..., hint=2).text


def half_filled(sizes, means, spreads, *, mean=None, between=None):
    count = sizes.sum()
    mean = (sizes * means).sum() / count if mean is None else mean
    inside = sizes * spreads**2
    between = sizes * (means - mean) ** 2 if between is None else between
    return mean, np.sqrt((inside + between).sum() / (count - 1) / count)


@pytest.mark.parametrize(
    "answer",
    [
        lambda n, m, s: (m.mean(), ...),
        lambda *batches: half_filled(*batches, between=...),
        lambda *batches: half_filled(*batches, mean=...),
    ],
)
def test_a_blank_inside_pooled_is_not_yet(answer):
    assert pooled(answer).status == "not yet"
    assert pooled(half_filled).passed


def test_another_type_error_in_pooled_is_shown():
    assert "raised TypeError" in pooled(lambda n, m, s: (n + None, m)).text
