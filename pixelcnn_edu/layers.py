"""The layers of a PixelCNN: masked convolution, residual block, position, levels.

Paper: arXiv 1601.06759, section 3 and figure 5. Notebooks 03 and 04 teach this module;
notebook 15 teaches the colors. The layers of the gated network are in `gated`.

What differs here from most code on the web: a layer multiplies the kernel by the mask
*inside* the convolution, so the gradient of a masked weight is exactly 0 (without a
regularizer of the kernel). And a residual block is a function of tensors, so a model is one
flat graph.

``runs_as`` says how ``generate(method="cached")`` runs a layer, see `pixel_graph`
(notebook 10).
"""

from pixelcnn_edu._checks import (
    check_divisible,
    check_dropout,
    check_halves,
    check_kernel_size,
    check_levels,
    check_mask_type,
    check_pointwise,
    check_positive_int,
    check_precision,
    fixed_arguments,
    plain,
)
from pixelcnn_edu.masks import causal_mask

import keras
import numpy as np
from keras import ops

# so that `keras.models.load_model` finds the classes of this package
register = keras.saving.register_keras_serializable(package="pixelcnn_edu")


@register
class MaskedConv2D(keras.layers.Conv2D):
    """2-D convolution that reads only earlier pixels, and in type B its own pixel.

    A kernel of size 1 and type B reads its own pixel alone. With ``colors=1`` this is
    Keras's own 1×1 convolution. With more colors the mask keeps the order of the groups.

    Args:
        filters: channels of the output.
        kernel_size: an odd integer, or a pair (height, width).
        mask_type: ``"A"`` for the first layer, which must not read the pixel itself;
            ``"B"`` for all later layers: their input at a pixel contains only earlier
            pixels, so they may read it. Write ``"A"`` into the first layer: with the
            default each pixel reads its own value, a leak that `causality.assert_causal`
            finds.
        colors: groups of channels ordered inside a pixel, see `masks.causal_mask`.
            Gray images: leave the default.
        **kwargs: as for `keras.layers.Conv2D`. Strides, padding and data format are
            fixed, because the output must line up with the input pixel by pixel. Dilation
            and groups are fixed too. (`gated.StackConv2D` can dilate.)

    ``mask`` is made from these arguments, also when a saved model is loaded. If you change
    the mask of one layer object, no file and no copy of a model holds the change: write a
    subclass whose ``build`` makes the mask.

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

    runs_as = "convolution"

    def __init__(self, filters, kernel_size, mask_type="B", *, colors=1, **kwargs):
        filters = check_positive_int("filters", filters)
        kernel_size = check_kernel_size(kernel_size)
        colors = check_positive_int("colors", colors)
        check_divisible("filters", filters, colors)
        mask_type = check_mask_type(mask_type)
        kwargs = fixed_arguments(kwargs, padding="same")
        super().__init__(filters, kernel_size, **kwargs)
        check_precision(self)
        self.mask_type = mask_type
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
        # Keras's own `call` runs this method, adds the bias and applies the activation.
        kernel = masked(kernel, self.mask)
        rows, columns = (size // 2 for size in self.kernel_size)
        if rows or columns:
            # A causal mask sets all rows below the center to zero. The convolution leaves
            # them out: 6 products per channel instead of 9 for a 3×3 kernel.
            below = rows if _is_read_below(self.mask, kernel.shape) else 0
            kernel = kernel[: rows + 1 + below]
            # Padded by hand. ``padding="same"`` stays, for Keras's output shape.
            inputs = ops.pad(
                inputs, ((0, 0), (rows, below), (columns, columns), (0, 0))
            )
        return ops.conv(inputs, kernel, data_format="channels_last")

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


def _is_read_below(mask, shape):
    """Return whether a kernel of this shape may read a row below its center."""
    if not isinstance(mask, np.ndarray):  # a variable of a user's class: not known yet
        return True
    return np.broadcast_to(mask, shape)[shape[0] // 2 + 1 :].any()


def masked(kernel, mask):
    """Return the whole kernel times the mask, (kh, kw, in, out).

    The product is new in each call. The stored kernel is not overwritten. The gradient of
    the product is 0 at a masked weight. So Nadam (without weight decay or a regularizer)
    leaves the weight's random first value as it is, and the convolution never uses it.
    """
    return kernel * ops.cast(mask, kernel.dtype)


def residual_block(
    x, filters, kernel_size=3, *, activation="prelu", dropout=0.0, colors=1
):
    """Add a residual block of PixelCNN, 2h → h → h → 2h channels, to a network.

    A function of a tensor, not a layer. Each call makes new weights::

        x ─┬─ act ─ 1×1 (h) ─ act ─ 3×3 mask B (h) ─ act ─ 1×1 (2h) ─ + ─ result
           └──────────────────────────────────────────────────────────┘

    The block must not come first in a network: the sum would hand each pixel its own
    value.

    Args:
        x: a Keras tensor, (N, H, W, filters).
        filters: channels of ``x`` and of the result, 2h in the paper; divisible by 2
            times ``colors``.
        kernel_size: size of the masked convolution in the middle.
        activation: ``"prelu"`` (one slope per channel) or the name of a Keras activation.
        dropout: share of the middle features that training drops.
        colors: as for `MaskedConv2D`; all layers of the block keep that order.

    Returns:
        A Keras tensor, (N, H, W, filters).

    Raises:
        ValueError: if an argument is out of its range or ``x`` has another number of
            channels.

    Example:
        >>> x = keras.Input((28, 28, 16))
        >>> x = residual_block(x, 16)
        >>> residual_block(x, 16).shape
        (None, 28, 28, 16)
    """
    filters = check_positive_int("filters", filters)
    activation = plain(activation)
    dropout = check_dropout(dropout)
    colors = check_positive_int("colors", colors)
    check_halves(filters, colors)
    if x.shape[-1] != filters:
        raise ValueError(
            f"Expected an input with filters={filters} channels, so that the sum can be "
            f"formed. Received shape: {tuple(x.shape)}"
        )
    y = activate(x, activation)
    # with ``colors=1`` the mask of a 1×1 kernel is all ones
    y = MaskedConv2D(filters // 2, 1, mask_type="B", colors=colors)(y)
    y = activate(y, activation)
    y = MaskedConv2D(filters // 2, kernel_size, mask_type="B", colors=colors)(y)
    y = activate(y, activation)
    if dropout:
        y = keras.layers.Dropout(dropout)(y)
    y = MaskedConv2D(filters, 1, mask_type="B", colors=colors)(y)
    # of one shape; with two shapes Keras's `add` can be wrong, see `pixel_graph`
    return keras.layers.add([x, y])


def activate(inputs, activation: str):
    """Apply the activation called ``activation`` as a layer of its own.

    ``"prelu"`` learns one slope per channel: ``shared_axes=[1, 2]`` means that all pixels
    share the slope. Any other name is a name in `keras.activations`.

    Raises:
        ValueError: if there is no such activation, or if ``activation`` is a layer, or if
            the activation mixes channels, as a softmax does: then a color would see the
            later ones.
    """
    if activation == "prelu":
        return keras.layers.PReLU(shared_axes=[1, 2])(inputs)
    try:
        layer = keras.layers.Activation(activation)
    except ValueError:
        layer = None
    if layer is None or isinstance(layer.activation, keras.Layer):
        raise ValueError(
            "Expected activation to be 'prelu' or the name of a Keras activation, such "
            f"as 'relu'. Received: {activation!r}"
        )
    check_pointwise(layer.activation, activation)
    return layer(inputs)


@register
class PositionBias(keras.layers.Layer):
    """Add one learned bias per pixel and channel.

    A stack of convolutions does the same at every place (it is translation-equivariant),
    except near the border, where it reads zero padding. With this layer the network learns
    what stands where. Put the layer after the first masked convolution. A model with this
    layer has a fixed image size.

    Input shape: (N, H, W, C), with H and W known.

    Output shape: the same.

    Returns:
        ``inputs + bias``, with ``bias`` of shape (H, W, C), zero at first.

    Raises:
        ValueError: if height, width or channels are unknown, or if a later input has
            another size.
    """

    runs_as = "pixelwise"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        check_precision(self)

    def build(self, input_shape):
        if None in input_shape[1:]:
            raise ValueError(
                "Expected a fixed image size: a position bias has one weight per pixel. "
                f"Received shape: {tuple(input_shape)}"
            )
        shape = tuple(input_shape[1:])
        self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")
        self.input_spec = keras.layers.InputSpec(shape=(None, *shape))

    def call(self, inputs):
        return inputs + self.bias

    def compute_output_shape(self, input_shape):
        # Without this method Keras would run `call` to find the shape. `pixel_graph` asks
        # for the shape that one pixel gets, (1, 1, 1, C); `call` adds a bias of (H, W, C).
        return input_shape


@register
class OneHotLevels(keras.layers.Layer):
    """Turn each value k/(levels-1) into a one-hot vector of its level k.

    The levels of a color are categories. A convolution that reads one number separates
    them poorly: to separate level 1 of 4 from its neighbors, the convolution needs large
    weights and learns them slowly. Between two levels the vector is interpolated linearly,
    so there the gradient with respect to the image is not 0, as
    `causality.receptive_field` needs.

    The layer computes in float32 under every dtype policy, because in bfloat16 the values
    of more than 257 levels are not distinct.

    Args:
        levels: number of levels, at least 2.

    Input shape: (N, H, W, C), in [0, 1].

    Output shape: (N, H, W, C * levels), all levels of the first channel first, in
    the order that the color groups of `masks.causal_mask` have.

    Returns:
        ``max(0, 1 - |inputs * (levels - 1) - k|)`` for k = 0 … levels - 1.

    Raises:
        ValueError: if ``levels`` is not an integer of at least 2.

    Example:
        >>> import numpy as np
        >>> OneHotLevels(3)(np.float32([[[[0, 1]]]])).numpy()[0, 0, 0]
        array([1., 0., 0., 0., 0., 1.], dtype=float32)
    """

    runs_as = "pixelwise"

    def __init__(self, levels, **kwargs):
        super().__init__(autocast=False, **kwargs)
        check_precision(self)
        self.levels = check_levels(levels)

    def call(self, inputs):
        steps = ops.cast(inputs, "float32")[..., None] * (self.levels - 1)
        hats = ops.relu(1 - ops.abs(steps - np.arange(self.levels, dtype="float32")))
        # With -1 in place of the last size, TensorFlow would not know the channels: N is
        # unknown too.
        shape = (*ops.shape(inputs)[:-1], inputs.shape[-1] * self.levels)
        return ops.cast(ops.reshape(hats, shape), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] * self.levels)

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}
