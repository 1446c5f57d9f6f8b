"""Masks against arrays made by hand and against the definition of reading order."""

from pixelcnn_edu.masks import causal_mask

import numpy as np
import pytest

A_3 = [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
B_3 = [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
A_5 = [[1] * 5, [1] * 5, [1, 1, 0, 0, 0], [0] * 5, [0] * 5]
B_3x5 = [[1] * 5, [1, 1, 1, 0, 0], [0] * 5]


@pytest.mark.parametrize(
    ("kernel_size", "mask_type", "by_hand"),
    [(3, "A", A_3), (3, "B", B_3), (5, "A", A_5), ((3, 5), "B", B_3x5)],
)
def test_masks_equal_those_made_by_hand(kernel_size, mask_type, by_hand):
    mask = causal_mask(kernel_size, mask_type)
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(mask[:, :, 0, 0], by_hand)


def test_one_by_one_masks_are_the_center_alone():
    assert causal_mask(1, "A").item() == 0
    assert causal_mask(1, "B").item() == 1


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (5, 1), (7, 7)])
@pytest.mark.parametrize("mask_type", ["A", "B"])
def test_masks_show_what_comes_earlier_in_reading_order(size, mask_type):
    kh, kw = size
    place = np.arange(kh * kw).reshape(kh, kw)
    center = place[kh // 2, kw // 2]
    expected = place < center if mask_type == "A" else place <= center
    mask = causal_mask(size, mask_type, in_channels=2, out_channels=3)
    assert mask.shape == (kh, kw, 2, 3)
    for i in range(2):
        for o in range(3):
            np.testing.assert_array_equal(mask[:, :, i, o], expected)


def test_live_taps_are_the_published_counts():
    assert causal_mask(7, "A").sum() == 24
    assert causal_mask(3, "B").sum() == 5


def test_colors_are_ordered_red_green_blue_inside_a_pixel():
    a = causal_mask(3, "A", in_channels=3, out_channels=6, colors=3)[1, 1]
    b = causal_mask(3, "B", in_channels=3, out_channels=6, colors=3)[1, 1]
    # rows: input R, G, B; columns: output R R G G B B
    np.testing.assert_array_equal(a, [[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1], [0] * 6])
    np.testing.assert_array_equal(b, [[1] * 6, [0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kernel_size": 4}, "odd"),
        ({"kernel_size": (3, 2)}, "odd"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"kernel_size": -3}, "kernel_size"),
        ({"kernel_size": 3.0}, "kernel_size"),
        ({"kernel_size": (3, 3, 3)}, "height, width"),
        ({"mask_type": "C"}, "'A' or 'B'"),
        ({"mask_type": "a"}, "'A' or 'B'"),
        ({"mask_type": None}, "'A' or 'B'"),
        ({"in_channels": 0}, "in_channels"),
        ({"out_channels": True}, "out_channels"),
        ({"colors": 3}, "divisible by colors"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        causal_mask(**{"kernel_size": 3, "mask_type": "A", **arguments})
