"""PixelCNN and Gated PixelCNN as Keras models: images in, logits out.

Papers: arXiv 1601.06759, table 1, and 1606.05328, figure 2. Taught by notebooks 03 to 06,
and by 11 to 13.

What differs here: PReLU instead of ReLU by default, as in the tutorial this series grew
from; the paper does not give the depth of its MNIST network, so ``depth`` is yours to
choose; ``position``, ``dropout``, ``skip`` and ``dilations`` are additions, off by default.
"""

import functools
import itertools
import threading
import weakref

from pixelcnn_edu._cache import kept, traced
from pixelcnn_edu._checks import (
    check_bool,
    check_finite,
    check_image_shape,
    check_int,
    check_keras,
    check_logits,
    check_model,
    check_positive_int,
    listed,
    plain,
)
from pixelcnn_edu.gated import Gate, GatedBlock, StackConv2D
from pixelcnn_edu.layers import (
    Conv2D,
    MaskedConv2D,
    OneHotLevels,
    PositionBias,
    ResidualBlock,
    activate,
    on_tensorflow_cpu,
    pointwise,
)
from pixelcnn_edu.likelihoods import Bernoulli, Likelihood

import keras
import numpy as np
import tensorflow as tf

# Layers that treat each image by itself: a batch of them may be trained in two halves.
_BY_IMAGE = {
    *(keras.layers.InputLayer, keras.layers.Conv2D, keras.layers.Dense),
    *(keras.layers.Activation, keras.layers.PReLU, keras.layers.Dropout),
    *(keras.layers.Add, keras.layers.Embedding, keras.layers.Reshape),
    *(Conv2D, MaskedConv2D, StackConv2D, Gate, PositionBias, OneHotLevels),
}


@keras.saving.register_keras_serializable(package="pixelcnn_edu")
class ImageModel(keras.Model):
    """A functional Keras model that carries the likelihood its logits are meant for.

    Built, trained, saved, loaded and cloned like any other; ``model.likelihood`` survives
    ``model.save``, ``keras.models.load_model`` and ``keras.models.clone_model``.

    Args:
        inputs: as for `keras.Model`: the image tensor, or [images, labels].
        outputs: as for `keras.Model`: the logits tensor.
        likelihood: a likelihood of `pixelcnn_edu.likelihoods`.
        num_classes: how many labels it knows; None if it takes none.
    """

    _in_halves = False

    def __init__(
        self,
        inputs,
        outputs,
        name=None,
        *,
        likelihood=None,
        num_classes=None,
        **kwargs,
    ):
        if likelihood is None:  # `keras.models.clone_model` hands over tensors alone
            likelihood, num_classes = getattr(outputs, "meant_for", (None, num_classes))
        super().__init__(inputs, outputs, name=name, **kwargs)
        if not isinstance(likelihood, Likelihood):
            raise ValueError(
                "Expected likelihood to be one of pixelcnn_edu.likelihoods, such as "
                f"Bernoulli(). Received: {likelihood!r}"
            )
        self.likelihood = likelihood
        self.num_classes = num_classes

    def train_step(self, data):
        """Train on one batch, as Keras does.

        On a CPU the batch goes through the network in two halves at the same time: where
        one leaves a core idle, the other takes it (1.1 times as fast on 2 cores). A network
        whose halves would not train as the whole is given the whole.
        """
        self._in_halves = self._may_be_halved()
        try:
            return super().train_step(data)
        finally:
            self._in_halves = False

    def _may_be_halved(self):
        if tf.executing_eagerly() or not on_tensorflow_cpu():
            return False
        for part in self._operations:  # operations of `keras.ops` too
            activation = getattr(part, "activation", keras.activations.linear)
            by_name = getattr(activation, "__module__", "").startswith("keras.")
            if type(part) not in _BY_IMAGE or not by_name or part.activity_regularizer:
                return False  # it may read the whole batch, or add to the loss twice
        return not self.non_trainable_weights

    def call(self, inputs, training=None, mask=None, **kwargs):
        of_graph = super().call
        if not self._in_halves:
            return of_graph(inputs, training, mask, **kwargs)
        count = tf.shape(keras.tree.flatten(inputs)[0])[0]
        half = (count + 1) // 2
        # a single image goes twice: no layer need take 0 images
        rest = tf.minimum(half, count - 1)
        first = keras.tree.map_structure(lambda x: x[:half], inputs)
        second = keras.tree.map_structure(lambda x: x[rest:], inputs)
        both = [of_graph(part, training) for part in (first, second)]
        return keras.tree.map_structure(lambda *x: tf.concat(x, 0)[:count], *both)

    def _run_through_graph(self, *args, **kwargs):
        outputs = super()._run_through_graph(*args, **kwargs)
        if isinstance(outputs, keras.KerasTensor):
            outputs.meant_for = self.likelihood, self.num_classes
        return outputs

    def get_config(self):
        likelihood = keras.saving.serialize_keras_object(self.likelihood)
        own = {"likelihood": likelihood, "num_classes": self.num_classes}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        likelihood = keras.saving.deserialize_keras_object(config.pop("likelihood"))
        num_classes = config.pop("num_classes", None)
        graph = keras.Model.from_config(config, custom_objects=custom_objects)
        return cls(
            graph.input,
            graph.output,
            graph.name,
            likelihood=likelihood,
            num_classes=num_classes,
        )


