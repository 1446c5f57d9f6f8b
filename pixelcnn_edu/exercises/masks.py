"""Checks for notebook 02: live weights, and masks for other reading orders."""

from pixelcnn_edu.exercises._check import Wrong, called, check
from pixelcnn_edu.masks import causal_mask

import numpy as np


@check(
    "Of the k·k weights all but the center lie before it or after it, half and half.",
    "(k * k - 1) // 2 come before the center. Type B adds the center itself.",
)
def live_taps(answer):
    """Judge ``live_taps(k, mask_type)``: how many weights of a k×k mask are 1.

    ``k``: odd integer. ``mask_type``: ``"A"`` or ``"B"``. Returns a whole number.
    """
    for k in (7, 3, 1, 5, 9, 11):  # at 7 no two mistakes agree
        for mask_type in ("A", "B"):
            before = k * k // 2
            expected = before + (mask_type == "B")
            actual = np.asarray(called(answer, k, mask_type))
            if actual.shape == () and actual == expected:
                continue
            seen = {
                "case": f"k = {k}, type {mask_type}",
                "expected": expected,
                "actual": actual,
            }
            mistakes = {
                "Every weight of the kernel is counted; the masked ones are 0.": k * k,
                "The same row, to the left of the center, is missing.": (
                    k * (k // 2) + (mask_type == "B")
                ),
                "The whole center row is counted; what is right of the center comes "
                "later.": k * (k // 2 + 1),
                "The weights before the center are right; now the center itself: hidden "
                "in type A, shown in type B.": before + (mask_type == "A"),
            }
            for diagnosis, wrong in mistakes.items():
                if actual.shape == () and actual == wrong:
                    raise Wrong(diagnosis, **seen)
            raise Wrong("That is not the number of ones in the mask.", **seen)
    return "A 7×7 kernel of type A keeps 24 of 49, a 3×3 of type B 5 of 9."


@check(
    "A reader who goes column by column has seen every column to the left, all of it, "
    "and in the center's own column what lies above.",
    "mask[:, : kw // 2] = 1, then mask[: kh // 2, kw // 2] = 1, then the center.",
)
def column_mask(answer):
    """Judge ``column_mask(kernel_size, mask_type)``: the mask of column-by-column reading.

    The page is read down the first column, then down the second, and so on.
    ``kernel_size``: a pair of odd numbers (kh, kw). ``mask_type``: ``"A"`` or ``"B"``.
    Returns an array of zeros and ones, (kh, kw).
    """
    for size in ((5, 3), (3, 5), (3, 3), (5, 5), (7, 3), (1, 3), (5, 1), (1, 1)):
        for mask_type in ("A", "B"):
            _judge_column_mask(answer, size, mask_type)
    return (
        "Another order hides other pixels: now the lower left is known, the upper right "
        "is not."
    )


def _judge_column_mask(answer, size, mask_type):
    kh, kw = size
    rows, cols = np.indices(size)
    place = cols * kh + rows  # the place of each tap in column-by-column reading
    center = place[kh // 2, kw // 2]
    expected = (place <= center if mask_type == "B" else place < center).astype(int)
    actual = np.asarray(called(answer, size, mask_type))
    seen = {
        "case": f"kernel_size = {size}, type {mask_type}",
        "expected": expected,
        "actual": actual,
    }
    if actual.shape == (kh, kw, 1, 1):
        actual = actual[..., 0, 0]
    if actual.shape == (kw, kh) != size:
        raise Wrong(
            "The array is transposed, not the order: a kernel of height "
            f"{kh} and width {kw} needs a mask of that shape.",
            **seen,
        )
    if actual.shape != size:
        raise Wrong("The mask has another shape than the kernel.", **seen)
    if np.array_equal(actual, expected):
        return
    raster = causal_mask(size, mask_type)[:, :, 0, 0]
    if np.array_equal(actual, raster):
        raise Wrong(
            "This is the row-by-row mask. In column order what lies above right is not "
            "read yet, and what lies below left is.",
            **seen,
        )
    others = np.arange(kh * kw) != kh // 2 * kw + kw // 2
    if np.array_equal(actual.ravel()[others], expected.ravel()[others]):
        raise Wrong(
            "All but the center is right. Type A hides the center, type B shows it.",
            **seen,
        )
    later = (place >= center if mask_type == "B" else place > center).astype(int)
    if np.array_equal(actual, later):
        raise Wrong(
            "This shows what comes later; a mask shows what came before.", **seen
        )
    if np.array_equal(actual, (cols <= kw // 2) & (rows <= kh // 2) & (expected > 0)):
        raise Wrong(
            "The lower left is missing: those columns are read already.", **seen
        )
    left = (cols < kw // 2).astype(int)
    own = {
        "The rows are counted with kw; use kh // 2.": rows < kw // 2,
        "The center's own column is missing: what lies above the center is read already.": (
            rows < 0
        ),
        "In the center's own column, what lies above the center is read already, not what "
        "lies below.": rows > kh // 2,
    }
    for diagnosis, shown in own.items():
        wrong = left + (shown & (cols == kw // 2))
        if np.array_equal(actual.ravel()[others], wrong.ravel()[others]):
            raise Wrong(diagnosis, **seen)
    raise Wrong("That is not what a column-by-column reader has seen.", **seen)


@check(
    "For each tap find its pixel on the page, (row + dy, col + dx). Outside the page "
    "the mask is 0; inside, compare order there with order[row, col].",
    "dy runs from -(size // 2) to size // 2. Check 0 <= row + dy < height yourself: "
    "a negative index would wrap around to the other side of the page.",
)
def order_mask(answer):
    """Judge ``order_mask(order, row, col, size)``: the type-A mask at one pixel, any order.

    ``order``: (H, W) of the numbers 0 … H·W-1: when each pixel is read.
    ``row, col``: the pixel the kernel is centered on. ``size``: odd; the kernel is
    size×size. Returns (size, size) of zeros and ones: 1 where a tap lies on the page and
    its pixel is read before the center's.
    """
    rng = np.random.default_rng(4)
    raster = np.arange(30).reshape(5, 6)
    snake = raster.copy()
    snake[1::2] = snake[1::2, ::-1]
    shuffled = rng.permutation(30).reshape(5, 6)
    for name, order in (("raster", raster), ("snake", snake), ("shuffled", shuffled)):
        inside = [(2, 2), (3, 3)]
        for row, col in inside + [(0, 0), (4, 5), (0, 5), (1, 0)]:
            for size in (3, 5):
                _judge_order_mask(answer, name, order, row, col, size)
    return (
        "One function, every order: but a snake needs another mask in every second row."
    )


def _judge_order_mask(answer, name, order, row, col, size):
    def reference(before=np.less, page=order, wrap=False, off_page=np.nan):
        half = size // 2
        padded = np.pad(page.astype(float), half, constant_values=off_page)
        if wrap:  # what negative indices read
            padded = np.pad(page.astype(float), half, mode="wrap")
            padded[page.shape[0] + half :] = padded[:, page.shape[1] + half :] = np.nan
        window = padded[row : row + size, col : col + size]
        return before(window, page[row, col]).astype(int)

    expected = reference()
    actual = np.asarray(called(answer, order.copy(), row, col, size))
    seen = {
        "case": f"{name} order, pixel ({row}, {col}), size {size}",
        "expected": expected,
        "actual": actual,
    }
    if actual.shape != (size, size):
        raise Wrong("The mask has another shape than the kernel.", **seen)
    if np.array_equal(actual, expected):
        return
    numbers = np.arange(order.size).reshape(order.shape)
    mistakes = {
        "The pixel reads itself: type A hides the center.": reference(np.less_equal),
        "This shows what comes later; a mask shows what came before.": reference(
            np.greater
        ),
        "A negative index wrapped around to the far side of the page.": reference(
            wrap=True
        ),
        "Weights that lie off the page must be 0.": reference(off_page=-1),
        "This is the mask of row-by-row reading; order was not asked.": reference(
            page=numbers
        ),
        "This is the row-by-row mask, the same at every pixel; order was not asked, nor "
        "where the page ends.": causal_mask(size, "A")[:, :, 0, 0],
    }
    for diagnosis, wrong in mistakes.items():
        if np.array_equal(actual, wrong):
            raise Wrong(diagnosis, **seen)
    raise Wrong("That is not what was read before the center.", **seen)
