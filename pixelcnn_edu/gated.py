"""The layers of the Gated PixelCNN: two stacks without a blind spot.

Paper: arXiv 1606.05328, section 2 and figure 2. Taught by notebook 11.

The **vertical stack** sees rows above, the **horizontal stack** pixels to the left in its
own row; together, with enough layers, every earlier pixel. Two recipes for joining them are
correct. This is the one without a shift: the first vertical convolution leaves out the
current row, later ones include it (of features, which know only rows above), and the
horizontal stack adds a 1×1 convolution of the vertical features at the same position.

Section 2.2 of the paper notes that its masked convolutions can also be made with kernels of
⌈k/2⌉ rows or columns, shifted by padding and cropping. So it is done here: a kernel holds
its live taps only, no multiplication with zero is made, and nothing needs a mask but the
order of colors inside a pixel.
"""

from pixelcnn_edu._checks import (
    check_dropout,
    check_kernel_size,
    check_positive_int,
    check_precision,
)
from pixelcnn_edu.layers import Conv2D, fixed_arguments, pointwise
from pixelcnn_edu.masks import causal_mask

import keras
import numpy as np
from keras import ops

STACKS = ("vertical", "horizontal")


@keras.saving.register_keras_serializable(package="pixelcnn_edu")
class StackConv2D(Conv2D):
    """Convolution of one stack, with a kernel that holds its live taps only.

    ::

        vertical A   ███   vertical B   ███   horizontal A   · · ·   horizontal B   · · ·
                     ·o·                ███                  █ o ·                  █ █ ·

    Args:
        filters: channels of the output.
        kernel_size: an odd integer k: k columns and k//2 rows above, or k//2 columns to
            the left; or a pair (height, width).
        stack: ``"vertical"`` or ``"horizontal"``.
        mask_type: ``"A"`` for the first layer: the current row (vertical) or the pixel
            itself (horizontal) is left out; ``"B"`` for later ones.
        colors: groups of channels ordered inside a pixel, see `masks.causal_mask`. The
            horizontal stack then reads the groups of its own pixel that come before.
        dilation_rate: distance in pixels from one tap to the next, in rows and columns
            alike. Type B only: the first layer reads the nearest pixels.
        **kwargs: as for `keras.layers.Conv2D`; padding and strides are fixed.

    Input shape: (N, H, W, channels).

    Output shape: (N, H, W, filters).

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> layer = StackConv2D(8, 3, "vertical", "A")
        >>> layer(np.zeros((2, 5, 5, 1), "float32")).shape, tuple(layer.kernel.shape)
        (TensorShape([2, 5, 5, 8]), (1, 3, 1, 8))
    """

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
        height, width = check_kernel_size(kernel_size)
        if stack not in STACKS:
            raise ValueError(
                f"Expected stack to be one of {STACKS}. Received: {stack!r}"
            )
        causal_mask(
            1, mask_type, in_channels=colors, out_channels=filters, colors=colors
        )
        hides = mask_type == "A"
        if isinstance(dilation_rate, tuple | list) and len(set(dilation_rate)) == 1:
            dilation_rate = dilation_rate[0]  # a pair, as Keras keeps it
        dilation_rate = check_positive_int("dilation_rate", dilation_rate)
        if hides and dilation_rate > 1:
            raise ValueError(
                "Expected dilation_rate=1 with mask_type='A', whose taps are the pixels "
                f"next to its own. Received: dilation_rate={dilation_rate}"
            )
        if stack == "vertical":
            rows, columns = height // 2 + 1 - hides, width
            top = -(height // 2)
        else:
            rows, columns = 1, width // 2 + 1 - (hides and colors == 1)
            top = 0
        if not rows or not columns:
            raise ValueError(
                f"Expected kernel_size to leave a tap to a {stack} convolution of type "
                f"{mask_type}. Received: {kernel_size!r}"
            )
        kwargs = fixed_arguments(kwargs, padding="valid")
        kwargs["dilation_rate"] = dilation_rate
        super().__init__(filters, (rows, columns), **kwargs)
        self.whole_kernel_size = height, width
        self.stack = str(stack)
        self.mask_type = str(mask_type)
        self.colors = colors
        self.origin = top * dilation_rate, -(width // 2) * dilation_rate

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

    def masked_kernel(self):
        """Return the kernel as the convolution uses it, (kh, kw, in, out)."""
        if self.colors == 1:
            return ops.convert_to_tensor(self.kernel)
        return self.kernel * ops.cast(self.mask, self.kernel.dtype)

    def call(self, inputs):
        (top, left), (rows, columns) = self.origin, self.kernel_size
        step = self.dilation_rate[0]
        # the last offsets: -1 where type A leaves out the current row or the pixel
        bottom, right = top + (rows - 1) * step, left + (columns - 1) * step
        pads = ((0, 0), (-top, max(bottom, 0)), (-left, max(right, 0)), (0, 0))
        height, width = ops.shape(inputs)[1:3]
        last_row, last_column = height + min(bottom, 0), width + min(right, 0)
        return super().call(ops.pad(inputs[:, :last_row, :last_column], pads))

    def convolution_op(self, inputs, kernel):
        if self.colors > 1:
            kernel = kernel * ops.cast(self.mask, kernel.dtype)
        return super().convolution_op(inputs, kernel)

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


@keras.saving.register_keras_serializable(package="pixelcnn_edu")
class Gate(keras.layers.Layer):
    """Gated activation: one half of the channels decides how much of the other passes.

    Input shape: (…, 2F). With ``colors`` groups, each group's 2F/colors channels are
    halved by themselves, so that no group looks at a later one.

    Output shape: (…, F).

    Returns:
        ``tanh(first half) * sigmoid(second half)``, equation 2 of the paper.

    Raises:
        ValueError: if the channels cannot be halved so.

    Example:
        >>> Gate()(np.zeros((1, 4, 4, 6), "float32")).shape
        TensorShape([1, 4, 4, 3])
    """

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
        # in float32 at least: in bfloat16 a gate takes 1.6 times as long
        precise = keras.backend.result_type(self.compute_dtype, "float32")
        # whole slices of the last axis: a reshape to (…, 2, F) is six times slower
        halves = ops.split(ops.cast(inputs, precise), 2 * self.colors, axis=-1)
        first, second = halves[::2], halves[1::2]
        if self.colors > 1:
            first, second = [ops.concatenate(first, -1)], [ops.concatenate(second, -1)]
        gated = ops.tanh(first[0]) * ops.sigmoid(second[0])
        return ops.cast(gated, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 2)

    def get_config(self):
        return {**super().get_config(), "colors": self.colors}


class GatedBlock:
    """One layer of both stacks: a function of Keras tensors, as `layers.ResidualBlock`.

    ::

        vertical ── k×k rows above ─┬─ (+ label) ─ gate ─────────────── vertical
                                   1×1
        horizontal ─ 1×k left ──────+─ (+ label) ─ gate ─ 1×1 ─ (+) ── horizontal
              └───────────────────────────────────────────────┘

    The first layer (``mask_type="A"``) has no residual connection: it would hand each
    pixel its own value. The vertical stack never reads the horizontal one.

    Args:
        filters: F, channels of either stack.
        kernel_size: as for `StackConv2D`.
        mask_type: ``"A"`` for the first layer.
        dropout: share of the horizontal features that training drops.
        colors: groups of channels ordered inside a pixel.
        dilation_rate: distance between the taps of its two kernels, see `StackConv2D`.

    Raises:
        ValueError: if an argument is out of its range, or if a block of type B gets
            horizontal features that its residual sum would have to stretch.

    Example:
        >>> image = keras.Input((28, 28, 1))
        >>> vertical, horizontal = GatedBlock(8, 7, "A")(image, image)
        >>> vertical, horizontal = GatedBlock(8)(vertical, horizontal)
        >>> vertical.shape, horizontal.shape
        ((None, 28, 28, 8), (None, 28, 28, 8))
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        mask_type="B",
        *,
        dropout=0.0,
        colors=1,
        dilation_rate=1,
    ):
        filters = check_positive_int("filters", filters)
        colors = check_positive_int("colors", colors)
        causal_mask(kernel_size, mask_type)  # validates size and type
        if filters % colors:
            raise ValueError(
                f"Expected filters to be divisible by colors={colors}. "
                f"Received: filters={filters}"
            )
        self.filters = filters
        self.kernel_size = check_kernel_size(kernel_size)
        self.mask_type = mask_type
        self.dropout = check_dropout(dropout)
        self.colors = colors
        self.dilation_rate = check_positive_int("dilation_rate", dilation_rate)

    def __call__(self, vertical, horizontal, condition=None):
        """Return the next (vertical, horizontal).

        Args:
            vertical, horizontal: (N, H, W, channels) each.
            condition: a function from a number of channels to a tensor that is added
                before each gate; None for none.
        """
        if self.mask_type == "B" and horizontal.shape[-1] != self.filters:
            # Keras would spread one channel, an image say, over all: a leak
            raise ValueError(
                f"Expected horizontal with filters={self.filters} channels, so that the "
                f"residual sum can be formed. Received shape: {tuple(horizontal.shape)}"
            )
        double = 2 * self.filters
        where = {"mask_type": self.mask_type, "dilation_rate": self.dilation_rate}
        v = StackConv2D(double, self.kernel_size, "vertical", **where)(vertical)
        h = StackConv2D(
            double, self.kernel_size, "horizontal", colors=self.colors, **where
        )(horizontal)
        h = keras.layers.add([h, pointwise(double)(v)])
        if condition is not None:
            v = keras.layers.add([v, condition(double)])
            h = keras.layers.add([h, condition(double)])
        v, h = Gate()(v), Gate(self.colors)(h)
        if self.dropout:
            h = keras.layers.Dropout(self.dropout)(h)
        h = pointwise(self.filters, self.colors)(h)
        if self.mask_type == "B":
            h = keras.layers.add([horizontal, h])
        return v, h
