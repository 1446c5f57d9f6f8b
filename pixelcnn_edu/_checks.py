"""Validators: what each argument may be. All public functions use these.

Each returns the value in the type that the code works with (a Python number, a tuple, a
float32 array), or raises a ``ValueError`` with the argument's name, what was expected and
what came. A NumPy scalar or an array without axes counts as the number that it holds.
"""

import math
import operator
import os
import re
from pathlib import Path

import numpy as np


def plain(value):
    """Return the Python number that a NumPy scalar or a 0-d array holds, else ``value``."""
    if getattr(value, "shape", None) != ():
        return value
    try:
        return np.asarray(value).item()
    except (TypeError, ValueError, NotImplementedError):  # a symbolic tensor, say
        return value


def is_int(value) -> bool:
    """Whether ``value``, as `plain` returns it, is an integer and no bool."""
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
        raise ValueError(f"Expected {name} to be {kind}. Received: {value!r}")
    return number


def check_positive_int(name: str, value) -> int:
    """Return ``value`` as an int of at least 1."""
    return check_int(name, value, at_least=1)


def check_levels(levels) -> int:
    """Return a number of levels as an int from 2 to 2**24, which float32 tells apart."""
    number = check_int("levels", levels, at_least=2)
    if number > 2**24:
        raise ValueError(f"Expected levels <= {2**24:,}. Received: {levels!r}")
    return number


def check_number(name: str, value, within: str, *, low=-math.inf, high=math.inf):
    """Return ``value`` as a float.

    Args:
        name: what the error calls it.
        value: a finite real number.
        within: the range in words, such as ``"in [0, 1)"``; "[" and "]" include an end.
        low, high: the ends of that range.
    """
    number = plain(value)
    real = isinstance(number, int | float) and not isinstance(number, bool)
    if real:
        try:
            number = float(number)
        except OverflowError:
            number = math.inf
        above = operator.gt if "(" in within else operator.ge
        below = operator.lt if ")" in within else operator.le
        if math.isfinite(number) and above(number, low) and below(number, high):
            return number
    raise ValueError(f"Expected {name} {within}. Received: {value!r}")


def check_notebook(name: str, notebook) -> str:
    """Return a notebook's number as it stands in its file's name, such as ``"03"``."""
    if not isinstance(notebook, str) or not re.fullmatch("[0-9]{2}", notebook):
        raise ValueError(
            f"Expected {name} to be a notebook's two digits, such as '03'. "
            f"Received: {notebook!r}"
        )
    return str(notebook)


def check_temperature(temperature) -> float:
    """Return 0.0, or the temperature within the range that float32 can divide by."""
    number = check_number("temperature", temperature, ">= 0", low=0)
    return min(max(number, 1e-30), 1e30) if number else 0.0


def check_dropout(dropout) -> float:
    """Return a share of features in [0, 1)."""
    return check_number("dropout", dropout, "in [0, 1)", low=0, high=1)


def check_bool(name: str, value) -> bool:
    """Return ``value`` as a bool."""
    number = plain(value)
    if not isinstance(number, bool):
        raise ValueError(f"Expected {name} to be True or False. Received: {value!r}")
    return number


def check_seed(seed, *, optional=True):
    """Return ``seed`` as an int >= 0, or, where it is optional, None or a list of ints."""
    if optional and seed is None:
        return None
    if optional and listed(seed):
        return [check_seed(one, optional=False) for one in listed(seed)]
    number = plain(seed)
    if not is_int(number) or number < 0:
        none = "None or " if optional else ""
        raise ValueError(
            f"Expected seed to be {none}an integer >= 0. Received: {seed!r}"
        )
    return number


def check_kernel_size(kernel_size) -> tuple[int, int]:
    """Return an odd integer, or a pair of them, as a pair (height, width)."""
    pair = listed(kernel_size)
    pair = [kernel_size] * 2 if pair is None else pair
    if len(pair) != 2:
        raise ValueError(
            "Expected kernel_size to be one odd integer or two (height, width). "
            f"Received: {kernel_size!r}"
        )
    pair = tuple(check_positive_int("kernel_size", size) for size in pair)
    if not all(size % 2 for size in pair):
        raise ValueError(
            "Expected kernel_size to be odd: an even kernel has no center pixel "
            f"to put the mask around. Received: {kernel_size!r}"
        )
    return pair


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
        single = isinstance(given, int | str) or given is None
        if ({given} if single else set(given)) != {value}:
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
        raise ValueError(
            "Expected image_shape to be (height, width, channels), such as (28, 28, 1). "
            f"Received: {image_shape!r}"
        )
    return tuple(
        None
        if size is None and axis != "channels"
        else check_positive_int(f"the {axis} in image_shape", size)
        for axis, size in zip(("height", "width", "channels"), sizes, strict=True)
    )


