"""Networks for the browser: a page with a network of your own, without Python.

The engine in the folder `web` runs networks in plain JavaScript. Here a model is written
down for the engine: the tensors of its graph, as `cache.graph` reads them, and the weights.
"""

import base64
import html
import json
import string

from pixelcnn_edu._checks import (
    check_finite,
    check_image_shape_of,
    check_images,
    check_path,
    refused,
)
from pixelcnn_edu._files import atomic_write
from pixelcnn_edu._web import explorers, policy, web_file
from pixelcnn_edu.cache.graph import UnknownLayer, kernel_of, read, weight_by_pixel
from pixelcnn_edu.cache.loop import runs_of_a_pixel
from pixelcnn_edu.gated import Gate
from pixelcnn_edu.layers import OneHotLevels, PositionBias
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import likelihood_of, live_weights

import numpy as np
from keras import activations, layers, ops

ACTIVATIONS = [
    "elu",
    "gelu",
    "leaky_relu",
    "relu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
]
LICENSES = (
    "Made with pixelcnn_edu (MIT license). The random numbers follow NumPy (BSD license): "
    "SeedSequence and PCG64, by Melissa O&#x27;Neill."
)
OF_MNIST = " Digits of MNIST, if shown: Y. LeCun, C. Cortes, C. Burges (CC BY-SA 3.0)."
MOST_IMAGES = 100  # in a page


def network(model, *, image_shape=None) -> tuple[dict, np.ndarray]:
    """Write a model down for the engine in JavaScript.

    Args:
        model: an `ImageModel` with the likelihood `Bernoulli` or `Categorical`, made of the
            layers that the two builders in `models` use.
        image_shape: (H, W, C), for a model that leaves its size open.

    Returns:
        The graph, of which JSON can be made, and its weights, float32 (count,). A tensor
        of the graph names its layer, the tensors that the layer reads (``from``), its
        height and width (``size``) and channels, and when it is known (``when``, as in
        `cache.graph`). Where weights are needed, the graph has their place in the array.
        The engine computes in float32, so the images of a model that computes in 16 bits
        may differ.

    Raises:
        ValueError: the likelihood or a layer is another one; the message names it. Or the
            images have neither 1 nor 3 channels, or a weight is not finite.

    Example:
        >>> from pixelcnn_edu.models import pixelcnn
        >>> graph, weights = network(pixelcnn((5, 5, 1), filters=4, depth=1))
        >>> [tensor["layer"] for tensor in graph["tensors"]][:3]
        ['Image', 'Convolution', 'PReLU']
    """
    height, width, channels = check_image_shape_of(model, image_shape)
    if channels not in (1, 3):
        raise refused(
            "a model of gray images (1 channel) or colored ones (3)", channels
        )
    likelihood = likelihood_of(model)
    if type(likelihood) not in (Bernoulli, Categorical):
        raise refused("the likelihood Bernoulli or Categorical", likelihood)
    read_graph = read(check_finite(model))
    runs, one_more = runs_of_a_pixel(read_graph)
    writer = _Writer(height, width)
    for tensor in read_graph.tensors:
        writer.add(tensor)
    graph = {
        "image_shape": [height, width, channels],
        "is_open": None in model.inputs[0].shape[1:],
        "likelihood": type(likelihood).__name__,
        "levels": likelihood.levels,
        "num_classes": getattr(model, "num_classes", None),
        "runs": runs,
        "one_more": one_more,
        "tensors": writer.tensors,
        "output": writer.index[read_graph.output],
    }
    return graph, np.concatenate([np.zeros(0, "float32"), *writer.weights])


