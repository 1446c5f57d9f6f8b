"""The checks of notebook 02: right answers accepted, classic mistakes named."""

from pixelcnn_edu import exercises
from pixelcnn_edu.masks import causal_mask

import numpy as np
import pytest


def raster(size, mask_type):
    return causal_mask(size, mask_type)[:, :, 0, 0]


def column_right(size, mask_type):
    kh, kw = size
    mask = np.zeros(size)
    mask[:, : kw // 2] = 1
    mask[: kh // 2, kw // 2] = 1
    mask[kh // 2, kw // 2] = mask_type == "B"
    return mask


def column_by_transposing_twice(size, mask_type):
    return causal_mask(size[::-1], mask_type).transpose(1, 0, 2, 3)


def order_right(order, row, col, size):
    half = size // 2
    mask = np.zeros((size, size), bool)
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            y, x = row + dy, col + dx
            if 0 <= y < order.shape[0] and 0 <= x < order.shape[1]:
                mask[dy + half, dx + half] = order[y, x] < order[row, col]
    return mask


def order_by_padding(order, row, col, size):
    padded = np.pad(order, size // 2, constant_values=order.size)
    return (padded[row : row + size, col : col + size] < order[row, col]).tolist()


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.live_taps, lambda k, t: (k * k - 1) // 2 + (t == "B")),
        (exercises.live_taps, lambda k, t: causal_mask(k, t).sum()),
        (exercises.column_mask, column_right),
        (exercises.column_mask, column_by_transposing_twice),
        (exercises.order_mask, order_right),
        (exercises.order_mask, order_by_padding),
    ],
)
def test_right_answers_are_accepted(check, answer):
    verdict = check(answer)
    assert verdict.passed, verdict.text


@pytest.mark.parametrize(
    "check", [exercises.live_taps, exercises.column_mask, exercises.order_mask]
)
def test_a_blank_is_not_yet(check):
    for blank in (..., lambda *args: ..., lambda *args: None):
        assert check(blank).status == "not yet"
    assert "Hint 2" in check(..., hint=2).text


def order_with(compare=np.less, page=None, check_page=True):
    def mask(order, row, col, size):
        order = page(order) if page else order
        half = size // 2
        result = np.zeros((size, size))
        for dy in range(-half, half + 1):
            for dx in range(-half, half + 1):
                y, x = row + dy, col + dx
                low = 0 if check_page else -half
                if low <= y < order.shape[0] and low <= x < order.shape[1]:
                    here = compare(order[y, x], order[row, col])
                    result[dy + half, dx + half] = here
        return result

    return mask


def order_off_the_page(order, row, col, size):
    padded = np.pad(order, size // 2, constant_values=-1)
    return padded[row : row + size, col : col + size] < order[row, col]


def column_with(own):
    def mask(size, mask_type):
        kh, kw = size
        result = np.zeros(size)
        result[:, : kw // 2] = 1
        result[own(kh, kw), kw // 2] = 1
        result[kh // 2, kw // 2] = mask_type == "B"
        return result

    return mask


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.live_taps, lambda k, t: k * k, "Every weight"),
        (exercises.live_taps, lambda k, t: k * (k // 2) + (t == "B"), "same row"),
        (exercises.live_taps, lambda k, t: k * (k // 2 + 1), "whole center row"),
        (exercises.live_taps, lambda k, t: k * k // 2, "center itself"),
        (exercises.live_taps, lambda k, t: k * k // 2 + (t == "A"), "center itself"),
        (exercises.live_taps, lambda k, t: k + 40, "not the number"),
        (exercises.column_mask, raster, "above right is not read yet"),
        (
            exercises.column_mask,
            lambda size, t: raster(size, t).T,
            "The array is transposed, not the order",
        ),
        (
            exercises.column_mask,
            lambda size, t: column_right(size, "B"),
            "Type A hides",
        ),
        (exercises.column_mask, lambda size, t: column_right(size, "A"), "B shows it"),
        (
            exercises.column_mask,
            lambda size, t: column_right(size, t)[::-1, ::-1],
            "comes later",
        ),
        (exercises.column_mask, column_with(lambda kh, kw: slice(kw // 2)), "with kw"),
        (exercises.column_mask, column_with(lambda kh, kw: slice(0)), "is missing"),
        (
            exercises.column_mask,
            column_with(lambda kh, kw: slice(kh // 2 + 1, None)),
            "not what lies below",
        ),
        (exercises.column_mask, lambda size, t: np.ones(3), "another shape"),
        (exercises.column_mask, lambda size, t: np.ones(size), "has seen"),
        (exercises.order_mask, order_with(np.less_equal), "hides the center"),
        (exercises.order_mask, order_with(np.greater), "comes later"),
        (exercises.order_mask, order_with(check_page=False), "wrapped around"),
        (exercises.order_mask, order_off_the_page, "off the page must be 0"),
        (
            exercises.order_mask,
            order_with(page=lambda order: np.arange(30).reshape(5, 6)),
            "order was not asked",
        ),
        (
            exercises.order_mask,
            lambda order, row, col, size: raster((size, size), "A"),
            "the same at every pixel",
        ),
        (exercises.order_mask, lambda *args: np.ones(3), "another shape"),
        (exercises.order_mask, lambda o, r, c, size: np.ones((size, size)), "was read"),
        (exercises.column_mask, lambda size: size, "raised TypeError"),
    ],
)
def test_mistakes_are_named(check, answer, words):
    verdict = check(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text
    assert "Hint 1" in verdict.text


def test_a_forgotten_lower_left_is_named():
    def upper_left(size, mask_type):
        mask = column_right(size, mask_type)
        mask[size[0] // 2 + 1 :] = 0
        return mask

    assert "lower left is missing" in exercises.column_mask(upper_left).text
