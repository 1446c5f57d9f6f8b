"""The engine in JavaScript: its numbers, logits and images are those of Python."""

import base64
import itertools
import json
from pathlib import Path

from pixelcnn_edu import causality, export, generation, pretrained
from pixelcnn_edu._web import explorers
from pixelcnn_edu.labels import with_labels
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import gated_pixelcnn, logits_function, pixelcnn

import numpy as np
import pytest
import wasmtime

SCRIPT = explorers()
# What runs in the page: `answers` of the network that was loaded last.
LOAD = """([graph, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  globalThis.answers = makeAnswers()(graph, new Float32Array(bytes.buffer));
}"""
ASK = """([name, args]) => {
  const toFloats = (value) => Array.isArray(value) ? new Float32Array(value) : value;
  for (const key of ["image", "uniforms", "given", "known"]) {
    if (args[key]) args[key] = toFloats(args[key]);
  }
  return JSON.stringify(answers[name](args), (_, value) =>
    ArrayBuffer.isView(value) ? Array.from(value) : value);
}"""
TOLERANCE = 1e-4
# Models that the two builders make: what differs from the smallest one.
KINDS = {
    "relu": {"activation": "relu"},
    "elu": {"activation": "elu"},
    "gelu": {"activation": "gelu"},
    "silu": {"activation": "silu"},
    "softplus": {"activation": "softplus"},
    "position": {"position": True},
    "one_hot": {"one_hot": True, "likelihood": Categorical(3)},
    "colors": {"image_shape": (4, 5, 3), "filters": 6, "likelihood": Categorical(2)},
    "one color group": {"image_shape": (4, 5, 3), "colors": 1, "filters": 6},
    "colors, one_hot": {
        **{"image_shape": (4, 5, 3), "filters": 6, "likelihood": Categorical(4)},
        "one_hot": True,
    },
    "gated": {},
    "gated, skip": {"skip": True},
    "gated, dilations": {"dilations": (1, 2), "image_shape": (9, 9, 1), "depth": 3},
    "gated, position": {"position": True},
    "gated, labels": {"num_classes": 3},
    "gated, label map": {"num_classes": 3, "label_map": 2},
    "gated, colors": {"image_shape": (4, 5, 3), "filters": 6, "skip": True},
    "gated, all": {
        **{"image_shape": (6, 5, 3), "filters": 6, "likelihood": Categorical(3)},
        **{"one_hot": True, "skip": True, "dilations": (1, 2), "dropout": 0.5},
        **{"num_classes": 4, "label_map": 3, "position": True, "depth": 3},
    },
}
# In a layer's code a mistake, and a model that shows it.
BUGS = {
    "Convolution": ("c = col + right;", "c = col - right;", "relu"),
    "bias": ("tensor.bias === null ?", "tensor.bias !== null ?", "relu"),
    "Gate": ("Math.floor(k / size) * size", "k", "gated, colors"),
    "PReLU": ("x > 0 ? x : floats[slope + k] * x", "x", "position"),
    "PositionBias": (" + floats[bias + k]", "", "position"),
    "Activation": ("silu: (x) => x * sigmoid(x)", "silu: (x) => x", "silu"),
    "ReLU": ("Math.max(floats[from + k], 0)", "floats[from + k]", "relu"),
    "Add": ("(i > 0 ? floats[to + k] : 0)", "0", "relu"),
    "OneHotLevels": ("k % levels)", "k / levels)", "one_hot"),
    "Embedding": ("label * tensor.channels", "tensor.channels", "gated, labels"),
    "Reshape": ("net.place(tensor, row, col) - tensor.page", "0", "gated, label map"),
}


class Engine:
    """The engine in a page of Chromium."""

    def __init__(self, browser, script=SCRIPT):
        self.page = browser.new_page()
        self.page.add_script_tag(content=script)

    def load(self, model):
        graph, weights = export.network(model)
        self.shape = tuple(graph["image_shape"])
        text = base64.b64encode(weights.tobytes()).decode()
        self.page.evaluate(LOAD, [graph, text])

    def ask(self, name, **arguments):
        flat = {
            key: np.ravel(value).tolist() if isinstance(value, np.ndarray) else value
            for key, value in arguments.items()
        }
        return json.loads(self.page.evaluate(ASK, [name, flat]))

    def logits(self, image, label=0):
        out = self.ask("read", image=image, label=label)["logits"]
        return np.reshape(out, (*self.shape[:2], -1))


@pytest.fixture(scope="module")
def plain(browser):
    """The engine without WebAssembly."""
    engine = Engine(browser)
    engine.page.evaluate("delete globalThis.WebAssembly")
    yield engine
    engine.page.close()


@pytest.fixture(scope="module")
def engine(browser):
    engine = Engine(browser)
    yield engine
    engine.page.close()


def test_the_stored_code_is_compiled_from_its_text():
    web = Path(export.__file__).with_name("web")
    code = wasmtime.wat2wasm((web / "kernel.wat").read_text("utf-8"))
    assert (web / "kernel.wasm").read_bytes() == code