# a file in the older format, .h5, names the class alone, without its package
keras.saving.get_custom_objects()["ImageModel"] = ImageModel


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

        image ─ 7×7 mask A ─ depth × ResidualBlock ─ 2 × (act, 1×1 mask B) ─ act ─ 1×1

    Args:
        image_shape: (H, W, C). H and W may be None when ``position`` is False.
        filters: channels of the residual stream (2h in the paper); even.
        depth: number of residual blocks.
        likelihood: sets the number of logits per pixel; `Bernoulli()` if None.
        activation: ``"prelu"``, or the name of a Keras activation such as ``"relu"``.
        position: add one learned bias per pixel and filter after the first layer.
        dropout: share of features dropped in each block while training.
        colors: groups in which the channels of a pixel are ordered. None: as many as
            the image has channels, or 1 if the likelihood orders them itself. With 1,
            the channels of a pixel do not see each other.
        one_hot: let the network read each value as a one-hot vector of its level, see
            `layers.OneHotLevels`, and not as a number: for colors, and few levels.
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
    image_shape, depth, likelihood, colors = _checked(
        image_shape, depth, likelihood, colors
    )
    position, one_hot = check_bool("position", position), check_bool("one_hot", one_hot)
    block = ResidualBlock(
        filters, activation=activation, dropout=dropout, colors=colors
    )

    inputs = keras.Input(image_shape)
    x = OneHotLevels(likelihood.levels)(inputs) if one_hot else inputs
    x = MaskedConv2D(filters, 7, mask_type="A", colors=colors)(x)
    if position:
        x = PositionBias()(x)
    for _ in range(depth):
        x = block(x)
    logits = _logits(x, filters, activation, likelihood, image_shape[-1], colors)
    return ImageModel(inputs, logits, name, likelihood=likelihood)


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
    """Build a Gated PixelCNN: two stacks, no blind spot, class labels if wanted.

    ::

        image ─ GatedBlock 7×7 A ─ depth × GatedBlock 3×3 B ─ 2 × (relu, 1×1) ─ relu ─ 1×1

    Args:
        image_shape: (H, W, C). H and W may be None without ``position`` and
            ``label_map``.
        filters: channels of either stack; divisible by the number of colors.
        depth: number of blocks after the first.
        likelihood: sets the number of logits per pixel; `Bernoulli()` if None.
        num_classes: makes the model take labels 0 … num_classes - 1 as a second input;
            each label adds a learned bias before every gate.
        label_map: with ``num_classes``: that many channels of a learned map (H, W) per
            label, from which the biases are computed pixel by pixel, so that a label can
            say *where*; 0 for one bias over the whole page.
        position: add one learned bias per pixel and filter after the first block.
        skip: let the last layers read the sum of all blocks' horizontal features, each
            through a 1×1 convolution of its own, and not those of the last block alone.
        dilations: distances between the taps of the blocks' 3×3 kernels: the first for
            the first of the ``depth`` blocks, and so on, from the front again when they
            end. (1, 2, 4, 8) lets four blocks see as far as fifteen (arXiv 1609.03499).
        dropout: share of features dropped in each block while training.
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
    image_shape, depth, likelihood, colors = _checked(
        image_shape, depth, likelihood, colors
    )
    position, one_hot = check_bool("position", position), check_bool("one_hot", one_hot)
    skip = check_bool("skip", skip)
    label_map = check_int("label_map", label_map, at_least=0)
    first = GatedBlock(filters, 7, "A", colors=colors)
    if not listed(dilations):
        raise ValueError(
            "Expected dilations to be one or more positive integers in a tuple, such as "
            f"(1, 2, 4, 8). Received: {dilations!r}"
        )
    dilations = [
        check_positive_int("each of dilations", rate) for rate in listed(dilations)
    ]
    blocks = [
        GatedBlock(filters, 3, "B", dropout=dropout, colors=colors, dilation_rate=rate)
        for rate in itertools.islice(itertools.cycle(dilations), depth)
    ]
    image = keras.Input(image_shape)
    inputs, condition = image, None
    if num_classes is not None:
        num_classes = check_positive_int("num_classes", num_classes)
        label = keras.Input((), dtype="int32", name="label")
        inputs = [image, label]
        condition = _condition(label, num_classes, label_map, image_shape)
    elif label_map:
        raise ValueError("Expected num_classes beside label_map. Received: None")

    values = OneHotLevels(likelihood.levels)(image) if one_hot else image
    vertical, horizontal = first(values, values, condition)
    if position:
        vertical = PositionBias()(vertical)
        horizontal = PositionBias()(horizontal)
    every = [horizontal]
    for block in blocks:
        vertical, horizontal = block(vertical, horizontal, condition)
        every.append(horizontal)
    if skip:
        horizontal = keras.layers.add([pointwise(filters, colors)(h) for h in every])
    logits = _logits(horizontal, filters, "relu", likelihood, image_shape[-1], colors)
    return ImageModel(
        inputs, logits, name, likelihood=likelihood, num_classes=num_classes
    )


def _checked(image_shape, depth, likelihood, colors):
    """Return the shape, depth, likelihood and color groups of a model to be built."""
    check_keras()
    likelihood = Bernoulli() if likelihood is None else likelihood
    if not isinstance(likelihood, Likelihood):
        raise ValueError(
            "Expected likelihood to be one of pixelcnn_edu.likelihoods. "
            f"Received: {likelihood!r}"
        )
    image_shape = check_image_shape(image_shape)
    depth = check_positive_int("depth", depth)
    channels = image_shape[-1]
    colors = plain(colors)
    if colors is None:
        colors = 1 if likelihood.orders_channels else channels
    if colors not in (1, channels) or (likelihood.orders_channels and colors != 1):
        raise ValueError(
            f"Expected colors to be 1 or the {channels} channels of the image, and 1 "
            f"where {likelihood} orders them itself. Received: colors={colors!r}"
        )
    return image_shape, depth, likelihood, check_positive_int("colors", colors)


def _logits(x, filters, activation, likelihood, channels, colors):
    """End a network: 2 × (activation, 1×1), activation, 1×1 to the logits."""
    for _ in range(2):
        x = activate(x, activation)
        x = MaskedConv2D(filters, 1, mask_type="B", colors=colors)(x)
    x = activate(x, activation)
    # float32 logits whatever the precision inside: log-probabilities need the bits
    size = likelihood.logits_per_pixel(channels)
    return pointwise(size, colors, dtype="float32", name="logits")(x)


def _condition(label, num_classes, label_map, image_shape):
    """Return a function from a number of channels to what a label adds to them."""
    if not label_map:

        def condition(channels):
            bias = keras.layers.Embedding(num_classes, channels)(label)
            return keras.layers.Reshape((1, 1, channels))(bias)

        return condition
    if None in image_shape:
        raise ValueError(
            "Expected a fixed image size with label_map, one map per label. "
            f"Received: {image_shape}"
        )
    size = (*image_shape[:2], label_map)
    values = keras.layers.Embedding(num_classes, int(np.prod(size)))(label)
    maps = keras.layers.Reshape(size)(values)
    return lambda channels: pointwise(channels, use_bias=False)(maps)


def live_weights(model) -> int:
    """Count the weights of a model that no mask sets to 0.

    A masked weight is stored, and counted by ``model.count_params()``, but it is multiplied
    by 0 before it is used. To compare the sizes of two models, compare their live weights.

    Args:
        model: any Keras model with known inputs. A mask is the array ``layer.mask`` that a
            layer multiplies into ``layer.kernel``, as `layers.MaskedConv2D` does.

    Raises:
        ValueError: it is no such model.

    Example:
        >>> image = keras.Input((28, 28, 1))
        >>> one = keras.Model(image, MaskedConv2D(1, 7, "A")(image))
        >>> one.count_params(), live_weights(one)  # 24 taps before the pixel, and a bias
        (50, 25)
    """
    count = check_model(model).count_params()
    for layer in model._flatten_layers(include_self=False):
        if hasattr(layer, "mask") and hasattr(layer, "kernel"):
            mask = np.broadcast_to(layer.mask, layer.kernel.shape)
            count -= int((mask == 0).sum())
    return count


def likelihood_of(model, likelihood=None) -> Likelihood:
    """Return ``likelihood`` if given, else the one that a Keras model carries."""
    check_model(model)
    likelihood = likelihood or getattr(model, "likelihood", None)
    if not isinstance(likelihood, Likelihood):
        raise ValueError(
            "Expected a model that carries a likelihood, or the argument likelihood=, "
            f"such as likelihood=Bernoulli(). Received: {likelihood!r}"
        )
    return likelihood


def logits_function(model):
    """Return ``model`` as a fast function from a NumPy batch to NumPy logits.

    A model with two inputs takes the labels as a second argument.

    On TensorFlow it is compiled once per input shape, without XLA, which on a CPU takes
    longer to compile than it saves; and anew if more of the model has changed than the
    values of its weights. Other backends use ``predict_on_batch``.

    Raises:
        ValueError: ``model`` is no Keras model with known inputs, its weights are not
            finite, or, when it is called, a logit is NaN.
    """
    check_finite(check_model(model))
    build = functools.partial(_compile, weakref.ref(model))  # else it is kept for ever

    def call(images, *labels):
        # as tensors, so that values never become part of the graph
        images = keras.ops.convert_to_tensor(images, "float32")
        labels = [keras.ops.convert_to_tensor(label) for label in labels]
        logits = np.asarray(kept(model, "logits", build)(images, *labels))
        return logits if np.isnan(images).any() else check_logits(logits)

    return call


def _compile(reference):
    if keras.config.backend() != "tensorflow":
        reference().make_predict_function(force=True)
        return lambda *inputs: reference().predict_on_batch(_packed(inputs))
    call = functools.partial(_call, reference)
    function = tf.function(call, reduce_retracing=True, autograph=False)
    lock = threading.Lock()

    def compiled(*inputs):
        with lock:  # of threads that begin together, one compiles
            concrete = function.get_concrete_function(*inputs)
        return concrete(*inputs)

    return compiled


def _call(reference, *inputs):
    model = reference()
    with traced(model):
        return model(_packed(inputs), training=False)


def _packed(inputs):
    return list(inputs) if len(inputs) > 1 else inputs[0]
