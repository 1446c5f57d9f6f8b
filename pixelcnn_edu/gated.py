"""The layers of the Gated PixelCNN: two stacks without a blind spot.

Paper: arXiv 1606.05328, section 2 and figure 2. Notebooks 12 and 13 teach this module.

The **vertical stack** sees the rows above a pixel. The **horizontal stack** sees the pixels
to the left in the same row. Together, with enough layers, they see every earlier pixel. Two
ways of joining the stacks are correct. This module uses the way without a shift: the first
vertical convolution leaves out the current row; later ones include the current row of
features, which know only the rows above; and the horizontal stack adds a 1×1 convolution of
the vertical features at the same position.

Section 2.2 of the paper notes that kernels of ⌈k/2⌉ rows or columns, shifted by padding and
cropping, can replace the masked kernels. This module does so: a kernel holds only its live
taps and no product with zero is computed. Only the order of the colors inside a pixel needs
a mask.
"""

from pixelcnn_edu._checks import (
    check_divisible,
    check_dropout,
    check_kernel_size,
    check_mask_type,
    check_one_of,
    check_positive_int,
    check_precision,
    fixed_arguments,
    listed,
)
from pixelcnn_edu.layers import MaskedConv2D, masked, register
from pixelcnn_edu.masks import causal_mask

import keras
import numpy as np
from keras import ops

STACKS = ("vertical", "horizontal")


@register
class StackConv2D(keras.layers.Conv2D):
    """Convolution of one stack, with a kernel that holds only its live taps.

    ::

        vertical A   ███   vertical B   ███   horizontal A   · · ·   horizontal B   · · ·
                     ·o·                ███                  █ o ·                  █ █ ·

    Args:
        filters: channels of the output.
        kernel_size: an odd integer k, or a pair (height, width): the size of the kernel
            before it is cropped. The vertical stack keeps k columns and k//2 rows above,
            the horizontal stack k//2 columns to the left.
        stack: ``"vertical"`` or ``"horizontal"``.
        mask_type: ``"A"`` for the first layer, which leaves out the current row (vertical)
            or the pixel itself (horizontal); ``"B"`` for later layers.
        colors: groups of channels ordered inside a pixel, see `masks.causal_mask`. The
            horizontal stack then also reads the earlier groups of its own pixel.
        dilation_rate: distance in pixels from one tap to the next, the same in rows and in
            columns. Only for type B: the first layer reads the nearest pixels.
        **kwargs: as for `keras.layers.Conv2D`; padding and strides are fixed.

    Attributes:
        kernel_size: (rows, columns) of the cropped kernel, which the layer stores.
        whole_kernel_size: (height, width) before cropping, the argument.

    Input shape: (N, H, W, channels).

    Output shape: (N, H, W, filters).

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> layer = StackConv2D(8, 3, "vertical", "A")
        >>> layer(np.zeros((2, 5, 5, 1), "float32")).shape, tuple(layer.kernel.shape)
        (TensorShape([2, 5, 5, 8]), (1, 3, 1, 8))
    """

    runs_as = "convolution"

    def __init__(
        self,
        filters,
        kernel_size,
        stack,
        mask_type="B",
        *,
        colors=1,
        dilation_rate=1,
        **kwargs,
    ):
        filters = check_positive_int("filters", filters)
        colors = check_positive_int("colors", colors)
        check_divisible("filters", filters, colors)
        height, width = check_kernel_size(kernel_size)
        check_one_of("stack", stack, STACKS)
        mask_type = check_mask_type(mask_type)
        hides = mask_type == "A"
        pair = listed(dilation_rate)
        if pair and pair == [pair[0]] * len(pair):
            dilation_rate = pair[0]  # a pair, as Keras keeps it
        dilation_rate = check_positive_int("dilation_rate", dilation_rate)
        if hides and dilation_rate > 1:
            raise ValueError(
                "Expected dilation_rate=1 with mask_type='A', whose taps are the pixels "
                f"next to its own. Received: dilation_rate={dilation_rate}"
            )
        if stack == "vertical":
            rows, columns = height // 2 + 1 - hides, width
        else:
            rows, columns = 1, width // 2 + 1 - (hides and colors == 1)
        if not rows or not columns:
            raise ValueError(
                f"Expected kernel_size to leave a tap to a {stack} convolution of type "
                f"{mask_type}. Received: {kernel_size!r}"
            )
        kwargs = fixed_arguments(kwargs, padding="valid")
        kwargs["dilation_rate"] = dilation_rate
        super().__init__(filters, (rows, columns), **kwargs)
        check_precision(self)
        self.whole_kernel_size = height, width
        self.stack = str(stack)
        self.mask_type = mask_type
        self.colors = colors

    @property
    def origin(self) -> tuple[int, int]:
        """Offset (rows down, columns right) of the kernel's first element."""
        height, width = self.whole_kernel_size
        up, step = height // 2 * (self.stack == "vertical"), self.dilation_rate[0]
        return -up * step, -(width // 2) * step

    def build(self, input_shape):
        super().build(input_shape)
        self.mask = np.ones(self.kernel.shape, "float32")
        if self.stack == "horizontal" and self.colors > 1:
            center = causal_mask(
                1,
                self.mask_type,
                in_channels=self.kernel.shape[2],
                out_channels=self.filters,
                colors=self.colors,
            )
            self.mask[:, -1:] = center

    def convolution_op(self, inputs, kernel):
        (top, left), (rows, columns) = self.origin, self.kernel_size
        step = self.dilation_rate[0]
        # the last offsets: -1 where type A leaves out the current row or the pixel
        bottom, right = top + (rows - 1) * step, left + (columns - 1) * step
        pads = ((0, 0), (-top, max(bottom, 0)), (-left, max(right, 0)), (0, 0))
        inputs = inputs[:, : min(bottom, 0) or None, : min(right, 0) or None]
        inputs = ops.pad(inputs, pads)
        return super().convolution_op(inputs, masked(kernel, self.mask))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_size": self.whole_kernel_size,
            "stack": self.stack,
            "mask_type": self.mask_type,
            "colors": self.colors,
        }


