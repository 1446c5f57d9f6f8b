"""A model as a fast function of arrays."""

import functools
import threading
import weakref

from pixelcnn_edu import _jax
from pixelcnn_edu._cache import kept, traced
from pixelcnn_edu._checks import check_finite, check_logits, check_model

import keras
import numpy as np
import tensorflow as tf


def logits_function(model):
    """Return ``model`` as a fast function from a NumPy batch to NumPy logits.

    A model with two inputs takes the labels as a second argument.

    On TensorFlow the function is compiled once for any number of images, without XLA,
    which on a CPU takes longer to compile than it saves. On JAX it is compiled once per
    input shape. It is compiled again if anything in the model changes, except the values
    of the weights. (As in Keras's own ``predict``, a global that a layer of yours reads
    is no part of the model.)

    Raises:
        ValueError: if ``model`` is not a Keras model with known inputs, or its weights are
            not finite; or, when the function is called, if a logit is NaN.
    """
    check_finite(check_model(model))
    return lambda *inputs: _compiled(model)(*inputs)


def present_logits(model):
    """Return `logits_function`'s function for the model as it is now: for a loop.

    The function is faster, because a call does not compare the model with its state before.
    So it must not be called any more when the model has changed (values of weights may).
    """
    return _compiled(check_finite(check_model(model)))


def check_repeatable(model, images, *labels):
    """Refuse a model whose logits differ from call to call, such as a random one.

    The model is called twice. If the logits are equal, and the model draws random numbers
    with Keras or TensorFlow, it is called a hundred times more: such numbers may change the
    logits in few calls, or in none. A difference of a logit from a logit x may be rounding
    if it is at most 1e-5 + 1e-5 abs(x).

    Raises:
        ValueError: the logits differ.
    """
    # two images or, if the model has a fixed batch size, as many as that
    rows = np.arange(model.inputs[0].shape[0] or 2) % len(images)
    inputs = [np.float32(images)[rows], *(label[rows] for label in labels)]
    inputs = list(map(keras.ops.convert_to_tensor, inputs))
    call = functools.partial(_call, weakref.ref(model))

    def differ(call, times):
        results = (call(*inputs) for _ in range(times))
        first, *others = (np.asarray(keras.ops.cast(one, "float32")) for one in results)
        equal = functools.partial(np.allclose, rtol=1e-5, atol=1e-5, equal_nan=True)
        return not all(equal(first, other) for other in others)

    before = _random_states(model)
    random, draws = differ(call, 2), before != _random_states(model)
    if not random and keras.config.backend() == "tensorflow":
        call = tf.function(call, autograph=False).get_concrete_function(*inputs)
        draws |= _draws(call.graph.as_graph_def())
    if random or (draws and differ(call, 100)):
        raise ValueError(
            "Expected a model that gives the same logits in each call. Received: "
            f"{model.name!r}, which gives different ones. Does a layer draw random numbers "
            "at inference?"
        )


def _random_states(model):
    """Return the states of the model's generators (and of its metrics), as bytes."""
    weights = {id(weight) for weight in model.weights}
    others = [one for one in model.variables if id(one) not in weights]
    return [np.asarray(one).tobytes() for one in others]


def _draws(graph):
    """Return whether a graph has an operation that draws from TensorFlow's generators."""
    nodes = [
        *graph.node,
        *(n for part in graph.library.function for n in part.node_def),
    ]
    names = {node.op for node in nodes}
    return any(
        name.startswith(("Random", "Rng", "StatefulRandom", "StatefulUniform"))
        or name in {"TruncatedNormal", "ParameterizedTruncatedNormal", "Multinomial"}
        for name in names
    )


def _compiled(model):
    reference = weakref.ref(model)  # `kept` must not keep the model alive
    function = kept(model, "logits", functools.partial(_compile, reference))

    def call(images, *labels):
        # as tensors, so that values never become part of the graph
        images = keras.ops.convert_to_tensor(images, "float32")
        labels = [keras.ops.convert_to_tensor(label) for label in labels]
        logits = np.asarray(function(images, *labels))
        if logits.ndim != 4:
            raise ValueError(
                "Expected a model with an output of shape (N, H, W, …). "
                f"Received: {logits.shape}"
            )
        # a NaN in an image is meant to reach the logits that read it
        return logits if np.isnan(images).any() else check_logits(logits)

    return call


def _compile(reference):
    call = functools.partial(_call, reference)
    if keras.config.backend() == "jax":
        return _jax.compiled(reference(), call)
    function = tf.function(call, reduce_retracing=True, autograph=False)
    lock = threading.Lock()

    def compiled(*inputs):
        # for any number of images: with a known one a sum may be wrong, see `pixel_graph`
        specs = [tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in inputs]
        with lock:  # of threads that begin together, one compiles
            concrete = function.get_concrete_function(*specs)
        return concrete(*inputs)

    return compiled


def _call(reference, *inputs):
    model = reference()
    with traced(model):
        together = list(inputs) if len(inputs) > 1 else inputs[0]
        return model(together, training=False)
