"""Exercises of notebook 09: temperature, and the loop that draws."""

import re

from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

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
        "Those are the logits, divided. Turn them back into probabilities.": (
            lambda p, temperature: _logit(p) / temperature
        ),
        "Those are the probabilities of paper. Look at the sign in exp(-...).": then(
            lambda right: 1 - right
        ),
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
    images = np.zeros_like(u)
    for place in places(u):
        at = (slice(None), *place)
        images[at] = rule(probs(images), u, at)
    return images


def _own_random_numbers(probs, u, rng=np.random.default_rng(0)):  # noqa: B008
    return _draw(probs, rng.random(u.shape))


def _twice(answer, about, probs, u):
    """The images; NaN if the same u gives others a second time."""
    images, again = answer(probs, u), answer(probs, u)
    return images if np.array_equal(images, again) else np.full(u.shape, np.nan)


def _batch_last(probs, u):
    images = np.zeros_like(u)
    for row, col, channel in np.ndindex(u.shape[1:]):
        p = probs(images)[channel][:, row * u.shape[2] + col]
        images[:, row, col, channel] = u[:, row, col, channel] < p
    return images


def _copies(images, *rules):
    """0.15, and 0.4 more for each place with ink that lies ``rule`` = (up, right) away."""
    images = np.asarray(images)
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    p = np.full(images.shape, 0.15)
    for up, right in rules:
        p += 0.4 * padded[:, 1 - up : 1 - up + height, 1 + right : 1 + right + width]
    return p


def _of_channels(images, source, low, high):
    """Channel 0 copies the left pixel's channel ``source``, channel 1 the channel 0."""
    images = np.asarray(images)
    p = np.full(images.shape, 0.5)
    p[:, :, 1:, 0] = 0.1 + 0.8 * images[:, :, :-1, source]
    p[..., 1] = low + (high - low) * images[..., 0]
    return p


def _like_the_last(images):
    """Each value is like the one before it, also across rows and channels."""
    before = np.reshape(images, (len(images), -1))[:, :-1]
    first = np.full((len(images), 1), 0.5)
    return np.hstack([first, 0.02 + 0.96 * before]).reshape(np.shape(images))


def _in_passes(probs, u):
    """Yield the images after each pass in which all values are drawn anew."""
    images = np.zeros_like(u)
    for _ in range(u[0].size - 1):
        images = (u < probs(images)).astype(u.dtype)
        yield images


def _worlds():
    rng = np.random.default_rng(5)
    for about, probs, shape in (
        (
            "every pixel is ink with p = 0.3",
            lambda images: np.full(np.shape(images), 0.3),
            (3, 4, 4, 1),
        ),
        (
            "p = 0.15 + 0.4 · left + 0.4 · above",
            lambda images: _copies(images, (0, -1), (1, 0)),
            (9, 3, 5, 1),
        ),
        (
            "p = 0.15 + 0.4 · left + 0.4 · above right",
            lambda images: _copies(images, (0, -1), (1, 1)),
            (9, 5, 3, 1),
        ),
        (
            "channel 1 copies channel 0, that copies the left",
            lambda images: _of_channels(images, 0, 0.05, 0.95),
            (9, 3, 2, 2),
        ),
        (
            "channel 0 copies the left pixel's channel 1, channel 1 leans to channel 0",
            lambda images: _of_channels(images, 1, 0.25, 0.75),
            (9, 3, 4, 2),
        ),
        ("each value is mostly like the one before it", _like_the_last, (9, 3, 3, 4)),
    ):
        u = rng.random(shape, dtype="float32")
        if probs is _like_the_last:
            u[2, 0, 0, 0] = 0.5  # equal to p, so paper
        yield about, probs, u


def _first_wrong_drawing(expected, actual, about, probs, u):
    if actual.shape != expected.shape:
        return {}
    if np.isnan(actual).any():
        return {"expected": "the same images twice", "actual": "two sets of images"}
    image = int((actual != expected).reshape(len(u), -1).any(1).argmax())
    flat = [a[image].astype(int) for a in (expected, actual)]
    if u.shape[-1] == 1:
        flat = [a.squeeze(-1) for a in flat]
    return {
        "case": f"{about}; u of shape {u.shape}; image {image}",
        "expected": flat[0],
        "actual": flat[1],
    }