def small(kind, seed=0):
    """Build a small model with random weights, those that are zero at first too."""
    build = gated_pixelcnn if kind.startswith("gated") else pixelcnn
    own = {"image_shape": (6, 5, 1), "filters": 4, "depth": 2, **KINDS[kind]}
    model = build(**own)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


def images_and_labels(model, count, seed=0):
    rng = np.random.default_rng(seed)
    levels = model.likelihood.levels
    shape = (count, *model.inputs[0].shape[1:])
    images = rng.integers(0, levels, shape).astype("float32") / np.float32(levels - 1)
    return images, rng.integers(0, model.num_classes or 1, count)


def farthest(engine, model, count=2):
    """Return the largest difference of a logit between the page and Keras."""
    images, labels = images_and_labels(model, count)
    of_keras = logits_function(model)(images, *[labels] * bool(model.num_classes))
    return max(
        np.abs(engine.logits(image, int(label)) - expected).max()
        for image, label, expected in zip(images, labels, of_keras, strict=True)
    )


def test_a_seed_has_the_numbers_of_numpy(engine):
    shape = (31, 33, 1)  # an odd count: NumPy makes two numbers of 64 bits
    engine.load(pixelcnn(shape, filters=2, depth=1))
    for seed in (0, 1, 7, 2**32 - 1, 2**32, 2**53 - 1):
        children = np.random.SeedSequence(seed).spawn(41)
        for child in (0, 1, 40):
            rng = np.random.default_rng(children[child])
            expected = rng.random(shape, dtype="float32").ravel()
            numbers = engine.ask("uniforms", seed=seed, child=child)
            assert np.array_equal(np.float32(numbers), expected), (seed, child)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_keras(engine, plain, kind):
    model = small(kind)
    for one in (engine, plain):
        one.load(model)
        assert farthest(one, model) < TOLERANCE


@pytest.mark.parametrize("name", pretrained.names())
def test_logits_of_bundled_models(engine, name):
    model = pretrained.load(name)
    if not isinstance(model.likelihood, Bernoulli | Categorical):
        with pytest.raises(ValueError, match="DiscretizedLogisticMixture"):
            export.network(model)
        return
    engine.load(model)
    assert farthest(engine, model) < TOLERANCE


def check_drawn(model, expected, drawn, uniforms, temperature, label):
    """Check that an image is Python's, up to a value that rounding decides."""
    differs = np.flatnonzero(expected.ravel() != drawn.ravel())
    if not len(differs):
        return
    row, col, channel = np.unravel_index(differs[0], expected.shape)
    labels = [np.array([label])] * bool(model.num_classes)
    logits = logits_function(model)(expected[None], *labels) / temperature
    p = np.asarray(model.likelihood.probabilities(logits, expected[None]))
    steps = p[0, row, col, channel].cumsum()
    if isinstance(model.likelihood, Bernoulli):  # ink if u < p(ink)
        steps = 1 - steps
    assert np.abs(steps - uniforms[row, col, channel]).min() < TOLERANCE


def check_seeds(engine, model, seeds, temperature=1.0):
    """Compare the first image of each seed with Python's; return how many differ."""
    engine.load(model)
    shape = model.inputs[0].shape[1:]
    streams = [np.random.SeedSequence(seed).spawn(1)[0] for seed in range(seeds)]
    rngs = [np.random.default_rng(stream) for stream in streams]
    uniforms = np.stack([rng.random(shape, dtype="float32") for rng in rngs])
    labels = np.arange(seeds) % (model.num_classes or 1)
    images = generation.generate(
        model,
        seeds,
        uniforms=uniforms,
        labels=labels if model.num_classes else None,
        temperature=temperature,
    )
    different = 0
    for seed in range(seeds):
        asked = {"seed": seed, "temperature": temperature, "label": int(labels[seed])}
        (answer,) = engine.ask("draw", children=[0], **asked)
        drawn = np.reshape(answer["image"], shape).astype("float32")
        own = uniforms[seed], temperature, labels[seed]
        check_drawn(model, images[seed], drawn, *own)
        different += not np.array_equal(drawn, images[seed])
    return different


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_draws_the_image_of_python(engine, kind):
    assert check_seeds(engine, small(kind), 8, temperature=0.5) <= 1


@pytest.mark.parametrize("name", ["coffee", "night", "conditional", "colored"])
def test_thirty_seeds_of_bundled_models(engine, name):
    assert check_seeds(engine, pretrained.load(name), 30) <= 1


def test_only_the_pixels_after_a_changed_number_are_drawn_again(engine):
    model = small("gated, skip")
    engine.load(model)
    uniforms = np.random.default_rng(0).random((6, 5, 1), dtype="float32")
    old = engine.ask("drawFrom", uniforms=uniforms)["image"]
    pixels = [3, 17, 8, 29]
    forks = engine.ask("forks", uniforms=uniforms, image=np.array(old), pixels=pixels)
    for pixel, fork in zip(pixels, forks, strict=True):
        numbers = uniforms.copy()
        numbers.flat[pixel] = 0 if not old[pixel] else np.nextafter(np.float32(1), 0)
        expected = generation.generate(
            model, 1, uniforms=numbers[None], method="naive"
        ).ravel()
        assert fork == expected.tolist()
        assert fork[:pixel] == old[:pixel]
        assert fork[pixel] != old[pixel]


