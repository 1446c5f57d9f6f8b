"""The checks of notebook 09: right answers pass, classic wrong ones are named."""

from pixelcnn_edu import evaluation
from pixelcnn_edu.exercises import draw, exact_conditional, temper

import numpy as np
import pytest


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def logit(p):
    return np.log(p / (1 - p))


def loop(probs, u, rule=lambda p, u: u < p):
    images = np.zeros_like(u)
    for row, col, k in np.ndindex(u.shape[1:]):
        p = probs(images)[:, row, col, k]
        images[:, row, col, k] = rule(p, u[:, row, col, k])
    return images


def fixed_point(probs, u):
    images, previous = np.zeros(u.shape, bool), None
    while previous is None or (images != previous).any():
        previous, images = images, u < probs(images)
    return images


def enumerated(probs, image, known, weigh="all"):
    images = evaluation.all_images(image.shape)
    images = images[(images == image)[:, known].all(axis=(1, 2))]
    p = probs(images)
    factor = np.where(images == 1, p, 1 - p)[..., 0]
    if weigh == "unknown":
        factor[:, known] = 1
    weight = factor.prod(axis=(1, 2))
    if weigh != "unnormalized":
        weight /= weight.sum()
    return np.einsum("n,nhw->hw", weight, images[..., 0])


