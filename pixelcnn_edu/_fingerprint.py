"""The fingerprint of a network: what the network computes with fixed weights.

Two networks count as the same if four things agree:

- the shapes of their weights, in order;
- which weights are trained;
- what the networks and each layer of their graphs compute with fixed random weights and
  random images, except for small differences;
- their penalties (the loss, regularizers, constraints), except for small differences.

The code may differ.
"""

import contextlib
import functools
import threading

from pixelcnn_edu._state import parts_of
from pixelcnn_edu.likelihoods import NegativeLogLikelihood

import keras
import numpy as np
import tensorflow as tf

_SIDE = 64  # of an image, where neither the network nor the caller knows it
_MOST, _INNER = 64, 16  # numbers kept of one output, and of one output of a layer
_LEAST = 1e-5  # below this, the numbers of a layer may be errors of rounding
_SCALES = 0, 0.3, 1, 3, 10  # of the biases: one draw of weights for each
_CALLS = 10  # to find out whether a network gives other outputs from call to call
_COMPUTED = "prediction", "training", "penalties"
_KNOWN = {"keras", "pixelcnn_edu", "tensorflow", "jax", "jaxlib", "builtins"}

_lock = threading.RLock()


def example_inputs(model, images=None, labels=(), likelihood=None) -> list:
    """Return what `fingerprint` calls a network with: two images for each draw of weights.

    If the model has a fixed batch size, there are as many as that.

    Args:
        model: a Keras model from images to logits.
        images: for their shape (N, H, W, C), where the model leaves sizes open.
        labels: [] or [labels], as `check_labels` returns them: up to ten different ones are
            used. With [], labels from 0 to ``model.num_classes`` - 1 are used (0 and 1 if
            the model has no ``num_classes``).
        likelihood: if it is another one than the model carries.

    Returns:
        A list [images] for each draw, or [images, labels] if the model takes labels. The
        images are random, on the levels of the likelihood. If the model does not know its
        inputs, or takes texts, the result is [].
    """
    inputs = getattr(model, "inputs", None)
    if not inputs or any(one.dtype == "string" for one in inputs):
        return []
    image, *others = model.inputs
    count, *shape = image.shape
    known = [None] * len(shape) if images is None else images.shape[1:]
    shape = [one or other or _SIDE for one, other in zip(shape, known, strict=True)]
    levels = getattr(likelihood or getattr(model, "likelihood", None), "levels", 2)
    count_of_labels = getattr(model, "num_classes", None) or 2
    classes = np.unique(labels) if labels else range(count_of_labels)
    places = np.linspace(0, len(classes) - 1, 2 * len(_SCALES)).round().astype(int)
    found = []
    for draw in range(len(_SCALES)):
        values = np.random.default_rng(draw).integers(levels, size=(count or 2, *shape))
        given = [values / (levels - 1)]
        pair = [classes[place] for place in places[[draw, -1 - draw]]]
        for one in others:
            sizes = [size or _SIDE for size in one.shape[1:]]
            column = np.resize(pair, (len(values), *[1] * len(sizes)))
            given.append(np.broadcast_to(column, (len(values), *sizes)))
        tensors = zip(given, model.inputs, strict=True)
        found.append([keras.ops.convert_to_tensor(a, one.dtype) for a, one in tensors])
    return found


def fingerprint(model, inputs) -> dict:
    """Return what a network computes, as a dict that JSON can hold.

    The network is called with five draws of fixed random numbers in place of its float
    weights. The numbers depend on the place of the weight in ``model.weights``, its shape,
    its constraint, and on whether it is trained, not on its value. So the training of float
    weights does not change the fingerprint. Each draw has another scale for biases and all
    other weights with fewer than two dimensions. Large biases are needed to reach limits,
    such as that of ``ReLU(max_value=6)``, and small ones since large ones saturate gates or
    hide what the first layers compute.

    Keras's variables are not changed, and the attributes of a user's layers and model hold
    afterwards what they held before. (What lies inside an object that a layer holds,
    such as a list, a `tf.Variable` or a generator of NumPy, and the state of global
    generators may change: the network is called ten times. ``model.losses`` of an
    earlier call are gone.)

    Args:
        model: a Keras model from images to logits.
        inputs: from `example_inputs`. Without inputs no output is compared.

    Returns:
        - ``"shapes"``: of all weights;
        - ``"trained"``: the places of the weights that are trained;
        - ``"prediction"``: the outputs with ``training=False``;
        - ``"training"``: the outputs with ``training=True``, where dropout acts, and what
          the network writes into weights, such as the means of a `BatchNormalization`;
        - ``"layers in prediction"``, ``"layers in training"``: the outputs of each layer
          and operation of the graph and of models in it, but not of layers in layers;
        - ``"penalties"``: with ``training=True``, the loss (if the model is compiled for
          `training.fit`), each of ``model.losses``, and what constraints make of their
          weights, which are multiplied by 0, 0.09, 1, 9 or 100;
        - ``"within"``: the relative difference that `differences` allows.

        Of an output, up to 64 numbers are kept (of a layer, 16): sums over its values, with
        random signs. If one of the ten calls fails, nothing of this call is kept.
    """
    types = {layer.compute_dtype for layer in model._flatten_layers()}
    found = {name: [] for name in (*_COMPUTED, *map(_layers_in, _COMPUTED[:2]))}
    for scale, given in zip(_SCALES if inputs else (), inputs, strict=True):
        for training in (False, True):
            with contextlib.suppress(Exception):  # a layer may refuse such weights
                outputs, penalties, inner = _computed(model, given, scale, training)
                name = "training" if training else "prediction"
                found[name] += outputs
                found[_layers_in(name)] += inner
                found["penalties"] += penalties
    return {
        "shapes": [list(weight.shape) for weight in model.weights],
        "trained": [i for i, weight in enumerate(model.weights) if weight.trainable],
        **found,
        "within": 0.03 if types & {"float16", "bfloat16"} else 1e-4,
    }


