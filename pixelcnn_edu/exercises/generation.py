"""Checks for notebook 09: temperature, the loop that draws, the exact conditional."""

from pixelcnn_edu.evaluation import all_images
from pixelcnn_edu.exercises._check import Wrong, called, check, close

import numpy as np


@check(
    "A temperature divides the logits. 1 / (1 + np.exp(-x)) turns a logit x back into "
    "a probability.",
    "Put logit / temperature for the ?, and that whole formula for the ... .",
)
def temper(answer):
    """Judge ``temper(p, temperature)``: probabilities at another temperature.

    ``p``: an array of probabilities of ink, in (0, 1). ``temperature``: above 0.
    Returns an array shaped as ``p``: sigmoid(logit(p) / temperature).
    """
    rng = np.random.default_rng(1)
    for temperature in (0.5, 2.0, 0.8, 1.0):
        p = rng.uniform(0.02, 0.98, 6).round(2)
        logit = np.log(p / (1 - p))
        expected = _sigmoid(logit / temperature)
        actual = np.asarray(called(answer, p.copy(), temperature), "float64")
        seen = {
            "case": f"temperature = {temperature}, p = {p.round(2).tolist()}",
            "expected": expected,
            "actual": actual,
        }
        if actual.shape != p.shape:
            raise Wrong("The answer needs one probability for each in p.", **seen)
        if close(actual, expected):
            continue
        power = p ** (1 / temperature)
        mistakes = {
            "The temperature multiplies your logits; it divides them.": (
                _sigmoid(logit * temperature)
            ),
            "Temperature 1 has come back: your answer does not use it.": p,
            "The probability itself was divided. At temperature 0.5 that can exceed 1; "
            "divide the logit.": p / temperature,
            "A power of p alone: p and 1 - p no longer sum to 1. Divide by the sum of "
            "both powers.": power,
            "Those are the logits, divided. Turn them back into probabilities.": (
                logit / temperature
            ),
            "Those are the probabilities of paper. Look at the sign in exp(-...).": (
                1 - expected
            ),
        }
        _refuse(actual, mistakes, seen)
        raise Wrong("Those are not the tempered probabilities.", **seen)
    return (
        "1/2 stays 1/2 at every temperature: a logit of 0 can be divided by anything."
    )


@check(
    "Three loops: rows, columns, channels. In the innermost one: a whole pass on the "
    "images as they are now, then one value of each image is set.",
    "p = probs(images)[:, row, col, channel] has one number per image; "
    "images[:, row, col, channel] = u[:, row, col, channel] < p.",
)
def draw(answer):
    """Judge ``draw(probs, u)``: the loop of generation, for any function probs.

    ``probs(images)``: from (N, H, W, C) of 0 and 1 to the probability of ink of each
    value, (N, H, W, C), given those before it (rows, then columns, then channels).
    ``u``: uniform numbers, (N, H, W, C). Returns images (N, H, W, C) of 0 and 1: a value
    is ink where its ``u`` lies below its probability.
    """
    rng = np.random.default_rng(5)
    for probs, about, shape in (
        (_constant, "every pixel is ink with p = 0.3", (3, 4, 4, 1)),
        (_by_image, "image i of N is ink with p = (i + 1)/(N + 1)", (5, 3, 3, 1)),
        (_copy_left_above, "0.15, and 0.4 more for ink left and above", (9, 3, 5, 1)),
        (
            _copy_above_right,
            "0.15, 0.4 more for ink left and above right",
            (9, 5, 3, 1),
        ),
        (
            _copy_channel,
            "channel 1 copies channel 0, that copies the left",
            (9, 3, 2, 2),
        ),
        (
            _copy_last_channel,
            "channel 0 copies the left pixel's channel 1, channel 1 leans to channel 0",
            (9, 3, 4, 2),
        ),
    ):
        u = rng.random(shape, dtype="float32")
        expected = _in_order(probs, u)
        seen = {"case": f"{about}; u of shape {shape}"}
        try:
            result = called(answer, probs, u.copy())
        except (IndexError, ValueError) as error:
            raise Wrong(_explained(error), **seen) from error
        actual = np.asarray(result, "float32")
        if actual.shape != shape:
            raise Wrong(
                "The images need the shape of u.",
                **seen,
                expected=str(shape),
                actual=str(actual.shape),
            )
        if close(actual, expected):
            continue
        at = int((actual != expected).reshape(len(u), -1).any(1).argmax())
        seen["case"] += f"; image {at}"
        seen["expected"] = _flat(expected[at])
        seen["actual"] = _flat(actual[at])
        if not close(actual, np.asarray(answer(probs, u.copy()), "float32")):
            raise Wrong(
                "The same u gave two different results. Compare with u; draw no other "
                "random numbers.",
                **seen,
            )
        if not np.isin(actual, (0, 1)).all():
            raise Wrong("Some values are neither 0 nor 1. Compare: u < p.", **seen)
        _refuse(actual, _wrong_draws(probs, u), seen)
        raise Wrong("Those are not the images that u and probs give.", **seen)
    return "The same loop draws from any autoregressive model of binary values."


