"""Which layers can run pixel by pixel, and why another layer is refused.

`pixel_graph` asks `check_convolution` about each convolution, and `check_pixelwise` about
each other layer. For a layer or an activation of a user, `check_by_trial` tries whether it
works on each pixel by itself.
"""

import functools

from pixelcnn_edu._checks import NotByPixel
from pixelcnn_edu.gated import StackConv2D
from pixelcnn_edu.layers import MaskedConv2D

import keras
import numpy as np
from keras import layers, ops

# The type of a layer is compared exactly: a subclass may do something else.
PIXELWISE = {
    layers.Activation,
    layers.ActivityRegularization,
    layers.Add,
    layers.Average,
    layers.Dense,
    layers.Dropout,
    layers.ELU,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.LeakyReLU,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
    layers.PReLU,
    layers.ReLU,
    layers.Rescaling,
    layers.SpatialDropout2D,
    layers.Subtract,
}
_ON_CHANNELS = {  # pixelwise if their axis is the last one
    layers.BatchNormalization,
    layers.Concatenate,
    layers.LayerNormalization,
    layers.Softmax,
}
_OF_KERAS_OPS = """
Add Elu Gelu LeakyRelu Maximum Minimum Multiply Negative Relu Selu Sigmoid Silu Softplus
Subtract Tanh
"""
_OPERATIONS = set(_OF_KERAS_OPS.split())  # ``x + y`` in a functional model is an Add

_TRIAL = (2, 64, 64)  # images, height, width of random features

_SILENT = (
    "its class does not say how it runs (see `runs_as` in pixelcnn_edu.pixel_graph)"
)
_APART = "put what follows the convolution into a layer of its own"
_ONLY_MASKED = (
    "runs_as = 'convolution' is for MaskedConv2D, StackConv2D, and subclasses that compute "
    "the same; a layer that reads no other pixel says 'pixelwise', and several layers are "
    "written as a function of tensors"
)


def refuse(layer, why):
    """Raise the error that a layer cannot run pixel by pixel, with the reason."""
    name = getattr(layer, "name", type(layer).__name__)
    raise NotByPixel(
        "Expected layers that can be run one pixel at a time. "
        f"Received: the layer {name!r} ({type(layer).__name__}); {why}."
    )


def runs_as(layer):
    """Return what a layer's class says of itself, see `pixel_graph`; None if nothing."""
    return vars(type(layer)).get("runs_as")  # of the class itself, not inherited


def is_of_user(operation) -> bool:
    """Return whether the class of a layer is neither Keras's nor this package's."""
    return type(operation).__module__.split(".")[0] not in ("keras", "pixelcnn_edu")


def check_convolution(layer):
    """Refuse a convolution that is no masked one and no plain 1×1 convolution.

    `one_pixel` reads the kernel, the bias and the activation; it runs no ``call``.
    """
    if {"call", "convolution_op"} & vars(layer).keys():
        refuse(layer, "its call was replaced")
    says_so = runs_as(layer) == "convolution"
    if type(layer) is layers.Conv2D:
        by_one = layer.kernel_size == layer.strides == (1, 1)
        if not by_one or layer.groups != 1:
            refuse(layer, "it is no masked convolution, and no plain 1×1 either")
    elif isinstance(layer, MaskedConv2D | StackConv2D):
        _check_methods(layer)
        if not says_so:
            refuse(layer, f"{_SILENT}; write runs_as = 'convolution' into its class")
    else:
        refuse(layer, _ONLY_MASKED if says_so else f"{_SILENT}; {_APART}")
    check_activation(layer, layer.filters)


def _check_methods(layer):
    """Refuse a masked convolution whose class computes something else."""
    own = StackConv2D if isinstance(layer, StackConv2D) else MaskedConv2D
    for name in ("__call__", "call", "convolution_op", "origin"):
        if getattr(type(layer), name, None) is not getattr(own, name, None):
            refuse(
                layer,
                f"its class replaces `{name}`, but the loop runs as {own.__name__} does; "
                f"{_APART}",
            )


def check_pixelwise(layer, args, kwargs):
    """Refuse a layer that is not known to treat each pixel by itself.

    Args:
        layer: a layer, or an operation of `keras.ops`.
        args, kwargs: what the layer is called with. Each tensor is a `pixel_graph.Tensor`,
            so an array among the arguments is a constant.
    """
    if "call" in vars(layer) and not is_of_user(layer):  # a user's layer is tried
        refuse(layer, "its call was replaced")
    kind, axis = type(layer), getattr(layer, "axis", None)
    axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    in_keras = kind.__module__.startswith("keras.src.ops")
    pixelwise = (
        runs_as(layer) == "pixelwise"
        or kind in PIXELWISE
        or (kind in _ON_CHANNELS and axis in (-1, 3))
        or (kind.__name__ in _OPERATIONS and in_keras)
    )
    if kind is layers.Rescaling:  # by one number, or by one per channel
        pixelwise = max(np.ndim(layer.scale), np.ndim(layer.offset)) < 2
    # an array among the arguments may have a different value at each pixel
    if not pixelwise or any(map(np.ndim, keras.tree.flatten((args, kwargs)))):
        refuse(layer, _why_not_pixelwise(layer))
    if kwargs.get("training"):
        refuse(layer, "it was called with training=True")


