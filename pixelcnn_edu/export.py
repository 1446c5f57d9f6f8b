"""Networks for the browser: a page with a network of your own, without Python.

The engine in the folder `web` runs networks in plain JavaScript. Here a model is written
down for the engine: the tensors of its graph, as `pixel_graph` reads them, and the weights.
"""

import base64
import functools
import hashlib
import html
import importlib.resources
import json
import re
import string
import zlib

from pixelcnn_edu._checks import (
    NotByPixel,
    check_finite,
    check_image_shape_of,
    check_images,
    check_labels,
    check_path,
)
from pixelcnn_edu._files import atomic_write
from pixelcnn_edu._pixel_loop import pixel_loop
from pixelcnn_edu.gated import Gate
from pixelcnn_edu.layers import MaskedConv2D, OneHotLevels, PositionBias
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import likelihood_of, live_weights
from pixelcnn_edu.pixel_graph import check_size, kernel_of, weight_by_pixel

import keras
import numpy as np

_NAMES = """
elu exponential gelu hard_sigmoid hard_silu leaky_relu linear relu relu6 selu sigmoid silu
softplus softsign tanh
"""
ACTIVATIONS = _NAMES.split()
LICENSES = (
    "Made with pixelcnn_edu (MIT license). The random numbers follow NumPy (BSD license): "
    "SeedSequence and PCG64, by Melissa O&#x27;Neill."
)
OF_MNIST = " Digits of MNIST, if shown: Y. LeCun, C. Cortes, C. Burges (CC BY-SA 3.0)."
_WEB = importlib.resources.files("pixelcnn_edu") / "web"
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.(\w+)";$', re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE
)
MOST_IMAGES = 100  # in a page
_FOR_TRAINING = (  # what they do to features, they do in training only
    keras.layers.ActivityRegularization,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.SpatialDropout2D,
)


def network(model, *, image_shape=None) -> tuple[dict, np.ndarray]:
    """Write a model down for the engine in JavaScript.

    Args:
        model: an `ImageModel` with the likelihood `Bernoulli` or `Categorical`, made of the
            layers that the two builders in `models` use. A subclass of `MaskedConv2D` may
            have a mask of its own, see `pixel_graph`.
        image_shape: (H, W, C), for a model that leaves its size open.

    Returns:
        The graph, of which JSON can be made, and its weights, float32 (count,). A tensor
        of the graph names its layer, the tensors that the layer reads (``from``), its
        height and width (``size``) and channels, and when it is known (``when``, as in
        `pixel_graph`). Where weights are needed, the graph has their place in the array.
        Weights that a mask sets to 0 are left out where all weights of a tap are. The
        engine computes in float32, also for a model whose layers compute in 16 bits: that
        model's images may differ.

    Raises:
        ValueError: the likelihood or a layer is another one; the message names it. Or the
            images have neither 1 nor 3 channels; a weight is not finite, or quantized, or
            for images of another size; an Embedding does not know one of the classes.

    Example:
        >>> from pixelcnn_edu.models import pixelcnn
        >>> graph, weights = network(pixelcnn((5, 5, 1), filters=4, depth=1))
        >>> [tensor["layer"] for tensor in graph["tensors"]][:3]
        ['Image', 'Convolution', 'PReLU']
    """
    height, width, channels = check_image_shape_of(model, image_shape)
    if channels not in (1, 3):
        raise ValueError(
            "Expected a model of gray images (1 channel) or colored ones (3): a page shows "
            f"no others. Received: {channels} channels"
        )
    likelihood = likelihood_of(model)
    if type(likelihood) not in (Bernoulli, Categorical):
        raise ValueError(
            "Expected a model with the likelihood Bernoulli or Categorical: the page "
            f"draws from no other. Received: {likelihood!r}"
        )
    classes, labels = getattr(model, "num_classes", None), len(model.inputs) - 1
    if labels != (classes is not None):
        raise ValueError(
            "Expected a model that takes images alone, or a label too and has num_classes. "
            f"Received: {labels} label inputs and num_classes {classes}"
        )
    if labels:  # the page offers each of them
        check_labels(model, np.arange(classes), classes)
    loop = pixel_loop(check_finite(model), likelihood, advice="A page needs this.")
    check_size(loop.fixed_sizes, (height, width))
    writer = _Writer(height, width)
    for tensor in loop.tensors:
        writer.add(tensor)
    graph = {
        "image_shape": [height, width, channels],
        "is_open": None in model.inputs[0].shape[1:],
        "likelihood": type(likelihood).__name__,
        "levels": likelihood.levels,
        "num_classes": classes,
        "runs": loop.channel_groups,
        "one_more": loop.one_more,
        "tensors": writer.tensors,
        "output": writer.index[loop.output],
    }
    return graph, np.concatenate([np.zeros(0, "float32"), *writer.weights])


