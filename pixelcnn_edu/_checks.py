"""Validators for the arguments of all public functions.

Each returns the value in the type that the code needs (a Python number, a tuple, a float32
array), or raises a ``ValueError``: "Expected NAME to be … . Received: …". A NumPy scalar or
a 0-d array counts as the number that it holds.
"""

import math
import operator
import os
import re
from pathlib import Path

import numpy as np


class NotByPixel(ValueError):
    """A model cannot run pixel by pixel. The caller knows what else to advise."""


def plain(value):
    """Return the Python number that a NumPy scalar or a 0-d array holds, else ``value``."""
    if getattr(value, "shape", None) != ():
        return value
    try:
        return np.asarray(value).item()
    except (TypeError, ValueError, NotImplementedError):  # a symbolic tensor, say
        return value


def _error(expected: str, received) -> ValueError:
    return ValueError(f"Expected {expected}. Received: {received}")


def is_int(value) -> bool:
    """Whether ``value`` (a result of `plain`) is an integer, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def listed(value):
    """Return a tuple, a list or a 1-D array as a list, and None for anything else."""
    if isinstance(value, tuple | list):
        return list(value)
    return list(value) if isinstance(value, np.ndarray) and value.ndim == 1 else None


def check_int(name: str, value, *, at_least: int) -> int:
    """Return ``value`` as an int of at least ``at_least``."""
    number = plain(value)
    if not is_int(number) or number < at_least:
        kinds = {0: "an integer >= 0", 1: "a positive integer"}
        kind = kinds.get(at_least, f"an integer; {name} >= {at_least}")
        raise _error(f"{name} to be {kind}", repr(value))
    return number


def check_positive_int(name: str, value) -> int:
    """Return ``value`` as an int of at least 1."""
    return check_int(name, value, at_least=1)


def check_one_of(name: str, value, choices) -> str:
    """Return ``value``, one of several strings."""
    if not isinstance(value, str) or value not in choices:
        raise _error(f"{name} to be one of {tuple(choices)}", repr(value))
    return value


def check_levels(levels) -> int:
    """Return a number of levels as an int from 2 to 2**16.

    (With many more levels, float32 does not tell apart k/(levels-1) and its neighbors.)
    """
    number = check_int("levels", levels, at_least=2)
    if number > 2**16:
        raise _error(f"levels <= {2**16:,}", repr(levels))
    return number


def check_number(name: str, value, interval: str) -> float:
    """Return ``value`` as a float.

    Args:
        name: the name in the error.
        value: a finite real number.
        interval: such as ``"[0, 1)"``; "(" and ")" exclude an end, which may be "inf".
    """
    low, high = map(float, interval[1:-1].split(","))
    number = plain(value)
    real = isinstance(number, int | float) and not isinstance(number, bool)
    if real:
        try:
            number = float(number)
        except OverflowError:
            number = math.inf
        above = operator.gt if interval[0] == "(" else operator.ge
        below = operator.lt if interval[-1] == ")" else operator.le
        if math.isfinite(number) and above(number, low) and below(number, high):
            return number
    bound = ">" if interval[0] == "(" else ">="
    within = f"in {interval}" if high < math.inf else f"{bound} {low:g} and finite"
    raise _error(f"{name} {within}", repr(value))


def check_notebook(name: str, notebook) -> str:
    """Return the number of a notebook as in its file name, such as ``"03"``."""
    if not isinstance(notebook, str) or not re.fullmatch("[0-9]{2}", notebook):
        raise _error(
            f"{name} to be a notebook's two digits, such as '03'", repr(notebook)
        )
    return str(notebook)


def check_temperature(temperature) -> float:
    """Return 0.0, or the temperature limited to numbers that float32 can divide by."""
    number = check_number("temperature", temperature, "[0, inf)")
    return min(max(number, 1e-30), 1e30) if number else 0.0


def check_dropout(dropout) -> float:
    """Return a share of features in [0, 1)."""
    return check_number("dropout", dropout, "[0, 1)")


def check_bool(name: str, value) -> bool:
    """Return ``value`` as a bool."""
    number = plain(value)
    if not isinstance(number, bool):
        raise _error(f"{name} to be True or False", repr(value))
    return number


def check_seed(seed, *, optional=True):
    """Return ``seed`` as an int >= 0, or, where it is optional, None or a list of ints."""
    if optional and seed is None:
        return None
    if optional and listed(seed):
        return [check_seed(one, optional=False) for one in listed(seed)]
    return check_int("seed", seed, at_least=0)


def check_kernel_size(kernel_size) -> tuple[int, int]:
    """Return an odd integer, or a pair of them, as a pair (height, width)."""
    pair = listed(kernel_size)
    pair = [kernel_size] * 2 if pair is None else pair
    if len(pair) != 2:
        expected = "kernel_size to be one odd integer or two (height, width)"
        raise _error(expected, repr(kernel_size))
    pair = tuple(check_positive_int("kernel_size", size) for size in pair)
    if not all(size % 2 for size in pair):
        raise _error(
            "kernel_size to be odd: an even kernel has no center pixel for the mask",
            repr(kernel_size),
        )
    return pair


def check_mask_type(mask_type) -> str:
    """Return ``"A"`` or ``"B"``."""
    letter = plain(mask_type)
    if not isinstance(letter, str) or letter not in ("A", "B"):
        raise _error("mask_type to be 'A' or 'B'", repr(mask_type))
    return letter


def check_shares(name: str, channels: int, colors: int):
    """Refuse channels that cannot be divided into equal groups, one for each color."""
    if channels % colors:
        raise _error(
            f"{name} to be divisible by colors={colors}, so that every color gets the "
            "same share",
            f"{name}={channels}",
        )


def check_halves(filters: int, colors: int):
    """Refuse filters whose half, in a residual block, has no equal color groups."""
    if filters % (2 * colors):
        wanted = "even" if colors == 1 else f"divisible by {2 * colors}"
        raise _error(
            f"filters to be {wanted}: the block works on half of them, in {colors} color "
            f"group{'s' * (colors > 1)}",
            f"filters={filters}",
        )


def fixed_arguments(kwargs, padding) -> dict:
    """Return a convolution's ``kwargs`` with the fixed arguments filled in.

    Raises:
        ValueError: if one of them has another value.
    """
    fixed = {
        "strides": (1, "an output per pixel"),
        "padding": (padding, "height and width kept"),
        "dilation_rate": (1, "neighboring pixels"),
        "groups": (1, "channels ordered by colors"),
        "data_format": ("channels_last", "(N, H, W, C)"),
    }
    kwargs = dict(kwargs)
    for name, (value, why) in fixed.items():
        given = plain(kwargs.get(name, value))
        several = listed(given)
        each = [given] if several is None else [plain(one) for one in several]
        if not each or any(
            type(one) is not type(value) or one != value for one in each
        ):
            raise ValueError(
                f"Expected {name}={value!r} in a causal convolution ({why}). "
                f"Received: {name}={given!r}"
            )
        kwargs[name] = value
    return kwargs


def check_image_shape(image_shape) -> tuple:
    """Return (H, W, C) as a tuple of integers; H and W may be None."""
    sizes = listed(image_shape)
    if sizes is None or len(sizes) != 3:
        raise _error(
            "image_shape to be (height, width, channels), such as (28, 28, 1)",
            repr(image_shape),
        )
    return tuple(
        None
        if size is None and axis != "channels"
        else check_positive_int(f"the {axis} in image_shape", size)
        for axis, size in zip(("height", "width", "channels"), sizes, strict=True)
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
        raise _error(expected, image_shape)
    return shape


def check_unmasked(name: str, values):
    """Return ``values``, unless NumPy's mask hides some: the mask would be ignored."""
    if np.ma.is_masked(values):
        hidden = np.ma.count_masked(values)
        raise _error(f"{name} without masked values", f"{hidden} masked")
    return values


