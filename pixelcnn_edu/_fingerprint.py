"""The fingerprint of a network: what the network computes with fixed weights.

Two networks with the same fingerprint compute the same, however their code is written.
`checkpoints` compares fingerprints before a run goes on, `pretrained` before it saves.
"""

import contextlib
import threading

from pixelcnn_edu._state import parts_of
from pixelcnn_edu.likelihoods import NegativeLogLikelihood

import keras
import numpy as np
import tensorflow as tf

_IMAGES, _SIDE = 2, 16  # where the network leaves these sizes open
_MOST = 64  # numbers kept of one output
_COMPUTED = "prediction", "training", "penalties"
_KNOWN = {"keras", "pixelcnn_edu", "tensorflow", "jax", "jaxlib", "builtins"}

_lock = threading.RLock()


def fingerprint(model) -> dict:
    """Return what a network computes, as a dict that JSON can hold.

    The network is called with two random images, and label k for image k. Its weights are
    replaced by random numbers that depend on their places and shapes alone, so the weights
    that training changes do not count. Neither the weights nor the attributes of the
    layers are changed.

    Args:
        model: a Keras model from images to logits.

    Returns:
        - ``"shapes"``: of all weights;
        - ``"trained"``: the places of the weights that are trained;
        - ``"prediction"``, ``"training"``: the outputs, without and with what acts in
          training alone, such as dropout. Of each output these are up to 64 numbers: sums
          over its values with random signs;
        - ``"penalties"``: the loss of `training.fit`, the penalties of regularizers, and
          the weights after their constraints;
        - ``"within"``: for `differences`.

        A model without ``inputs`` is not called.
    """
    types = {layer.compute_dtype for layer in model._flatten_layers()}
    in_training = _computed(model, training=True)
    return {
        "shapes": [list(weight.shape) for weight in model.weights],
        "trained": [i for i, weight in enumerate(model.weights) if weight.trainable],
        "prediction": _computed(model, training=False)[0],
        "training": in_training[0],
        "penalties": in_training[1],
        "within": 0.03 if types & {"float16", "bfloat16"} else 1e-4,
    }


def differences(one, other) -> list[str]:
    """Return the names of the parts in which two fingerprints differ.

    Two machines round differently. So numbers count as equal if their difference is below
    1e-4 of the root mean square of their output, or below 3 % where a layer computes in
    half precision.
    """
    if not isinstance(other, dict) or one.keys() != other.keys():
        return ["version"]
    within = max(one["within"], other["within"])
    differ = [name for name in ("shapes", "trained") if one[name] != other[name]]
    return differ or [
        name for name in _COMPUTED if not _are_near(one[name], other[name], within)
    ]


def differences_of(model, found, other) -> list[str]:
    """Return `differences` of two fingerprints, of which ``found`` is that of ``model``.

    A layer may draw random numbers without a seed. What such a layer changes from call to
    call is left out.
    """
    names = differences(found, other)
    changing = differences(found, fingerprint(model)) if names else ()
    return [name for name in names if name not in changing]


def _are_near(one, other, within):
    """Return whether two lists of outputs, each of them a list of numbers, are equal."""
    if list(map(np.shape, one)) != list(map(np.shape, other)):
        return False
    for pair in zip(one, other, strict=True):
        numbers = np.array(pair, "float64")
        finite = numbers[np.isfinite(numbers)]
        most = within * np.sqrt(np.mean(finite**2)) if finite.size else 0.0
        if not np.allclose(*numbers, rtol=0, atol=most, equal_nan=True):
            return False
    return True


def _computed(model, training):
    """Return the sums of each output, and those of each penalty."""
    if not getattr(model, "inputs", None):
        return [], []
    scale = 10 if training else 1
    images, labels = _inputs(model)
    with _unchanged(model), _on_cpu(), _FixedValues(model.weights, scale) as scope:
        outputs = model([images, *labels] if labels else images, training=training)
        penalties = []
        if training and isinstance(getattr(model, "loss", None), NegativeLogLikelihood):
            penalties.append(model.compute_loss(images, images, outputs))
        penalties += model.losses
        for weight in model.weights:
            if weight.constraint is not None:
                value = scope.get_current_value(weight)
                penalties += [weight.constraint(k * value) for k in (0.01, 1, 100)]
        return [
            list(map(_sums, one)) for one in (keras.tree.flatten(outputs), penalties)
        ]


