"""Validators for models, and for what a model is called with.

`_checks` has the validators of all other arguments.
"""

from pixelcnn_edu._checks import check_image_shape, check_unmasked, refused

import keras
import numpy as np
import tensorflow as tf


def check_keras():
    """Refuse Keras settings with which the layers of this package do not work."""
    expected = {"floatx": "float32", "image_data_format": "channels_last"}
    for name, value in expected.items():
        received = getattr(keras.config, name)()
        if received != value:
            source = f"~/.keras/keras.json or keras.config.set_{name}"
            raise refused(
                f"Keras's {name} to be {value!r}", f"{received!r}, from {source}"
            )


def check_precision(layer):
    """Refuse a layer with variables that are not float32: training would fail."""
    check_keras()
    if layer.variable_dtype != "float32":
        raise refused(
            "a dtype policy that keeps variables in float32: 'float32', "
            "'mixed_bfloat16' or 'mixed_float16'",
            repr(layer.dtype_policy.name),
        )


def check_pointwise(function, activation):
    """Raise an error unless each output of an activation depends on one input alone."""
    values = np.linspace(-1, 1, 16, dtype="float32").reshape(1, 2, 2, 4)
    # sixteen images: in image i, value i alone is another one
    changes = np.eye(16, dtype="float32").reshape(16, 2, 2, 4)
    try:
        before, after = (np.array(function(x)) for x in (values, values + changes))
        moved = np.abs(after - before).reshape(16, 16) > 1e-5
        pointwise = not (moved & ~np.eye(16, dtype=bool)).any()
    except (TypeError, ValueError):  # other arguments, or an output of another shape
        pointwise = False
    if not pointwise:
        raise ValueError(
            "Expected activation to compute each value from one value alone. (One that "
            f"mixes channels lets a color see later colors.) Received: {activation!r}"
        )


def check_model(model):
    """Return ``model``, a Keras model from images (and labels) to logits."""
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        unknown = " with unknown inputs" * isinstance(model, keras.Model)
        raise refused(
            "model to be a Keras model with known inputs, such as those of "
            "pixelcnn_edu.models",
            f"{type(model).__name__}{unknown}",
        )
    image, *labels = model.inputs
    outputs = getattr(model, "_outputs_struct", model.outputs)  # dict, list or tensor
    if len(labels) > 1 or len(model.outputs) != 1 or isinstance(outputs, dict):
        raise refused(
            "model to map images, or [images, labels], to one tensor of logits",
            f"{len(model.inputs)} inputs and the output {outputs}",
        )
    if len(image.shape) != 4:
        raise refused(
            "model to take images (N, H, W, C), or [images, labels] in this order",
            f"a first input of shape {image.shape}",
        )
    if image.dtype not in ("float32", "float64"):
        raise refused(
            "model to take images in float32: another type would round them",
            f"an input of {image.dtype}",
        )
    check_keras()
    return model


def check_size_of_logits(model):
    """Refuse a model whose logits have not the height and the width of its images."""
    images, logits = model.inputs[0].shape, model.outputs[0].shape
    sizes = zip(images[1:3], logits[1:3], strict=True)
    if len(logits) != 4 or any(a != b and None not in (a, b) for a, b in sizes):
        raise refused(
            f"model to map images {images} to logits of the same height and width",
            f"an output of shape {logits}",
        )


def check_image_shape_of(model, image_shape) -> tuple[int, int, int]:
    """Return (H, W, C): ``image_shape``, which must fit the model, or the model's own."""
    own = tuple(check_model(model).inputs[0].shape[1:])
    shape = own if image_shape is None else check_image_shape(image_shape)
    fits = len(shape) == len(own) == 3 and all(
        b is None or a == b for a, b in zip(shape, own, strict=True)
    )
    if None in shape or not fits:
        expected = f"image_shape (H, W, C) that fits the model's input {own}"
        raise refused(expected, image_shape)
    return shape


