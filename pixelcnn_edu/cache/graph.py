"""The graph of a functional model, read for running it pixel by pixel.

Each tensor of the graph is known at one of three moments:

- ``PER_IMAGE``: before the first pixel; the tensor depends only on the label;
- ``PER_ROW``: at the beginning of a row; the tensor depends on the rows above, as the
  vertical stack of notebook 12 does (a PixelCNN has no such tensor);
- ``PER_PIXEL``: when the loop reaches the pixel.

The graph comes from the model's own ``get_config()``. `CONVOLUTIONS` and `PIXELWISE` are
the table of layers that `pages` and `loop` can run, and that `pixelcnn_edu.export` can
write into a web page. (`Dropout` passes features on, because nothing trains here.) A model
with any other layer is drawn by the fixed point. A subclass of a layer in the table is
another layer.
"""

import dataclasses
import math

from pixelcnn_edu.gated import Gate, StackConv2D
from pixelcnn_edu.layers import MaskedConv2D, OneHotLevels, PositionBias, masked

import numpy as np
from keras import layers, ops

PER_IMAGE, PER_ROW, PER_PIXEL = range(3)  # in order: the later, the larger

CONVOLUTIONS = (MaskedConv2D, StackConv2D, layers.Conv2D)  # Keras's own: 1×1 alone
PIXELWISE = (  # the same at every pixel, which reads no other pixel
    Gate,
    OneHotLevels,
    PositionBias,
    layers.Activation,
    layers.Add,
    layers.Concatenate,
    layers.Dropout,
    layers.Multiply,
    layers.PReLU,
    layers.ReLU,
)


class UnknownLayer(ValueError):
    """A model cannot run pixel by pixel; the message names the layer."""


@dataclasses.dataclass(eq=False, repr=False)  # a key of dictionaries, by identity
class Tensor:
    """A tensor of a model's graph, and how it is made.

    Attributes:
        index: the tensor's place in the order of the graph.
        layer: the layer that makes the tensor; None for an input of the model.
        sources: the tensors that the layer reads.
        shape: of one image: (H, W, channels), or that of what is made
            of the label. H and W may be
            None.
        when: `PER_IMAGE`, `PER_ROW` or `PER_PIXEL`.
        last_own_channel: an upper bound of the channels of the same pixel that the tensor
            depends on: 0 red, 1 green, 2 blue; -1 if it depends on none, as after a layer
            of type A on gray images.
        kept_rows, kept_sides, kept_left: how far back the convolutions that read this
            tensor look, so how much of the tensor is kept: rows up, pixels to both sides
            in those rows, pixels to the left in the current row.
    """

    index: int
    layer: object
    sources: list
    shape: tuple
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
        return self.shape[-1]

    @property
    def dtype(self) -> str:
        return self.layer.compute_dtype if self.layer else "float32"

    @property
    def is_convolution(self) -> bool:
        return isinstance(self.layer, layers.Conv2D)

    def call(self, values):
        """Call the layer; ``values`` are what the sources stand for, in their order."""
        if isinstance(self.layer, layers.Add):
            # one value for each image: Keras's own sum may add value i to channel i
            first, *others = (ops.cast(value, self.dtype) for value in values)
            return sum(others, start=first)
        return self.layer(values if len(values) > 1 else values[0])


@dataclasses.dataclass(frozen=True)
class Graph:
    """What `read` returns.

    Attributes:
        inputs: the image, and the label if the model takes one.
        tensors: all tensors in an order in which they can be computed; the inputs first.
        output: the logits.
    """

    inputs: list
    tensors: list
    output: Tensor

    @property
    def made(self) -> list:
        """All tensors but the inputs."""
        return self.tensors[len(self.inputs) :]

    @property
    def label_maps(self) -> list:
        """The tensors that depend on the label alone and are read at each pixel."""
        read_later = [t for t in self.tensors if t.when != PER_IMAGE]
        read = {self.output}.union(*(t.sources for t in read_later))
        return sorted(t for t in read if t.when == PER_IMAGE)

    def of_label(self, labels) -> dict:
        """Return {tensor: value} of all that depends on the label alone.

        Args:
            labels: nothing, or one array (N,).
        """
        values = {
            tensor: ops.convert_to_tensor(label)
            for tensor, label in zip(self.inputs[1:], labels, strict=True)
        }
        for tensor in self.made:
            if tensor.when == PER_IMAGE:
                values[tensor] = tensor.call([values[s] for s in tensor.sources])
        return values


def read(model) -> Graph:
    """Read the graph of a functional model.

    Raises:
        UnknownLayer: the model is not functional, or a layer is not in the table, or it
            reads a pixel that is not drawn yet.

    Example:
        >>> from pixelcnn_edu.models import pixelcnn
        >>> graph = read(pixelcnn((5, 5, 1), filters=4, depth=1))
        >>> graph.output.layer.name, graph.output.channels, len(graph.tensors)
        ('logits', 1, 15)
    """
    config = model.get_config()
    if "output_layers" not in config:
        raise UnknownLayer(
            "Expected a functional model, whose graph can be read. "
            f"Received: {model.name!r} ({type(model).__name__})"
        )
    tensors, waiting = {}, []
    for name, _, _ in _listed(config["input_layers"]):
        tensor = Tensor(len(tensors), None, [], model.get_layer(name).output.shape[1:])
        tensor.when = (
            PER_IMAGE if tensors else PER_PIXEL
        )  # the image is the first input
        tensor.last_own_channel = -1 if tensors else tensor.channels - 1
        tensors[name, 0] = tensor
    inputs = list(tensors.values())
    for layer in config["layers"]:
        for i, node in enumerate(
            layer["inbound_nodes"]
        ):  # one for each call of the layer
            waiting.append(((layer["name"], i), _sources(node)))
    while waiting:
        later = []
        for key, sources in waiting:
            if all(source in tensors for source in sources):
                layer = _layer(model, key[0])
                tensors[key] = _made(
                    len(tensors), layer, [tensors[one] for one in sources]
                )
            else:
                later.append((key, sources))
        waiting = later
    [(name, node, _)] = _listed(config["output_layers"])
    return Graph(inputs, list(tensors.values()), tensors[name, node])


