"""The graph of a model, read for running it pixel by pixel.

Notebook 10 teaches this module. Each tensor of the graph is known at one of three moments:

- ``PER_IMAGE``: before the first pixel; the tensor depends only on the label;
- ``PER_ROW``: at the beginning of a row; the tensor depends on the rows above, as the
  vertical stack does;
- ``PER_PIXEL``: when the loop reaches the pixel.

`one_pixel` runs the graph. A layer that cannot run pixel by pixel is refused by its name.
The text of `layers` says what a layer class of a user must do.
"""

import dataclasses
import functools
import math

from pixelcnn_edu._cache import runs_its_graph
from pixelcnn_edu._checks import NotByPixel, check_model
from pixelcnn_edu._pixelwise import ON_CHANNELS, OPERATIONS, PIXELWISE
from pixelcnn_edu.gated import StackConv2D
from pixelcnn_edu.layers import MaskedConv2D, PositionBias, masked

import keras
import numpy as np
from keras import layers, ops

PER_IMAGE, PER_ROW, PER_PIXEL = range(3)

_TRIAL = (2, 16, 16)  # images, height, width of random features

_SAYS_NOTHING = "does not say how it runs (see `runs_as` in pixelcnn_edu.layers)"
_APART = "put what follows the convolution into a layer of its own"
_ONLY_MASKED = (
    "runs_as = 'convolution' is for MaskedConv2D, StackConv2D, and subclasses that replace "
    "none of their methods; a layer that reads no other pixel says 'pixelwise'"
)


@dataclasses.dataclass(eq=False, repr=False)
class Tensor:
    """A tensor of a model's graph, and how it is made.

    Attributes:
        index: the tensor's place in the order of the graph.
        operation: the layer that makes the tensor; None for an input of the model.
        args, kwargs: arguments of the operation, with a `Tensor` for every tensor.
        spec: a symbolic tensor of the same shape; height and width are 1 but `PER_IMAGE`.
        when: `PER_IMAGE`, `PER_ROW` or `PER_PIXEL`.
        last_own_channel: the highest channel of the same pixel that the tensor depends
            on: 0 red, 1 green, 2 blue; -1 if none, as after a layer of type A on gray
            images.
        rows, sides, left: how far back the convolutions that read this tensor look: rows
            up, pixels to both sides in those rows, pixels to the left in the current row.
    """

    index: int
    operation: object
    args: tuple = ()
    kwargs: dict = dataclasses.field(default_factory=dict)
    spec: object = None
    when: int = PER_PIXEL
    last_own_channel: int = -1
    rows: int = 0
    sides: int = 0
    left: int = 0

    def __repr__(self):
        # short, since TensorFlow makes names of it: a dataclass would print the whole graph
        return f"tensor {self.index}"

    def __lt__(self, other):  # TensorFlow sorts the keys of a loop's state
        return self.index < other.index

    @property
    def channels(self) -> int:
        return self.spec.shape[-1]

    @property
    def sources(self) -> list:
        flat = keras.tree.flatten((self.args, self.kwargs))
        return [source for source in flat if isinstance(source, Tensor)]

    def call(self, values: dict):
        """Call the operation; ``values`` holds what each source stands for."""
        args, kwargs = keras.tree.map_structure(
            lambda value: values[value] if isinstance(value, Tensor) else value,
            (self.args, self.kwargs),
        )
        return self.operation(*args, **kwargs)

    @property
    def is_convolution(self) -> bool:
        is_own = _runs_as(self.operation) == "pixelwise"  # a user's 1×1 convolution
        return isinstance(self.operation, layers.Conv2D) and not is_own

    @property
    def dtype(self) -> str:
        dtype = getattr(self.operation, "compute_dtype", None)
        if dtype is None and self.sources:  # an operation of keras.ops has none
            return keras.backend.result_type(*[s.dtype for s in self.sources])
        return dtype or keras.config.floatx()