def check_labels(model, labels, count, *, name="labels") -> list:
    """Return the model's inputs after the images: [] or [labels], int32 (count,).

    Args:
        model: a Keras model.
        labels: the user's argument: one integer, or (count,).
        count: the number of images.
        name: the name in the error.

    Raises:
        ValueError: labels are missing, not expected, or out of range.
    """
    takes = len(model.inputs) > 1
    if takes != (labels is not None):
        expected = f"{name}, as the model takes labels"
        if not takes:
            expected = f"no {name}, as the model does not take labels"
        raise refused(expected, f"{name}={labels!r}")
    if not takes:
        return []
    labels = np.asarray(check_unmasked(name, labels))
    whole = np.issubdtype(labels.dtype, np.integer)
    if not whole or labels.shape not in ((), (count,)):
        expected = f"{name} to be an integer or integers of shape {(count,)}"
        raise refused(expected, f"{labels.dtype} {labels.shape}")
    classes = getattr(model, "num_classes", None) or 2**31  # the model gets int32
    _check_range(labels, classes - 1, name)
    labels = labels.astype("int32")
    values, dtype = np.unique(labels), model.inputs[1].dtype
    read = values.astype(dtype)
    if (read.astype("float64") != values).any():
        raise refused(
            f"{name} that fit into the type of the model's input, {dtype}", labels
        )
    graph = graph_of(model)
    _check_embeddings(graph, model.inputs[1], read, name)
    if getattr(model, "num_classes", None) is None:
        _check_lookups(graph, model.inputs[1], read, name)
    return [np.broadcast_to(labels, (count,))]


def graph_of(layer):
    """Return the functional model of a Sequential model, else ``layer`` itself."""
    return getattr(layer, "_functional", None) or layer


def _check_embeddings(graph, labels, values, name):
    """Refuse labels that an embedding of a model, or of a model inside, does not know.

    TensorFlow on a CPU refuses such a label without its name. XLA uses the last label of
    the embedding instead. Only what lies between the labels and an embedding is computed.

    Args:
        graph: a functional Keras model.
        labels: the input of ``graph`` for the labels.
        values: an array of labels, or what was computed from them, for this input.
        name: the name of the labels in the error.
    """
    for layer in graph.operations:
        is_embedding, inner = isinstance(layer, keras.layers.Embedding), graph_of(layer)
        if not is_embedding and not hasattr(inner, "_nodes_by_depth"):
            continue
        for node in layer._inbound_nodes:
            for i, tensor in enumerate(node.input_tensors):
                try:
                    found = keras.Model(labels, tensor)(values)
                except Exception:  # the tensor needs an image, or no label at all
                    continue
                if is_embedding:
                    found = np.asarray(found).astype("int64")
                    why = f", as the layer {layer.name!r} knows them"
                    _check_range(found, layer.input_dim - 1, name, why)
                else:
                    _check_embeddings(inner, inner.inputs[i], found, name)


def _check_lookups(graph, labels, values, name):
    """Refuse labels that a layer of the user's own cannot look up.

    What depends on the labels alone is computed once, because TensorFlow on a CPU raises an
    error where XLA would use the last label. Arguments as for `_check_embeddings`.
    """
    alone = {id(labels): labels}
    for operation in graph.operations:
        for node in operation._inbound_nodes:
            if node.input_tensors and all(id(x) in alone for x in node.input_tensors):
                alone |= {id(tensor): tensor for tensor in node.output_tensors}
    if labels.shape[0] is not None or len(alone) == 1:
        return
    try:
        with tf.device("CPU"):
            keras.Model(labels, list(alone.values()))(values)
    except tf.errors.InvalidArgumentError as error:
        raise refused(
            f"{name} that the model can look up",
            f"{values.min()} to {values.max()}. TensorFlow says: {error}",
        ) from error


def _check_range(values, highest, name, why=""):
    if values.min() < 0 or values.max() > highest:
        expected = f"{name} from 0 to {highest}{why}"
        raise refused(expected, f"{values.min()} to {values.max()}")


def not_finite(model):
    """Return where the first weight lies that is not finite, in words, or None."""
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            layer = weight.path.rpartition("/")[0]  # "" if a layer's `__init__` made it
            return f"layer {layer!r}" if layer else f"variable {weight.path!r}"
    return None


def check_finite(model):
    """Return ``model`` (or what has its ``weights``), if all weights are finite."""
    where = not_finite(model)
    if where is not None:
        raise refused(
            "a model with finite weights",
            f"its weights are not finite, first in the {where}. Did its training "
            "diverge?",
        )
    return model


class NaNLogits(ValueError):
    """A model with finite weights gives NaN."""


def check_logits(logits):
    """Return the logits of a model, if none of them is NaN."""
    if np.isnan(logits).any():
        raise NaNLogits(
            "Expected a model whose logits are numbers. Received: NaN, though its weights "
            "are finite. Do features overflow in half precision?"
        )
    return logits