def _why_not_pixelwise(layer):
    says = runs_as(layer)
    if says == "convolution":
        return _ONLY_MASKED
    if says:
        return f"its class says runs_as = {says!r}; expected 'pixelwise'"
    why = "it is not known to work on each pixel by itself"
    if not is_of_user(layer):
        return why
    if getattr(layer, "_layers", ()):
        return (
            f"{why}. If it holds layers and reads no other pixel, write it as a function "
            "of tensors"
        )
    return (
        f"{why}. If it does, write runs_as = 'pixelwise' into its class (a subclass must "
        "say so again; see pixelcnn_edu.pixel_graph)"
    )


def check_activation(layer, channels):
    """Refuse a user's activation that does not work on each pixel by itself."""
    activation = getattr(layer, "activation", None)
    if activation is None or is_activation_of_keras(activation):
        return
    if isinstance(activation, layers.Layer):
        if type(activation) not in (layers.ReLU, layers.LeakyReLU, layers.ELU):
            refuse(layer, "its activation is a layer; call it as a layer of its own")
        return
    check_by_trial(layer, "its activation", activation, channels)


def is_activation_of_keras(function) -> bool:
    """Return whether a function is one of `keras.activations`.

    Its globals tell: `functools.wraps` gives a user's function the name and the module of
    another one.
    """
    home = getattr(function, "__globals__", {}).get("__name__", "")
    return home.startswith("keras.src.activations")


def check_by_trial(layer, what, function, *channels):
    """Run a function on random features: on whole images, and on pixels alone.

    Half of the pixels run alone, so that a mean over the whole batch shows. As many pixels
    as channels (of the features, or inside the layer) run once more, so that a wrong sum of
    Keras's ``add`` shows, see `pixel_graph`. The layer gets random weights meanwhile,
    because its own may be zero at first: small ones, and then positive ones, whose roots
    and quotients are finite.

    Args:
        layer, what: named in the error if the results differ.
        function: from feature maps (N, H, W, C), one for each of ``channels``, to one map.
    """
    rng = np.random.default_rng(0)
    shapes = [(*_TRIAL, c) for c in channels]
    maps = [rng.normal(1, 1, shape).astype("float32") for shape in shapes]
    half = np.prod(_TRIAL) // 2
    pixels = [each.reshape(-1, 1, 1, each.shape[-1])[:half] for each in maps]
    # a frozen layer's public list is empty
    trained = [w for part in layer._flatten_layers() for w in part._trainable_variables]
    widths = {*channels, *(w.shape[-1] for w in trained if len(w.shape))}
    few = [[each[:c] for each in pixels] for c in sorted(widths) if c <= half]
    for weights in (
        [rng.normal(0, 0.1, w.shape) for w in trained],
        [rng.uniform(0.5, 1.5, w.shape) for w in trained],
    ):
        pairs = zip(trained, weights, strict=True)
        _try_once(layer, what, function, pairs, (maps, pixels, *few))


def _try_once(layer, what, function, weights, features):
    try:
        with keras.StatelessScope(weights):  # nothing is written into the layer
            results = [function(*map(ops.convert_to_tensor, each)) for each in features]
        whole, alone, *few = (np.asarray(ops.cast(r, "float32")) for r in results)
    except Exception as error:  # of a user's code: any
        size = "{}×{}".format(*_TRIAL[1:])
        refuse(
            layer,
            f"{what} fails on features of {size} pixels, or of one pixel: {error}",
        )
    scale = np.abs(alone).max(where=np.isfinite(alone), initial=0)
    # a GPU rounds matrix products to 1e-3, and bfloat16 has 8 bits
    tolerance = scale * (3e-2 if "16" in layer.compute_dtype else 1e-3)
    same_shape = whole.shape[:3] == _TRIAL and whole.size == 2 * alone.size
    close = functools.partial(np.allclose, rtol=0, atol=tolerance, equal_nan=True)
    if not same_shape or not close(whole.reshape(2, -1)[0], alone.ravel()):
        refuse(layer, f"{what} does not work on each pixel by itself, as a trial shows")
    if not all(close(some, alone[: len(some)]) for some in few):
        refuse(
            layer,
            f"{what} works in another way on as many pixels as channels, as a trial shows. "
            "Write x + y in its code, not keras.ops.add(x, y)",
        )
