"""Validators for the arguments of all public functions.

Each returns the value in the type that the code needs (a Python number, a tuple, a float32
array), or raises a ``ValueError``: "Expected NAME to be … . Received: …". A NumPy scalar or
a 0-d array counts as the number that it holds. The validators of models are in
`_model_checks`.
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
    """Return the Python value that a NumPy scalar or a 0-d array holds, else ``value``."""
    if getattr(value, "shape", None) != ():
        return value
    try:
        return np.asarray(value).item()
    except (TypeError, ValueError, NotImplementedError):  # a symbolic tensor, say
        return value


def refused(expected: str, received) -> ValueError:
    """Return the error "Expected … . Received: …"."""
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
        raise refused(f"{name} to be {kind}", repr(value))
    return number


def check_positive_int(name: str, value) -> int:
    """Return ``value`` as an int of at least 1."""
    return check_int(name, value, at_least=1)


def check_one_of(name: str, value, choices) -> str:
    """Return ``value``, one of several strings."""
    if not isinstance(value, str) or value not in choices:
        raise refused(f"{name} to be one of {tuple(choices)}", repr(value))
    return value


def check_levels(levels) -> int:
    """Return a number of levels as an int from 2 to 2**16.

    (With many more levels, float32 does not tell apart k/(levels-1) and its neighbors.)
    """
    number = check_int("levels", levels, at_least=2)
    if number > 2**16:
        raise refused(f"levels <= {2**16:,}", repr(levels))
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
    raise refused(f"{name} {within}", repr(value))


def check_notebook(name: str, notebook) -> str:
    """Return the number of a notebook as in its file name, such as ``"03"``."""
    if not isinstance(notebook, str) or not re.fullmatch("[0-9]{2}", notebook):
        raise refused(
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
        raise refused(f"{name} to be True or False", repr(value))
    return number


def check_seed(seed, *, optional=True):
    """Return ``seed`` as an int >= 0, or, where it is optional, None or a list of ints."""
    if optional and seed is None:
        return None
    if optional and listed(seed):
        return [check_seed(one, optional=False) for one in listed(seed)]
    return check_int("seed", seed, at_least=0)


def check_dilations(dilations) -> list[int]:
    """Return one or more positive integers as a list."""
    rates = listed(dilations)
    if not rates:
        raise refused(
            "dilations to be one or more positive integers in a tuple, such as "
            "(1, 2, 4, 8)",
            repr(dilations),
        )
    return [check_positive_int("each of dilations", rate) for rate in rates]


def check_kernel_size(kernel_size) -> tuple[int, int]:
    """Return an odd integer, or a pair of them, as a pair (height, width)."""
    pair = listed(kernel_size)
    pair = [kernel_size] * 2 if pair is None else pair
    if len(pair) != 2:
        expected = "kernel_size to be one odd integer or two (height, width)"
        raise refused(expected, repr(kernel_size))
    pair = tuple(check_positive_int("kernel_size", size) for size in pair)
    if not all(size % 2 for size in pair):
        raise refused(
            "kernel_size to be odd: an even kernel has no center pixel for the mask",
            repr(kernel_size),
        )
    return pair


def check_mask_type(mask_type) -> str:
    """Return ``"A"`` or ``"B"``."""
    letter = plain(mask_type)
    if not isinstance(letter, str) or letter not in ("A", "B"):
        raise refused("mask_type to be 'A' or 'B'", repr(mask_type))
    return letter


def check_divisible(name: str, channels: int, colors: int):
    """Refuse channels that cannot be divided into equal groups, one for each color."""
    if channels % colors:
        raise refused(
            f"{name} to be divisible by colors={colors}, so that every color gets the "
            "same share",
            f"{name}={channels}",
        )


def check_halves(filters: int, colors: int):
    """Refuse filters whose half, in a residual block, has no equal color groups."""
    if filters % (2 * colors):
        wanted = "even" if colors == 1 else f"divisible by {2 * colors}"
        raise refused(
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
            expected = f"{name}={value!r} in a causal convolution ({why})"
            raise refused(expected, f"{name}={given!r}")
        kwargs[name] = value
    return kwargs


def check_image_shape(image_shape) -> tuple:
    """Return (H, W, C) as a tuple of integers; H and W may be None."""
    sizes = listed(image_shape)
    if sizes is None or len(sizes) != 3:
        raise refused(
            "image_shape to be (height, width, channels), such as (28, 28, 1)",
            repr(image_shape),
        )
    return tuple(
        None
        if size is None and axis != "channels"
        else check_positive_int(f"the {axis} in image_shape", size)
        for axis, size in zip(("height", "width", "channels"), sizes, strict=True)
    )


def check_unmasked(name: str, values):
    """Return ``values``, unless NumPy's mask hides some: the mask would be ignored."""
    if np.ma.is_masked(values):
        hidden = np.ma.count_masked(values)
        raise refused(f"{name} without masked values", f"{hidden} masked")
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
    if not np.issubdtype(images.dtype, np.number) and images.dtype != bool:
        raise refused(f"{name} to be numbers", images.dtype)
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
    if np.iscomplexobj(images) or np.isnan(images).any():
        raise refused(f"{name} in [0, 1]", "NaN or complex values")
    low, high = images.min(), images.max()
    if low < 0 or high > 1:
        highest = 255
        if levels is not None and high < levels and (images == np.floor(images)).all():
            highest = levels - 1
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
        images: the user's argument; an unknown pixel may be anything: NaN, or masked.
        known: the user's argument.
        **allowed: for `check_images`.
    """
    images = np.asanyarray(images)  # keeps a masked array
    known = np.asarray(check_unmasked("known", known))
    fits = images.ndim == 4 and known.shape == images.shape[1:3] and known.dtype == bool
    blank = np.zeros(images.shape, images.dtype)
    if fits:
        blank = np.ma.where(known[:, :, None], images, blank)
    images = check_images(blank, **allowed)
    if not fits:
        expected = f"known to be boolean of shape {images.shape[1:3]}"
        raise refused(expected, f"{known.dtype} {known.shape}")
    return images, known


def check_uniforms(uniforms, shape) -> np.ndarray:
    """Return uniform numbers as float32, all below 1."""
    uniforms = np.asarray(check_unmasked("uniforms", uniforms))
    fits = uniforms.dtype.kind in "biuf" and uniforms.shape == shape
    single = uniforms.astype("float32") if fits else None  # may round up to 1
    if not fits or not ((0 <= single) & (single < 1)).all():
        raise refused(
            f"uniforms of shape {shape}, in [0, 1) after rounding to float32",
            f"{uniforms.dtype} {uniforms.shape}",
        )
    return single


def check_path(name: str, path) -> Path:
    """Return ``path``, with the home folder for "~" or "~user" at its start."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise refused(f"{name} to be a path", repr(path))
    return Path(os.path.expanduser(text))