class _Writer:
    """Writes tensors of a graph as dicts.

    Attributes:
        tensors: the dicts.
        index: {`cache.graph.Tensor`: its place in ``tensors``}.
        weights: flat arrays, float32.
    """

    def __init__(self, height, width):
        self.size = [height, width]
        self.tensors, self.index, self.weights, self._end = [], {}, [], 0

    def add(self, tensor):
        """Write a tensor, and the activation of its convolution, if it has one."""
        layer, shape, size = tensor.layer, tensor.shape, self.size
        sources = [self.index[source] for source in tensor.sources]
        if type(layer) is layers.Dropout:  # it does nothing after training
            [self.index[tensor]] = sources
            return
        if not tensor.when:  # it depends on the label alone
            size = [*shape[:2]] if len(shape) == 3 else [1, 1]
        entry = self._entry(tensor)
        common = {
            "size": size,
            "channels": shape[-1] if shape else 1,
            "when": tensor.when,
            "name": layer.name if layer else entry["layer"].lower(),
        }
        self.tensors.append({**entry, "from": sources, **common})
        if tensor.is_convolution and layer.activation is not activations.linear:
            then = _activation(layer)
            self.tensors.append({**then, "from": [len(self.tensors) - 1], **common})
        self.index[tensor] = len(self.tensors) - 1

    def _store(self, array):
        """Store an array; return the place where it begins."""
        flat = np.asarray(ops.cast(array, "float32")).ravel()
        at, self._end = self._end, self._end + len(flat)
        self.weights.append(flat)
        return at

    def _entry(self, tensor):
        """Return what the engine needs to know of a tensor's layer."""
        layer = tensor.layer
        kind = type(layer)
        if layer is None:
            return {"layer": "Label" if tensor.index else "Image"}
        if tensor.is_convolution:
            return self._convolution(layer)
        if kind in (PositionBias, layers.PReLU):
            weight = np.asarray(weight_by_pixel(layer))
            *size, channels = *weight.shape[:-1], tensor.channels
            weight = np.broadcast_to(weight, (*size, channels))
            place = {"at": self._store(weight), "size": size, "channels": channels}
            return {"layer": kind.__name__, "weight": place}
        if kind is Gate:
            return {"layer": "Gate", "colors": layer.colors}
        if kind is OneHotLevels:
            return {"layer": "OneHotLevels", "levels": layer.levels}
        if kind is layers.Activation:
            return _activation(layer)
        if kind is layers.Embedding:
            return {"layer": "Embedding", "weights": self._store(layer.embeddings)}
        if kind in (layers.Add, layers.Reshape):
            return {"layer": kind.__name__}
        raise _unknown(layer, "this layer")

    def _convolution(self, layer):
        """Write a convolution: its live taps, each with the place of its weights."""
        kernel, (first_row, first_col), step = kernel_of(layer)
        kernel = np.asarray(kernel)
        taps = [
            {
                "down": first_row + int(i) * step,
                "right": first_col + int(j) * step,
                "weights": self._store(kernel[i, j]),
            }
            for i, j in np.argwhere(kernel.any(axis=(2, 3)))
        ]
        bias = self._store(layer.bias) if layer.use_bias else None
        return {"layer": "Convolution", "taps": taps, "bias": bias}


def _activation(layer):
    """Write the activation of a layer, or refuse one that the engine does not know."""
    names = {activations.get(name): name for name in ACTIVATIONS}
    if layer.activation not in names:
        raise _unknown(layer, f"another activation than {', '.join(ACTIVATIONS)}")
    name = names[layer.activation]
    if name == "relu":
        return {"layer": "ReLU"}
    return {"layer": "Activation", "activation": name}


def _unknown(layer, what):
    return UnknownLayer(
        "Expected a network of layers that a page can run. "
        f"Received: the layer {layer.name!r} ({type(layer).__name__}); no page runs {what}"
    )