def read_graph(model):
    """Return a functional model's input tensors, all its tensors, and its output.

    Raises:
        NotByPixel: the model is not functional, or a layer cannot be run pixel by pixel.
    """
    graph = getattr(check_model(model), "_functional", None) or model
    if not runs_its_graph(model):
        raise NotByPixel(
            "Expected a functional model, since its graph is read. "
            f"Received: {type(model).__name__}."
        )
    channels = graph.inputs[0].shape[-1]
    inputs = [Tensor(0, None, spec=_pixel(channels), last_own_channel=channels - 1)]
    for i, label in enumerate(graph.inputs[1:], 1):
        if len(label.shape) != 1:
            raise NotByPixel(
                "Expected a label to be one number, keras.Input(()). "
                f"Received: an input of shape {label.shape}."
            )
        spec = keras.KerasTensor((1, *label.shape[1:]), label.dtype)
        inputs.append(Tensor(i, None, spec=spec, when=PER_IMAGE))
    tensors = [*inputs]

    def add(operation, *args, **kwargs):
        inner = getattr(operation, "_functional", operation)
        if hasattr(inner, "_run_through_graph"):  # a model used as a layer
            _check_inner(operation, inner, args)
            return inner._run_through_graph(args, adder)
        tensor = Tensor(len(tensors), operation, args, kwargs)
        tensor.when = max((s.when for s in tensor.sources), default=PER_IMAGE)
        if tensor.when == PER_IMAGE:
            tensor.spec = _spec(tensor)
        elif any(
            s.when == PER_IMAGE and len(s.spec.shape) != 4 for s in tensor.sources
        ):
            _refuse(
                operation, "the label's part must have the shape (N, H or 1, W or 1, C)"
            )
        elif tensor.is_convolution:
            _place_convolution(tensor)
        else:
            _place_pointwise(tensor)
        tensors.append(tensor)
        return tensor

    def adder(operation):
        return functools.partial(add, operation)

    # Keras goes through its graph in order. In the place of each layer it calls what
    # `adder` returns, so `add` only notes the layer and its sources. Nothing is computed.
    output = graph._run_through_graph(inputs, adder)
    outputs = keras.tree.flatten(output)
    if len(outputs) != 1:
        raise ValueError(f"Expected a model with one output. Received: {len(outputs)}")
    return inputs, tensors, outputs[0]


def _check_inner(model, graph, args):
    """Refuse a model inside a model if its graph does not say what the model computes."""
    if not runs_its_graph(model):
        _refuse(model, "a model inside may have no call of its own")
    by_name = bool(args) and isinstance(args[0], dict)
    if len(args) != 1 or by_name != isinstance(graph._inputs_struct, dict):
        _refuse(
            model, "a model inside must be given its inputs as it was built on them"
        )


def kernel_of(layer):
    """Return a convolution's masked kernel, the offset of its first tap, and its step.

    The step is the distance from one tap to the next tap.
    """
    step = layer.dilation_rate[0]
    if _runs_as(layer) == "convolution":
        return masked(layer.kernel, layer.mask), layer.origin, step
    return layer.kernel, (0, 0), step


def _runs_as(layer):
    """Return what a layer's class says of itself, see `layers`; None if nothing."""
    return vars(type(layer)).get("runs_as")  # of the class itself, not inherited


def is_of_user(operation) -> bool:
    """Return whether the class of a layer is neither Keras's nor this package's."""
    return type(operation).__module__.split(".")[0] not in ("keras", "pixelcnn_edu")