@register
class Gate(keras.layers.Layer):
    """Gated activation: one half of the channels scales the other half.

    Args:
        colors: groups of channels ordered inside a pixel. Each group of 2F/colors channels
            has its own two halves, so that no group reads a later one.

    Input shape: (…, 2F).

    Output shape: (…, F).

    Returns:
        ``tanh(first half) * sigmoid(second half)``, equation 2 of the paper.

    Raises:
        ValueError: if the channels cannot be divided into such halves.

    Example:
        >>> Gate()(np.zeros((1, 4, 4, 6), "float32")).shape
        TensorShape([1, 4, 4, 3])
    """

    runs_as = "pixelwise"

    def __init__(self, colors=1, **kwargs):
        super().__init__(**kwargs)
        check_precision(self)
        self.colors = check_positive_int("colors", colors)

    def build(self, input_shape):
        if input_shape[-1] % (2 * self.colors):
            raise ValueError(
                f"Expected channels divisible by {2 * self.colors}, two halves in each of "
                f"{self.colors} color groups. Received shape: {tuple(input_shape)}"
            )

    def call(self, inputs):
        # in float32: in bfloat16 a gate takes 1.6 times as long
        inputs = ops.cast(inputs, "float32")
        # whole slices of the last axis: a reshape to (…, 2, F) is six times slower
        halves = ops.split(inputs, 2 * self.colors, axis=-1)
        first, second = halves[::2], halves[1::2]
        if self.colors > 1:
            first, second = [ops.concatenate(first, -1)], [ops.concatenate(second, -1)]
        gated = ops.tanh(first[0]) * ops.sigmoid(second[0])
        return ops.cast(gated, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 2)

    def get_config(self):
        return {**super().get_config(), "colors": self.colors}


def gated_block(
    vertical,
    horizontal,
    filters,
    kernel_size=3,
    mask_type="B",
    *,
    condition=None,
    dropout=0.0,
    colors=1,
    dilation_rate=1,
):
    """Add one layer of both stacks to a network.

    A function of tensors, as `layers.residual_block`. Each call makes new weights::

        vertical ── k×k rows above ─┬─ (+ label) ─ gate ─────────────── vertical
                                   1×1
        horizontal ─ 1×k left ──────+─ (+ label) ─ gate ─ 1×1 ─ (+) ── horizontal
              └───────────────────────────────────────────────┘

    The first layer (``mask_type="A"``) has no residual connection: it would hand each
    pixel its own value. The vertical stack never reads the horizontal one.

    Args:
        vertical, horizontal: Keras tensors, (N, H, W, channels) each; the image twice in
            the first layer. In type B, ``vertical`` must know the rows above alone, as the
            first result of a block does. Features of a `MaskedConv2D` know their own row
            too, so they may be ``horizontal`` only.
        filters: F, channels of each of the two results.
        kernel_size: as for `StackConv2D`.
        mask_type: ``"A"`` for the first layer.
        condition: a function that takes a number of channels and returns a tensor, which
            is added before each gate; None for no tensor.
        dropout: share of the horizontal features that training drops.
        colors: groups of channels ordered inside a pixel.
        dilation_rate: distance between the taps of both kernels, see `StackConv2D`.

    Returns:
        The next (vertical, horizontal): Keras tensors, (N, H, W, filters) each.

    Raises:
        ValueError: if an argument is out of its range, or if ``horizontal`` has another
            number of channels than ``filters`` in a layer of type B.

    Example:
        >>> image = keras.Input((28, 28, 1))
        >>> vertical, horizontal = gated_block(image, image, 8, 7, "A")
        >>> vertical, horizontal = gated_block(vertical, horizontal, 8)
        >>> vertical.shape, horizontal.shape
        ((None, 28, 28, 8), (None, 28, 28, 8))
    """
    filters = check_positive_int("filters", filters)
    colors = check_positive_int("colors", colors)
    mask_type = check_mask_type(mask_type)
    check_divisible("filters", filters, colors)
    dropout = check_dropout(dropout)
    if mask_type == "B" and horizontal.shape[-1] != filters:
        # Keras would add one channel, such as an image, to all of them: a leak
        raise ValueError(
            f"Expected horizontal with filters={filters} channels, so that the residual "
            f"sum can be formed. Received shape: {tuple(horizontal.shape)}"
        )
    both = {"mask_type": mask_type, "dilation_rate": dilation_rate}
    v = StackConv2D(2 * filters, kernel_size, "vertical", **both)(vertical)
    h = StackConv2D(2 * filters, kernel_size, "horizontal", colors=colors, **both)(
        horizontal
    )
    h = keras.layers.add([h, MaskedConv2D(2 * filters, 1)(v)])
    if condition is not None:
        v = keras.layers.add([v, condition(2 * filters)])
        h = keras.layers.add([h, condition(2 * filters)])
    v, h = Gate()(v), Gate(colors)(h)
    if dropout:
        h = keras.layers.Dropout(dropout)(h)
    h = MaskedConv2D(filters, 1, colors=colors)(h)
    if mask_type == "B":
        h = keras.layers.add([horizontal, h])
    return v, h
