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

The code below is NumPy alone: it knows nothing about networks.
"""

from pixelcnn_edu._checks import (
    check_divisible,
    check_kernel_size,
    check_mask_type,
    check_positive_int,
)

import numpy as np


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
    mask_type = check_mask_type(mask_type)
    colors = check_positive_int("colors", colors)
    in_channels = check_positive_int("in_channels", in_channels)
    out_channels = check_positive_int("out_channels", out_channels)
    check_divisible("in_channels", in_channels, colors)
    check_divisible("out_channels", out_channels, colors)

    mask = np.zeros((kh, kw, in_channels, out_channels), "float32")
    mask[: kh // 2] = 1  # rows above
    mask[kh // 2, : kw // 2] = 1  # the same row, to the left
    color_in = np.arange(in_channels) * colors // in_channels
    color_out = np.arange(out_channels) * colors // out_channels
    earlier = color_in[:, None] < color_out[None, :]
    same = color_in[:, None] == color_out[None, :]
    mask[kh // 2, kw // 2] = earlier | same if mask_type == "B" else earlier
    return mask
