"""The layers of a PixelCNN: masked convolution, residual block, position, levels.

Paper: arXiv 1601.06759, section 3 and figure 5. Taught by notebooks 03 and 04; colors by
notebook 12. The layers of the gated network are in `gated`.

What differs here from most code on the web: the mask is multiplied into the kernel
*inside* the convolution, so masked weights get exactly zero gradient and are never
overwritten; and a residual block is a plain function of Keras layers, so that a model
is one flat graph.
"""

from pixelcnn_edu._checks import (
    check_dropout,
    check_kernel_size,
    check_levels,
    check_positive_int,
    check_precision,
    plain,
)
from pixelcnn_edu.masks import causal_mask

import keras
import tensorflow as tf
from keras import ops


def on_tensorflow_cpu() -> bool:
    """Return whether Keras computes with TensorFlow, and on a CPU."""
    if keras.config.backend() != "tensorflow":
        return False
    return not tf.config.list_physical_devices("GPU")


@tf.custom_gradient
def _add_bias(outputs, bias):
    def gradient(upstream):
        # over images first: long rows, which the processor adds up fast
        return upstream, tf.reduce_sum(tf.reduce_sum(upstream, 0), (0, 1))

    return tf.nn.bias_add(outputs, bias), gradient


@tf.custom_gradient
def _convolve_1x1(inputs, kernel):
    def gradient(upstream):
        of_inputs = tf.reshape(inputs, (-1, inputs.shape[-1]))
        of_outputs = tf.reshape(upstream, (-1, upstream.shape[-1]))
        to_inputs = tf.matmul(of_outputs, kernel[0, 0], transpose_b=True)
        to_kernel = tf.matmul(of_inputs, of_outputs, transpose_a=True)
        return tf.reshape(to_inputs, tf.shape(inputs)), to_kernel[None, None]

    return tf.nn.conv2d(inputs, kernel, 1, "VALID"), gradient


