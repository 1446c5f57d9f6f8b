"""PixelCNN as a Keras model: images in, logits out.

Paper: arXiv 1601.06759, table 1. Taught by notebooks 03 to 06.

What differs here: PReLU instead of ReLU by default, as in the tutorial this series grew
from; the paper does not give the depth of its MNIST network, so ``depth`` is yours to
choose; ``position`` and ``dropout`` are not in the paper and off by default.
"""

import functools
import weakref

from pixelcnn_edu.layers import MaskedConv2D, PositionBias, ResidualBlock, activate
from pixelcnn_edu.likelihoods import Bernoulli, Likelihood
from pixelcnn_edu.masks import check_positive_int

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="pixelcnn_edu")
class ImageModel(keras.Model):
    """A functional Keras model that carries the likelihood its logits are meant for.

    Built, trained, saved and loaded like any other; ``model.likelihood`` survives
    ``model.save`` and ``keras.models.load_model``.

    Args:
        inputs: as for `keras.Model`: the image tensor.
        outputs: as for `keras.Model`: the logits tensor.
        likelihood: a likelihood of `pixelcnn_edu.likelihoods`.
    """

    def __init__(self, inputs, outputs, name=None, *, likelihood=None, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        if not isinstance(likelihood, Likelihood):
            raise ValueError(
                "Expected likelihood to be one of pixelcnn_edu.likelihoods, such as "
                f"Bernoulli(). Received: {likelihood!r}"
            )
        self.likelihood = likelihood

    def get_config(self):
        likelihood = keras.saving.serialize_keras_object(self.likelihood)
        return {**super().get_config(), "likelihood": likelihood}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        likelihood = keras.saving.deserialize_keras_object(config.pop("likelihood"))
        plain = keras.Model.from_config(config, custom_objects=custom_objects)
        return cls(plain.inputs, plain.outputs, plain.name, likelihood=likelihood)


def pixelcnn(
    image_shape=(28, 28, 1),
    *,
    filters: int,
    depth: int,
    likelihood: Likelihood | None = None,
    activation: str = "prelu",
    position: bool = False,
    dropout: float = 0.0,
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
        name: the model's name.

    Returns:
        An `ImageModel` from (N, H, W, C) to (N, H, W, likelihood.logits_per_pixel(C)).

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> pixelcnn(filters=128, depth=6).count_params()
        362497
    """
    likelihood = Bernoulli() if likelihood is None else likelihood
    if not isinstance(likelihood, Likelihood):
        raise ValueError(
            "Expected likelihood to be one of pixelcnn_edu.likelihoods. "
            f"Received: {likelihood!r}"
        )
    check_image_shape(image_shape)
    check_positive_int("depth", depth)
    block = ResidualBlock(filters, activation=activation, dropout=dropout)

    inputs = keras.Input(image_shape)
    x = MaskedConv2D(filters, 7, mask_type="A")(inputs)
    if position:
        x = PositionBias()(x)
    for _ in range(depth):
        x = block(x)
    for _ in range(2):
        x = activate(x, activation)
        x = MaskedConv2D(filters, 1, mask_type="B")(x)
    x = activate(x, activation)
    # float32 logits whatever the precision inside: log-probabilities need the bits
    logits = keras.layers.Conv2D(
        likelihood.logits_per_pixel(image_shape[-1]), 1, dtype="float32", name="logits"
    )(x)
    return ImageModel(inputs, logits, name, likelihood=likelihood)


def check_image_shape(image_shape) -> None:
    """Raise ``ValueError`` unless ``image_shape`` is (H, W, C)."""
    if not isinstance(image_shape, tuple | list) or len(image_shape) != 3:
        raise ValueError(
            "Expected image_shape to be (height, width, channels), such as (28, 28, 1). "
            f"Received: {image_shape!r}"
        )
    for axis, size in zip(("height", "width", "channels"), image_shape, strict=True):
        if size is not None or axis == "channels":
            check_positive_int(f"the {axis} in image_shape", size)


def likelihood_of(model, likelihood=None) -> Likelihood:
    """Return ``likelihood`` if given, else the one the model carries."""
    likelihood = likelihood or getattr(model, "likelihood", None)
    if not isinstance(likelihood, Likelihood):
        raise ValueError(
            "Expected a model that carries a likelihood, or the argument likelihood=, "
            f"such as likelihood=Bernoulli(). Received: {likelihood!r}"
        )
    return likelihood


_compiled = weakref.WeakKeyDictionary()


def _call(reference, *inputs):
    return reference()(list(inputs) if len(inputs) > 1 else inputs[0], training=False)


def logits_function(model):
    """Return ``model`` as a fast function from a NumPy batch to NumPy logits.

    A model with two inputs takes the labels as a second argument.

    On TensorFlow it is compiled once per model and input shape, without XLA, which on a
    CPU takes longer to compile than it saves. Other backends use ``predict_on_batch``.
    """
    if keras.config.backend() != "tensorflow":
        return lambda *inputs: model.predict_on_batch(
            list(inputs) if len(inputs) > 1 else inputs[0]
        )
    if model not in _compiled:
        import tensorflow as tf

        reference = weakref.ref(model)  # else the cache would keep the model alive
        # TensorFlow counts tracings per code object and warns from five on; a partial
        # is counted by itself, so that several models do not add up to a warning
        call = functools.partial(_call, reference)
        _compiled[model] = tf.function(call, reduce_retracing=True)
    compiled = _compiled[model]

    def call(images, *labels):
        # as tensors, so that values never become part of the graph
        images = keras.ops.convert_to_tensor(images, "float32")
        labels = [keras.ops.convert_to_tensor(label) for label in labels]
        return np.asarray(compiled(images, *labels))

    return call
