"""Bad input to every public function: refused by name, before TensorFlow sees it."""

import functools
import importlib
import inspect
import json
import pkgutil
import traceback

import pixelcnn_edu
from pixelcnn_edu import (
    causality,
    compression,
    data,
    evaluation,
    generation,
    plots,
    pretrained,
    scoreboard,
    training,
)
from pixelcnn_edu.gated import StackConv2D
from pixelcnn_edu.layers import MaskedConv2D, residual_block
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, pixelcnn

import keras
import numpy as np
import pytest

X = np.zeros((2, 4, 4, 1), "float32")
KNOWN = np.zeros((4, 4), bool)
FEATURES = keras.KerasTensor((None, 4, 4, 4))
NAN = float("nan")


def small(size=4, num_classes=None):
    """Two masked layers, and a bias for each label: quick to compile."""
    inputs = [keras.Input((size, size, 1))]
    x = MaskedConv2D(2, 3, "A")(inputs[0])
    if num_classes:
        inputs.append(keras.Input((), dtype="int32"))
        biases = keras.layers.Embedding(num_classes, 2)(inputs[1])
        x = keras.layers.add([x, keras.layers.Reshape((1, 1, 2))(biases)])
    known = {"likelihood": Bernoulli(), "num_classes": num_classes}
    return ImageModel(inputs, MaskedConv2D(1, 1, name="logits")(x), **known)


@functools.cache
def plain():
    return small()


@functools.cache
def labeled():
    return small(num_classes=3)


def other():
    """A model from elsewhere: no likelihood, and an output that does not line up."""
    image = keras.Input((4, 4, 1))
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))


@functools.cache
def open_size():
    return small(None)


def put(value):
    """Images with one bad value."""
    bad = X.copy()
    bad[1, 2, 3, 0] = value
    return bad


def generate(model=plain, **arguments):
    return generation.generate(model(), 2, **arguments)


def complete(images=X, known=KNOWN, model=plain, **arguments):
    return generation.complete(model(), images, known, **arguments)


def fit(images=X, model=plain, **arguments):
    return training.fit(model(), images, **{"epochs": 1, "verbose": 0, **arguments})


def nats(images=X, model=plain, **arguments):
    return evaluation.nats_per_image(model(), images, **arguments)


def cases(words, function, name, *values, **others):
    """Return a case for each value of the argument called ``name``."""
    return [
        pytest.param(
            words,
            functools.partial(function, **others),
            {name: value},
            id=f"{getattr(function, '__name__', function)} {name} {shown(value)}",
        )
        for value in values
    ]