def _explained(error):
    said = f"Your code raised {type(error).__name__}: {error}."
    if isinstance(error, IndexError):
        return f"{said} Take the sizes from u.shape."
    if "broadcast" in str(error):
        return (
            f"{said} One number per image is wanted, N in all. probs(images)[channel] "
            "picks an image: the batch is the first axis."
        )
    return said


def _wrong_draws(probs, u):
    _, height, width, channels = u.shape

    def loop(places, rule):
        images = np.zeros_like(u)
        for at in places:
            at = (slice(None), *at)
            images[at] = rule(probs(images), at)
        return images

    cells = list(np.ndindex(height, width, channels))
    everything = [(slice(None),) * 3]
    by_row = [(row, slice(None), slice(None)) for row in range(height)]
    by_pixel = [(row, col, slice(None)) for row, col in np.ndindex(height, width)]
    by_column = [(r, c, k) for c in range(width) for r in range(height)
                 for k in range(channels)]  # fmt: skip
    by_channel = [(r, c, k) for k, r, c in np.ndindex(channels, height, width)]
    return {
        "Each value is the more likely one: that is argmax, and u is not used.": (
            loop(cells, lambda p, at: p[at] > 0.5)
        ),
        "Swapped: u > p gives 70 % ink where p = 0.3. Ink is u < p.": (
            loop(cells, lambda p, at: u[at] > p[at])
        ),
        "Every image was drawn with the probabilities of image 0. Keep the batch axis: "
        "probs(images)[:, row, col, channel].": (
            loop(cells, lambda p, at: u[at] < p[:1][at])
        ),
        "Every image uses the uniform numbers of image 0, so all are alike.": (
            loop(cells, lambda p, at: u[:1][at] < p[at])
        ),
        "One pass served all pixels: no pixel could see what was drawn before it. Call "
        "probs again after each value.": loop(everything, lambda p, at: u < p),
        "One pass served a whole row: a pixel could not see its left neighbor.": (
            loop(by_row, lambda p, at: u[at] < p[at])
        ),
        "One pass served all channels of a pixel: channel 1 could not see channel 0.": (
            loop(by_pixel, lambda p, at: u[at] < p[at])
        ),
        "Channels outermost: channel 0 could not see the left pixel's channel 1.": (
            loop(by_channel, lambda p, at: u[at] < p[at])
        ),
        "The page was drawn column by column. The pixel above right comes earlier in "
        "reading order: rows outside, columns inside.": (
            loop(by_column, lambda p, at: u[at] < p[at])
        ),
        "Only the first row was drawn: return after the loops.": (
            loop(cells[: width * channels], lambda p, at: u[at] < p[at])
        ),
        "Only the first value was drawn: return after the loops.": (
            loop(cells[:1], lambda p, at: u[at] < p[at])
        ),
    }


@check(
    "Enumerate: write every possible value into the unknown pixels. What is p(x) of "
    "each such image? The chain rule multiplies over all pixels, the known ones too.",
    "images = those of evaluation.all_images that agree with the known pixels; "
    "p = probs(images); weight = np.where(images == 1, p, 1 - p) multiplied over each "
    "image; divide the weights by their sum; the answer is the images' weighted mean.",
)
def exact_conditional(answer):
    """Judge ``exact_conditional(probs, image, known)``: the truth, by enumeration.

    ``probs``: as for `draw`, one channel. ``image``: (H, W, 1), at most 9 pixels; its
    unknown pixels hold 0. ``known``: boolean (H, W). Returns (H, W): the probability of
    ink at each pixel given *all* known ones; 0 or 1 at the known pixels.
    """
    rng = np.random.default_rng(3)
    bottom, top, middle = (np.zeros((3, 3), bool) for _ in range(3))
    bottom[2], top[0], middle[1, 1] = True, True, True
    corner = np.zeros((2, 4), bool)
    corner[1, 3] = True
    for about, known in (
        ("the bottom row is given", bottom),
        ("the last pixel is given", corner),
        ("the middle pixel is given", middle),
        ("the top row is given", top),
        ("nothing is given", np.zeros((2, 2), bool)),
    ):
        probs = _random_world(rng, known.size)
        image = (rng.random((*known.shape, 1)) < 0.5).astype("float32")
        image[known, 0] = np.arange(known.sum()) % 2 == 0  # ink among the given
        image *= known[..., None]
        truth = _conditionals(probs, image, known)
        expected = truth.pop("exact")
        result = called(answer, probs, image.copy(), known.copy())
        actual = np.asarray(result, "float64")
        seen = {"case": f"{about}, {known.shape[0]} × {known.shape[1]} pixels"}
        if actual.shape == (*known.shape, 1):
            actual = actual[..., 0]
        if actual.shape != known.shape:
            raise Wrong(
                "The answer needs one probability for each pixel.",
                **seen,
                expected=str(known.shape),
                actual=str(actual.shape),
            )
        if close(actual, expected, 1e-5):
            continue
        seen.update(expected=expected, actual=actual)
        _refuse(actual, truth, seen, 1e-5)
        if not close(actual[known], image[known, 0]):
            raise Wrong("A known pixel is 0 or 1, as given: it is certain.", **seen)
        raise Wrong("That is not the exact conditional.", **seen)
    return (
        "For 28 × 28 with the lower half given there are 2^392 images to enumerate, "
        "which is why no one does it."
    )


