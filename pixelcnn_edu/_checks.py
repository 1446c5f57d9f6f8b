"""Validators for the arguments of all public functions.

Each returns the value in the type that the code needs (a Python number, a tuple, a float32
array), or raises a ``ValueError``: "Expected NAME to be … . Received: …". A scalar of NumPy
counts as the number that it holds. Masked arrays and symbolic tensors are not supported.
"""

import math
import os
import re
from pathlib import Path

import keras
import numpy as np


def refused(expected: str, received) -> ValueError:
    """Return the error "Expected … . Received: …"."""
    return ValueError(f"Expected {expected}. Received: {received}")


def plain(value):
    """Return the Python value that a scalar of NumPy holds, else ``value``."""
    return value.item() if isinstance(value, np.generic) else value


def is_int(value) -> bool:
    """Whether ``value`` (a result of `plain`) is an integer, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def listed(value):
    """Return a tuple, a list or a 1-D array as a list, and None for anything else."""
    is_row = isinstance(value, np.ndarray) and value.ndim == 1
    return list(value) if is_row or isinstance(value, tuple | list) else None


# --- numbers, strings and paths -----------------------------------------------------------


def check_int(name: str, value, *, at_least: int) -> int:
    """Return ``value`` as an int of at least ``at_least``."""
    number = plain(value)
    if not is_int(number) or number < at_least:
        kinds = {0: "an integer >= 0", 1: "a positive integer"}
        kind = kinds.get(at_least, f"an integer; {name} >= {at_least}")
        raise refused(f"{name} to be {kind}", repr(value))
    return number


def check_positive_int(name: str, value) -> int:
    """Return ``value`` as an int of at least 1."""
    return check_int(name, value, at_least=1)


def check_number(name: str, value, interval: str) -> float:
    """Return a finite real number as a float.

    Args:
        name: the name in the error.
        value: the user's argument.
        interval: such as ``"[0, 1)"``; "(" and ")" exclude an end, which may be "inf".
    """
    low, high = map(float, interval[1:-1].split(","))
    number = plain(value)
    if isinstance(number, int | float) and not isinstance(number, bool):
        above = number > low if interval[0] == "(" else number >= low
        below = number < high if interval[-1] == ")" else number <= high
        if above and below and abs(number) < math.inf:
            return float(number)
    bound = ">" if interval[0] == "(" else ">="
    within = f"in {interval}" if high < math.inf else f"{bound} {low:g} and finite"
    raise refused(f"{name} {within}", repr(value))


def check_levels(levels) -> int:
    """Return a number of levels as an int from 2 to 2**16.

    (With many more levels, float32 does not tell apart k/(levels-1) and its neighbors.)
    """
    number = check_int("levels", levels, at_least=2)
    if number > 2**16:
        raise refused(f"levels <= {2**16:,}", repr(levels))
    return number


def check_temperature(temperature) -> float:
    """Return 0.0, or the temperature limited to numbers that float32 can divide by."""
    number = check_number("temperature", temperature, "[0, inf)")
    return min(max(number, 1e-30), 1e30) if number else 0.0


def check_dropout(dropout) -> float:
    """Return a share of features in [0, 1)."""
    return check_number("dropout", dropout, "[0, 1)")


def check_bool(name: str, value) -> bool:
    """Return ``value`` as a bool."""
    if not isinstance(plain(value), bool):
        raise refused(f"{name} to be True or False", repr(value))
    return plain(value)


def check_seed(seed, *, optional=True):
    """Return ``seed`` as an int >= 0, or, where it is optional, None or a list of ints."""
    if optional and seed is None:
        return None
    if optional and listed(seed):
        return [check_seed(one, optional=False) for one in listed(seed)]
    return check_int("seed", seed, at_least=0)


def check_one_of(name: str, value, choices) -> str:
    """Return ``value``, one of several strings."""
    if not isinstance(value, str) or value not in choices:
        raise refused(f"{name} to be one of {tuple(choices)}", repr(value))
    return value


def check_notebook(name: str, notebook) -> str:
    """Return the number of a notebook as in its file name, such as ``"03"``."""
    if not isinstance(notebook, str) or not re.fullmatch("[0-9]{2}", notebook):
        digits = f"{name} to be a notebook's two digits, such as '03'"
        raise refused(digits, repr(notebook))
    return notebook


def check_path(name: str, path) -> Path:
    """Return ``path``, with the home folder for "~" or "~user" at its start."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise refused(f"{name} to be a path", repr(path))
    return Path(path).expanduser()


