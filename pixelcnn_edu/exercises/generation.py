"""Exercises of notebook 09: temperature, and the loop that draws."""

from pixelcnn_edu.exercises._answers import first_wrong_row, numbers
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but

import numpy as np


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _logit(p):
    return np.log(p / (1 - p))


def _temper(p, temperature):
    """Probabilities at another temperature.

    ``p``: an array of probabilities of ink, in (0, 1). ``temperature``: above 0.
    The result is shaped as ``p``: sigmoid(logit(p) / temperature).
    """
    return _sigmoid(_logit(p) / temperature)


def _probabilities():
    rng = np.random.default_rng(1)
    for temperature in (0.5, 2.0, 0.8, 1.0):
        yield rng.uniform(0.02, 0.98, 6).round(2), temperature
    for temperature in (8.0, 0.05):
        yield np.array([[0.0005, 0.5], [0.48, 0.9995]]), temperature


temper = Exercise(
    _temper,
    cases=_probabilities,
    describe=lambda p, temperature: f"temperature = {temperature}, p = {p.tolist()}",
    mistakes={
        "The temperature multiplies your logits; it divides them.": (
            lambda p, temperature: _sigmoid(_logit(p) * temperature)
        ),
        "Temperature 1 has come back: your answer does not use it.": (
            lambda p, temperature: p
        ),
        "The probability itself was divided. At temperature 0.5 that can exceed 1; divide "
        "the logit.": lambda p, temperature: p / temperature,
        "A power of p alone: p and 1 - p no longer sum to 1. Divide by the sum of both "
        "powers.": lambda p, temperature: p ** (1 / temperature),
    },
    hints=(
        "A temperature divides the logits. 1 / (1 + np.exp(-x)) turns a logit x back into "
        "a probability.",
        "Put logit / temperature for the x of hint 1, and that whole formula for the ... .",
    ),
    shape="The answer needs one probability for each in p.",
    otherwise="Those are not the tempered probabilities.",
    praise="1/2 stays 1/2 at every temperature: a logit of 0 can be divided by anything.",
)


def _draw(
    probs,
    u,
    *,
    places=lambda u: np.ndindex(u.shape[1:]),
    rule=lambda p, u, at: u[at] < p[at],
):
    """The loop of generation, for any function probs.

    ``probs(images)``: from (N, H, W, C) of 0 and 1 to the probability of ink of each
    value, (N, H, W, C), given those before it (rows, then columns, then channels).
    ``u``: uniform numbers, (N, H, W, C). The result is images (N, H, W, C) of 0 and 1: a
    value is ink where its ``u`` lies below its probability.
    """
    images = np.zeros(u.shape, int)
    for place in places(u):
        at = (slice(None), *place)
        images[at] = rule(probs(images), u, at)
    return images


def _copies(images):
    """0.15, and 0.4 more for ink to the left, and 0.4 for ink above right."""
    images = np.asarray(images)
    p = np.full(images.shape, 0.15)
    p[:, :, 1:] += 0.4 * images[:, :, :-1]
    p[:, 1:, :-1] += 0.4 * images[:, :-1, 1:]
    return p


def _of_channels(images):
    """Channel 0 copies the left pixel's channel 1, channel 1 leans to channel 0."""
    images = np.asarray(images)
    p = np.full(images.shape, 0.5)
    p[:, :, 1:, 0] = 0.1 + 0.8 * images[:, :, :-1, 1]
    p[..., 1] = 0.25 + 0.5 * images[..., 0]
    return p


def _like_the_last(images):
    """Each value is like the one before it, also across rows and channels."""
    before = np.reshape(images, (len(images), -1))[:, :-1]
    first = np.full((len(images), 1), 0.5)
    return np.hstack([first, 0.02 + 0.96 * before]).reshape(np.shape(images))


def _worlds():
    rng = np.random.default_rng(5)
    for about, probs, shape in (
        (
            "every pixel is ink with p = 0.3",
            lambda images: np.full(np.shape(images), 0.3),
            (3, 4, 4, 1),
        ),
        ("p = 0.15 + 0.4 · left + 0.4 · above right", _copies, (9, 3, 5, 1)),
        (
            "channel 0 copies the left pixel's channel 1, channel 1 leans to channel 0",
            _of_channels,
            (9, 3, 4, 2),
        ),
        ("each value is mostly like the one before it", _like_the_last, (9, 3, 3, 4)),
    ):
        u = rng.random(shape, dtype="float32")
        if probs is _like_the_last:
            u[2, 0, 0, 0] = 0.5  # equal to p, so paper
        yield about, probs, u


def _without_single_channel(result):
    array = numbers("The images need the shape of u.")(result)
    return array[..., 0] if array.shape[-1:] == (1,) else array


draw = Exercise(
    _draw,
    cases=_worlds,
    run=lambda answer, about, probs, u: answer(probs, u),
    read=_without_single_channel,
    describe=lambda about, probs, u: f"{about}; u of shape {u.shape}",
    mistakes={
        "Each value is the more likely one (argmax), or nothing was drawn: u is not "
        "used.": but(rule=lambda p, u, at: p[at] > 0.5),
        "Swapped: u > p gives 70 % ink where p = 0.3. Ink is u < p.": Mistake(
            but(rule=lambda p, u, at: u[at] > p[at]), hint=2
        ),
        "Every image was drawn with the probabilities of image 0. Keep the batch axis: "
        "probs(images)[:, row, col, channel].": but(
            rule=lambda p, u, at: u[at] < p[:1][at]
        ),
        "No pixel saw those drawn before it. Go in reading order, and after each value "
        "call probs again, on the images drawn so far.": but(places=lambda u: [()]),
        "A channel did not see all values drawn before it. Channels are the innermost "
        "loop: at each pixel draw channel 0, call probs again, draw channel 1.": Mistake(
            but(places=lambda u: np.ndindex(u.shape[1:3])),
            but(places=lambda u: sorted(np.ndindex(u.shape[1:]), key=lambda at: at[2])),
        ),
    },
    hints=(
        "In each turn of the loop: a whole pass on the images as they are now, then one "
        "value of each image is set.",
        "p = probs(images)[:, row, col, channel] has one number per image; "
        "images[:, row, col, channel] = u[:, row, col, channel] < p.",
    ),
    shape="The images need the shape of u.",
    otherwise="Those are not the images that u and probs give.",
    praise="The same loop draws from any autoregressive model of binary values.",
    show=first_wrong_row(
        lambda image, about, probs, u: f"{about}; u of shape {u.shape}; image {image}"
    ),
)