def kernel_of(layer):
    """Return a convolution's masked kernel, the offset of its first tap, and its step.

    The offset is (rows down, columns right), relative to the pixel. The step is the
    distance from one tap to the next tap.
    """
    mask, origin, step = _mask_of(layer)
    return masked(layer.kernel, mask), origin, step


def weight_by_pixel(layer):
    """Return the weight (H or 1, W or 1, C) of a PReLU or a `PositionBias`, else None.

    These two layers run by `with_weight`: their weights may differ from pixel to pixel.
    """
    if isinstance(layer, PositionBias):
        return layer.bias
    return layer.alpha if isinstance(layer, layers.PReLU) else None


def with_weight(layer, x, weight):
    """Return what a PReLU or a `PositionBias` with this weight makes of ``x``."""
    if isinstance(layer, PositionBias):
        return x + weight
    return ops.relu(x) - weight * ops.relu(-x)


def entry(values, i):
    """Return ``values[i]``; or the only entry, if it stands for all rows or all pixels."""
    return values[i if values.shape[0] > 1 else 0]


def _listed(places):
    """Return [[name, node, tensor], …], as Keras writes several, but not a single one."""
    return [places] if isinstance(places[0], str) else places


def _sources(node):
    """Return (name, node) of each tensor with which a layer is called."""
    found = []

    def search(value):
        if isinstance(value, dict) and "keras_history" in value:
            found.append(tuple(value["keras_history"][:2]))
        elif isinstance(value, dict | list | tuple):
            for one in value.values() if isinstance(value, dict) else value:
                search(one)

    search(node)
    return found


def _layer(model, name):
    try:
        return model.get_layer(name)
    except ValueError:  # an operation of `keras.ops`, such as ``x + y``
        raise UnknownLayer(
            f"Expected layers alone. Received: the operation {name!r} between layers, "
            "such as x + y; write keras.layers.add([x, y])"
        ) from None


def _made(index, layer, sources):
    """Return the tensor that a layer makes of its sources."""
    when = max(source.when for source in sources)
    if when == PER_IMAGE:
        shapes = [(None, *source.shape) for source in sources]
        shape = layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
        return Tensor(index, layer, sources, tuple(shape[1:]), when)
    if type(layer) in CONVOLUTIONS:
        return _convolution(index, layer, *sources)
    if type(layer) not in PIXELWISE:
        raise _refused(layer, "it is not in the table of pixelcnn_edu.cache.graph")
    if getattr(layer, "axis", -1) not in (-1, 3):  # of Concatenate
        raise _refused(layer, "it works along another axis than the channels")
    own = max(source.last_own_channel for source in sources)
    latest = next(source for source in sources if source.when == when)
    shapes = [(None, *latest.shape[:2], source.channels) for source in sources]
    shape = layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    return Tensor(index, layer, sources, tuple(shape[1:]), when, own)


def _convolution(index, layer, source):
    """Return a convolution's tensor. Note in its source, too, how far back it is read."""
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
        raise _refused(
            layer, f"it reads a pixel not yet drawn, at (down, right) = {ahead[0]}"
        )
    tensor = Tensor(index, layer, [source], (*source.shape[:2], layer.filters))
    tensor.when = source.when
    if live and all(down < 0 for down, _ in live):
        tensor.when = PER_ROW
    # `loop` reads every tap up to `last_known`, also a tap that the mask sets to 0
    _note_reach(source, [offset for offset in taps if offset <= last_known])
    center = taps.get((0, 0), np.zeros((1, 1)))
    if source.layer is None:
        own_channels = np.flatnonzero(center.any(axis=1))
        tensor.last_own_channel = int(own_channels.max(initial=-1))
    elif center.any():
        tensor.last_own_channel = source.last_own_channel
    return tensor


def _mask_of(layer):
    """Return a convolution's mask, and the offset and the step of `kernel_of`."""
    if isinstance(layer, MaskedConv2D | StackConv2D):
        return layer.mask, layer.origin, layer.dilation_rate[0]
    if layer.kernel_size != (1, 1) or layer.strides != (1, 1) or layer.groups != 1:
        raise _refused(layer, "it is no masked convolution, and no plain 1×1 either")
    return np.ones(layer.kernel.shape, "float32"), (0, 0), 1


def _note_reach(source, offsets):
    """Write into ``source`` that it is read at these offsets (rows down, columns right)."""
    for down, right in offsets:
        if down < 0 or source.when == PER_ROW:
            source.kept_rows = max(source.kept_rows, -down)
            source.kept_sides = max(source.kept_sides, abs(right))
        else:
            source.kept_left = max(source.kept_left, -right)


def _refused(layer, why):
    return UnknownLayer(
        "Expected layers that can run one pixel at a time. "
        f"Received: the layer {layer.name!r} ({type(layer).__name__}); {why}"
    )