# --- arguments of layers ------------------------------------------------------------------


def check_dilations(dilations) -> list[int]:
    """Return one or more positive integers as a list."""
    if not listed(dilations):
        raise refused("dilations to be a tuple such as (1, 2, 4, 8)", repr(dilations))
    return [check_positive_int("each of dilations", rate) for rate in dilations]


def check_kernel_size(kernel_size) -> tuple[int, int]:
    """Return an odd integer, or a pair of them, as a pair (height, width)."""
    pair = listed(kernel_size) or [kernel_size] * 2
    if len(pair) != 2:
        expected = "kernel_size to be one odd integer or two (height, width)"
        raise refused(expected, repr(kernel_size))
    height, width = (check_positive_int("kernel_size", size) for size in pair)
    if height % 2 == 0 or width % 2 == 0:
        expected = "kernel_size to be odd: an even kernel has no center pixel"
        raise refused(expected, repr(kernel_size))
    return height, width


def check_mask_type(mask_type) -> str:
    """Return ``"A"`` or ``"B"``."""
    if not isinstance(mask_type, str) or mask_type not in ("A", "B"):
        raise refused("mask_type to be 'A' or 'B'", repr(mask_type))
    return str(mask_type)


def check_divisible(name: str, channels: int, colors: int):
    """Refuse channels that cannot be divided into equal groups, one for each color."""
    if channels % colors:
        expected = f"{name} to be divisible by colors={colors}, a group for each color"
        raise refused(expected, f"{name}={channels}")


def check_halves(filters: int, colors: int):
    """Refuse filters whose half, in a residual block, has no equal color groups."""
    if filters % (2 * colors):
        wanted = "even" if colors == 1 else f"divisible by {2 * colors}"
        expected = f"filters to be {wanted}: a block works on half of them"
        raise refused(expected, f"filters={filters}")


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
    for name, (value, why) in fixed.items():
        given = kwargs.get(name, value)
        if set(listed(given) or [given]) != {value}:
            expected = f"{name}={value!r} in a causal convolution ({why})"
            raise refused(expected, f"{name}={given!r}")
    return {**kwargs, **{name: value for name, (value, _) in fixed.items()}}


# --- arrays -------------------------------------------------------------------------------


def check_image_shape(image_shape) -> tuple:
    """Return (H, W, C) as a tuple of integers; H and W may be None."""
    sizes = listed(image_shape)
    if sizes is None or len(sizes) != 3:
        expected = "image_shape to be (height, width, channels), such as (28, 28, 1)"
        raise refused(expected, repr(image_shape))
    return tuple(
        None
        if size is None and axis != "channels"
        else check_positive_int(f"the {axis} in image_shape", size)
        for axis, size in zip(("height", "width", "channels"), sizes, strict=True)
    )


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
    images = np.asarray(images)
    if images.dtype.kind not in "biuf":
        raise refused(f"{name} to be real numbers", images.dtype)
    if images.ndim != 4:
        hint = " Add the channel axis: images[..., None]." if images.ndim == 3 else ""
        raise refused(f"{name} of shape (N, H, W, C)", f"{images.shape}.{hint}")
    if not images.size:
        raise refused("at least one image", f"{name} {images.shape}")
    if at_most is not None and len(images) > at_most:
        raise refused(f"up to {at_most} {name}", len(images))
    if image_shape is not None and any(
        want is not None and want != got
        for want, got in zip(image_shape, images.shape[1:], strict=True)
    ):
        shape = ", ".join(map(str, image_shape))
        raise refused(f"{name} of shape (N, {shape})", images.shape)
    if np.isnan(images).any():
        raise refused(f"{name} in [0, 1]", "NaN")
    low, high = images.min(), images.max()
    if low < 0 or high > 1:
        highest = 255 if levels is None or high >= levels else levels - 1
        hint = f" Divide by {highest}." if low >= 0 and 1 < high <= 255 else ""
        raise refused(f"{name} in [0, 1]", f"values from {low} to {high}.{hint}")
    images = np.array(images, "float32", order="C")
    if levels is None:
        return images
    levels = check_levels(levels)
    steps = images * (levels - 1)
    nearest = np.round(steps)
    off = np.abs(steps - nearest) > max(1e-3, levels * 2**-23)
    if off.any():
        fix = "binarize(images)" if levels == 2 else f"quantize(images, {levels})"
        raise refused(
            f"{name} on {levels} levels, k/{levels - 1}",
            f"{images[off][0]:.4g}, for example. Use pixelcnn_edu.data.{fix}.",
        )
    # + 0.0 turns -0.0 into 0.0; `Likelihood.sample` computes the same quotient
    return nearest / np.float32(levels - 1) + np.float32(0)