def check_shape_of(model, image_shape) -> tuple[int, int, int]:
    """Return (H, W, C): ``image_shape`` if it fits the model's input, else the latter."""
    own = tuple(check_model(model).inputs[0].shape[1:])
    shape = own if image_shape is None else check_image_shape(image_shape)
    fits = len(shape) == len(own) == 3 and all(
        b is None or a == b for a, b in zip(shape, own, strict=True)
    )
    if None in shape or not fits:
        raise ValueError(
            f"Expected image_shape (H, W, C) that fits the model's input {own}. "
            f"Received: {image_shape}"
        )
    return shape


def check_images(images, *, name="images", levels=None, image_shape=None) -> np.ndarray:
    """Return ``images`` as float32 (N, H, W, C) in [0, 1], or say what is wrong.

    Args:
        images: what the user gave.
        name: what the error calls it.
        levels: if given, each value must be one of k/(levels-1), up to a thousandth of a
            step, and is returned as the float32 number nearest to k/(levels-1).
        image_shape: if given, (H, W, C), in which None stands for any size.

    Raises:
        ValueError: with the name, what was expected and what came.
    """
    images = np.asarray(images)
    if images.dtype == object or not (
        np.issubdtype(images.dtype, np.number) or images.dtype == bool
    ):
        raise ValueError(f"Expected {name} to be numbers. Received: {images.dtype}")
    if images.ndim != 4:
        hint = " Add the channel axis: images[..., None]." if images.ndim == 3 else ""
        raise ValueError(
            f"Expected {name} of shape (N, H, W, C). Received: {images.shape}.{hint}"
        )
    if not images.size:
        raise ValueError(
            f"Expected at least one image. Received: {name} {images.shape}"
        )
    if image_shape is not None and any(
        want is not None and want != got
        for want, got in zip(image_shape, images.shape[1:], strict=True)
    ):
        raise ValueError(
            f"Expected {name} of shape (N, {', '.join(map(str, image_shape))}). "
            f"Received: {images.shape}"
        )
    if np.iscomplexobj(images) or np.isnan(images).any():
        raise ValueError(f"Expected {name} in [0, 1]. Received NaN or complex values.")
    low, high = images.min(), images.max()
    if low < 0 or high > 1:
        hint = " Divide by 255." if low >= 0 and 1 < high <= 255 else ""
        raise ValueError(
            f"Expected {name} in [0, 1]. Received values from {low} to {high}.{hint}"
        )
    images = np.array(images, "float32", order="C")
    if levels is None:
        return images
    levels = check_levels(levels)
    steps = images * (levels - 1)
    nearest = np.round(steps)
    off = np.abs(steps - nearest) > 1e-3
    if off.any():
        fix = "binarize(images)" if levels == 2 else f"quantize(images, {levels})"
        raise ValueError(
            f"Expected {name} on {levels} levels, k/{levels - 1}. Received, for "
            f"example, {images[off][0]:.4g}. Use pixelcnn_edu.data.{fix}."
        )
    # + 0.0 turns -0.0 into 0.0; the quotient is that of `Likelihood.sample`
    return nearest / np.float32(levels - 1) + np.float32(0)


def check_labels(model, labels, count, *, name="labels") -> list:
    """Return [] or [labels], an integer (count,), as the model takes them.

    Args:
        model: a Keras model.
        labels: what the user gave.
        count: how many images they belong to.
        name: what the error calls them.

    Raises:
        ValueError: labels are missing, not wanted, or out of their range.
    """
    takes = len(model.inputs) > 1
    if takes != (labels is not None):
        raise ValueError(
            f"Expected {'' if takes else 'no '}{name}, as the model "
            f"{'takes' if takes else 'does not take'} labels. "
            f"Received: {name}={labels!r}"
        )
    if not takes:
        return []
    labels = np.asarray(labels)
    classes = getattr(model, "num_classes", None) or _labels_embedded(model)
    whole = np.issubdtype(labels.dtype, np.integer)
    if not whole or labels.shape not in ((), (count,)):
        raise ValueError(
            f"Expected {name} to be an integer or integers of shape {(count,)}. "
            f"Received: {labels.dtype} {labels.shape}"
        )
    classes = min(classes, 2**31)  # the model gets them as int32
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"Expected {name} from 0 to {classes - 1}. "
            f"Received: {labels.min()} to {labels.max()}"
        )
    return [np.broadcast_to(labels, (count,)).astype("int32")]