def check_images(
    images, *, name="images", levels=None, image_shape=None, at_most=None
) -> np.ndarray:
    """Return ``images`` as float32 (N, H, W, C) in [0, 1], or raise a ValueError.

    Args:
        images: the user's argument.
        name: its name in the error.
        levels: if given, each value must be one of k/(levels-1), up to a thousandth of a
            step (or up to rounding in float32). It becomes the float32 number nearest to
            k/(levels-1).
        image_shape: if given, (H, W, C); None means any size.
        at_most: if given, the largest number of images.
    """
    images = np.asarray(check_unmasked(name, images))
    if images.dtype == object or not (
        np.issubdtype(images.dtype, np.number) or images.dtype == bool
    ):
        raise _error(f"{name} to be numbers", images.dtype)
    if images.ndim != 4:
        hint = " Add the channel axis: images[..., None]." if images.ndim == 3 else ""
        raise _error(f"{name} of shape (N, H, W, C)", f"{images.shape}.{hint}")
    if not images.size:
        raise _error("at least one image", f"{name} {images.shape}")
    if at_most is not None and len(images) > at_most:
        raise _error(f"up to {at_most} {name}", len(images))
    if image_shape is not None and any(
        want is not None and want != got
        for want, got in zip(image_shape, images.shape[1:], strict=True)
    ):
        shape = ", ".join(map(str, image_shape))
        raise _error(f"{name} of shape (N, {shape})", images.shape)
    if np.iscomplexobj(images) or np.isnan(images).any():
        raise _error(f"{name} in [0, 1]", "NaN or complex values")
    low, high = images.min(), images.max()
    if low < 0 or high > 1:
        highest = 255
        if levels is not None and high < levels and (images == np.floor(images)).all():
            highest = levels - 1
        hint = f" Divide by {highest}." if low >= 0 and 1 < high <= 255 else ""
        raise _error(f"{name} in [0, 1]", f"values from {low} to {high}.{hint}")
    images = np.array(images, "float32", order="C")
    if levels is None:
        return images
    levels = check_levels(levels)
    steps = images * (levels - 1)
    nearest = np.round(steps)
    off = np.abs(steps - nearest) > max(1e-3, levels * 2**-23)
    if off.any():
        fix = "binarize(images)" if levels == 2 else f"quantize(images, {levels})"
        raise _error(
            f"{name} on {levels} levels, k/{levels - 1}",
            f"{images[off][0]:.4g}, for example. Use pixelcnn_edu.data.{fix}.",
        )
    # + 0.0 turns -0.0 into 0.0; `Likelihood.sample` computes the same quotient
    return nearest / np.float32(levels - 1) + np.float32(0)


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
        raise _error(expected, f"{name}={labels!r}")
    if not takes:
        return []
    labels = np.asarray(labels)
    whole = np.issubdtype(labels.dtype, np.integer)
    if not whole or labels.shape not in ((), (count,)):
        expected = f"{name} to be an integer or integers of shape {(count,)}"
        raise _error(expected, f"{labels.dtype} {labels.shape}")
    classes = getattr(model, "num_classes", None) or 2**31  # the model gets int32
    if labels.min() < 0 or labels.max() >= classes:
        expected = f"{name} from 0 to {classes - 1}"
        raise _error(expected, f"{labels.min()} to {labels.max()}")
    labels = labels.astype("int32")
    values = np.unique(labels).astype(model.inputs[1].dtype)
    _check_embeddings(graph_of(model), model.inputs[1], values, name)
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
    import keras

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
                    _check_indices(layer, found, name)
                else:
                    _check_embeddings(inner, inner.inputs[i], found, name)