def page(
    model, path, *, title="A network in this page", image_shape=None, images=None
) -> None:
    """Write one HTML file in which a network runs, without Python and without a network.

    The file opens from disk in a browser, on a phone too. It draws images, flips pixels,
    completes a drawing, and shows what is inside the network; each of these for a model
    that it fits. With ``images``, the reader guesses their pixels against the network, and
    sees what each pixel costs.

    Args:
        model, image_shape: as for `network`.
        path: the file to write, ``mine.html``, say.
        title: stands at the top of the page.
        images: (N, H, W, 1) of 0 and 1, up to 100 of them, for a `Bernoulli` model without
            labels: digits that the network has not seen, say.

    Raises:
        ValueError: as for `network`; or another argument is not of its kind. No file is
            written then.
        OSError: the file could not be written.
    """
    path = check_path("path", path)
    if not isinstance(title, str):
        raise refused("title to be a string", title)
    graph, weights = network(model, image_shape=image_shape)
    shown = b""
    if images is not None:
        if not _draws_binary(graph) or graph["num_classes"] is not None:
            raise refused("images for a Bernoulli model without labels only", model)
        images = check_images(
            images, levels=2, image_shape=graph["image_shape"], at_most=MOST_IMAGES
        )
        shown = image_bytes(images, graph)
    sections = _sections(graph, bool(shown))
    text = _html(
        title, _intro(graph, live_weights(model)), sections, graph, weights, shown
    )
    with atomic_write(path) as temporary:
        temporary.write_text(text, "utf-8")


def image_bytes(images, graph) -> bytes:
    """Return a byte for the level of each value of images, as a page reads them."""
    levels = np.round(np.asarray(images) * (graph["levels"] - 1))
    return levels.astype("uint8").tobytes()


def _draws_binary(graph):
    return graph["likelihood"] == "Bernoulli" and graph["image_shape"][2] == 1


def _html(title, intro, sections, graph, weights, images=b""):
    """Return a page that shows explorers, each made by `_section`.

    ``images`` are those that the explorers show, see `image_bytes`.
    """
    script = explorers() + web_file("host.js")
    return string.Template(web_file("page.html")).substitute(
        # a name of a layer must not end the script
        graph=json.dumps(graph, separators=(",", ":")).replace("<", "\\u003c"),
        weights=base64.b64encode(weights.astype("<f4").tobytes()).decode(),
        images=base64.b64encode(images).decode(),
        policy=policy(script),
        title=html.escape(title),
        style=web_file("style.css"),
        intro=html.escape(intro),
        explorers="\n".join(sections),
        licenses=LICENSES + OF_MNIST * bool(images),
        script=script,
    )


def _intro(graph, weights):
    height, width, channels = graph["image_shape"]
    levels = "each level" if graph["levels"] > 2 else "ink"
    each = "each color of a pixel" if channels > 1 else "each pixel"
    return (
        f"The network of this page, a PixelCNN, draws images of {height} × {width} pixels, "
        f"one pixel after another, row by row. For {each} it computes the probability of "
        f"{levels} from what is drawn already. Then a random number decides. What had the "
        "probability 1/2 costs 1 bit, 1/4 costs 2 bits, 1/8 costs 3 bits, and so on; 1 nat "
        "is 1.44 bits. A seed is the number from which all random numbers are made: the "
        f"same seed draws the same image. The network has {weights:,} weights. They "
        "are in this file, and nothing is sent to a server."
    )


def _sections(graph, images):
    """Yield the HTML of each explorer that fits the network; ``images``: there are some."""
    height, *_ = graph["image_shape"]
    classes = graph["num_classes"]
    binary = _draws_binary(graph)
    if binary and classes is None:
        yield _section("Touch the digit", "touch", touch=0, touched="")
        yield _section("One pixel after the other", "stepper", step="", stepped=0)
        yield _section("Flip a pixel", "fork", seed=0, flip="")
        if height > 1:
            half = {"given": f"0.{height // 2}", "particles": 1, "future": 0}
            yield _section("Finish a drawing", "finish", **half)
        if images:
            yield _section("Beat the network", "guess", questions=20, among=160)
            yield _section("What each pixel costs", "bits")
    elif binary:
        told = {"from": (classes - 1) // 2, "to": classes - 1}
        yield _section("Between two labels", "morph", **told, share=0.5, morph=0)
    drawn = {"temperature": 1, "sixteen": 0, "label": 0}
    yield _section("Sixteen images at a temperature", "temperature", **drawn)
    looked = {"look": 0, "pixel": "", "layer": "", "lookclass": 0}
    yield _section("Look inside the network", "inside", **looked)


def _section(heading, explorer, **settings):
    values = html.escape(json.dumps(settings))
    return (
        f"<h2>{heading}</h2>\n"
        f'<div data-explorer="{explorer}" data-settings="{values}"></div>'
    )
