"""Causal masks: which weights of a kernel may touch which pixels.

Paper: van den Oord et al., *Pixel Recurrent Neural Networks*, arXiv 1601.06759,
section 3.4. Taught by notebook 02.

Pixels are read like a page: row by row, each row from left to right. A kernel centered
on a pixel may look at ``#``, and at the center ``o`` only in type B::

    # # # # #
    # # # # #
    # # o . .
    . . . . .
    . . . . .

NumPy alone: nothing here knows about networks.
"""

import numpy as np

MASK_TYPES = ("A", "B")


def causal_mask(
    kernel_size,
    mask_type: str,
    *,
    in_channels: int = 1,
    out_channels: int = 1,
    colors: int = 1,
) -> np.ndarray:
    """Return the 0/1 mask of a causal convolution kernel.

    With ``colors=3`` the channels on either side are split into three contiguous
    groups, R, G and B, and the order R, G, B holds inside a pixel: at the center tap,
    type A lets a group read the groups before it, type B itself too.

    Args:
        kernel_size: an odd integer, or a pair of them (height, width).
        mask_type: ``"A"`` hides the center, ``"B"`` shows it.
        in_channels: channels the kernel reads; divisible by ``colors``.
        out_channels: channels the kernel writes; divisible by ``colors``.
        colors: groups in which the channels of one pixel are ordered.

    Returns:
        float32 array of zeros and ones, shape (kh, kw, in_channels, out_channels).

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> causal_mask(3, "A")[:, :, 0, 0]
        array([[1., 1., 1.],
               [1., 0., 0.],
               [0., 0., 0.]], dtype=float32)
    """
    kh, kw = check_kernel_size(kernel_size)
    if mask_type not in MASK_TYPES:
        raise ValueError(f"Expected mask_type 'A' or 'B'. Received: {mask_type!r}")
    for name, value in (
        ("colors", colors),
        ("in_channels", in_channels),
        ("out_channels", out_channels),
    ):
        check_positive_int(name, value)
        if value % colors:
            raise ValueError(
                f"Expected {name} to be divisible by colors={colors}, so that every "
                f"color gets the same share. Received: {name}={value}"
            )

    mask = np.zeros((kh, kw, in_channels, out_channels), "float32")
    mask[: kh // 2] = 1  # rows above
    mask[kh // 2, : kw // 2] = 1  # the same row, to the left
    color_in = np.arange(in_channels) * colors // in_channels
    color_out = np.arange(out_channels) * colors // out_channels
    earlier = color_in[:, None] < color_out[None, :]
    same = color_in[:, None] == color_out[None, :]
    mask[kh // 2, kw // 2] = earlier | same if mask_type == "B" else earlier
    return mask


def check_kernel_size(kernel_size) -> tuple[int, int]:
    """Return ``kernel_size`` as a pair of odd integers, or raise ``ValueError``."""
    pair = kernel_size if isinstance(kernel_size, tuple | list) else (kernel_size,) * 2
    if len(pair) != 2:
        raise ValueError(
            "Expected kernel_size to be one odd integer or two (height, width). "
            f"Received: {kernel_size!r}"
        )
    for size in pair:
        check_positive_int("kernel_size", size)
        if size % 2 == 0:
            raise ValueError(
                "Expected kernel_size to be odd: an even kernel has no center pixel "
                f"to put the mask around. Received: {kernel_size!r}"
            )
    return int(pair[0]), int(pair[1])


def check_seed(seed, *, optional=True):
    """Return ``seed``, an integer >= 0 (or several), or raise ``ValueError``."""
    if optional and seed is None:
        return None
    for one in seed if isinstance(seed, list) else [seed]:
        whole = isinstance(one, int | np.integer) and not isinstance(one, bool)
        if not whole or one < 0:
            none = "None or " if optional else ""
            raise ValueError(
                f"Expected seed to be {none}an integer >= 0. Received: {seed!r}"
            )
    return seed


def is_number(value) -> bool:
    """Whether ``value`` is a real, finite number, and no bool."""
    number = isinstance(value, int | float | np.integer | np.floating)
    return number and not isinstance(value, bool) and bool(np.isfinite(value))


def check_positive_int(name: str, value) -> int:
    """Return ``value`` as an int, or raise ``ValueError`` that names ``name``."""
    is_int = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_int or value < 1:
        raise ValueError(
            f"Expected {name} to be a positive integer. Received: {value!r}"
        )
    return int(value)