def _labels_embedded(model):
    """Return how many labels a model's embeddings know, or infinity without one.

    TensorFlow on a CPU refuses a label beyond them. XLA takes the last one instead.
    """
    import keras

    sizes = [
        layer.input_dim
        for layer in model.layers
        if isinstance(layer, keras.layers.Embedding)
        and any(layer.input is one for one in model.inputs[1:])
    ]
    return min(sizes, default=np.inf)


def check_keras():
    """Refuse settings of Keras under which the layers of this package do not work."""
    import keras

    expected = {"floatx": "float32", "image_data_format": "channels_last"}
    for name, value in expected.items():
        received = getattr(keras.config, name)()
        if received != value:
            raise ValueError(
                f"Expected Keras's {name} to be {value!r}. Received: {received!r}, from "
                f"~/.keras/keras.json or keras.config.set_{name}"
            )


def check_precision(layer):
    """Refuse a layer whose variables are not float32: it cannot be trained."""
    check_keras()
    if layer.variable_dtype != "float32":
        raise ValueError(
            "Expected a dtype policy that keeps variables in float32: 'float32', "
            f"'mixed_bfloat16' or 'mixed_float16'. Received: {layer.dtype_policy.name!r}"
        )


def check_model(model):
    """Return ``model``, a Keras model from images (and labels) to logits."""
    import keras

    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        unknown = " with unknown inputs" * isinstance(model, keras.Model)
        raise ValueError(
            "Expected model to be a Keras model with known inputs, such as those of "
            f"pixelcnn_edu.models. Received: {type(model).__name__}{unknown}"
        )
    image, *labels = model.inputs
    outputs = getattr(
        model, "_outputs_struct", model.outputs
    )  # a dict, a list, a tensor
    if len(labels) > 1 or len(model.outputs) != 1 or isinstance(outputs, dict):
        raise ValueError(
            "Expected model to map images, or [images, labels], to one tensor of logits. "
            f"Received: {len(model.inputs)} inputs and the output {outputs}"
        )
    if len(image.shape) != 4:
        raise ValueError(
            "Expected model to take images (N, H, W, C), or [images, labels] in this "
            f"order. Received: a first input of shape {image.shape}"
        )
    if image.dtype not in ("float32", "float64"):
        raise ValueError(
            "Expected model to take images in float32: another type would round them. "
            f"Received: an input of {image.dtype}"
        )
    check_keras()
    return model


def check_finite(model):
    """Return ``model``, none of whose weights is NaN or infinite."""
    name = not_finite(model)
    if name:
        raise ValueError(
            "Expected a model with finite weights. Received: its weights are not finite, "
            f"first in the layer {name!r}. Did its training diverge?"
        )
    return model


def check_logits(logits):
    """Return a model's logits, none of which is NaN."""
    if np.isnan(logits).any():
        raise ValueError(
            "Expected a model whose logits are numbers. Received: NaN, though its weights "
            "are finite. Do features overflow in half precision?"
        )
    return logits


def check_callbacks(callbacks) -> list:
    """Return the callbacks that Keras takes: one, a list of them, or None for none."""
    import keras

    given = callbacks
    if isinstance(callbacks, keras.callbacks.CallbackList):
        given = callbacks.callbacks
    found = [] if given is None else keras.tree.flatten(given)
    for one in found:
        if not isinstance(one, keras.callbacks.Callback):
            raise ValueError(
                "Expected callbacks to be a Keras callback, a list of them, or None. "
                f"Received: {one!r}"
            )
    return found


def check_path(name: str, path) -> Path:
    """Return ``path`` with "~" and "~user" at its start as the user's home folder."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"Expected {name} to be a path. Received: {path!r}")
    return Path(os.path.expanduser(text))


def not_finite(model):
    """Return the name of the first layer with a weight that is not finite, or None."""
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            return weight.path.rpartition("/")[0]
    return None
