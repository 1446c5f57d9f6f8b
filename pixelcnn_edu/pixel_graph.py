"""The graph of a model, read for running it pixel by pixel.

Notebook 10 teaches this module. Each tensor of the graph is known at one of three moments:

- ``PER_IMAGE``: before the first pixel; the tensor depends only on the label;
- ``PER_ROW``: at the beginning of a row; the tensor depends on the rows above, as the
  vertical stack of notebook 12 does (a PixelCNN has no such tensor);
- ``PER_PIXEL``: when the loop reaches the pixel.

`page_cache` and `one_pixel` run the graph. A layer that cannot run pixel by pixel is
refused, and the error names it. `_pixelwise.PIXELWISE` lists the layers of Keras that can.
A layer class of this package, or of your own, says by ``runs_as`` how the layer runs:

- ``"pixelwise"``: by its ``call``. Write this into a layer class of your own if the layer
  does the same at every pixel and reads no other pixel. It may take several tensors. Turn
  a label into (N, 1, 1, C), as ``Reshape((1, 1, C))(Embedding(classes, C)(label))`` does
  with ``label = keras.Input(())``; in ``call`` broadcast it, and do not index it. The first
  drawing tries the layer on random features. In ``call`` write ``x + y``, not
  ``keras.ops.add(x, y)``, see `_of_one_shape`. The same holds for a layer that reads the
  label alone, which needs no ``runs_as``. (`PositionBias` has a weight for each
  pixel. It is a special case in `weight_by_pixel`, and no example for your own class.)
- ``"convolution"``: by ``kernel``, ``mask``, ``bias`` and ``activation``, without its
  ``call``. Only `MaskedConv2D` and `StackConv2D` may say so, and subclasses that compute
  ``activation(conv(x, kernel * mask) + bias)``. Their ``build`` may set more entries of
  ``self.mask`` to 0: ``self.mask * np.eye(channels)`` makes a depthwise convolution
  (stored, initialized and computed as a full one). A subclass must not override
  ``__call__``, ``call``, ``convolution_op`` or ``origin``. Put what follows a convolution
  into a layer of its own.

A subclass does not inherit ``runs_as``: it must say so again, since it may do something
else. CONTRIBUTING.md shows a whole layer.
"""

import dataclasses
import functools
import inspect
import math

from pixelcnn_edu._checks import NotByPixel, check_model
from pixelcnn_edu._pixelwise import (
    check_activation,
    check_by_trial,
    check_convolution,
    check_pixelwise,
    is_of_user,
    refuse,
    runs_as,
)
from pixelcnn_edu._state import runs_its_graph
from pixelcnn_edu.layers import PositionBias, masked

import keras
import numpy as np
from keras import layers, ops

PER_IMAGE, PER_ROW, PER_PIXEL = range(3)  # in order: the later, the larger


def graph_of(layer):
    """Return the functional model of a Sequential model, else ``layer`` itself."""
    return getattr(layer, "_functional", None) or layer


