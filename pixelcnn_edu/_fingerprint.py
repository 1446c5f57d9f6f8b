"""The fingerprint of a network: what the network computes with fixed weights.

Two networks count as the same if they have weights of the same shapes in the same order,
and if their outputs for two random images and fixed random weights are nearly equal. Their
code may differ.
"""

import contextlib
import threading

from pixelcnn_edu._state import parts_of
from pixelcnn_edu.likelihoods import NegativeLogLikelihood

import keras
import numpy as np
import tensorflow as tf

_SIDE = 16  # of an image, where neither the network nor the caller knows it
_MOST = 64  # numbers kept of one output
_CALLS = 20  # to find out whether a network gives other outputs from call to call
_COMPUTED = "prediction", "training", "penalties"
_KNOWN = {"keras", "pixelcnn_edu", "tensorflow", "jax", "jaxlib", "builtins"}

_lock = threading.RLock()


def example_inputs(model, images=None, labels=()) -> list:
    """Return two images, and two labels if the model takes labels, for `fingerprint`.

    Args:
        model: a Keras model from images to logits.
        images: for their shape (N, H, W, C), where the model leaves sizes open.
        labels: [] or [labels], as `check_labels` returns them; the smallest and the
            largest one are used. Without them these are labels 0 and 1.

    Returns:
        Random images on the levels of the model's likelihood, and labels; [] if the model
        does not know its inputs.
    """
    if not getattr(model, "inputs", None):
        return []
    image, *others = model.inputs
    count, *shape = image.shape
    known = [None] * len(shape) if images is None else images.shape[1:]
    shape = [one or other or _SIDE for one, other in zip(shape, known, strict=True)]
    levels = getattr(getattr(model, "likelihood", None), "levels", 2)
    values = np.random.default_rng(0).integers(levels, size=(count or 2, *shape))
    found = [values / (levels - 1)]
    for place, one in enumerate(others):
        if place < len(labels):
            of_image = labels[place].reshape(len(labels[place]), -1).sum(axis=1)
            ends = labels[place][[of_image.argmin(), of_image.argmax()]]
        else:
            ends = np.arange(2) % (getattr(model, "num_classes", None) or 2)
            ends = ends.reshape(2, *[1] * (len(one.shape) - 1))
        row = np.broadcast_to(ends, (2, *(size or _SIDE for size in one.shape[1:])))
        found.append(np.resize(row, (len(values), *row.shape[1:])))
    return [
        keras.ops.convert_to_tensor(value, one.dtype)
        for value, one in zip(found, model.inputs, strict=True)
    ]


def fingerprint(model, inputs) -> dict:
    """Return what a network computes, as a dict that JSON can hold.

    The network is called twice, with fixed random numbers in place of its float weights.
    They depend on the weight's place in ``model.weights`` and on its shape, and not on its
    value. So training does not change the fingerprint. Keras's variables are not changed,
    and each attribute of a layer holds afterwards what it held before. (A layer may change
    what lies inside a list or a dict, a `tf.Variable`, or the state of a global random
    generator: it is called twice.)

    Args:
        model: a Keras model from images to logits.
        inputs: from `example_inputs`. Without inputs no output is compared.

    Returns:
        - ``"shapes"``: of all weights;
        - ``"trained"``: the places of the weights that are trained;
        - ``"prediction"``: the outputs with ``training=False``;
        - ``"training"``: the outputs with ``training=True``, where dropout acts, and with
          biases that are 10 times as large: they show limits, such as that of
          ``ReLU(max_value=6)``;
        - ``"penalties"``: of the second call, the loss (if the model is compiled for
          `training.fit`), each of ``model.losses``, and what constraints make of their
          weight times 0.01, 1 and 100;
        - ``"within"``: the relative difference that `differences` allows.

        Of an output, up to 64 numbers are kept: sums over its values, with random signs.
    """
    types = {layer.compute_dtype for layer in model._flatten_layers()}
    in_training = _computed(model, inputs, training=True)
    return {
        "shapes": [list(weight.shape) for weight in model.weights],
        "trained": [i for i, weight in enumerate(model.weights) if weight.trainable],
        "prediction": _computed(model, inputs, training=False)[0],
        "training": in_training[0],
        "penalties": in_training[1],
        "within": 0.03 if types & {"float16", "bfloat16"} else 1e-4,
    }