def differences(one, other) -> list[str]:
    """Return the names of the parts in which two fingerprints differ.

    Numbers of an output are equal if they differ by less than 1e-4 of the root mean square
    of all its numbers. If a layer of one of the networks computes in half precision, this
    limit is 3 %. (Two machines round differently.)

    Each output of a layer must be equal to the output of some layer of the other network.
    Differences up to 1e-5 are always allowed. So the order of the layers may differ, and an
    additional layer that returns its input is not noticed.

    If shapes differ, or which weights are trained, the other parts are not compared. If
    ``other`` is no fingerprint of this version, the result is ``["version"]``.
    """
    if not isinstance(other, dict) or one.keys() != other.keys():
        return ["version"]
    within = max(one["within"], other["within"])
    differ = [name for name in ("shapes", "trained") if one[name] != other[name]]
    return differ or [
        name for name in _COMPUTED if not _agree(one, other, name, within)
    ]


def differences_of(model, inputs, found, other) -> list[str]:
    """Return `differences` of two fingerprints, of which ``found`` is that of ``model``.

    If a layer draws random numbers with NumPy, Python or TensorFlow, outputs differ from
    call to call. So the fingerprint is computed up to ten more times. A part that changes
    is not compared.
    """
    names = differences(found, other)
    for _ in range(_CALLS):
        if not names:
            break
        changing = differences(found, fingerprint(model, inputs))
        names = [name for name in names if name not in changing]
    return names


def _agree(one, other, name, within):
    inner = _layers_in(name)
    return _are_near(one[name], other[name], within) and (
        inner not in one or _have_near(one[inner], other[inner], within)
    )


def _are_near(one, other, within):
    """Return whether two lists of outputs, each of them a list of numbers, are equal."""
    if list(map(np.shape, one)) != list(map(np.shape, other)):
        return False
    for pair in zip(one, other, strict=True):
        numbers = np.array(pair, "float64")
        most = within * np.sqrt(np.mean(numbers**2)) if numbers.size else 0.0
        if not np.allclose(*numbers, rtol=0, atol=most):
            return False
    return True


def _have_near(one, other, within):
    """Return whether each output of the one list is nearly equal to one of the other."""
    one, other = (np.reshape(each, (-1, _INNER)) for each in (one, other))
    for some, others in ((one, other), (other, one)):
        for i, numbers in enumerate(some):
            most = max(within * np.sqrt(np.mean(numbers**2)), _LEAST)
            first = others[i : i + 1]  # usually this one
            for candidates in (first, others):
                if np.any(np.all(abs(candidates - numbers) <= most, axis=1)):
                    break
            else:
                return False
    return True


def _layers_in(name):
    return f"layers in {name}"


def _computed(model, inputs, scale, training):
    """Return the sums of each output, of each penalty, and of each output of a layer.

    There are penalties in training only.

    Args:
        inputs: [images] or [images, labels].
    """
    x = tuple(inputs) if len(inputs) > 1 else inputs[0]  # as `fit` gives them
    with _unchanged(model), _on_cpu(), _Scope(model, scale) as scope:
        with _listening(model, x) as inner:
            y_pred = model(x, training=training)
        outputs, penalties = keras.tree.flatten(y_pred) + scope.written(), []
        if training and isinstance(getattr(model, "loss", None), NegativeLogLikelihood):
            with contextlib.suppress(
                Exception
            ):  # the loss of a user may fail with such images
                loss = model._compute_loss(x, inputs[0], y_pred, training=True)
                # Keras divides the loss by the number of devices
                loss *= tf.distribute.get_strategy().num_replicas_in_sync
                penalties.append(loss)
        if training:
            penalties += model.losses + scope.limits(scale**2)
        return list(map(_sums, outputs)), list(map(_sums, penalties)), inner