def _place_convolution(tensor):
    """Find when a convolution's result is known, and how far back it reads its source.

    Raises:
        ValueError: a tap reads a pixel that is not drawn yet.
    """
    layer, (source,) = tensor.operation, tensor.sources
    if {"call", "convolution_op"} & vars(layer).keys():
        _refuse(layer, "its call was replaced")
    if _runs_as(layer) == "convolution":
        _check_methods(layer)
        mask, (top, left) = layer.mask, layer.origin
    elif type(layer) is not layers.Conv2D:
        advice = _APART
        if isinstance(layer, MaskedConv2D | StackConv2D):
            _check_methods(layer)
            advice = "write runs_as = 'convolution' into its class"
        _refuse(layer, f"its class {type(layer).__name__} {_SAYS_NOTHING}; {advice}")
    else:
        by_one = layer.kernel_size == layer.strides == (1, 1)
        if not by_one or layer.groups != 1:
            _refuse(layer, "it is no masked convolution, and no plain 1×1 either")
        mask, top, left = np.ones((1, 1, source.channels, layer.filters)), 0, 0
    _check_activation(layer, layer.filters)
    step = layer.dilation_rate[0]
    taps = np.argwhere(mask.any(axis=(2, 3))).tolist()
    offsets = [(i * step + top, j * step + left) for i, j in taps]
    i, j = -top // step, -left // step
    has_center = i < mask.shape[0] and j < mask.shape[1]
    center = mask[i, j] if has_center else np.zeros((1, 1))
    # Pairs (down, right) compare as reading order does.
    if source.when == PER_PIXEL:
        ahead = [offset for offset in offsets if offset > (0, 0)]
        if offsets and all(down < 0 for down, _ in offsets):
            tensor.when = PER_ROW
    else:
        ahead = [offset for offset in offsets if offset[0] > 0]
    if ahead:
        _refuse(layer, f"it reads a pixel not yet drawn, at (down, right) = {ahead[0]}")
    # How much of the source is kept. `one_pixel` reads every tap of a kernel up to here,
    # also a tap that the mask sets to 0. Of a PER_ROW source the whole row is known.
    here = (0, 0) if source.when == PER_PIXEL else (0, math.inf)
    for i, j in np.ndindex(mask.shape[:2]):
        down, right = i * step + top, j * step + left
        if (down, right) > here:
            break
        if down < 0 or source.when == PER_ROW:
            source.sides = max(source.sides, abs(right))
            source.rows = max(source.rows, -down)
        else:
            source.left = max(source.left, -right)
    tensor.spec = _pixel(layer.filters)
    if source.operation is None:
        own_channels = np.flatnonzero(center.any(axis=1))
        tensor.last_own_channel = int(own_channels.max(initial=-1))
    elif center.any():
        tensor.last_own_channel = source.last_own_channel


def _check_methods(layer):
    """Refuse a convolution of a user's class that computes something else.

    `one_pixel` reads the kernel, the bias and the activation; it runs no ``call``.
    """
    own = StackConv2D if isinstance(layer, StackConv2D) else MaskedConv2D
    if not isinstance(layer, own):
        _refuse(layer, _ONLY_MASKED)
    for name in ("__call__", "call", "convolution_op", "origin"):
        if getattr(type(layer), name, None) is not getattr(own, name, None):
            _refuse(
                layer,
                f"its class replaces `{name}`, but the loop runs as {own.__name__} does; "
                f"{_APART}",
            )


def _place_pointwise(tensor):
    layer = tensor.operation
    flat = keras.tree.flatten((tensor.args, tensor.kwargs))
    axis = getattr(layer, "axis", None)
    axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    kind = type(layer)  # exactly: a subclass may do something else
    in_keras = kind.__module__.startswith("keras.src.ops")
    pointwise = (
        _runs_as(layer) == "pixelwise"
        or kind in PIXELWISE
        or (kind in ON_CHANNELS and axis in (-1, 3))
        or (kind.__name__ in OPERATIONS and in_keras)
    )
    if kind is layers.Rescaling:  # by one number, or by one per channel
        pointwise = max(np.ndim(layer.scale), np.ndim(layer.offset)) < 2
    # an array among the arguments may have a different value at each pixel
    if not pointwise or any(np.ndim(v) for v in flat if not isinstance(v, Tensor)):
        _refuse(layer, _why_not_pointwise(layer))
    if tensor.kwargs.get("training"):
        _refuse(layer, "it was called with training=True")
    if kind in (PositionBias, layers.PReLU) and "call" in vars(layer):
        _refuse(layer, "its call was replaced")  # the loop does not run it
    shape = getattr(_spec(tensor, by_pixel=True), "shape", None)
    if shape is None or len(shape) != 4:
        _refuse(layer, "its result is not one tensor of shape (N, H, W, C)")
    if shape[1:3] != (1, 1) and kind is not PositionBias:
        _refuse(layer, "its weights differ by pixel")
    if is_of_user(layer):
        sources = list(dict.fromkeys(tensor.sources))
        _check_pixelwise(
            layer,
            "it",
            lambda *maps: tensor.call(dict(zip(sources, maps, strict=True))),
            *[source.channels for source in sources],
        )
    else:
        channels = layer.units if kind is layers.Dense else tensor.sources[0].channels
        _check_activation(layer, channels)
    tensor.spec = _pixel(shape[-1])
    tensor.last_own_channel = max(source.last_own_channel for source in tensor.sources)