def check_known(images, known, **allowed) -> tuple[np.ndarray, np.ndarray]:
    """Return images with 0 in each unknown pixel, and ``known``, boolean (H, W).

    Args:
        images: the user's argument; an unknown pixel may hold anything, also NaN.
        known: the user's argument.
        **allowed: for `check_images`.
    """
    images, known = np.asarray(images), np.asarray(known)
    if images.ndim != 4:
        check_images(images, **allowed)  # says what is wrong
    if known.shape != images.shape[1:3] or known.dtype != bool:
        expected = f"known to be boolean of shape {images.shape[1:3]}"
        raise refused(expected, f"{known.dtype} {known.shape}")
    return check_images(np.where(known[:, :, None], images, 0), **allowed), known


def check_uniforms(uniforms, shape) -> np.ndarray:
    """Return uniform numbers as float32, all below 1."""
    uniforms = np.asarray(uniforms)
    fits = uniforms.dtype.kind in "biuf" and uniforms.shape == shape
    single = uniforms.astype("float32") if fits else None  # may round up to 1
    if not fits or not ((0 <= single) & (single < 1)).all():
        raise refused(
            f"uniforms of shape {shape}, in [0, 1) after rounding to float32",
            f"{uniforms.dtype} {uniforms.shape}",
        )
    return single


# --- models, and what they are called with ------------------------------------------------


def check_model(model):
    """Return ``model``, a Keras model from images (and labels) to logits."""
    inputs = (isinstance(model, keras.Model) and getattr(model, "inputs", None)) or []
    is_one_tensor = len(inputs) in (1, 2) and len(model.outputs) == 1
    if not is_one_tensor or len(inputs[0].shape) != 4:
        raise refused(
            "model to be a Keras model from images (N, H, W, C), or [images, labels], "
            "to one tensor of logits, such as those of pixelcnn_edu.models",
            f"{type(model).__name__} with inputs {[one.shape for one in inputs]}",
        )
    return model


def check_size_of_logits(model):
    """Refuse a model whose logits do not have the height and the width of its images."""
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
    fits = all(b in (None, a) for a, b in zip(shape, own, strict=True))
    if None in shape or not fits:
        expected = f"image_shape (H, W, C) that fits the model's input {own}"
        raise refused(expected, image_shape)
    return shape


def check_labels(model, labels, count, *, name="labels") -> list:
    """Return the model's inputs after the images: [] or [labels], int32 (count,).

    Labels are compared with ``model.num_classes``. A model without this attribute gets
    them as they are.

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
        verb = "takes" if takes else "does not take"
        expected = f"{'' if takes else 'no '}{name}, as the model {verb} labels"
        raise refused(expected, f"{name}={labels!r}")
    if not takes:
        return []
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.shape not in ((), (count,)):
        expected = f"{name} to be an integer or integers of shape {(count,)}"
        raise refused(expected, f"{labels.dtype} {labels.shape}")
    highest = (getattr(model, "num_classes", None) or 2**31) - 1
    if labels.min() < 0 or labels.max() > highest:
        received = f"{labels.min()} to {labels.max()}"
        raise refused(f"{name} from 0 to {highest}", received)
    return [np.broadcast_to(labels.astype("int32"), (count,))]


def check_finite(model):
    """Return ``model`` (or what has its ``weights``), if all weights are finite."""
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            layer = weight.path.rpartition("/")[0]
            raise refused(
                "a model with finite weights",
                f"weights that are not, first in the layer {layer!r}. Did its training "
                "diverge?",
            )
    return model


def check_logits(logits):
    """Return the logits of a model, if none of them is NaN."""
    if np.isnan(logits).any():
        raise refused(
            "a model whose logits are numbers",
            "NaN, though its weights are finite. Do features overflow in half precision?",
        )
    return logits