def _sums(values, most=_MOST):
    """Return up to 64 sums of values, with random signs, so that errors seldom cancel."""
    values = np.asarray(keras.ops.convert_to_numpy(values), "float32").ravel()
    values = np.nan_to_num(values, nan=-3e38)  # infinite ones become large ones
    parts = np.array_split(values * _signs(len(values)), min(most, len(values)) or 1)
    return [float(f"{part.sum(dtype='float64'):.9g}") for part in parts]


@functools.lru_cache(maxsize=8)
def _signs(count):
    return np.random.default_rng(0).choice(np.float32([-1, 1]), count)


@contextlib.contextmanager
def _listening(model, inputs):
    """Yield a list. In this block, it gets the sums of what each layer returns.

    Those of the inputs are there already: a layer may return its input.
    """
    heard, thread, call = [], threading.get_ident(), keras.Operation.__call__
    graphs = [getattr(part, "_functional", part) for part in model._flatten_layers()]
    parts = {id(part) for one in graphs for part in getattr(one, "_operations", ())}

    def hear(outputs):
        for one in filter(keras.ops.is_tensor, keras.tree.flatten(outputs)):
            with contextlib.suppress(Exception):  # JAX may be tracing the layer
                sums = _sums(one, _INNER)
                heard.append(np.resize(sums, _INNER).tolist())

    def listened(part, *args, **kwargs):
        outputs = call(part, *args, **kwargs)
        if threading.get_ident() == thread and id(part) in parts:
            hear(outputs)
        return outputs

    hear(inputs)
    keras.Operation.__call__ = listened
    try:
        yield heard
    finally:
        keras.Operation.__call__ = call


class _Scope(keras.StatelessScope):
    """In this scope float weights have fixed random values, and no variable is changed.

    Generators of random numbers have fixed states, too. Other variables have their own
    values.

    Args:
        model: a Keras model.
        scale: of all weights with fewer than two dimensions, such as biases. Those that are
            not trained may be variances, so they are drawn positive. With the scale 0.3,
            the trained ones are positive, too.
    """

    def __init__(self, model, scale):
        super().__init__(collect_losses=True)
        self.scale, self._weights, self._written = scale, model.weights, {}
        self._places = {id(weight): i for i, weight in enumerate(model.weights)}
        for weight in model.weights:
            if _is_float(weight):
                value = keras.ops.convert_to_tensor(self._drawn(weight), weight.dtype)
                self.state_mapping[id(weight)] = value
        with self:
            for weight in self._limited():
                self.state_mapping[id(weight)] = weight.constraint(weight)

    def _limited(self):
        return [one for one in self._weights if one.constraint and _is_float(one)]

    def _drawn(self, weight):
        shape = tuple(weight.shape)
        place = self._places[id(weight)]
        rng = np.random.default_rng([place, round(10 * self.scale), *shape])
        values = rng.standard_normal(shape)
        if len(shape) > 1:
            return values / np.sqrt(np.prod(shape[:-1]) or 1)
        is_positive = self.scale == 0.3 or not weight.trainable
        return self.scale * (np.abs(values) if is_positive else values)

    def get_current_value(self, variable):
        found = super().get_current_value(variable)
        if found is None and variable.name.endswith("seed_generator_state"):
            state = round(10 * self.scale) + len(self.state_mapping)
            found = keras.ops.full(variable.shape, state, variable.dtype)
            self.state_mapping[id(variable)] = found
        return found

    def add_update(self, update):
        super().add_update(update)
        self._written[id(update[0])] = update[1]

    def written(self):
        """Return the values that were written into weights."""
        written = (self._written.get(id(weight)) for weight in self._weights)
        return [value for value in written if value is not None]

    def limits(self, factor):
        """Return what constraints make of their weights times a factor, one by one."""
        found = []
        for weight in self._limited():
            value = self.state_mapping[id(weight)]
            self.state_mapping[id(weight)] = factor * value
            found.append(weight.constraint(weight))
            self.state_mapping[id(weight)] = value
        return found


def _is_float(variable):
    return keras.backend.is_float_dtype(variable.dtype)


@contextlib.contextmanager
def _unchanged(model):
    """After this block, attributes hold what they held before. Added losses are gone.

    If the model has code of a user, functions with `tf.function` run step by step in this
    block: if they were compiled here, they would keep the fixed values. Those of other
    threads run step by step meanwhile, too: if another thread trains, its dropout may draw
    other numbers.
    """
    own = [part for part in parts_of(model).values() if _has_own_code(part)]
    before = [dict(vars(part)) for part in own]
    with _lock:
        eager = tf.config.functions_run_eagerly()
        try:
            tf.config.run_functions_eagerly(eager or bool(own))
            model._clear_losses()  # those of an earlier call
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
    by_exec = type(part).__module__ == "builtins"  # the class was made without a module
    return by_exec or not {module.split(".")[0] for module in modules} <= _KNOWN


def _on_cpu():
    """Compute on the CPU: each kind of graphics card rounds differently."""
    if keras.config.backend() != "jax":
        return keras.device("cpu")
    import jax

    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX was told to use another device alone
        return contextlib.nullcontext()
