"""Exercises of notebook 01: nats, the chain rule, and drawing with ``u < p``."""

import itertools

from pixelcnn_edu.exercises._answers import first_wrong_row
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np


def _image_nats(p, x):
    """The nats of an image, given its conditionals.

    ``p``: (H, W), the probability of ink at each pixel given the earlier ones, in (0,
    1). ``x``: (H, W) of 0 and 1. The result is one number: -log p(x), in nats.
    """
    return -np.log(np.where(x == 1, p, 1 - p)).sum()


def _images_and_their_conditionals():
    rng = np.random.default_rng(1)
    for shape, faint in (((1, 3), 0), ((2, 2), 0), ((3, 4), 1e-9), ((28, 28), 0.01)):
        p = rng.uniform(0.05, 0.95, shape)
        x = (rng.random(shape) < 0.5).astype("float32")
        x.flat[:2] = 0, 1  # both kinds, so that no two mistakes look the same
        if faint:
            p[x == 1] = faint  # the product of all pixels of a digit is below any float
        yield p, x


def _image_in_words(p, x):
    if p.size < 13:
        p = [[float(f"{value:.2g}") for value in row] for row in p]
        return f"p = {p}, x = {x.astype(int).tolist()}"
    return f"an image of {p.shape[0]} × {p.shape[1]} pixels"


image_nats = Exercise(
    _image_nats,
    cases=_images_and_their_conditionals,
    describe=_image_in_words,
    mistakes={
        "Every pixel got the probability of ink. x = 0 needs 1 - p.": (
            lambda p, x: -np.log(p).sum()
        ),
        "The pixels of paper are missing: x = 0 costs -log(1 - p), not nothing.": (
            lambda p, x: -(x * np.log(p)).sum()
        ),
        "The sign: log p(x) is negative, nats are -log p(x).": Mistake(
            then(lambda right: -right), hint=2
        ),
        "That is per pixel. The nats of an image are the sum, not the mean.": (
            lambda p, x: _image_nats(p, x) / p.size
        ),
        "The product of 784 probabilities underflows to 0. Take the logarithm of each "
        "pixel, then add.": (lambda p, x: -np.log(np.where(x == 1, p, 1 - p).prod())),
    },
    hints=(
        "A pixel of ink has the probability p, a pixel of paper 1 - p.",
        "np.where(x == 1, p, 1 - p) picks the right one for each pixel; take the natural "
        "logarithm of each, add them all, change the sign.",
    ),
    shape="The answer is one number for the whole image.",
    otherwise="That is not the sum of -log of each pixel's probability.",
    praise="A pixel that the model gave 1/2 costs ln 2 = 0.693 nats, ink or paper.",
    rtol=1e-5,
    atol=0,
)


def _chain(joint, x):
    """The three conditionals of x under a joint table.

    ``joint``: (2, 2, 2), positive, sums to 1; ``joint[x]`` is the probability of x.
    ``x``: a tuple of three pixels, each 0 or 1.
    The result is three numbers: p(x[0]), p(x[1] | x[0]), p(x[2] | x[0], x[1]).
    """
    beginnings = [1.0] + [joint[x[:i]].sum() for i in (1, 2, 3)]
    return [beginnings[i + 1] / beginnings[i] for i in range(3)]


_IMAGES = list(itertools.product((0, 1), repeat=3))


def _tables(seed, count, low, power):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        joint = rng.uniform(low, 1, (2, 2, 2)) ** power
        yield joint / joint.sum(), rng


