"""Checks for notebook 00: three small ones, to show how exercises work."""

import math

from pixelcnn_edu.exercises._check import Wrong, called, check

import numpy as np


@check(
    "A fair coin gives each pixel the probability 1/2. What is -log of it, with the "
    "natural logarithm?",
    "Replace the ... by pixels * np.log(2).",
)
def fair_coins(answer):
    """Judge ``fair_coins(height, width)``: what an image costs under fair coins.

    ``height``, ``width``: integers. Returns nats per image: -log of the probability
    that fair coins, one per pixel, give the image.
    """
    for height, width in ((28, 28), (3, 3), (3, 5)):
        pixels = height * width
        expected = pixels * math.log(2)
        actual = _number(called(answer, height, width))
        seen = {
            "case": f"{height} × {width} pixels",
            "expected": expected,
            "actual": actual,
        }
        mistakes = {
            "That is bits, one per pixel. Nats use the natural logarithm.": pixels,
            "That is one pixel's share. An image has height · width of them.": (
                math.log(2)
            ),
            "The sign: a logarithm of 1/2 is negative, nats are minus that.": -expected,
            "That is the probability. Take its logarithm, and change the sign.": (
                0.5**pixels
            ),
            "The pixels were added, not multiplied: an image has height · width.": (
                (height + width) * math.log(2)
            ),
        }
        _judge(actual, expected, mistakes, seen)
    return "Every image of this size costs the same: fair coins have no favorites."


@check(
    "How many whole rows lie above the pixel, and how many pixels does each hold?",
    "row rows of width pixels lie above it, and col pixels to its left.",
)
def place(answer):
    """Judge ``place(row, col, width)``: how many pixels are read before this one.

    ``row``, ``col``: counted from 0. ``width``: pixels in a row. Returns an integer.
    """
    for row, col, width in ((0, 3, 28), (14, 5, 28), (1, 0, 28), (2, 4, 5), (4, 1, 3)):
        expected = row * width + col
        actual = _number(called(answer, row, col, width))
        seen = {
            "case": f"row {row}, column {col}, rows of {width} pixels",
            "expected": expected,
            "actual": actual,
        }
        mistakes = {
            "One too many: the pixel itself is not read before itself.": expected + 1,
            "That is the order of columns. A page is read row by row.": (
                col * width + row
            ),
            "Rows are counted from 0: the pixel in row 1 has one row above it.": (
                (row - 1) * width + col
            ),
            "The pixels to the left in the same row are missing.": row * width,
            "Each row above holds width pixels, not one.": row + col,
        }
        _judge(actual, expected, mistakes, seen)
    return "The last pixel of a digit, row 27 and column 27, comes after 783 others."


@check(
    "Lay each image out as one line of H·W pixels. np.argmax of a line of 0 and 1 is "
    "the place of its first 1. And what does it say when there is no 1?",
    "flat = images.reshape(len(images), -1); np.where(flat.any(axis=1), "
    "flat.argmax(axis=1), flat.shape[1]).",
)
def first_ink(answer):
    """Judge ``first_ink(images)``: how many pixels are read before the first ink.

    ``images``: (N, H, W, 1) of 0 and 1. Returns (N,) integers; H·W for an empty page.
    """
    rng = np.random.default_rng(4)
    for height, width in ((3, 5), (6, 4), (28, 28)):
        images = (rng.random((7, height, width, 1)) < 2 / height / width) * 1.0
        images[:, height // 2, 1 + width // 2] = 1
        images[:, height - 1, 0] = 1  # first if the page is read in columns
        images[:, 0, 0] = 0
        images[3] = 0  # an empty page
        images = images.astype("float32")
        flat = images.reshape(len(images), -1)
        first = flat.argmax(axis=1)
        expected = np.where(flat.any(axis=1), first, flat.shape[1])
        actual = np.asarray(called(answer, images.copy()), "float64")
        seen = {
            "case": f"7 images of {height} × {width} pixels, image 3 without ink",
            "expected": expected,
            "actual": actual.astype(int) if (actual % 1 == 0).all() else actual,
        }
        if actual.shape != expected.shape:
            raise Wrong("The answer needs one number for each image.", **seen)
        columns = images.transpose(0, 2, 1, 3).reshape(len(images), -1)
        mistakes = {
            "An empty page has no first ink, yet yours begins at 0: argmax of zeros is "
            "0. It should say H·W.": first,
            "One too many: count the pixels before the ink, without it.": expected + 1,
            "One too many: count the pixels before the ink, without it. "
            "And an empty page should say H·W.": first + 1,
            "The page was read column by column.": np.where(
                flat.any(axis=1), columns.argmax(axis=1), flat.shape[1]
            ),
            "That is how much ink there is, not where it begins.": flat.sum(axis=1),
            "That is the row of the first ink. Count pixels.": first // width,
        }
        for diagnosis, wrong in mistakes.items():
            if np.array_equal(actual, wrong) and not np.array_equal(actual, expected):
                raise Wrong(diagnosis, **seen)
        if not np.array_equal(actual, expected):
            raise Wrong("Those are not the places of the first ink.", **seen)
    return "All pixels before that place are paper: the model must draw them too."


def _number(result):
    actual = np.asarray(result, "float64")
    if actual.size != 1:
        raise Wrong(
            "The answer is one number.", expected="1 number", actual=f"{actual.size}"
        )
    return float(actual.reshape(()))


def _judge(actual, expected, mistakes, seen):
    def same(a, b):
        return math.isclose(a, b, rel_tol=1e-6)

    if same(actual, expected):
        return
    for diagnosis, wrong in mistakes.items():
        if same(actual, wrong):
            raise Wrong(diagnosis, **seen)
    raise Wrong("That is another number.", **seen)