class _Writer:
    """Writes tensors of a graph as dicts.

    Attributes:
        tensors: the dicts.
        index: {`pixel_graph.Tensor`: its place in ``tensors``}.
        weights: flat arrays, float32.
    """

    def __init__(self, height, width):
        self.size = [height, width]
        self.tensors, self.index, self.weights, self._end = [], {}, [], 0

    def add(self, tensor):
        """Write a tensor, and the activation of its convolution, if it has one."""
        if type(tensor.operation) in _FOR_TRAINING:
            (source,) = tensor.sources
            self.index[tensor] = self.index[source]
            return
        entry = self._entry(tensor)
        shape = tensor.spec.shape
        size = self.size
        if not tensor.when:  # it depends on the label alone
            size = [*shape[1:3]] if len(shape) == 4 else [1, 1]
        common = {"size": size, "channels": shape[-1], "when": tensor.when}
        common["name"] = getattr(tensor.operation, "name", entry["layer"].lower())
        sources = [self.index[source] for source in tensor.sources]
        self.tensors.append({**entry, "from": sources, **common})
        activation = getattr(tensor.operation, "activation", None)
        if tensor.is_convolution and activation not in (None, keras.activations.linear):
            then = _activation(tensor.operation)
            self.tensors.append({**then, "from": [len(self.tensors) - 1], **common})
        self.index[tensor] = len(self.tensors) - 1

    def _store(self, array):
        """Store an array; return the place where it begins."""
        flat = np.asarray(keras.ops.cast(array, "float32")).ravel()
        at, self._end = self._end, self._end + len(flat)
        self.weights.append(flat)
        return at

    def _entry(self, tensor):
        """Return what the engine needs to know of a tensor's layer."""
        layer = tensor.operation
        if layer is None:
            return {"layer": "Label" if tensor.index else "Image"}
        if getattr(layer, "quantization_mode", None):
            raise _refused(layer, "is quantized")
        if not tensor.when:
            _check_label_s(tensor)
        if tensor.is_convolution:
            return self._convolution(layer)
        kind = type(layer)
        if kind in (PositionBias, keras.layers.PReLU):
            weight = np.asarray(weight_by_pixel(layer))
            *size, channels = *weight.shape[:-1], tensor.channels
            weight = np.broadcast_to(weight, (*size, channels))
            place = {"at": self._store(weight), "size": size, "channels": channels}
            return {"layer": kind.__name__, "weight": place}
        if kind is Gate:
            return {"layer": "Gate", "colors": layer.colors}
        if kind is OneHotLevels:
            return {"layer": "OneHotLevels", "levels": layer.levels}
        if kind is keras.layers.Activation:
            return _activation(layer)
        if kind is keras.layers.Embedding:
            return {"layer": "Embedding", "weights": self._store(layer.embeddings)}
        if kind is keras.layers.Reshape:
            return {"layer": "Reshape"}
        adds = kind is keras.layers.Add or kind.__module__.startswith("keras.src.ops")
        same = {source.channels for source in tensor.sources} == {tensor.channels}
        if adds and kind.__name__ == "Add" and same and len(tensor.sources) > 1:
            return {"layer": "Add"}
        raise _refused(layer, "is not among the layers that run in a page")

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


def _check_label_s(tensor):
    """Refuse a layer between the label and the biases that the builders do not use."""
    layer, (source, *_) = tensor.operation, tensor.sources
    kind = type(layer)
    while type(source.operation) in _FOR_TRAINING:
        (source,) = source.sources
    known = (
        kind is keras.layers.Embedding
        if source.operation is None
        else (kind is keras.layers.Reshape and len(tensor.spec.shape) == 4)
        or (kind is MaskedConv2D and layer.kernel_size == (1, 1))
    )
    if not known:
        raise _refused(
            layer, "works on the label, and is no Embedding and no 1×1 there"
        )


def _activation(layer):
    """Write the activation of a layer, or refuse one that the engine does not know."""
    name = getattr(layer.activation, "__name__", "")
    if name not in ACTIVATIONS or keras.activations.get(name) is not layer.activation:
        known = ", ".join(ACTIVATIONS)
        raise _refused(layer, f"has another activation than {known}")
    if name == "relu":
        return {"layer": "ReLU"}
    return {"layer": "Activation", "activation": name}