@dataclasses.dataclass(eq=False, repr=False)  # a key of dictionaries, by identity
class Tensor:
    """A tensor of a model's graph, and how it is made.

    Attributes:
        index: the tensor's place in the order of the graph.
        operation: the layer that makes the tensor; None for an input of the model.
        args, kwargs: arguments of the operation, with a `Tensor` for every tensor.
        spec: a symbolic tensor of the shape (1, 1, 1, channels): one pixel of one image.
            A `PER_IMAGE` tensor keeps its own shape, for one image.
        when: `PER_IMAGE`, `PER_ROW` or `PER_PIXEL`.
        last_own_channel: an upper bound of the channels of the same pixel that the tensor
            depends on: 0 red, 1 green, 2 blue; -1 if it depends on none, as after a layer
            of type A on gray images.
        kept_rows, kept_sides, kept_left: how far back the convolutions that read this
            tensor look, so how much of the tensor is kept: rows up, pixels to both sides
            in those rows, pixels to the left in the current row.
    """

    index: int
    operation: object
    args: tuple = ()
    kwargs: dict = dataclasses.field(default_factory=dict)
    spec: object = None
    when: int = PER_PIXEL
    last_own_channel: int = -1
    kept_rows: int = 0
    kept_sides: int = 0
    kept_left: int = 0

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
        if _is_sum(self.operation):
            args, kwargs = _of_one_shape(self.operation, args, kwargs)
        if "training" in inspect.signature(self.operation.call).parameters:
            kwargs["training"] = False
        return self.operation(*args, **kwargs)

    @property
    def is_convolution(self) -> bool:
        pixelwise = runs_as(self.operation) == "pixelwise"  # a user's 1×1 convolution
        return isinstance(self.operation, layers.Conv2D) and not pixelwise

    @property
    def dtype(self) -> str:
        dtype = getattr(self.operation, "compute_dtype", None)
        if dtype is None and self.sources:  # an operation of keras.ops has none
            # ``x * np.float32(2)`` is float32, but ``x * 2.0`` has the type of x
            flat = keras.tree.flatten((self.args, self.kwargs))
            types = [s.dtype for s in flat if hasattr(s, "dtype")]
            types += [type(s) for s in flat if isinstance(s, int | float)]
            return keras.backend.result_type(*types)
        return dtype or keras.config.floatx()


def _is_sum(operation):
    """Return whether an operation calls Keras's ``add`` on its sources."""
    by_name = type(operation).__name__ == "Add" and not is_of_user(operation)  # x + y
    return by_name or isinstance(operation, layers.Add | layers.Average)


def _of_one_shape(operation, args, kwargs):
    """Return the arguments of a sum with all arrays broadcast to one shape.

    On TensorFlow, Keras's ``add`` treats its second array as a bias if only one axis of
    that array is longer than 1, and if this axis is as long as the last axis of the first
    array, or as axis 1 of the first array. It may be the axis of images. For example, add
    (16, 1, 1, 1), one value for each of 16 images, to (16, H, W, 16), feature maps with 16
    channels. Then the value of image i goes to channel i of every image. With as many
    images as rows, the value of image i goes to row i. (In the ``call`` of a layer,
    ``x + y`` is right. In a functional model, Keras turns ``x + y`` into its ``add``.) No
    model built by `models` has a sum that goes wrong.
    """
    arrays = [x for x in keras.tree.flatten((args, kwargs)) if getattr(x, "shape", ())]
    rank = max(len(x.shape) for x in arrays)

    def ranked(x):
        # To a layer, labels (N, C) are (N, 1, 1, C). An operation puts 1s in front, as
        # NumPy does.
        missing = rank - len(x.shape) if isinstance(operation, layers.Layer) else 0
        return (*x.shape[:1], *[1] * missing, *x.shape[1:])

    shape = np.broadcast_shapes(*map(ranked, arrays))

    def whole(x):
        if not getattr(x, "shape", ()) or x.shape == shape:
            return x
        return ops.broadcast_to(ops.reshape(x, ranked(x)), shape)

    return keras.tree.map_structure(whole, (args, kwargs))


def read_graph(model):
    """Return a functional model's input tensors, all its tensors, and its output.

    Raises:
        NotByPixel: the model is not functional, or a layer cannot be run pixel by pixel.
    """
    graph = graph_of(check_model(model))
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
        spec = keras.KerasTensor((1,), label.dtype)
        inputs.append(Tensor(i, None, spec=spec, when=PER_IMAGE))
    tensors = [*inputs]

    # Keras goes through its graph in order. Where it would call ``layer(*tensors)``, it
    # calls ``adder(layer)(*tensors)``. Here the tensors are `Tensor` objects, and `add`
    # notes the layer and its sources. Nothing is computed.
    def add(operation, *args, **kwargs):
        inner = graph_of(operation)
        if hasattr(inner, "_run_through_graph"):  # a model used as a layer
            _check_inner(operation, inner, args)
            return inner._run_through_graph(args, adder)
        tensor = Tensor(len(tensors), operation, args, kwargs)
        _place(tensor)
        tensors.append(tensor)
        return tensor

    def adder(operation):
        return functools.partial(add, operation)

    [output] = keras.tree.flatten(graph._run_through_graph(inputs, adder))
    return inputs, tensors, output