@pytest.mark.parametrize(
    "answer",
    [
        lambda p, t: sigmoid(logit(p) / t),
        lambda p, t: p ** (1 / t) / (p ** (1 / t) + (1 - p) ** (1 / t)),
        lambda p, t: sigmoid(logit(p) / t).astype("float32"),
    ],
)
def test_temper_accepts_right_answers(answer):
    assert temper(answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, t: sigmoid(logit(p) * t), "multiplies"),
        (lambda p, t: p, "does not use it"),
        (lambda p, t: p / t, "divide the logit"),
        (lambda p, t: p ** (1 / t), "sum to 1"),
        (lambda p, t: logit(p) / t, "back into probabilities"),
        (lambda p, t: sigmoid(-logit(p) / t), "paper"),
        (lambda p, t: 0.5, "one probability for each"),
        (lambda p, t: p * 0, "not the tempered"),
        (lambda p, t: p / 0 / None, "raised TypeError"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_temper_names_the_mistake(answer, words):
    verdict = temper(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


@pytest.mark.parametrize("answer", [loop, fixed_point])
def test_draw_accepts_right_answers(answer):
    assert draw(answer).passed


def only_image_0(probs, u):
    return loop(lambda images: np.repeat(probs(images)[:1], len(u), 0), u)


def row_at_once(probs, u):
    images = np.zeros_like(u)
    for row in range(u.shape[1]):
        images[:, row] = u[:, row] < probs(images)[:, row]
    return images


def pixel_at_once(probs, u):
    images = np.zeros_like(u)
    for row, col in np.ndindex(u.shape[1:3]):
        images[:, row, col] = u[:, row, col] < probs(images)[:, row, col]
    return images


def by_column(probs, u):
    images = np.zeros_like(u)
    for col, row, k in np.ndindex(u.shape[2], u.shape[1], u.shape[3]):
        images[:, row, col, k] = u[:, row, col, k] < probs(images)[:, row, col, k]
    return images


def by_channel(probs, u):
    images = np.zeros_like(u)
    for k, row, col in np.ndindex(u.shape[3], *u.shape[1:3]):
        images[:, row, col, k] = u[:, row, col, k] < probs(images)[:, row, col, k]
    return images


def returns_early(probs, u, values=None):
    images = np.zeros_like(u)
    for row, col, k in list(np.ndindex(1, *u.shape[2:]))[:values]:
        images[:, row, col, k] = u[:, row, col, k] < probs(images)[:, row, col, k]
    return images


def like_the_tutorial(probs, u):
    images = np.zeros_like(u)
    for row, col, k in np.ndindex(u.shape[1:]):
        p = probs(images)[k][:, row * u.shape[2] + col]
        images[:, row, col, k] = u[:, row, col, k] < p
    return images


def digits_only(probs, u):
    images = np.zeros_like(u)
    for row, col in np.ndindex(28, 28):
        images[:, row, col] = u[:, row, col] < probs(images)[:, row, col]
    return images


def own_random_numbers(probs, u, rng=np.random.default_rng(0)):  # noqa: B008
    return loop(probs, rng.random(u.shape))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda f, u: loop(f, u, lambda p, u: p > 0.5), "argmax"),
        (lambda f, u: loop(f, u, lambda p, u: u > p), "70 % ink"),
        (only_image_0, "probabilities of image 0"),
        (lambda f, u: loop(f, np.repeat(u[:1], len(u), 0)), "numbers of image 0"),
        (lambda f, u: u < f(np.zeros_like(u)), "One pass served all pixels"),
        (row_at_once, "a whole row"),
        (pixel_at_once, "all channels"),
        (by_column, "column by column"),
        (by_channel, "Channels outermost"),
        (returns_early, "Only the first row"),
        (lambda f, u: returns_early(f, u, 1), "Only the first value"),
        (like_the_tutorial, "picks an image"),
        (digits_only, "sizes from u.shape"),
        (lambda f, u: np.zeros(3) + np.zeros(4), "raised ValueError"),
        (lambda f, u: np.zeros(3).reshape(2, 2), "raised ValueError"),
        (own_random_numbers, "two different results"),
        (lambda f, u: loop(f, u, lambda p, u: p), "neither 0 nor 1"),
        (lambda f, u: loop(f, u)[0], "shape of u"),
        (lambda f, u: u[:, 99], "raised IndexError"),
    ],
)
def test_draw_names_the_mistake(answer, words):
    verdict = draw(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def own_enumeration(probs, image, known):
    holes = np.argwhere(~known)
    total, ink = 0, np.zeros(known.shape)
    for number in range(2 ** len(holes)):
        x = image.copy()
        for bit, (row, col) in enumerate(holes):
            x[row, col] = number >> bit & 1
        p = probs(x[None])[0]
        weight = np.prod(x * p + (1 - x) * (1 - p))
        total, ink = total + weight, ink + weight * x[..., 0]
    return (ink / total)[..., None]


@pytest.mark.parametrize("answer", [enumerated, own_enumeration])
def test_exact_conditional_accepts_right_answers(answer):
    assert exact_conditional(answer).passed


def one_pass(probs, image, known):
    return probs(image[None])[0, ..., 0]


def one_pass_put_back(probs, image, known):
    return np.where(known, image[..., 0], one_pass(probs, image, known))


def nothing_known(probs, image, known):
    return enumerated(probs, image, known & False)


def all_alike(probs, image, known):
    return np.where(known, image[..., 0], 0.5)


def ink_for_paper(probs, image, known):
    images = evaluation.all_images(image.shape)
    images = images[(images == image)[:, known].all(axis=(1, 2))]
    weight = probs(images).prod(axis=(1, 2, 3))
    return np.einsum("n,nhw->hw", weight / weight.sum(), images[..., 0])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda f, x, k: enumerated(f, x, k, "unknown"), "clamping"),
        (lambda f, x, k: enumerated(f, x, k, "unnormalized"), "do not sum to 1"),
        (one_pass, "probabilities of one pass"),
        (one_pass_put_back, "put back"),
        (nothing_known, "play no part"),
        (all_alike, "count alike"),
        (ink_for_paper, "1 - p"),
        (lambda f, x, k: x.mean(), "one probability for each"),
        (lambda f, x, k: k * 0.5, "certain"),
    ],
)
def test_exact_conditional_names_the_mistake(answer, words):
    verdict = exact_conditional(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


@pytest.mark.parametrize("judge", [temper, draw, exact_conditional])
def test_a_blank_is_not_yet(judge):
    assert judge(...).status == "not yet"
    assert judge(lambda *arguments: ...).status == "not yet"
    assert judge(lambda *arguments: None).status == "not yet"