def differences(one, other) -> list[str]:
    """Return the names of the parts in which two fingerprints differ.

    Numbers of an output are equal if they differ by less than 1e-4 of the root mean square
    of all its numbers. If a layer of one of the networks computes in half precision, this
    limit is 3 %. (Two machines round differently.)

    If shapes differ, or which weights are trained, the other parts are not compared. If
    ``other`` is no fingerprint of this version, the result is ``["version"]``.
    """
    if not isinstance(other, dict) or one.keys() != other.keys():
        return ["version"]
    within = max(one["within"], other["within"])
    differ = [name for name in ("shapes", "trained") if one[name] != other[name]]
    return differ or [
        name for name in _COMPUTED if not _are_near(one[name], other[name], within)
    ]


def differences_of(model, inputs, found, other) -> list[str]:
    """Return `differences` of two fingerprints, of which ``found`` is that of ``model``.

    If a layer draws random numbers without a seed, the outputs differ from call to call. A
    part that does not stay the same in 20 more calls is not compared.
    """
    names = differences(found, other)
    for _ in range(_CALLS):
        if not names:
            break
        changing = differences(found, fingerprint(model, inputs))
        names = [name for name in names if name not in changing]
    return names


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


def _computed(model, inputs, training):
    """Return the sums of each output, and those of each penalty."""
    if not inputs:
        return [], []
    scale = 10 if training else 1
    with _unchanged(model), _on_cpu(), _FixedValues(model.weights, scale) as scope:
        outputs = model(inputs if len(inputs) > 1 else inputs[0], training=training)
        penalties = []
        if training and isinstance(getattr(model, "loss", None), NegativeLogLikelihood):
            penalties.append(model.compute_loss(inputs[0], inputs[0], outputs))
        penalties += model.losses
        for weight in model.weights:
            if weight.constraint is not None:
                value = scope.get_current_value(weight)
                penalties += [weight.constraint(k * value) for k in (0.01, 1, 100)]
        return [
            list(map(_sums, one)) for one in (keras.tree.flatten(outputs), penalties)
        ]


def _sums(values):
    """Return up to 64 sums of values, with random signs, so that errors seldom cancel."""
    values = np.asarray(keras.ops.convert_to_numpy(values), "float64").ravel()
    signs = np.random.default_rng(0).choice([-1.0, 1.0], len(values))
    parts = np.array_split(values * signs, min(_MOST, len(values)) or 1)
    return [float(f"{part.sum():.9g}") for part in parts]


class _FixedValues(keras.StatelessScope):
    """In this scope float weights have fixed random values. No Keras variable is changed.

    Weights of one dimension, such as biases, are multiplied by ``scale``. If they are not
    trained they may be variances, so they are positive. The states of random generators
    are 0. Other integers, and variables outside of ``model.weights``, keep their values.
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
        is_float = keras.backend.is_float_dtype(variable.dtype)
        if id(variable) not in self._places:
            return None if is_float else np.zeros(shape)
        if not is_float:
            return None
        rng = np.random.default_rng([self._places[id(variable)], *shape])
        value = rng.standard_normal(shape)
        if len(shape) > 1:
            return value / np.sqrt(np.prod(shape[:-1]) or 1)
        return self._scale * (value if variable.trainable else np.abs(value))


@contextlib.contextmanager
def _unchanged(model):
    """After this block, the attributes of a user's layers hold what they held before.

    If the model has code of a user, functions with `tf.function` run step by step in this
    block: compiled here, they would keep the fixed values. (Those of other threads run
    step by step meanwhile, too.)
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
    """Return whether a layer or an operation, or a function that it holds, is a user's."""
    held = [one for one in vars(part).values() if callable(one)]
    modules = [type(part).__module__]
    for one in held:
        modules += [
            type(one).__module__,
            getattr(one, "__module__", None) or "builtins",
        ]
    return not {module.split(".")[0] for module in modules} <= _KNOWN


def _on_cpu():
    """Compute on the CPU: each kind of graphics card rounds differently."""
    if keras.config.backend() != "jax":
        return keras.device("cpu")
    import jax

    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX was told to use another device alone
        return contextlib.nullcontext()