def labels_as_read(inputs, labels) -> dict:
    """Return {input tensor: labels}, in the type to which the model casts them.

    Args:
        inputs: the first result of `read_graph`.
        labels: nothing, or one array (N,).
    """
    pairs = zip(inputs[1:], labels, strict=True)
    return {tensor: ops.cast(label, tensor.spec.dtype) for tensor, label in pairs}


def _check_inner(model, graph, args):
    """Refuse a model inside a model if its graph does not say what the model computes."""
    if not runs_its_graph(model):
        refuse(model, "a model inside may have no call of its own")
    by_name = bool(args) and isinstance(args[0], dict)
    as_built = len(args) == 1 and by_name == isinstance(graph._inputs_struct, dict)
    tensors = keras.tree.flatten(args)
    known = all(isinstance(tensor, Tensor) for tensor in tensors)
    if not as_built or not known or len(tensors) != len(graph.inputs):
        refuse(model, "a model inside must be given its inputs as when it was built")
    # Keras would cast and reshape what does not fit
    for tensor, expected in zip(tensors, graph.inputs, strict=True):
        spec, into = tensor.spec, expected.dtype
        dtype = spec.dtype if tensor.when == PER_IMAGE else tensor.dtype
        exact = dtype == into or (
            into == "float32" and dtype in ("float16", "bfloat16")
        )
        if len(spec.shape) != len(expected.shape) or not exact:
            refuse(
                model,
                f"a model inside takes {into} with {len(expected.shape)} axes, and is "
                f"given {dtype} with {len(spec.shape)}",
            )


def kernel_of(layer):
    """Return a convolution's masked kernel, the offset of its first tap, and its step.

    The offset is (rows down, columns right), relative to the pixel. The step is the
    distance from one tap to the next tap.
    """
    mask, origin, step = _mask_of(layer)
    return masked(layer.kernel, mask), origin, step


def _mask_of(layer):
    """Return a convolution's mask, and the offset and the step of `kernel_of`."""
    step = layer.dilation_rate[0]
    if runs_as(layer) == "convolution":
        # the mask of a user's class may broadcast
        return np.broadcast_to(layer.mask, layer.kernel.shape), layer.origin, step
    return np.ones(layer.kernel.shape, "float32"), (0, 0), step  # plain, 1×1


def weight_by_pixel(layer):
    """Return the weight (H or 1, W or 1, C) of a PReLU or a `PositionBias`, else None.

    These two layers run by `with_weight`: their weights may differ from pixel to pixel.
    """
    if type(layer) is PositionBias:
        return layer.bias
    return layer.alpha if type(layer) is layers.PReLU else None


def with_weight(layer, x, weight):
    """Return what a PReLU or a `PositionBias` with this weight makes of ``x``."""
    if type(layer) is PositionBias:
        return x + weight
    return ops.relu(x) - weight * ops.relu(-x)


def label_maps(tensors, output) -> list:
    """Return the tensors that depend on the label alone and are read at each pixel."""
    by_row_or_pixel = [t for t in tensors if t.when != PER_IMAGE]
    read = {output}.union(*(t.sources for t in by_row_or_pixel))
    return sorted(t for t in read if t.when == PER_IMAGE)


def fixed_sizes(tensors, output) -> list:
    """Return ``(name, (H or 1, W or 1))`` of label's maps and of weights by pixel."""
    sizes = [("label's map", t.spec.shape[1:3]) for t in label_maps(tensors, output)]
    for layer in [t.operation for t in tensors if t.when != PER_IMAGE]:
        weight = weight_by_pixel(layer)
        if weight is not None:
            sizes.append((f"weights of the layer {layer.name!r}", weight.shape[:-1]))
    return sizes


def check_size(fixed, size):
    """Refuse images of another size than the `fixed_sizes` of their network."""
    for name, sides in fixed:  # other code would read a wrong place
        if any(a not in (1, None, b) for a, b in zip(sides, size, strict=True)):
            raise ValueError(
                f"Expected images as large as the {name}, {tuple(sides)}. "
                f"Received: {tuple(size)}"
            )