@keras.saving.register_keras_serializable(package="pixelcnn_edu")
class Conv2D(keras.layers.Conv2D):
    """Keras's convolution, with gradients that a CPU computes faster.

    Arguments, shapes and outputs are those of `keras.layers.Conv2D`, the gradients too but
    for rounding. In float32 on a CPU, TensorFlow merges a kernel's gradient with its bias's
    into one slow operation. Here the bias's is a sum of its own, and that of a 1×1 kernel a
    matrix product: 64 filters and 6 blocks train 1.1 to 1.2 times as fast. Elsewhere, in
    bfloat16 or on a GPU, TensorFlow's own are as fast or faster, and are used.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        check_precision(self)

    @property
    def _own_gradients(self):
        plain = self.data_format == "channels_last" and self.compute_dtype == "float32"
        return plain and on_tensorflow_cpu()

    def convolution_op(self, inputs, kernel):
        pointwise = self.kernel_size == self.strides == (1, 1) and self.groups == 1
        if pointwise and self._own_gradients:
            return _convolve_1x1(inputs, tf.convert_to_tensor(kernel))
        return super().convolution_op(inputs, kernel)

    def call(self, inputs):
        if not (self.use_bias and self._own_gradients):
            return super().call(inputs)
        outputs = self.convolution_op(inputs, self.kernel)
        return self.activation(_add_bias(outputs, tf.convert_to_tensor(self.bias)))


@keras.saving.register_keras_serializable(package="pixelcnn_edu")
class MaskedConv2D(Conv2D):
    """2-D convolution that reads only pixels before its own, and its own in type B.

    Args:
        filters: channels of the output.
        kernel_size: an odd integer, or a pair (height, width).
        mask_type: ``"A"`` for the first layer (the pixel itself is hidden), ``"B"``
            for every later one (features *at* the pixel know only earlier pixels).
        colors: groups of channels ordered inside a pixel, see `masks.causal_mask`.
        **kwargs: as for `keras.layers.Conv2D`. Strides, padding, dilation, groups and
            data format are fixed: the output must line up with the input pixel by pixel.

    Input shape: (N, H, W, channels).

    Output shape: (N, H, W, filters).

    Returns:
        ``activation(conv2d(inputs, kernel * mask) + bias)``, zero-padded to ``"same"``.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> import numpy as np
        >>> layer = MaskedConv2D(8, 7, mask_type="A")
        >>> layer(np.zeros((2, 28, 28, 1), "float32")).shape
        TensorShape([2, 28, 28, 8])
    """

    def __init__(self, filters, kernel_size, mask_type="B", *, colors=1, **kwargs):
        filters = check_positive_int("filters", filters)
        kernel_size = check_kernel_size(kernel_size)
        colors = check_positive_int("colors", colors)
        causal_mask(
            1, mask_type, in_channels=colors, out_channels=filters, colors=colors
        )
        kwargs = fixed_arguments(kwargs, padding="same")
        super().__init__(filters, kernel_size, **kwargs)
        self.mask_type = str(mask_type)
        self.colors = colors

    def build(self, input_shape):
        super().build(input_shape)
        *size, in_channels, out_channels = self.kernel.shape
        self.mask = causal_mask(
            tuple(size),
            self.mask_type,
            in_channels=in_channels,
            out_channels=out_channels,
            colors=self.colors,
        )

    def convolution_op(self, inputs, kernel):
        # The kernel itself is left alone: its masked weights get gradient 0 from here.
        # Its rows below the center are 0 and left out: a third fewer multiplications.
        height, width = (size // 2 for size in self.kernel_size)
        live = (kernel * ops.cast(self.mask, kernel.dtype))[: height + 1]
        if height == width == 0:
            return super().convolution_op(inputs, live)
        padded = ops.pad(inputs, ((0, 0), (height, 0), (width, width), (0, 0)))
        return ops.conv(padded, live, padding="valid")

    def masked_kernel(self):
        """Return the kernel as the convolution uses it, (kh, kw, in, out)."""
        return self.kernel * ops.cast(self.mask, self.kernel.dtype)

    @property
    def origin(self) -> tuple[int, int]:
        """Offset (rows down, columns right) of the kernel's first element."""
        return -(self.kernel_size[0] // 2), -(self.kernel_size[1] // 2)

    def get_config(self):
        return {
            **super().get_config(),
            "mask_type": self.mask_type,
            "colors": self.colors,
        }


def fixed_arguments(kwargs, padding) -> dict:
    """Return a convolution's ``kwargs`` with what must not be chosen filled in.

    Raises:
        ValueError: another value was given.
    """
    fixed = {
        "strides": (1, "an output per pixel"),
        "padding": (padding, "height and width kept"),
        "dilation_rate": (1, "neighboring pixels"),
        "groups": (1, "channels ordered by colors"),
        "data_format": ("channels_last", "(N, H, W, C)"),
    }
    kwargs = dict(kwargs)
    for name, (value, why) in fixed.items():
        given = plain(kwargs.get(name, value))
        single = isinstance(given, int | str) or given is None
        if ({given} if single else set(given)) != {value}:
            raise ValueError(
                f"Expected {name}={value!r} in a causal convolution ({why}). "
                f"Received: {name}={given!r}"
            )
        kwargs[name] = value
    return kwargs


class ResidualBlock:
    """Residual block of PixelCNN: 2h → h → h → 2h channels, plus the input.

    Not a layer but a function of layers, to be called on a Keras tensor::

        inputs ─┬─ act ─ 1×1 (h) ─ act ─ 3×3 mask B (h) ─ act ─ 1×1 (2h) ─ + ─ outputs
                └──────────────────────────────────────────────────────────┘

    It must not be the first layer of a network: the sum would hand each pixel its own
    value.

    Args:
        filters: channels of the input and of the output, 2h in the paper; even.
        kernel_size: size of the masked convolution in the middle.
        activation: ``"prelu"`` (one slope per channel) or the name of a Keras activation.
        dropout: share of the middle features that training drops.
        colors: groups of channels ordered inside a pixel; all layers keep that order.

    Input shape: (N, H, W, filters).

    Output shape: the same.

    Raises:
        ValueError: if ``filters`` is odd or the input has another number of channels.

    Example:
        >>> inputs = keras.Input((28, 28, 16))
        >>> ResidualBlock(16)(inputs).shape
        (None, 28, 28, 16)
    """

    def __init__(
        self, filters, kernel_size=3, *, activation="prelu", dropout=0.0, colors=1
    ):
        filters = check_positive_int("filters", filters)
        colors = check_positive_int("colors", colors)
        if filters % 2:
            raise ValueError(
                "Expected filters to be even: the block works on half of them. "
                f"Received: filters={filters}"
            )
        if filters // 2 % colors:
            raise ValueError(
                f"Expected filters to be divisible by {2 * colors}: the block works on "
                f"half of them, in {colors} color groups. Received: filters={filters}"
            )
        self.filters = filters
        self.kernel_size = check_kernel_size(kernel_size)
        self.activation = plain(activation)
        self.dropout = check_dropout(dropout)
        self.colors = colors

    def __call__(self, inputs):
        if inputs.shape[-1] != self.filters:
            raise ValueError(
                f"Expected an input with filters={self.filters} channels, so that the "
                f"sum can be formed. Received shape: {tuple(inputs.shape)}"
            )
        half = self.filters // 2
        x = activate(inputs, self.activation)
        x = pointwise(half, self.colors)(x)
        x = activate(x, self.activation)
        x = MaskedConv2D(half, self.kernel_size, mask_type="B", colors=self.colors)(x)
        x = activate(x, self.activation)
        if self.dropout:
            x = keras.layers.Dropout(self.dropout)(x)
        x = pointwise(self.filters, self.colors)(x)
        return keras.layers.add([inputs, x])


def pointwise(filters, colors=1, **kwargs):
    """Return a 1×1 convolution that keeps the order of the color groups.

    With one group there is nothing to hide, and it is a plain convolution.
    """
    filters = check_positive_int("filters", filters)
    if colors == 1:
        return Conv2D(filters, 1, **kwargs)
    return MaskedConv2D(filters, 1, mask_type="B", colors=colors, **kwargs)


def activate(inputs, activation: str):
    """Apply the activation called ``activation`` as a layer of its own.

    ``"prelu"`` learns one slope per channel: ``shared_axes=[1, 2]`` shares it over all
    pixels. Any other name is one of `keras.activations`.
    """
    if activation == "prelu":
        return keras.layers.PReLU(shared_axes=[1, 2])(inputs)
    try:
        layer = keras.layers.Activation(activation)
    except ValueError as error:
        raise ValueError(
            "Expected activation to be 'prelu' or the name of a Keras activation, such "
            f"as 'relu'. Received: {activation!r}"
        ) from error
    return layer(inputs)


@keras.saving.register_keras_serializable(package="pixelcnn_edu")
class PositionBias(keras.layers.Layer):
    """Add one learned bias per pixel and channel: the network learns where it is.

    A stack of convolutions is the same everywhere on the page, but for its zero padding.
    Put after the first masked convolution. It fixes the image size.

    Input shape: (N, H, W, C), with H and W known.

    Output shape: the same.

    Returns:
        ``inputs + bias``, with ``bias`` of shape (H, W, C), zero at first.

    Raises:
        ValueError: if height, width or channels are unknown.
    """

    def build(self, input_shape):
        check_precision(self)
        if None in input_shape[1:]:
            raise ValueError(
                "Expected a fixed image size: a position bias has one weight per pixel. "
                f"Received shape: {tuple(input_shape)}"
            )
        self.bias = self.add_weight(
            shape=tuple(input_shape[1:]), initializer="zeros", name="bias"
        )

    def call(self, inputs):
        return inputs + self.bias


@keras.saving.register_keras_serializable(package="pixelcnn_edu")
class OneHotLevels(keras.layers.Layer):
    """Turn each value k/(levels-1) into a one-hot vector of its level k.

    A color is a name more than a quantity: to tell level 1 of 4 from its neighbors, a
    convolution that reads one number needs large weights, and long to learn them. Between
    two levels the vector goes from one to the other in a straight line, so that a
    gradient with respect to the image exists.

    Args:
        levels: of the images, at least 2.

    Input shape: (N, H, W, C), in [0, 1].

    Output shape: (N, H, W, C * levels), all levels of the first channel first, as the
    color groups of `masks.causal_mask` want it.

    Returns:
        ``max(0, 1 - |inputs * (levels - 1) - k|)`` for k = 0 … levels - 1.

    Raises:
        ValueError: ``levels`` is no integer of at least 2.

    Example:
        >>> import numpy as np
        >>> OneHotLevels(3)(np.float32([[[[0, 1]]]])).numpy()[0, 0, 0]
        array([1., 0., 0., 0., 0., 1.], dtype=float32)
    """

    def __init__(self, levels, **kwargs):
        super().__init__(**kwargs)
        check_precision(self)
        self.levels = check_levels(levels)

    def call(self, inputs):
        steps = inputs[..., None] * (self.levels - 1)
        k = ops.cast(ops.arange(self.levels), steps.dtype)
        hats = ops.relu(1 - ops.abs(steps - k))
        return ops.reshape(hats, (*ops.shape(inputs)[:-1], -1))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] * self.levels)

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}
