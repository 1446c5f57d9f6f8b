"""The checks of notebook 00: right answers pass, classic wrong ones are named."""

import math

from pixelcnn_edu.exercises import fair_coins, first_ink, place

import numpy as np
import pytest


def by_argmax(images):
    flat = images.reshape(len(images), -1)
    return np.where(flat.any(axis=1), flat.argmax(axis=1), flat.shape[1])


def by_loop(images):
    places = []
    for image in images:
        ink = np.flatnonzero(image)
        places.append(ink[0] if len(ink) else image.size)
    return places


@pytest.mark.parametrize(
    ("judge", "answer"),
    [
        (fair_coins, lambda h, w: h * w * np.log(2)),
        (fair_coins, lambda h, w: [-h * w * math.log(0.5)]),
        (place, lambda row, col, width: row * width + col),
        (place, lambda row, col, width: np.arange(999).reshape(-1)[row * width + col]),
        (first_ink, by_argmax),
        (first_ink, by_loop),
    ],
)
def test_right_answers_pass(judge, answer):
    assert judge(answer).passed


@pytest.mark.parametrize(
    ("judge", "answer", "words"),
    [
        (fair_coins, lambda h, w: h * w, "bits"),
        (fair_coins, lambda h, w: math.log(2), "one pixel's share"),
        (fair_coins, lambda h, w: h * w * math.log(0.5), "The sign"),
        (fair_coins, lambda h, w: 0.5 ** (h * w), "the probability"),
        (fair_coins, lambda h, w: (h + w) * math.log(2), "added"),
        (fair_coins, lambda h, w: 784 * math.log(2), "another number"),
        (fair_coins, lambda h, w: [1, 2], "one number"),
        (place, lambda row, col, width: row * width + col + 1, "One too many"),
        (place, lambda row, col, width: col * width + row, "columns"),
        (place, lambda row, col, width: (row - 1) * width + col, "from 0"),
        (place, lambda row, col, width: row * width, "to the left"),
        (place, lambda row, col, width: row + col, "Each row above"),
        (first_ink, lambda x: x.reshape(len(x), -1).argmax(1), "empty page"),
        (first_ink, lambda x: by_argmax(x) + 1, "One too many"),
        (first_ink, lambda x: by_argmax(x.transpose(0, 2, 1, 3)), "column by column"),
        (first_ink, lambda x: x.sum((1, 2, 3)), "how much ink"),
        (first_ink, lambda x: by_argmax(x[:1]), "one number for each"),
        (first_ink, lambda x: by_argmax(1 - x), "not the places"),
        (first_ink, lambda x: x[99], "raised IndexError"),
    ],
)
def test_classic_mistakes_are_named(judge, answer, words):
    verdict = judge(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


@pytest.mark.parametrize("judge", [fair_coins, place, first_ink])
def test_a_blank_is_not_yet(judge):
    assert judge(...).status == "not yet"
    assert judge(lambda *arguments: ...).status == "not yet"