def _why_not_pointwise(layer):
    says = _runs_as(layer)
    if says == "convolution":
        return _ONLY_MASKED
    if says:
        return f"its class says runs_as = {says!r}; expected 'pixelwise'"
    why = "it is not known to work on each pixel by itself"
    if not is_of_user(layer):
        return why
    if getattr(layer, "_layers", ()):
        return f"{why}. If it holds layers, write it as a function of tensors"
    return (
        f"{why}. If it does, write runs_as = 'pixelwise' into its class (a subclass must "
        "say so again; see pixelcnn_edu.layers)"
    )


def _check_activation(layer, channels):
    """Refuse a user's activation that does not work on each pixel by itself."""
    activation = getattr(layer, "activation", None)
    module = getattr(activation, "__module__", "")
    if activation is None or module.startswith("keras.src.activations"):
        return
    if isinstance(activation, layers.Layer):
        if type(activation) not in (layers.ReLU, layers.LeakyReLU, layers.ELU):
            _refuse(layer, "its activation is a layer; call it as a layer of its own")
        return
    _check_pixelwise(layer, "its activation", activation, channels)


def _check_pixelwise(layer, what, function, *channels):
    """Run a function on random features: on whole images, and on each pixel alone.

    The layer gets random weights meanwhile: its own may be zero at first.

    Args:
        layer, what: named in the error if the results differ.
        function: from feature maps (N, H, W, C), one for each of ``channels``, to one map.
    """
    rng = np.random.default_rng(0)
    shapes = [(*_TRIAL, c) for c in channels]
    maps = [rng.normal(1, 1, shape).astype("float32") for shape in shapes]
    pixels = [each.reshape(-1, 1, 1, each.shape[-1]) for each in maps]
    weights = [(w, rng.normal(0, 0.1, w.shape)) for w in layer.trainable_weights]
    try:
        with keras.StatelessScope(weights):  # nothing is written into the layer
            results = [
                function(*map(ops.convert_to_tensor, each)) for each in (maps, pixels)
            ]
        whole, alone = (np.asarray(ops.cast(r, "float32")) for r in results)
    except Exception as error:  # of a user's code: any
        size = "{}×{}".format(*_TRIAL[1:])
        _refuse(
            layer,
            f"{what} fails on features of {size} pixels, or of one pixel: {error}",
        )
    scale = np.abs(alone).max(where=np.isfinite(alone), initial=0)
    # a GPU rounds matrix products to 1e-3, and bfloat16 has 8 bits
    tolerance = scale * (3e-2 if "16" in layer.compute_dtype else 1e-3)
    same_shape = whole.shape[:3] == _TRIAL and whole.size == alone.size
    if not same_shape or not np.allclose(
        whole.reshape(alone.shape), alone, rtol=0, atol=tolerance, equal_nan=True
    ):
        _refuse(
            layer, f"{what} does not work on each pixel by itself, as a trial shows"
        )


def _pixel(channels):
    return keras.KerasTensor((1, 1, 1, channels))


def _spec(tensor, *, by_pixel=False):
    """Return a symbolic tensor with the shape of an operation's result, or of one pixel."""

    def spec_of(value):
        if not isinstance(value, Tensor):
            return value
        return _pixel(value.channels) if by_pixel else value.spec

    args, kwargs = keras.tree.map_structure(spec_of, (tensor.args, tensor.kwargs))
    return tensor.operation.compute_output_spec(*args, **kwargs)


def _refuse(layer, why):
    name = getattr(layer, "name", type(layer).__name__)
    raise NotByPixel(
        "Expected layers that can be run one pixel at a time. "
        f"Received: the layer {name!r} ({type(layer).__name__}); {why}."
    )
