"""Exercises of notebook 02: live weights, and masks for other reading orders."""

from pixelcnn_edu.exercises._answers import numbers
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but
from pixelcnn_edu.masks import causal_mask

import numpy as np


def _live_taps(k, mask_type):
    """How many weights of a k×k mask are 1.

    ``k``: odd integer. ``mask_type``: ``"A"`` or ``"B"``. The result is a whole number.
    """
    return k * k // 2 + (mask_type == "B")


live_taps = Exercise(
    _live_taps,
    cases=[(k, kind) for k in (7, 3, 1, 5, 9, 11) for kind in "AB"],
    describe="k = {}, type {}",
    mistakes={
        "Every weight of the kernel is counted; the masked ones are 0.": (
            lambda k, mask_type: k * k
        ),
        "The same row, to the left of the center, is missing.": (
            lambda k, mask_type: k * (k // 2) + (mask_type == "B")
        ),
        "The whole center row is counted; what is right of the center comes later.": (
            lambda k, mask_type: k * (k // 2 + 1)
        ),
        "The weights before the center are right; now the center itself: hidden in type "
        "A, shown in type B.": Mistake(
            lambda k, mask_type: k * k // 2 + (mask_type == "A"),
            lambda k, mask_type: k * k // 2,
            lambda k, mask_type: k * k // 2 + 1,
        ),
    },
    hints=(
        "Of the k·k weights all but the center lie before it or after it, half and half.",
        "(k * k - 1) // 2 come before the center. Type B adds the center itself.",
    ),
    otherwise="That is not the number of ones in the mask.",
    praise="A 7×7 kernel of type A keeps 24 of 49, a 3×3 of type B 5 of 9.",
)


def _column_mask(kernel_size, mask_type, *, own=None):
    """The mask of a reader who reads the page column by column.

    The page is read down the first column, then down the second, and so on.
    ``kernel_size``: a pair of odd numbers (kh, kw). ``mask_type``: ``"A"`` or ``"B"``.
    The result is an array of zeros and ones, (kh, kw).
    """
    kh, kw = kernel_size
    mask = np.zeros((kh, kw), int)
    mask[:, : kw // 2] = 1
    mask[: own(kh, kw) if own else kh // 2, kw // 2] = 1
    mask[kh // 2, kw // 2] = mask_type == "B"
    return mask


def _raster_mask(kernel_size, mask_type):
    return causal_mask(kernel_size, mask_type)[:, :, 0, 0]


def _without_channels(result):
    """A mask with a channel on either side is a mask too."""
    array = numbers("The mask has another shape than the kernel.")(result)
    return array[..., 0, 0] if array.ndim == 4 else array


column_mask = Exercise(
    _column_mask,
    cases=[
        (size, kind)
        for size in ((5, 3), (3, 5), (3, 3), (5, 5), (7, 3), (1, 7), (5, 1), (1, 1))
        for kind in "AB"
    ],
    describe="kernel_size = {}, type {}",
    read=_without_channels,
    mistakes={
        "The array is transposed, not the order: a kernel of height 5 and width 3 needs "
        "a mask of that shape.": Mistake(
            lambda size, mask_type: _column_mask(size[::-1], mask_type),
            lambda size, mask_type: _raster_mask(size, mask_type).T,
        ),
        "This is the row-by-row mask. In column order what lies above right is not read "
        "yet, and what lies below left is.": _raster_mask,
        "All but the center is right. Type A hides the center, type B shows it.": Mistake(
            lambda size, mask_type: _column_mask(size, "B"),
            lambda size, mask_type: _column_mask(size, "A"),
        ),
        "This shows what comes later; a mask shows what came before.": (
            lambda size, mask_type: _column_mask(size, mask_type)[::-1, ::-1]
        ),
        "In the center's own column, kh // 2 rows are read already, not kw // 2 or another "
        "number.": Mistake(but(own=lambda kh, kw: kw // 2), but(own=lambda kh, kw: 0)),
    },
    hints=(
        "A reader who goes column by column has seen every column to the left, all of it, "
        "and in the center's own column what lies above.",
        "mask[:, : kw // 2] = 1, then mask[: kh // 2, kw // 2] = 1, then the center.",
    ),
    shape="The mask has another shape than the kernel.",
    otherwise="That is not what a column-by-column reader has seen.",
    praise="Another order hides other pixels: now the lower left is known, the upper right "
    "is not.",
)


def _order_mask(order, row, col, size, *, compare=np.less, off_page=np.inf):
    """The type-A mask at one pixel, for any reading order.

    ``order``: (H, W) of the numbers 0 … H·W-1: when each pixel is read.
    ``row, col``: the pixel the kernel is centered on. ``size``: odd; the kernel is
    size×size. The result is (size, size) of zeros and ones: 1 where a tap lies on the
    page and its pixel is read before the center's.
    """
    padded = np.pad(order.astype(float), size // 2, constant_values=off_page)
    window = padded[row : row + size, col : col + size]
    return compare(window, order[row, col]).astype(int)


def _wrapped(order, row, col, size):
    """As with negative indices, which read the far side; too large ones are left out."""
    half, (height, width) = size // 2, order.shape
    padded = np.pad(order.astype(float), half, mode="wrap")
    padded[height + half :] = padded[:, width + half :] = np.nan
    return padded[row : row + size, col : col + size] < order[row, col]


def _orders():
    raster = np.arange(30).reshape(5, 6)
    snake = raster.copy()
    snake[1::2] = snake[1::2, ::-1]
    shuffled = np.random.default_rng(4).permutation(30).reshape(5, 6)
    for name, order in (("raster", raster), ("snake", snake), ("shuffled", shuffled)):
        for row, col in ((2, 2), (3, 3), (0, 0), (4, 5), (0, 5), (1, 0)):
            for size in (3, 5):
                yield name, order, row, col, size
    yield "raster", np.arange(784).reshape(28, 28), 27, 27, 3


order_mask = Exercise(
    _order_mask,
    cases=_orders,
    run=lambda answer, name, *case: answer(*case),
    describe=lambda name, order, row, col, size: (
        f"{name} order, pixel ({row}, {col}), size {size}"
    ),
    mistakes={
        "The pixel reads itself: type A hides the center.": but(compare=np.less_equal),
        "A negative index wrapped around to the far side of the page.": Mistake(
            _wrapped, hint=2
        ),
        "Weights that lie off the page must be 0.": Mistake(but(off_page=-1)),
        "This is the row-by-row mask, the same at every pixel; order was not asked, nor "
        "where the page ends.": lambda order, row, col, size: _raster_mask(size, "A"),
    },
    hints=(
        "For each tap find its pixel on the page, (row + dy, col + dx). Outside the page "
        "the mask is 0; inside, compare order there with order[row, col].",
        "dy runs from -(size // 2) to size // 2. Check 0 <= row + dy < height yourself: "
        "a negative index would wrap around to the other side of the page.",
    ),
    shape="The mask has another shape than the kernel.",
    otherwise="That is not what was read before the center.",
    praise="One function, every order: but a snake needs another mask in every second row.",
)