draw = Exercise(
    _draw,
    cases=_worlds,
    run=_twice,
    describe=lambda about, probs, u: f"{about}; u of shape {u.shape}",
    mistakes={
        "An index is too large for its axis. Take the sizes from u.shape, and index with "
        "[:, row, col, channel], in this order.": Mistake(
            but(places=lambda u: np.ndindex(28, 28, 1)),
            but(rule=lambda p, u, at: u[at] < p[:, at[2], at[1], at[3]]),
            raises=lambda error, *_: re.search(
                "out of bounds for axis [1-9]", str(error)
            ),
        ),
        "You have one number per image and channel. One per image is wanted: "
        "probs(images)[:, row, col, channel].": Mistake(
            but(rule=lambda p, u, at: u[at[:-1]] < p[at[:-1]]),
            raises=lambda error, *_: re.search(
                r"from shape \((\d+),\d+\) into shape \(\1,\)", str(error)
            ),
        ),
        "One number per image is wanted, N in all. The batch is the first axis of "
        "probs(images), so the first index picks an image.": Mistake(
            _batch_last,
            but(rule=lambda p, u, at: u[at] < p[at[1:]]),
            raises=lambda error, *_: re.search("broadcast|for axis 0", str(error)),
            hint=2,
        ),
        "The same u gave two different results. Compare with u; draw no other random "
        "numbers.": Mistake(
            _own_random_numbers, fits=lambda actual, *_: np.isnan(actual).all()
        ),
        "Some values are neither 0 nor 1. Compare: u < p.": Mistake(
            but(rule=lambda p, u, at: p[at]),
            fits=lambda actual, *_: not np.isin(actual, (0, 1)).all(),
            hint=2,
        ),
        "Each value is the more likely one (argmax), or nothing was drawn: u is not "
        "used.": but(rule=lambda p, u, at: p[at] > 0.5),
        "Swapped: u > p gives 70 % ink where p = 0.3. Ink is u < p.": Mistake(
            but(rule=lambda p, u, at: u[at] > p[at]), hint=2
        ),
        "Every image was drawn with the probabilities of image 0. Keep the batch axis: "
        "probs(images)[:, row, col, channel].": but(
            rule=lambda p, u, at: u[at] < p[:1][at]
        ),
        "Every image uses the uniform numbers of image 0, so all are alike.": Mistake(
            but(rule=lambda p, u, at: u[:1][at] < p[at]), hint=2
        ),
        "No pixel saw those drawn before it. Go in reading order, and after each value "
        "call probs again, on the images drawn so far.": but(places=lambda u: [()]),
        "No pixel saw its left neighbor. Go from left to right, with a pass for each "
        "pixel.": but(places=lambda u: np.ndindex(u.shape[1])),
        "Channel 1 did not see channel 0 of its pixel. Draw channel 0 first, and call "
        "probs again for channel 1.": but(places=lambda u: np.ndindex(u.shape[1:3])),
        "Channels outermost: channel 0 could not see the left pixel's channel 1.": but(
            places=lambda u: sorted(np.ndindex(u.shape[1:]), key=lambda at: at[2])
        ),
        "The page was drawn column by column. The pixel above right comes earlier in "
        "reading order: rows outside, columns inside.": but(
            places=lambda u: sorted(np.ndindex(u.shape[1:]), key=lambda at: at[1])
        ),
        "Only the first row was drawn: return after the loops.": Mistake(
            but(places=lambda u: np.ndindex(1, *u.shape[2:])), hint=0
        ),
        "Only the first value was drawn: return after the loops.": Mistake(
            but(places=lambda u: [(0, 0, 0)]), hint=0
        ),
        "All values were drawn anew in each pass, and the passes were too few: a value may "
        "depend on all those before it. Set one value in each pass.": Mistake(
            lambda probs, u: list(_in_passes(probs, u))[:10][-1],
            fits=lambda actual, expected, about, probs, u: any(
                np.array_equal(actual, images) for images in _in_passes(probs, u)
            ),
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
    show=_first_wrong_drawing,
)