def _refused(layer, why):
    name = getattr(layer, "name", type(layer).__name__)
    return NotByPixel(
        "Expected a network that can run in a page. "
        f"Received: the layer {name!r} ({type(layer).__name__}), which {why}."
    )


def page(
    model, path, *, title="A network in this page", image_shape=None, images=None
) -> None:
    """Write one HTML file in which a network runs, without Python and without a network.

    The file opens from disk in a browser, on a phone too. It draws images, flips pixels,
    completes a drawing, and shows what is inside the network; each of these for a model
    that it fits. With ``images``, the reader guesses their pixels against the network, and
    sees what each pixel costs.

    The file has checksums of the graph, the weights and the images. If one of them is
    wrong, the page says that the file is damaged, and draws nothing.

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
        raise ValueError(f"Expected title to be a string. Received: {title!r}")
    graph, weights = network(model, image_shape=image_shape)
    shown = b"" if images is None else _shown(images, graph)
    sections = _sections(graph, bool(shown))
    text = _html(
        title, _intro(graph, live_weights(model)), sections, graph, weights, shown
    )
    with atomic_write(path) as temporary:
        temporary.write_text(text, "utf-8")


def _shown(images, graph) -> bytes:
    """Return the bytes of the images that a page shows, or raise ValueError."""
    if not _draws_binary(graph) or graph["num_classes"] is not None:
        raise ValueError(
            "Expected images for a Bernoulli model of images (H, W, 1) without labels "
            f"only. Received: {graph['likelihood']} of {graph['image_shape']}, num_classes "
            f"{graph['num_classes']}"
        )
    shape = graph["image_shape"]
    images = check_images(images, levels=2, image_shape=shape, at_most=MOST_IMAGES)
    return image_bytes(images, graph)


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
    parts = {  # in ASCII letters
        "graph": json.dumps(graph, separators=(",", ":")).replace("<", "\\u003c"),
        "weights": base64.b64encode(weights.astype("<f4").tobytes()).decode(),
        "images": base64.b64encode(images).decode(),
    }
    checksums = {
        f"crc32_of_{name}": f'data-crc32="{zlib.crc32(text.encode())}"'
        for name, text in parts.items()
    }
    return string.Template(web_file("page.html")).substitute(
        **parts,
        **checksums,
        policy=_policy(script),
        title=html.escape(title),
        style=web_file("style.css"),
        intro=html.escape(intro),
        explorers="\n".join(sections),
        licenses=LICENSES + OF_MNIST * bool(images),
        script=script,
    )


@functools.cache
def web_file(name) -> str:
    """Return the text of a file in the folder `web`."""
    return (_WEB / name).read_text("utf-8")


@functools.cache
def explorers() -> str:
    """Return the modules of the folder `web` joined into one script.

    A page from disk can load no modules, and anywidget takes one text. So each module
    becomes a function that is called at once and returns what the module exports; an import
    reads what an earlier one returned. The modules of the network stand in a function of
    their own, whose text becomes the program of a Worker, see engine.js.
    """
    answers = f"{_joined('answers.js')}return answers_js.answersOf;\n"
    return f"function makeAnswers() {{\n{answers}}}\n\n{_joined('main.js')}"


def _joined(last):
    """Return all modules that ``last`` needs as one text, each after those it imports."""
    done = {}

    def add(name):
        if name in done:
            return
        text = _module(name)
        for _, stem, ending in _IMPORT.findall(text):
            add(f"{stem}.{ending}")
        exported = ", ".join(_EXPORT.findall(text))
        body = _EXPORT.sub("", _IMPORT.sub(r"const \1 = \2_\3;", text))
        place = name.replace(".", "_")
        done[name] = (
            f"const {place} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"
        )

    add(last)
    return "\n".join(done.values())


def _module(name):
    """Return a module as text; of the WebAssembly code, a constant with its bytes."""
    if not name.endswith(".wasm"):
        return web_file(name)
    code = base64.b64encode((_WEB / name).read_bytes()).decode()
    return f'export const KERNEL = "{code}";\n'


def _policy(script):
    """Return a content security policy that allows this script, and nothing from outside.

    The Worker's program is a part of the script. WebAssembly needs a permission of its own.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}' 'wasm-unsafe-eval' blob:; "
        "worker-src blob:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
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