def _inputs(model):
    """Return images on levels of the likelihood, and labels, as the model takes them."""
    rng = np.random.default_rng(0)
    levels = getattr(getattr(model, "likelihood", None), "levels", 2)
    found = []
    for place, one in enumerate(model.inputs):
        count, *shape = one.shape
        shape = [count or _IMAGES, *(size or _SIDE for size in shape)]
        if place == 0:
            values = rng.integers(levels, size=shape) / (levels - 1)
        else:
            classes = getattr(model, "num_classes", None) or 1
            column = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
            values = np.broadcast_to(column % classes, shape)
        found.append(keras.ops.convert_to_tensor(values, one.dtype))
    return found[0], found[1:]


def _sums(values):
    """Return up to 64 sums of values, with random signs so that no two errors cancel."""
    values = np.asarray(keras.ops.convert_to_numpy(values), "float64").ravel()
    signs = np.random.default_rng(0).choice([-1.0, 1.0], len(values))
    parts = np.array_split(values * signs, min(_MOST, len(values)) or 1)
    return [float(f"{part.sum():.9g}") for part in parts]


class _FixedValues(keras.StatelessScope):
    """In this scope weights have fixed random values. No variable is changed.

    Biases are multiplied by a scale: values inside a network reach its limits (such as that
    of ``ReLU(max_value=6)``) with large biases, while gates saturate.

    Integers, such as the states of random generators, are 0. Other variables, which only a
    function holds, have their own values.
    """

    def __init__(self, weights, scale):
        super().__init__(collect_losses=True)
        self._scale = scale
        self._places = {id(weight): place for place, weight in enumerate(weights)}

    def get_current_value(self, variable):
        found = super().get_current_value(variable)
        if found is None and (value := self._value_of(variable)) is not None:
            found = keras.ops.convert_to_tensor(value, variable.dtype)
            self.state_mapping[id(variable)] = found
        return found

    def _value_of(self, variable):
        shape = tuple(variable.shape)
        if not keras.backend.is_float_dtype(variable.dtype):
            return np.zeros(shape)
        if id(variable) not in self._places:
            return None
        rng = np.random.default_rng([self._places[id(variable)], *shape])
        value = rng.standard_normal(shape)
        if len(shape) > 1:
            return value / np.sqrt(np.prod(shape[:-1]))
        # a bias, say; or if it is not trained, a variance, which is positive
        return self._scale * (value if variable.trainable else np.abs(value))


@contextlib.contextmanager
def _unchanged(model):
    """After this block, the attributes of a user's layers hold what they held before.

    In the block a `tf.function` of a user runs step by step. Compiled in here, it would
    keep the fixed values. (Step by step runs, in this moment, what other threads compute.)
    """
    own = [part for part in parts_of(model).values() if _has_own_code(part)]
    before = [dict(vars(part)) for part in own]
    with _lock:
        model._clear_losses()
        eager = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(eager or bool(own))
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(eager)
            model._clear_losses()
            for part, held in zip(own, before, strict=True):
                for name in vars(part).keys() - held.keys():
                    del vars(part)[name]
                vars(part).update(held)


def _has_own_code(part):
    """Return whether a layer or an operation is of a user's class, or holds a function."""
    held = [one for one in vars(part).values() if callable(one)]
    modules = [type(part).__module__]
    for one in held:
        modules += [
            type(one).__module__,
            getattr(one, "__module__", None) or "builtins",
        ]
    return not {module.split(".")[0] for module in modules} <= _KNOWN


def _on_cpu():
    """Compute on the processor: graphics cards round in ways of their own."""
    if keras.config.backend() != "jax":
        return keras.device("cpu")
    import jax

    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX was told to use another device alone
        return contextlib.nullcontext()
