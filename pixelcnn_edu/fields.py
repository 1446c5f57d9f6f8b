"""Which pixels a stack of masked convolutions sees, layer by layer, without a network.

Taught by notebook 05; notebooks 03 and 12 use it. NumPy alone. For layers of your own:
`causality.receptive_field`.
"""

import functools
import itertools

from pixelcnn_edu._checks import (
    check_bool,
    check_int,
    check_kernel_size,
    check_positive_int,
    is_int,
    plain,
)
from pixelcnn_edu.masks import causal_mask

import numpy as np


def seen(page, pixel, *, first=7, further=0, gated=False) -> np.ndarray:
    """Find which pixels an output can see, without a network: offsets add up.

    The search starts at the output and goes back to the image. At each layer, a set of
    pixels is replaced by all pixels that these read. Only pixels on the page count,
    because a feature outside the page is zero.

    With ``gated=True`` there are two stacks, as in arXiv 1606.05328. The first layer of
    the vertical stack reads the rows above. Its later layers also read their own row
    (of features). The horizontal stack reads to the left, and each of its layers adds
    the vertical features at its own position. The output belongs to the horizontal
    stack.

    Args:
        page: (height, width).
        pixel: (row, col) of the output.
        first: kernel size of the first layer, which does not read the pixel itself.
        further: how many 3×3 layers follow.
        gated: two stacks instead of one.

    Returns:
        boolean (height, width), True where the pixel is seen.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> [int(seen((28, 28), (14, 14), further=n).sum()) for n in (0, 1, 5, 11, 12)]
        [24, 39, 129, 351, 351]
    """
    further = check_int("further", further, at_least=0)
    fields = by_depth(page, pixel, first=first, gated=gated)
    return next(itertools.islice(fields, further, None))


def by_depth(page, pixel, *, first=7, gated=False):
    """Yield what `seen` finds with 0, 1, 2, … further layers, without end."""
    first = check_positive_int("first", first)
    check_kernel_size(first)
    page = _check_page(page)
    gated = check_bool("gated", gated)
    place = [plain(at) for at in pixel]
    whole = len(place) == 2 and all(map(is_int, place))
    if not whole or not all(
        0 <= at < size for at, size in zip(place, page, strict=True)
    ):
        raise ValueError(
            f"Expected pixel to be (row, col), integers inside the page {page}. "
            f"Received: {pixel}"
        )
    pixel = tuple(place)
    vertical, horizontal = np.zeros((2, *page), bool)
    horizontal[pixel] = True
    # yield: what the first layer would read if it came next; then one more 3×3 layer
    while not gated:
        yield _read_by(horizontal, _mask(first, "A"))
        horizontal = _read_by(horizontal, _mask(3, "B"))
    while gated:
        both = vertical | horizontal
        above = _read_by(both, _rows_above(first, own_row=False))
        yield above | _read_by(horizontal, _to_the_left(first, "A"))
        vertical = _read_by(both, _rows_above(3, own_row=True))
        horizontal = _read_by(horizontal, _to_the_left(3, "B"))


def _read_by(pixels, mask):
    """Return all pixels under a live weight of a mask centered on one of ``pixels``."""
    (height, width), half = pixels.shape, len(mask) // 2
    around = np.pad(pixels, half)
    read = np.zeros_like(pixels)
    for i, j in np.argwhere(mask):
        # the pixel at (row, col) is read by the pixel at the opposite offset
        top, left = 2 * half - i, 2 * half - j
        read |= around[top : top + height, left : left + width]
    return read


@functools.cache
def _mask(kernel_size, mask_type):
    return causal_mask(kernel_size, mask_type)[:, :, 0, 0]


@functools.cache
def _rows_above(kernel_size, own_row):
    mask = np.zeros((kernel_size, kernel_size))
    mask[: kernel_size // 2 + own_row] = 1
    return mask


@functools.cache
def _to_the_left(kernel_size, mask_type):
    mask = _mask(kernel_size, mask_type).copy()
    mask[: kernel_size // 2] = 0
    return mask


def _check_page(page):
    return tuple(
        check_positive_int(name, size)
        for name, size in zip(("height", "width"), page, strict=True)
    )
