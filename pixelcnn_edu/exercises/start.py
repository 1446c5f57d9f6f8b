"""Exercises of notebook 00: three small ones, to show how exercises work."""

from pixelcnn_edu.exercises._declared import Exercise, Mistake, then

import numpy as np


def _fair_coins(height, width):
    """What an image costs under fair coins, in nats.

    ``height``, ``width``: integers. The result is -log of the probability that fair
    coins, one per pixel, give the image.
    """
    return height * width * np.log(2)


fair_coins = Exercise(
    _fair_coins,
    cases=[(28, 28), (3, 3), (3, 5), (28, 56)],
    describe="{} × {} pixels",
    mistakes={
        "That is bits, one per pixel. Nats use the natural logarithm.": (
            lambda height, width: height * width
        ),
        "The sign: a logarithm of 1/2 is negative, nats are minus that.": (
            lambda height, width: height * width * np.log(0.5)
        ),
        "That is the probability. Take its logarithm, and change the sign.": (
            lambda height, width: 0.5 ** (height * width)
        ),
        "The probability of a large image is 0 in float64. Take the logarithm first: the "
        "logarithm of a product is a sum.": Mistake(
            lambda height, width: -np.log(np.power(0.5, height * width)), hint=0
        ),
    },
    hints=(
        "A fair coin gives each pixel the probability 1/2. What is -log of it, with the "
        "natural logarithm?",
        "Replace the ... by pixels * np.log(2).",
    ),
    shape="The answer is one number.",
    otherwise="That is another number.",
    praise="Every image of this size costs the same: fair coins have no favorites.",
    atol=0,
)


def _place(row, col, width):
    """How many pixels are read before this one.

    ``row``, ``col``: counted from 0. ``width``: pixels in a row. The result is an
    integer.
    """
    return row * width + col


place = Exercise(
    _place,
    cases=[(0, 3, 28), (14, 5, 28), (1, 0, 28), (2, 4, 5), (4, 1, 3), (0, 0, 5)],
    describe="row {}, column {}, rows of {} pixels",
    mistakes={
        "One too many: the pixel itself is not read before itself.": (
            lambda row, col, width: row * width + col + 1
        ),
        "That is the order of columns. A page is read row by row.": (
            lambda row, col, width: col * width + row
        ),
        "Rows are counted from 0: the pixel in row 1 has one row above it.": (
            lambda row, col, width: (row - 1) * width + col
        ),
        "The pixels to the left in the same row are missing.": Mistake(
            lambda row, col, width: row * width, hint=2
        ),
    },
    hints=(
        "How many whole rows lie above the pixel, and how many pixels does each hold?",
        "row rows of width pixels lie above it, and col pixels to its left.",
    ),
    shape="The answer is one number.",
    otherwise="That is another number.",
    praise="The last pixel of a digit, row 27 and column 27, comes after 783 others.",
)


def _first_ink(images):
    """How many pixels are read before the first ink.

    ``images``: (N, H, W, 1) of 0 and 1. The result is (N,) integers; H·W for an empty
    page.
    """
    flat = images.reshape(len(images), -1)
    return np.where(flat.any(axis=1), flat.argmax(axis=1), flat.shape[1])


def _zero_is_empty(images):
    places = _first_ink(images)
    return np.where(places == 0, images[0].size, places)


def _pages():
    rng = np.random.default_rng(4)
    for height, width in ((3, 5), (6, 4), (28, 28)):
        images = (rng.random((7, height, width, 1)) < 2 / height / width) * 1.0
        images[:, height // 2, 1 + width // 2] = 1
        images[:, height - 1, 0] = 1  # first if the page is read in columns
        images[:, 0, 0] = 0
        images[3] = 0  # an empty page
        images[6] = 1  # a full one
        images[5, 0, 0] = 1  # argmax is 0 here too
        images[4] = 0
        images[4, -1, -1] = 1  # the last pixel alone
        images = images.astype("float32")
        yield (images,)
    yield (images[2:3],)  # a single image


first_ink = Exercise(
    _first_ink,
    cases=_pages,
    describe=lambda images: (
        "{} images of {} × {} pixels".format(*images.shape)
        + ", image 3 without ink" * (len(images) > 3)
    ),
    mistakes={
        "An empty page has no first ink, yet yours begins at 0: argmax of zeros is "
        "0. It should say H·W.": (
            lambda images: images.reshape(len(images), -1).argmax(axis=1)
        ),
        "An image that begins with ink is not empty: argmax is 0 there too.": Mistake(
            _zero_is_empty, hint=2
        ),
        "One too many: count the pixels before the ink, without it.": Mistake(
            then(lambda right: right + 1), hint=0
        ),
        "The page was read column by column.": (
            lambda images: _first_ink(images.transpose(0, 2, 1, 3))
        ),
    },
    hints=(
        "Lay each image out as one line of H·W pixels. np.argmax of a line of 0 and 1 is "
        "the place of its first 1. And what does it say when there is no 1?",
        "flat = images.reshape(len(images), -1); np.where(flat.any(axis=1), "
        "flat.argmax(axis=1), flat.shape[1]).",
    ),
    shape="The answer needs one number for each image.",
    otherwise="Those are not the places of the first ink.",
    praise="All pixels before that place are paper: the model must draw them too.",
)