def _check_indices(embedding, indices, name):
    indices, highest = np.asarray(indices).astype("int64"), embedding.input_dim - 1
    if indices.min() < 0 or indices.max() > highest:
        raise _error(
            f"{name} from 0 to {highest}, as the layer {embedding.name!r} knows them",
            f"{indices.min()} to {indices.max()}",
        )


def check_keras():
    """Refuse Keras settings with which the layers of this package do not work."""
    import keras

    expected = {"floatx": "float32", "image_data_format": "channels_last"}
    for name, value in expected.items():
        received = getattr(keras.config, name)()
        if received != value:
            source = f"~/.keras/keras.json or keras.config.set_{name}"
            raise _error(
                f"Keras's {name} to be {value!r}", f"{received!r}, from {source}"
            )


def check_precision(layer):
    """Refuse a layer with variables that are not float32: training would fail."""
    check_keras()
    if layer.variable_dtype != "float32":
        raise _error(
            "a dtype policy that keeps variables in float32: 'float32', "
            "'mixed_bfloat16' or 'mixed_float16'",
            repr(layer.dtype_policy.name),
        )


def check_model(model):
    """Return ``model``, a Keras model from images (and labels) to logits."""
    import keras

    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        unknown = " with unknown inputs" * isinstance(model, keras.Model)
        raise _error(
            "model to be a Keras model with known inputs, such as those of "
            "pixelcnn_edu.models",
            f"{type(model).__name__}{unknown}",
        )
    image, *labels = model.inputs
    outputs = getattr(model, "_outputs_struct", model.outputs)  # dict, list or tensor
    if len(labels) > 1 or len(model.outputs) != 1 or isinstance(outputs, dict):
        raise _error(
            "model to map images, or [images, labels], to one tensor of logits",
            f"{len(model.inputs)} inputs and the output {outputs}",
        )
    if len(image.shape) != 4:
        raise _error(
            "model to take images (N, H, W, C), or [images, labels] in this order",
            f"a first input of shape {image.shape}",
        )
    if image.dtype not in ("float32", "float64"):
        raise _error(
            "model to take images in float32: another type would round them",
            f"an input of {image.dtype}",
        )
    check_keras()
    return model


