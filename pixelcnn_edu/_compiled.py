"""Compiled functions of a model, kept as long as the model.

A compiled function always reads the present weights: they are variables (TensorFlow), or
arguments of the compiled function (JAX). Anything else of a model, such as a layer's
activation, is built into the function. After such a change call ``model.compile()``, as
for Keras's own ``fit``; `models.ImageModel` then calls `forget`.
"""

import functools
import threading
import weakref

from pixelcnn_edu._checks import check_finite, check_logits, check_model

import keras
import numpy as np

_lock = threading.RLock()
_built = weakref.WeakKeyDictionary()


def kept(model, key, build):
    """Return ``build()``, and the same object for the same key until `forget`.

    Args:
        model: a Keras model. What is built must not hold the model itself, but a
            ``weakref.ref`` of it, or neither would ever be freed.
        key: says what is built.
        build: a function without arguments.
    """
    with _lock:
        of_model = _built.setdefault(model, {})
        if key not in of_model:
            of_model[key] = build()
        return of_model[key]


def forget(model):
    """Drop what was compiled from a model: it has changed."""
    with _lock:
        _built.pop(model, None)


def logits_function(model):
    """Return ``model`` as a fast function from a NumPy batch to NumPy logits.

    A model with two inputs takes the labels as a second argument. On TensorFlow the
    function is compiled once for any number of images, without XLA, which on a CPU takes
    longer to compile than it saves. On JAX it is compiled once per input shape.

    Raises:
        ValueError: if ``model`` is not a Keras model with known inputs, or its weights are
            not finite; or, when the function is called, if a logit is NaN.
    """
    check_finite(check_model(model))
    reference = weakref.ref(model)
    function = kept(model, "logits", functools.partial(_compile, reference))

    def logits(images, *labels):
        # as tensors, so that values never become part of the graph
        images = keras.ops.convert_to_tensor(images, "float32")
        labels = [keras.ops.convert_to_tensor(label) for label in labels]
        out = np.asarray(function(images, *labels))
        if out.ndim != 4:
            raise ValueError(
                "Expected a model with an output of shape (N, H, W, …). "
                f"Received: {out.shape}"
            )
        # a NaN in an image is meant to reach the logits that read it
        return out if np.isnan(images).any() else check_logits(out)

    return logits


def _compile(reference):
    def call(*inputs):
        return reference()(list(inputs) if len(inputs) > 1 else inputs[0])

    if keras.config.backend() == "jax":
        return compiled_by_jax(reference().variables, call)
    import tensorflow as tf

    function = tf.function(call, reduce_retracing=True, autograph=False)

    def compiled(*inputs):
        specs = [tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in inputs]
        with _lock:  # of threads that begin together, one compiles
            concrete = function.get_concrete_function(*specs)
        return concrete(*inputs)

    return compiled


def compiled_by_jax(variables, function):
    """Return a function of arrays, compiled by JAX, that reads present variables.

    A graph of TensorFlow reads the present value of a variable. JAX takes the value at the
    time of compilation as a constant, so here the values are arguments.
    """
    import jax

    @jax.jit
    def stateless(values, *inputs):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function(*inputs)

    return lambda *inputs: stateless([each.value for each in variables], *inputs)