def shown(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    return getattr(value, "__name__", repr(value)).replace("[", "(").replace("]", ")")


IMAGES = [
    ("numbers", np.array([["a"]])),
    ("numbers", None),
    ("numbers", np.array([X, None], object)),
    (r"images\[\.\.\., None\]", X[..., 0]),
    (r"\(N, 4, 4, 1\)", X[:, :3]),
    (r"\(N, 4, 4, 1\)", np.zeros((2, 4, 4, 3))),
    ("at least one", X[:0]),
    ("NaN", put(np.nan)),
    ("inf", put(np.inf)),
    ("-inf", put(-np.inf)),
    ("-1", put(-1)),
    ("Divide by 255", put(255).astype("uint8")),
    ("complex", X.astype(complex)),
]
NO_COUNTS = 0, 1.5, "3", None
OF_FEATURES = {"x": FEATURES, "filters": 4}
NET = {"image_shape": (4, 4, 1), "filters": 2, "depth": 1}
GRID = {"images": X}
UNIFORM = {"logits": X, "uniforms": X}

CASES = [
    # masks and layers
    *cases("kernel_size", causal_mask, "kernel_size", 0, 4, "3", (3, 4), mask_type="A"),
    *cases("mask_type", causal_mask, "mask_type", "C", "a", None, kernel_size=3),
    *cases("colors", causal_mask, "colors", 0, 1.5, kernel_size=3, mask_type="A"),
    *cases("mask_type", MaskedConv2D, "mask_type", "X", filters=4, kernel_size=3),
    *cases("filters", MaskedConv2D, "filters", *NO_COUNTS, kernel_size=3),
    *cases("strides", MaskedConv2D, "strides", 2, (1, 2), filters=4, kernel_size=3),
    *cases("padding", MaskedConv2D, "padding", "valid", filters=4, kernel_size=3),
    *cases("filters", residual_block, "filters", 0, 3, 1.5, x=FEATURES),
    *cases("dropout", residual_block, "dropout", -0.1, 1, NAN, **OF_FEATURES),
    *cases("stack", StackConv2D, "stack", "sideways", filters=4, kernel_size=3),
    *cases("levels", Categorical, "levels", 1, *NO_COUNTS),
    *cases("components", DiscretizedLogisticMixture, "components", 0, "3", levels=4),
    *cases("temperature", Bernoulli().sample, "temperature", -1, NAN, "1", **UNIFORM),
    # models
    *cases("image_shape", pixelcnn, "image_shape", 28, (28, 28), filters=2, depth=1),
    *cases("depth", pixelcnn, "depth", *NO_COUNTS, filters=2),
    *cases("filters", pixelcnn, "filters", *NO_COUNTS, depth=1),
    *cases("likelihood", pixelcnn, "likelihood", "bernoulli", 2, filters=2, depth=1),
    *cases("activation", pixelcnn, "activation", "nope", filters=2, depth=1),
    *cases("num_classes", gated_pixelcnn, "num_classes", 0, 1.5, **NET),
    *cases("dilations", gated_pixelcnn, "dilations", (), 2, (0,), (1, 2.5), **NET),
    # data
    *cases("source", data.load_mnist, "source", "no such file", 3, None),
    *(
        one
        for words, images in IMAGES
        if "4, 4" not in words
        for one in cases(words, data.binarize, "images", images)
    ),
    *cases("seed or threshold", data.binarize, "seed", 0, **GRID, threshold=0.5),
    *cases("threshold", data.binarize, "threshold", -0.1, NAN, "x", **GRID),
    *cases("seed", data.binarize, "seed", -1, 1.5, "x", **GRID),
    *cases("levels", data.quantize, "levels", 1, *NO_COUNTS, 10**39, **GRID),
    *cases("4, 4, 3", data.colorize, "images", np.zeros((2, 4, 4, 3))),
    # evaluation
    *(
        one
        for words, images in [*IMAGES, ("2 levels", put(0.5))]
        for one in cases(words, nats, "images", images)
    ),
    *cases("batch_size", nats, "batch_size", *NO_COUNTS),
    *cases("likelihood", nats, "model", other),
    *cases("likelihood", nats, "likelihood", "bernoulli", 0),
    *cases("labels", nats, "labels", 1),
    *cases("labels", nats, "labels", None, 3, -1, 0.5, (0, 1, 2), model=labeled),
    *cases("65,536", evaluation.all_images, "image_shape", (5, 5, 1)),
    *cases("N >= 2", evaluation.mean_and_standard_error, "values", (1.0,)),
    # generation
    *cases("count", generation.generate, "count", *NO_COUNTS, model=plain()),
    *cases("seed", generate, "seed", -1, 1.5, "0", True),
    *cases("temperature", generate, "temperature", -1, NAN, np.inf, "warm", None),
    *cases("method", generate, "method", "fast", None),
    *cases("image_shape", generate, "image_shape", None, (4, 4), model=open_size),
    *cases("image_shape", generate, "image_shape", (5, 5, 1)),
    *cases("uniforms", generate, "uniforms", X[:1], put(1.0), put(np.nan), "abc"),
    *cases("likelihood", generate, "model", other),
    *cases("labels", generate, "labels", 1),
    *cases("labels", generate, "labels", None, 3, 0.5, "a", model=labeled),
    *cases("known", complete, "known", KNOWN.astype(int), KNOWN[:3], None, "top"),
    *cases("particles", complete, "particles", *NO_COUNTS),
    *cases("temperature", complete, "temperature", 0.5, particles=8),
    # training
    *(one for words, images in IMAGES for one in cases(words, fit, "images", images)),
    *cases("epochs", fit, "epochs", *NO_COUNTS),
    *cases("batch_size", fit, "batch_size", *NO_COUNTS),
    *cases("learning_rate", fit, "learning_rate", 0, -1, 1, NAN, "x", None),
    *cases("'muon'", fit, "optimizer", "adam", 1, keras.optimizers.SGD),
    *cases("seed", fit, "seed", -1, 1.5, "x", None),
    *cases("validation_images", fit, "validation_images", X[:, :3], X[:0]),
    *cases("labels", fit, "labels", (0, 1)),
    *cases("labels", fit, "labels", None, (0, 3), model=labeled),
    *cases("likelihood", fit, "model", other),
    *cases("every", training.SampleGrid, "every", *NO_COUNTS),
    # causality
    *cases("row", causality.receptive_field, "row", 4, -1, model=plain(), col=0),
    *cases("trials", causality.assert_causal, "trials", 0, 1.5, model=plain()),
    *cases("image_shape", causality.assert_causal, "model", open_size()),
    *cases("output of shape", causality.assert_causal, "model", other()),
    # the rest
    *cases("name", pretrained.load, "name", "tea", "../coffee", 3, None),
    *cases("row", scoreboard.show, "measured", {"no such": [80.0]}, notebook="09"),
    *cases("two digits", scoreboard.rows, "until", 9, "9", None),
    *cases("Divide by 255", plots.image_grid, "images", np.uint8([[[[255]]]])),
    *cases("images of shape", plots.image_grid, "images", X[0], np.zeros((2, 4, 4, 2))),
    *cases("at least one image", plots.image_grid, "images", np.zeros((0, 4, 4, 1))),
    *cases("columns", plots.image_grid, "columns", 0, 2.5, None, **GRID),
    *cases("labels for", plots.image_grid, "labels", ["one"], **GRID),
]


@pytest.mark.parametrize(("words", "function", "bad"), CASES)
def test_bad_input_is_refused_by_name(words, function, bad):
    kinds = (ValueError, FileNotFoundError) if "source" in words else ValueError
    with pytest.raises(kinds, match=words) as caught:
        function(**bad)
    modules = {frame.filename for frame in traceback.extract_tb(caught.tb)}
    assert not [name for name in modules if "tensorflow/" in name]
    assert "Expected" in str(caught.value) or caught.type is FileNotFoundError


FUNCTIONS = {
    "generate": lambda m, **label: generation.generate(m, 1, **label),
    "complete": lambda m, **label: generation.complete(m, X, KNOWN, **label),
    "assert_causal": lambda m, **_: causality.assert_causal(m),
    "receptive_field": lambda m, **_: causality.receptive_field(m, 2, 2),
    "nats_per_image": lambda m, **labels: evaluation.nats_per_image(m, X, **labels),
    "compress": lambda m, **labels: compression.compress(m, X, **labels),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_weights_that_are_not_finite_are_refused_by_the_name_of_their_layer(name):
    model = small()
    model.get_layer("logits").bias.assign([np.nan])
    with pytest.raises(ValueError, match="finite weights.*layer 'logits'"):
        FUNCTIONS[name](model)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_logits_that_are_nan_though_the_weights_are_finite_are_named(name):
    """In float16 features overflow. Before, pages were blank and leaks were seen."""
    image = keras.Input((4, 4, 1))
    x = keras.layers.Rescaling(float("inf"))(MaskedConv2D(2, 3, "A")(image))
    model = ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())
    with pytest.raises(ValueError, match="logits|finite|run one pixel at a time"):
        FUNCTIONS[name](model)


def test_a_run_that_diverges_keeps_its_history_and_has_no_samples():
    model, samples = small(), training.SampleGrid(1)

    def diverge(epoch, logs):
        if epoch:
            model.set_weights([np.full(w.shape, np.nan) for w in model.get_weights()])

    broken = keras.callbacks.LambdaCallback(on_epoch_begin=diverge)
    with pytest.warns(RuntimeWarning, match="model with finite weights"):
        history = training.fit(
            model, X, epochs=3, verbose=0, callbacks=[broken, samples]
        )
    assert list(samples.grids) == [1]
    assert np.isnan(history.history["loss"][1:]).all()


# what functions of a model need beside it; `inspect` finds the functions themselves
BESIDE = {
    "col": 0,
    "copy": None,
    "count": 1,
    "choose": len,
    "data": b"",
    "card": {},
    "digits": X,
    "first": 0,
    "folder": ".",
    "given": X,
    "name": "mine",
    "image": X[0],
    "images": X,
    "known": KNOWN,
    "likelihood": Bernoulli(),
    "mixtures": np.eye(3),
    "path": "mine.html",
    "pixels": [(0, 0)],
    "row": 0,
    "second": 1,
    "seed": 0,
    "steps": 1,
    "temperature": 1.0,
    "uniforms": X,
}


def functions_of_a_model():
    """Return all public functions and classes with an argument called ``model``."""
    # `one_file` checks nothing, `fit` checks before it calls `checkpoints`, and exercises
    # have their own words; `widgets.drawing` has helpers of its explorers
    left_out = tuple(
        f"pixelcnn_edu.{name}"
        for name in ("one_file", "cache", "checkpoints", "exercises", "widgets.drawing")
    )
    functions = {}
    for found in pkgutil.walk_packages(pixelcnn_edu.__path__, "pixelcnn_edu."):
        private = found.name.rpartition(".")[2].startswith("_")
        if private or found.name.startswith(left_out):
            continue
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            public = own and callable(value) and not name.startswith("_")
            if public and "model" in inspect.signature(value).parameters:
                functions[f"{found.name}.{name}"] = value
    return functions


OF_A_MODEL = functions_of_a_model()


@pytest.mark.parametrize("name", OF_A_MODEL)
def test_every_function_says_that_its_model_is_none(name):
    parameters = inspect.signature(OF_A_MODEL[name]).parameters.values()
    several = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    beside = {
        one.name: BESIDE[one.name]
        for one in parameters
        if one.default is one.empty and one.kind not in several and one.name != "model"
    }
    for value in ("coffee", None, keras.Sequential([keras.layers.Dense(1)])):
        with pytest.raises(ValueError, match=r"^Expected model to .*Received: "):
            OF_A_MODEL[name](model=value, **beside)


def test_the_search_finds_the_functions_of_a_model():
    assert len(OF_A_MODEL) >= 20
    assert {"pixelcnn_edu.generation.generate", "pixelcnn_edu.training.fit"} <= {
        *OF_A_MODEL
    }


@pytest.mark.parametrize("kind", ["two labels", "two outputs"])
def test_a_model_of_another_form_is_refused_by_name(kind):
    image = keras.Input((4, 4, 1))
    x = MaskedConv2D(1, 3, "A")(image)
    labels = [keras.Input((), dtype="int32") for _ in range(2)]
    inputs = [image, *labels] if kind == "two labels" else image
    model = keras.Model(inputs, [x, x] if kind == "two outputs" else x)
    for call in (
        lambda: generation.generate(model, 1, likelihood=Bernoulli()),
        lambda: causality.assert_causal(model),
        lambda: training.fit(model, X, epochs=1, likelihood=Bernoulli()),
    ):
        with pytest.raises(ValueError, match="to one tensor of logits"):
            call()


def test_labels_that_int32_cannot_hold_are_refused():
    """They wrapped around: 2**32 + 1 was trained and drawn as label 1."""
    image, label = keras.Input((4, 4, 1)), keras.Input((), dtype="int32")
    x = MaskedConv2D(1, 3, "A")(image)
    told = keras.layers.Reshape((1, 1, 1))(keras.ops.cast(label, "float32"))
    model = ImageModel([image, label], x + told, likelihood=Bernoulli())
    assert evaluation.nats_per_image(model, X, labels=1).shape == (2,)
    with pytest.raises(ValueError, match="Expected labels"):
        evaluation.nats_per_image(model, X, labels=2**32 + 1)


def test_an_image_shape_that_contradicts_the_model_is_refused():
    for function in (causality.dependency_matrix, causality.first_leak):
        with pytest.raises(ValueError, match="image_shape"):
            function(plain(), image_shape=(3, 3, 1))


def test_scalars_of_numpy_count_as_the_numbers_that_they_hold():
    """Students write ``num_classes=y.max() + 1`` and ``filters=np.arange(8)[4]``."""
    four, one = np.arange(8)[4], np.int64(1)
    model = gated_pixelcnn((four, four, one), filters=four, depth=one, num_classes=four)
    assert model.num_classes == 4
    images = generation.generate(
        model, one, seed=four, labels=np.int64(3), temperature=np.float32(0.5)
    )
    np.testing.assert_array_equal(
        images, generation.generate(model, 1, seed=4, labels=3, temperature=0.5)
    )
    fit(epochs=one, batch_size=four, learning_rate=np.float64(1e-3))
    assert json.loads(json.dumps(MaskedConv2D(four, np.int64(3)).get_config()))