def not_finite(model):
    """Return the name of the first layer with a weight that is not finite, or None."""
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            return weight.path.rpartition("/")[0]
    return None


def check_finite(model):
    """Return ``model``, if all its weights are finite."""
    name = not_finite(model)
    if name:
        raise _error(
            "a model with finite weights",
            f"its weights are not finite, first in the layer {name!r}. Did its training "
            "diverge?",
        )
    return model


def check_logits(logits):
    """Return the logits of a model, if none of them is NaN."""
    if np.isnan(logits).any():
        raise _error(
            "a model whose logits are numbers",
            "NaN, though its weights are finite. Do features overflow in half precision?",
        )
    return logits


def check_callbacks(callbacks, *, in_folder) -> list:
    """Return the callbacks that Keras takes: one, a list of them, or None for none.

    Args:
        callbacks: the user's argument.
        in_folder: whether `training.fit` keeps the run in a folder.
    """
    import keras

    given = callbacks
    if isinstance(callbacks, keras.callbacks.CallbackList):
        given = callbacks.callbacks
    found = [] if given is None else keras.tree.flatten(given)
    for one in found:
        if not isinstance(one, keras.callbacks.Callback):
            expected = "callbacks to be a Keras callback, a list of them, or None"
            raise _error(expected, repr(one))
        if isinstance(one, keras.callbacks.SwapEMAWeights):
            raise _error(
                "callbacks without SwapEMAWeights, since fit itself swaps the weights and "
                "their running mean, and two swaps cancel",
                repr(one),
            )
        if in_folder and isinstance(one, keras.callbacks.BackupAndRestore):
            raise _error(
                "callbacks without BackupAndRestore beside folder=, since each of the two "
                "would choose the epoch in which a resumed run goes on",
                repr(one),
            )
    return found


def check_path(name: str, path) -> Path:
    """Return ``path``, with the home folder for "~" or "~user" at its start."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise _error(f"{name} to be a path", repr(path))
    return Path(os.path.expanduser(text))
