"""PixelCNN and Gated PixelCNN as Keras models: images in, logits out.

Papers: arXiv 1601.06759, table 1, and 1606.05328, figure 2. Notebooks 03 to 06, 12, 13,
15 and 16 teach this module.

What differs here: the default activation is PReLU, as in the tutorial that this series grew
from, and not ReLU. The paper does not give the depth of its MNIST network, so you choose
``depth``. The arguments ``position``, ``dropout``, ``one_hot``, ``skip`` and ``dilations``
are additions; by default they change nothing.
"""

import functools
import itertools

import pixelcnn_edu.mixture  # noqa: F401  so that `load_model` knows its likelihood
from pixelcnn_edu._checks import (
    check_bool,
    check_dilations,
    check_halves,
    check_image_shape,
    check_int,
    check_model,
    check_positive_int,
    check_size_of_logits,
)
from pixelcnn_edu._compiled import forget, logits_function  # noqa: F401  public as `models.…`
from pixelcnn_edu.gated import gated_block
from pixelcnn_edu.layers import (
    MaskedConv2D,
    OneHotLevels,
    PositionBias,
    activate,
    register,
    residual_block,
)
from pixelcnn_edu.likelihoods import Bernoulli, Likelihood, check_likelihood

import keras
import numpy as np


@register
class ImageModel(keras.Model):
    """A functional Keras model that carries a likelihood.

    (A likelihood says what the logits mean: it turns them into log-probabilities, and
    draws pixels.) You build, train, save and load this model like any other Keras
    model, and ``model.likelihood`` survives. `keras.models.clone_model` does not pass the
    likelihood on: write ``ImageModel.from_config(model.get_config())`` instead.

    Args:
        *args, **kwargs: as for `keras.Model`: inputs (the image tensor, or
            [images, labels]), outputs (the logits tensor), ``name=``.
        likelihood: a `Likelihood`, such as ``Bernoulli()``.
        num_classes: number of labels that the model knows; None if it takes no labels.

    Raises:
        ValueError: if ``likelihood`` or ``num_classes`` is not of this kind.
    """

    # Keras writes the graph into a file only if `__init__` takes ``*args`` and ``**kwargs``
    # and names no positional argument.
    def __init__(self, *args, likelihood=None, num_classes=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.likelihood = check_likelihood(likelihood)
        if num_classes is not None:
            num_classes = check_positive_int("num_classes", num_classes)
        self.num_classes = num_classes

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        forget(self)  # compiled functions of the model before the change

    def compile_from_config(
        self, config
    ):  # without it, Keras does not compile a loaded model
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def get_config(self):
        likelihood = keras.saving.serialize_keras_object(self.likelihood)
        own = {"likelihood": likelihood, "num_classes": self.num_classes}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        likelihood = keras.saving.deserialize_keras_object(
            config["likelihood"], custom_objects
        )
        config = {**config, "likelihood": likelihood}  # Keras passes it to `__init__`
        return super().from_config(config, custom_objects)


def pixelcnn(
    image_shape=(28, 28, 1),
    *,
    filters: int,
    depth: int,
    likelihood: Likelihood | None = None,
    activation: str = "prelu",
    position: bool = False,
    dropout: float = 0.0,
    colors: int | None = None,
    one_hot: bool = False,
    name: str = "pixelcnn",
) -> ImageModel:
    """Build a PixelCNN.

    ::

        image ─ 7×7 mask A ─ depth × residual_block ─ 2 × (act, 1×1 mask B) ─ act ─ 1×1

    Args:
        image_shape: (H, W, C). H and W may be None when ``position`` is False.
        filters: channels between the blocks, 2h in the paper; divisible by 2, and with
            three colors by 6. Inside a block there are half as many.
        depth: number of residual blocks.
        likelihood: sets the number of logits per pixel; `Bernoulli()` if None.
        activation: ``"prelu"``, or the name of a Keras activation such as ``"relu"``.
        position: add one learned bias per pixel and filter after the first layer.
        dropout: share of features dropped in each block while training.
        colors: groups in which the channels of a pixel are ordered. None: as many as
            the image has channels, or 1 if the likelihood orders the channels itself, as
            `mixture` does. With 1, the network reads no channel of the same pixel.
        one_hot: let the network read each value as a one-hot vector of its level, see
            `layers.OneHotLevels`, and not as a number. This helps with colors and with few
            levels.
        name: the model's name.

    Returns:
        An `ImageModel` from (N, H, W, C) to (N, H, W, likelihood.logits_per_pixel(C)).

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> model = pixelcnn(filters=128, depth=6)
        >>> model.count_params(), live_weights(model)
        (362497, 260993)
    """
    image_shape, likelihood, colors = _checked(image_shape, likelihood, colors)
    depth = check_positive_int("depth", depth)
    check_bool("position", position)
    check_bool("one_hot", one_hot)
    check_halves(check_positive_int("filters", filters), colors)
    inputs = keras.Input(image_shape)
    x = OneHotLevels(likelihood.levels)(inputs) if one_hot else inputs
    x = MaskedConv2D(filters, 7, mask_type="A", colors=colors)(x)
    if position:
        x = PositionBias()(x)
    for _ in range(depth):
        x = residual_block(
            x, filters, activation=activation, dropout=dropout, colors=colors
        )
    channels = image_shape[-1]
    logits = last_layers(
        x, filters, activation, likelihood=likelihood, channels=channels, colors=colors
    )
    return ImageModel(inputs, logits, name=name, likelihood=likelihood)


def gated_pixelcnn(
    image_shape=(28, 28, 1),
    *,
    filters: int,
    depth: int,
    likelihood: Likelihood | None = None,
    num_classes: int | None = None,
    label_map: int = 0,
    position: bool = False,
    skip: bool = False,
    dilations: tuple[int, ...] = (1,),
    dropout: float = 0.0,
    colors: int | None = None,
    one_hot: bool = False,
    name: str = "gated_pixelcnn",
) -> ImageModel:
    """Build a Gated PixelCNN: two stacks, no blind spot, and class labels on request.

    Read `gated` first. That module explains the gate, and the vertical and horizontal
    features.

    ::

        image ─ gated_block 7×7 A ─ depth × gated_block 3×3 B ─ 2 × (relu, 1×1) ─ relu ─ 1×1

    Args:
        image_shape: (H, W, C). H and W may be None without ``position`` and
            ``label_map``.
        filters: channels of each of the two stacks; divisible by the number of colors.
            Before a gate there are twice as many.
        depth: number of blocks after the first block.
        likelihood: sets the number of logits per pixel; `Bernoulli()` if None.
        num_classes: makes the model take labels 0 … num_classes - 1 as a second input;
            each label adds a learned bias before every gate.
        label_map: with ``num_classes``: channels of a learned map (H, W) per label. A 1×1
            convolution of this map makes the biases, so that a label can say *where*. With
            0 a label has the same biases at every pixel.
        position: add one learned bias per pixel and filter after the first block.
        skip: let the last layers read the horizontal features of all blocks, and not only
            those of the last block. Each block has a 1×1 convolution of its own, and the
            results are summed.
        dilations: distances between the taps of the 3×3 kernels, one per block. After the
            last distance the first one follows again. With (1, 2, 4, 8), four blocks see
            as far as fifteen blocks without dilation (arXiv 1609.03499).
        dropout: share of features dropped while training, in each block after the first.
        colors, one_hot: as for `pixelcnn`.
        name: the model's name.

    Returns:
        An `ImageModel` from (N, H, W, C), or [(N, H, W, C), (N,)], to
        (N, H, W, likelihood.logits_per_pixel(C)).

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> model = gated_pixelcnn((8, 8, 1), filters=4, depth=2, num_classes=10)
        >>> model([np.zeros((2, 8, 8, 1), "float32"), np.array([3, 7])]).shape
        TensorShape([2, 8, 8, 1])
    """
    image_shape, likelihood, colors = _checked(image_shape, likelihood, colors)
    depth = check_positive_int("depth", depth)
    for option, on in {"position": position, "skip": skip, "one_hot": one_hot}.items():
        check_bool(option, on)
    label_map = check_int("label_map", label_map, at_least=0)
    dilations = check_dilations(dilations)
    image = keras.Input(image_shape)
    inputs, condition = image, None
    if num_classes is not None:
        num_classes = check_positive_int("num_classes", num_classes)
        label = keras.Input((), dtype="int32", name="label")
        inputs = [image, label]
        condition = _maker_of_biases(label, num_classes, label_map, image_shape)
    elif label_map:
        raise ValueError("Expected num_classes beside label_map. Received: None")

    values = OneHotLevels(likelihood.levels)(image) if one_hot else image
    block = functools.partial(
        gated_block, filters=filters, condition=condition, colors=colors
    )
    vertical, horizontal = block(values, values, kernel_size=7, mask_type="A")
    if position:
        vertical = PositionBias()(vertical)
        horizontal = PositionBias()(horizontal)
    all_horizontal = [horizontal]
    for rate in itertools.islice(itertools.cycle(dilations), depth):
        vertical, horizontal = block(
            vertical, horizontal, dropout=dropout, dilation_rate=rate
        )
        all_horizontal.append(horizontal)
    if skip:
        horizontal = keras.layers.add(
            [MaskedConv2D(filters, 1, colors=colors)(h) for h in all_horizontal]
        )
    logits = last_layers(
        horizontal,
        filters,
        "relu",
        likelihood=likelihood,
        channels=image_shape[-1],
        colors=colors,
    )
    return ImageModel(
        inputs, logits, name=name, likelihood=likelihood, num_classes=num_classes
    )


def _checked(image_shape, likelihood, colors):
    """Validate the arguments that both builders share, and return them."""
    likelihood = check_likelihood(Bernoulli() if likelihood is None else likelihood)
    image_shape = check_image_shape(image_shape)
    channels = image_shape[-1]
    if colors is None:
        colors = 1 if likelihood.orders_channels else channels
    if colors not in (1, channels) or (likelihood.orders_channels and colors != 1):
        raise ValueError(
            f"Expected colors to be 1 or the {channels} channels of the image, and 1 "
            f"where {likelihood} orders them itself. Received: colors={colors!r}"
        )
    return image_shape, likelihood, check_positive_int("colors", colors)


def last_layers(x, filters, activation, *, likelihood, channels=1, colors=1):
    """Add the last layers: 2 × (activation, 1×1), activation, 1×1 to the logits.

    A function of a tensor, as `layers.residual_block`: it ends a network of your own
    blocks.

    Args:
        x: a Keras tensor, (N, H, W, features), whose features at a pixel know only
            earlier pixels.
        filters: channels of the two layers before the logits.
        activation: ``"prelu"``, or the name of a Keras activation.
        likelihood: sets the number of logits per pixel.
        channels: C, channels of the image.
        colors: groups in which the channels of a pixel are ordered, as in the layers
            before.

    Returns:
        The logits, a Keras tensor (N, H, W, likelihood.logits_per_pixel(C)). They are
        float32 in every model, since 16 bits are too few for accurate log-probabilities.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> image = keras.Input((28, 28, 1))
        >>> x = MaskedConv2D(16, 7, mask_type="A")(image)
        >>> logits = last_layers(x, 16, "relu", likelihood=Bernoulli())
        >>> model = ImageModel(image, logits, likelihood=Bernoulli())
    """
    channels = check_positive_int("channels", channels)
    size = check_likelihood(likelihood).logits_per_pixel(channels)
    for _ in range(2):
        x = activate(x, activation)
        x = MaskedConv2D(filters, 1, mask_type="B", colors=colors)(x)
    x = activate(x, activation)
    last = MaskedConv2D(size, 1, "B", colors=colors, dtype="float32", name="logits")
    return last(x)


def _maker_of_biases(label, num_classes, label_map, image_shape):
    """Return a function that makes new weights in each call: the label's biases.

    The function takes a number of channels. It returns a Keras tensor (N, 1, 1, channels),
    or (N, H, W, channels) with ``label_map``.
    """
    if not label_map:

        def new_biases(channels):
            biases = keras.layers.Embedding(num_classes, channels)(label)
            return keras.layers.Reshape((1, 1, channels))(biases)

        return new_biases
    if None in image_shape:
        raise ValueError(
            "Expected a fixed image size with label_map, one map per label. "
            f"Received: {image_shape}"
        )
    size = (*image_shape[:2], label_map)
    values = keras.layers.Embedding(num_classes, int(np.prod(size)))(label)
    maps = keras.layers.Reshape(size)(values)
    return lambda channels: MaskedConv2D(channels, 1, use_bias=False)(maps)


def live_weights(model) -> int:
    """Count the weights of a model that no mask sets to 0.

    Keras stores a masked weight and ``model.count_params()`` counts it, but the layer
    multiplies the weight by 0. To compare the sizes of two models, compare their live
    weights.

    Args:
        model: a functional or built Sequential Keras model from images to logits, without
            a model inside. A mask is the array ``layer.mask`` that a layer multiplies into
            ``layer.kernel``, as `layers.MaskedConv2D` does.

    Raises:
        ValueError: if ``model`` is not such a model.

    Example:
        >>> image = keras.Input((28, 28, 1))
        >>> one = keras.Model(image, MaskedConv2D(1, 7, "A")(image))
        >>> one.count_params(), live_weights(one)  # 24 taps before the pixel, and a bias
        (50, 25)
    """
    count = check_model(model).count_params()
    for layer in model.layers:
        if hasattr(layer, "mask") and hasattr(layer, "kernel"):
            mask = np.broadcast_to(layer.mask, layer.kernel.shape)
            count -= int((mask == 0).sum())
    return count


def likelihood_of(model, likelihood=None) -> Likelihood:
    """Return ``likelihood`` if given, else the one that a Keras model carries."""
    check_model(model)
    if likelihood is None:
        likelihood = getattr(model, "likelihood", None)
    if not isinstance(likelihood, Likelihood):
        raise ValueError(
            "Expected a model that carries a likelihood, or the argument likelihood=, "
            f"such as likelihood=Bernoulli(). Received: {likelihood!r}"
        )
    check_size_of_logits(model)
    return likelihood