chain = Exercise(
    _chain,
    cases=lambda: [(joint,) for joint, _ in _tables(2, 5, 0.2, 2)],
    run=lambda answer, joint: [answer(joint, x) for x in _IMAGES],
    describe=lambda joint: f"joint = {joint.round(3).tolist()}",
    mistakes={
        "Each pixel forgot those before it. The product of each pixel's own "
        "probabilities sums to 1, but it is another distribution.": (
            lambda joint, x: [np.moveaxis(joint, i, 0)[x[i]].sum() for i in range(3)]
        ),
        "Entry 0 moved when pixel 2 changed. Each pixel reads all the others; it may "
        "read only those before it.": (
            lambda joint, x: [
                joint[x] / joint[x[:i] + (slice(None),) + x[i + 1 :]].sum()
                for i in range(3)
            ]
        ),
        "These are the probabilities of ink, whatever x is. x = 0 needs 1 - p.": (
            lambda joint, x: [
                _chain(joint, x[:i] + (1,) + x[i + 1 :])[i] for i in range(3)
            ]
        ),
        "These are the probabilities of the beginnings. Divide each by the one before "
        "it.": Mistake(then(lambda right: np.cumprod(right)), hint=2),
    },
    hints=(
        "p(second | first) = p(first, second) / p(first). What is p(first, second), when "
        "the table has three pixels? A sum over the pixel not yet read.",
        "joint[x[0], x[1]].sum() is the probability of the beginning x[0], x[1]. Each "
        "conditional is the probability of one beginning over that of the one before.",
    ),
    shape="The answer needs three numbers, one conditional for each pixel.",
    otherwise="These are not the three conditionals of x.",
    praise="The product of the three is joint[x], for every x: the chain rule is exact.",
    show=first_wrong_row(
        lambda row, joint: f"x = {_IMAGES[row]}, joint = {joint.round(3).tolist()}"
    ),
)


def _ink(joint, drawn):
    return joint[(*drawn, 1)].sum() / joint[tuple(drawn)].sum()


def _draw_pixels(joint, u, *, rule=lambda joint, drawn, u: u < _ink(joint, drawn)):
    """One image, drawn pixel by pixel.

    ``joint``: (2, 2, 2), as for `chain`. ``u``: (3,), uniform numbers in [0, 1). The
    result is three pixels, 0 or 1 each: ink where ``u[i] <`` p(ink | pixels before i).
    """
    drawn = []
    for value in u:
        drawn.append(int(rule(joint, drawn, value)))
    return drawn


def _draws():
    yield ([(joint, rng.random(3)) for joint, rng in _tables(3, 300, 0.1, 3)],)
    half = np.full((2, 2, 2), 1 / 8), np.full(3, 0.5)  # u equals p: paper
    pixel = np.array([0.999, 0.001])
    rare = np.einsum("i,j,k->ijk", pixel, pixel, pixel), np.full(3, 0.0011)
    yield ([half, rare],)


def _draw_in_words(row, draws):
    joint, u = draws[row]
    return f"u = {u.round(3)}, joint = {joint.round(3).tolist()}"


draw_pixels = Exercise(
    _draw_pixels,
    cases=_draws,
    run=lambda answer, draws: [answer(*each) for each in draws],
    describe=lambda draws: f"{len(draws)} tables and uniform numbers",
    mistakes={
        "Ink and paper are swapped: u < p happens with probability p, u > p with 1 - p.": (
            but(rule=lambda joint, drawn, u: u >= _ink(joint, drawn))
        ),
        "u is never used: every draw takes the more likely value (argmax), so a joint "
        "table has a single image.": (
            but(rule=lambda joint, drawn, u: _ink(joint, drawn) > 0.5)
        ),
        "Each pixel is drawn from its own probability of ink and does not look at the "
        "pixels drawn before it.": but(
            rule=lambda joint, drawn, u: u < np.moveaxis(joint, len(drawn), 0)[1].sum()
        ),
        "p must be divided by the probability of the pixels already drawn.": but(
            rule=lambda joint, drawn, u: u < joint[(*drawn, 1)].sum()
        ),
        "A right sampler with another convention (ink for *large* u). This series "
        "draws ink where u < p, so that everyone's seed gives the same image.": Mistake(
            but(rule=lambda joint, drawn, u: 1 - u < _ink(joint, drawn)), hint=0
        ),
    },
    hints=(
        "For pixel i you need p(ink | the pixels drawn so far), and then "
        "x[i] = int(u[i] < p).",
        "With the drawn pixels in a tuple: joint[drawn + (1,)].sum() / joint[drawn].sum() "
        "is that p. Append, and go on to the next pixel.",
    ),
    shape="The answer needs three pixels, each 0 or 1.",
    otherwise="These are not the pixels that u < p gives.",
    praise="Over many u, each image comes up as often as joint[x] says.",
    show=first_wrong_row(_draw_in_words),
)