def entry(values, i):
    """Return ``values[i]``; or the only entry, if it stands for all rows or all pixels."""
    return values[i if values.shape[0] > 1 else 0]


def _place(tensor):
    """Set a tensor's ``spec``, ``when`` and ``last_own_channel``."""
    sources = tensor.sources
    tensor.when = max((s.when for s in sources), default=PER_IMAGE)
    if tensor.when == PER_IMAGE:
        tensor.spec = _spec(tensor)
    elif any(s.when == PER_IMAGE and len(s.spec.shape) != 4 for s in sources):
        refuse(
            tensor.operation,
            "the label's part must have the shape (N, H or 1, W or 1, C)",
        )
    elif tensor.is_convolution:
        _place_convolution(tensor)
    else:
        _place_pixelwise(tensor)


def _place_convolution(tensor):
    """Place a convolution. Write into its source, too, how far back it is read.

    Raises:
        NotByPixel: a tap reads a pixel that is not drawn yet.
    """
    layer, (source,) = tensor.operation, tensor.sources
    check_convolution(layer)
    mask, origin, step = _mask_of(layer)
    taps = {  # (rows down, columns right) of each tap: its part of the mask
        (origin[0] + i * step, origin[1] + j * step): mask[i, j]
        for i, j in np.ndindex(mask.shape[:2])
    }
    live = [offset for offset, part in taps.items() if part.any()]
    # Python compares the pairs (down, right) as reading order does. Of a PER_ROW source
    # the whole row is known.
    last_known = (0, 0) if source.when == PER_PIXEL else (0, math.inf)
    ahead = [offset for offset in live if offset > last_known]
    if ahead:
        refuse(layer, f"it reads a pixel not yet drawn, at (down, right) = {ahead[0]}")
    if live and all(down < 0 for down, _ in live):
        tensor.when = PER_ROW
    # `one_pixel` reads every tap up to `last_known`, also a tap that the mask sets to 0
    _note_reach(source, [offset for offset in taps if offset <= last_known])
    tensor.spec = _pixel(layer.filters)
    center = taps.get((0, 0), np.zeros((1, 1)))
    if source.operation is None:
        own_channels = np.flatnonzero(center.any(axis=1))
        tensor.last_own_channel = int(own_channels.max(initial=-1))
    elif center.any():
        tensor.last_own_channel = source.last_own_channel


def _note_reach(source, offsets):
    """Write into ``source`` that it is read at these offsets (rows down, columns right)."""
    for down, right in offsets:
        if down < 0 or source.when == PER_ROW:
            source.kept_rows = max(source.kept_rows, -down)
            source.kept_sides = max(source.kept_sides, abs(right))
        else:
            source.kept_left = max(source.kept_left, -right)


def _place_pixelwise(tensor):
    """Place a layer that treats each pixel by itself; refuse any other layer."""
    layer = tensor.operation
    sources = list(dict.fromkeys(tensor.sources))  # each once: x * x names x twice
    check_pixelwise(layer, tensor.args, tensor.kwargs)
    try:
        shape = getattr(_spec(tensor, by_pixel=True), "shape", None)
    except Exception as error:  # of a user's code: any
        if not is_of_user(layer):
            raise
        reason = str(error).split("\n\n")[-1]  # without Keras's advice, of no use here
        refuse(layer, f"it fails on one pixel: {reason}")
    if shape is None or len(shape) != 4:
        refuse(layer, "its result is not one tensor of shape (N, H, W, C)")
    if shape[1:3] != (1, 1):
        refuse(layer, "its weights differ by pixel")
    if is_of_user(layer):
        check_by_trial(
            layer,
            "it",
            lambda *maps: tensor.call(dict(zip(sources, maps, strict=True))),
            *[source.channels for source in sources],
        )
    else:
        channels = layer.units if type(layer) is layers.Dense else sources[0].channels
        check_activation(layer, channels)
    tensor.spec = _pixel(shape[-1])
    tensor.last_own_channel = max(source.last_own_channel for source in sources)


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