@pytest.mark.parametrize("share", [0, 0.5, 1])
@pytest.mark.parametrize("kind", ["gated, labels", "gated, label map", "conditional"])
def test_a_mixture_of_labels_draws_as_a_network_with_that_label(engine, kind, share):
    model = pretrained.load(kind) if kind == "conditional" else small(kind)
    engine.load(model)
    mixture = np.zeros(model.num_classes)
    mixture[1], mixture[2] = 1 - share, share
    copy, label = with_labels(model, mixture[None]), 0
    if share in (0, 1):
        copy, label = model, 1 + share
    shape, different = model.inputs[0].shape[1:], 0
    for seed in range(2):
        streams = np.random.SeedSequence(seed).spawn(8)
        rngs = [np.random.default_rng(stream) for stream in streams]
        images = generation.generate(copy, 8, seed=seed, labels=label)
        children = list(range(8))
        told = mixture.tolist()
        answers = engine.ask("draw", seed=seed, children=children, label=told)
        for expected, answer, rng in zip(images, answers, rngs, strict=True):
            drawn = np.reshape(answer["image"], shape).astype("float32")
            uniforms = rng.random(shape, dtype="float32")
            check_drawn(copy, expected, drawn, uniforms, 1.0, label)
            different += not np.array_equal(drawn, expected)
    assert different <= 1


@pytest.mark.parametrize("kind", ["gated, labels", "colors"])
def test_all_images_together_have_probability_one(engine, kind):
    KINDS["tiny"] = KINDS["gated, tiny"] = {
        **KINDS[kind],
        "image_shape": (2, 2, 1) if kind == "gated, labels" else (1, 2, 3),
    }
    model = small("gated, tiny" if kind.startswith("gated") else "tiny")
    engine.load(model)
    levels, size = model.likelihood.levels, np.prod(engine.shape)
    every = np.array(list(itertools.product(range(levels), repeat=size))) / (levels - 1)
    costs = [engine.ask("read", image=image, label=1)["cost"] for image in every]
    assert abs(np.exp(-np.sum(costs, axis=1)).sum() - 1) < 1e-5


@pytest.mark.parametrize("kind", ["position", "one_hot", "gated, all"])
def test_no_logit_depends_on_a_later_value(engine, kind):
    model = small(kind)
    engine.load(model)
    (image,), _ = images_and_labels(model, 1)
    before = engine.logits(image).reshape(image.size, -1)
    for value in range(image.size):
        other = image.copy()
        other.flat[value] = 1 - other.flat[value]
        after = engine.logits(other).reshape(before.shape)
        assert np.array_equal(before[: value + 1], after[: value + 1])


def fields_differ(engine, kind):
    """Return the pixels whose receptive field is another one than by gradients."""
    # The field is that of the graph. In one model an activation may be off everywhere.
    models = [small(kind, seed) for seed in (0, 1)]
    engine.load(models[0])
    height, width = engine.shape[:2]
    wrong = []
    for row, col in [(height // 2, width // 2), (2, width - 1), (height - 1, 1)]:
        fields = engine.ask("fields", pixel=row * width + col)
        found = np.reshape(fields[0], (height, width)).astype(bool)
        by_hand = [
            causality.receptive_field(model, row, col, images=8) for model in models
        ]
        wrong += [(row, col)] * (not np.array_equal(found, by_hand[0] | by_hand[1]))
    return wrong


@pytest.mark.parametrize("kind", ["relu", "gated, dilations", "gated, all"])
def test_fields_are_the_receptive_fields_that_gradients_find(engine, kind):
    assert fields_differ(engine, kind) == []


@pytest.mark.parametrize("kind", ["relu", "gated, all"])
def test_features_after_a_drawing_are_those_of_a_reading(engine, kind):
    model = small(kind)
    engine.load(model)
    # of a network that has labels: those of label 0
    (drawn,) = engine.ask("draw", seed=0, children=[0])
    asked = {
        "image": np.array(drawn["image"]),
        "tensors": list(range(len(export.network(model)[0]["tensors"]))),
    }
    after_drawing = engine.ask("read", **asked)
    engine.load(model)  # all pages are empty again
    assert engine.ask("read", **asked) == after_drawing


@pytest.mark.parametrize("layer", BUGS)
def test_a_mistake_in_a_layer_is_caught(browser, layer):
    right, wrong, kind = BUGS[layer]
    assert SCRIPT.count(right) == 1
    engine = Engine(browser, SCRIPT.replace(right, wrong))
    model = small(kind)
    engine.load(model)
    assert not farthest(engine, model) < TOLERANCE  # it may be NaN
    engine.page.close()