def _conditionals(probs, image, known):
    """The exact conditional, and what each classic mistake makes of it."""
    images = all_images(image.shape)
    agrees = (images == image)[:, known].all(axis=(1, 2))
    p = np.asarray(probs(images), "float64")
    factor = np.where(images == 1, p, 1 - p)[..., 0]
    ink = images[..., 0].astype("float64")
    joint = factor.prod(axis=(1, 2))
    clamped = np.where(known, 1, factor).prod(axis=(1, 2))

    def mean(weight):
        weight = weight * agrees
        return np.tensordot(weight / weight.sum(), ink, 1)

    return {
        "exact": mean(joint),
        "The factors of the known pixels are missing. That is what clamping draws: "
        "nothing asks how well the rest explains what is given.": mean(clamped),
        "Those are the probabilities of one pass: each given the pixels before it, "
        "with the unknown ones at 0.": np.asarray(probs(image[None]))[0, ..., 0],
        "One pass, with the known pixels put back. The unknown ones need a mean over "
        "all their values.": np.where(
            known, image[..., 0], np.asarray(probs(image[None]))[0, ..., 0]
        ),
        "The weights do not sum to 1: divide by p(known), the sum of the weights.": (
            np.tensordot(joint * agrees, ink, 1)
        ),
        "All images that agree count alike. Weight each by its probability.": (
            mean(np.ones_like(joint))
        ),
        "The known pixels play no part: those are the probabilities of ink when "
        "nothing is given.": np.tensordot(joint, ink, 1),
        "Paper was given the probability of ink. A pixel that is 0 has 1 - p.": (
            mean(p[..., 0].prod(axis=(1, 2)))
        ),
    }


def _refuse(actual, mistakes, seen, tolerance=1e-6):
    for diagnosis, wrong in mistakes.items():
        if close(actual, wrong, tolerance):
            raise Wrong(diagnosis, **seen)


def _in_order(probs, u):
    images = np.zeros_like(u)
    for at in np.ndindex(u.shape[1:]):
        at = (slice(None), *at)
        images[at] = u[at] < probs(images)[at]
    return images


def _flat(image):
    return image.squeeze(-1).astype(int) if image.shape[-1] == 1 else image.astype(int)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _constant(images):
    return np.full(np.shape(images), 0.3)


def _by_image(images):
    n = len(images)
    p = (np.arange(n) + 1) / (n + 1)
    return np.broadcast_to(p.reshape(-1, 1, 1, 1), np.shape(images)).copy()


def _copy_left_above(images):
    left, above = np.zeros((2, *np.shape(images)))
    left[:, :, 1:] = np.asarray(images)[:, :, :-1]
    above[:, 1:] = np.asarray(images)[:, :-1]
    return 0.15 + 0.4 * left + 0.4 * above


def _copy_above_right(images):
    left, above_right = np.zeros((2, *np.shape(images)))
    left[:, :, 1:] = np.asarray(images)[:, :, :-1]
    above_right[:, 1:, :-1] = np.asarray(images)[:, :-1, 1:]
    return 0.15 + 0.4 * left + 0.4 * above_right


def _copy_channel(images):
    images = np.asarray(images)
    p = np.full(images.shape, 0.5)
    p[:, :, 1:, 0] = 0.1 + 0.8 * images[:, :, :-1, 0]
    p[..., 1] = 0.05 + 0.9 * images[..., 0]
    return p


def _copy_last_channel(images):
    images = np.asarray(images)
    p = np.full(images.shape, 0.5)
    p[:, :, 1:, 0] = 0.1 + 0.8 * images[:, :, :-1, 1]
    p[..., 1] = 0.25 + 0.5 * images[..., 0]
    return p


def _random_world(rng, size):
    weights = np.tril(rng.normal(0, 2, (size, size)), -1)
    bias = rng.normal(0, 1, size)

    def probs(images):
        flat = np.asarray(images, "float64").reshape(len(images), size)
        return _sigmoid(flat @ weights.T + bias).reshape(np.shape(images))

    return probs
