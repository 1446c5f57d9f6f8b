"""Bad input to every public function: refused by name, before TensorFlow sees it."""

import functools
import importlib
import inspect
import pkgutil
import traceback

import pixelcnn_edu
from pixelcnn_edu import (
    causality,
    compression,
    data,
    evaluation,
    export,
    generation,
    models,
    plots,
    pretrained,
    scoreboard,
    training,
)
from pixelcnn_edu.gated import Gate, StackConv2D, gated_block
from pixelcnn_edu.labels import with_labels
from pixelcnn_edu.layers import MaskedConv2D, PositionBias, residual_block
from pixelcnn_edu.likelihoods import (
    Bernoulli,
    Categorical,
    NegativeLogLikelihood,
)
from pixelcnn_edu.masks import causal_mask
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, pixelcnn

import keras
import numpy as np
import pytest
import tensorflow as tf

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


@functools.cache
def taller():
    """A model whose logits have a row more than its images."""
    image = keras.Input((4, 4, 1))
    logits = keras.layers.ZeroPadding2D(((0, 1), (0, 0)))(
        MaskedConv2D(1, 3, "A")(image)
    )
    return ImageModel(image, logits, likelihood=Bernoulli())


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


def case(words, function, *args, **kwargs):
    name = getattr(function, "__name__", type(function).__name__)
    text = ", ".join(
        [*map(shown, args), *(f"{k}={shown(v)}" for k, v in kwargs.items())]
    )
    return pytest.param(words, function, args, kwargs, id=f"{name}({text})")


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
LEVELS = [(words, images) for words, images in IMAGES] + [("2 levels", put(0.5))]
BY = {"likelihood": Bernoulli()}
POSITIVE = [0, 1.5, "3", None]

CASES = [
    # masks and layers
    *(
        case("kernel_size", causal_mask, size, "A")
        for size in (0, -3, 4, 1.5, "3", None)
    ),
    *(case("kernel_size", causal_mask, size, "A") for size in ((3,), (3, 4), ())),
    *(case("mask_type", causal_mask, 3, kind) for kind in ("C", "a", None, 1)),
    *(case("colors", causal_mask, 3, "A", colors=n) for n in (0, -1, 1.5, "3")),
    case("divisible", causal_mask, 3, "A", colors=3, in_channels=4, out_channels=3),
    case("out_channels", causal_mask, 3, "A", out_channels=0),
    case("kernel_size", MaskedConv2D, 4, 2),
    case("mask_type", MaskedConv2D, 4, 3, "X"),
    *(case("out_channels|filters", MaskedConv2D, n, 3) for n in (0, -1, 1.5, "4")),
    case("strides", MaskedConv2D, 4, 3, strides=2),
    case("padding", MaskedConv2D, 4, 3, padding="valid"),
    case("data_format", MaskedConv2D, 4, 3, data_format="channels_first"),
    *(case("filters", residual_block, FEATURES, n) for n in (0, 3, -2, 1.5, "4", None)),
    *(
        case("dropout", residual_block, FEATURES, 4, dropout=n)
        for n in (-0.1, 1, 2, NAN)
    ),
    case("channels", residual_block, FEATURES, 6),
    case("fixed image size", PositionBias(), keras.KerasTensor((None, None, 4, 2))),
    case("stack", StackConv2D, 4, 3, "sideways"),
    case("kernel_size", StackConv2D, 4, 4, "vertical"),
    *(
        case("dilation_rate", StackConv2D, 4, 3, "vertical", dilation_rate=n)
        for n in (0, -1, 1.5, (1, 2), "2")
    ),
    *(
        case("dilation_rate", gated_block, FEATURES, FEATURES, 4, dilation_rate=n)
        for n in (0, 2.0, None)
    ),
    case("channels divisible", Gate(), np.zeros((1, 2, 2, 3), "float32")),
    case("colors", Gate, 0),
    case("filters", gated_block, FEATURES, FEATURES, 0),
    case("dropout", gated_block, FEATURES, FEATURES, 4, dropout=1.0),
    *(
        case("mask_type", gated_block, FEATURES, FEATURES, 4, 3, kind)
        for kind in ("C", "a", None)
    ),
    *(
        case("kernel_size", gated_block, FEATURES, FEATURES, 4, size)
        for size in (0, 4, "3")
    ),
    *(
        case("horizontal", gated_block, *2 * (keras.KerasTensor((None, 4, 4, n)),), 4)
        for n in (1, 3)
    ),
    *(
        case("channels", models.last_layers, FEATURES, 4, "relu", channels=n, **BY)
        for n in (0, 1.5, None)
    ),
    case("likelihood", models.last_layers, FEATURES, 4, "relu", likelihood="mse"),
    case("filters", models.last_layers, FEATURES, 0, "relu", **BY),
    # likelihoods
    *(case("levels", Categorical, n) for n in (1, *POSITIVE)),
    *(case("components", DiscretizedLogisticMixture, n, 4) for n in POSITIVE),
    *(case("levels", DiscretizedLogisticMixture, 2, n) for n in (1, 0, 2.5)),
    case("1 or 3 channels", DiscretizedLogisticMixture(2, 4).logits_per_pixel, 2),
    case("logits of shape", Bernoulli().log_prob, X, np.zeros((2, 4, 4, 3))),
    case("logits of shape", Categorical(4).log_prob, X, X),
    case("logits of shape", Categorical(4).sample, X, X),
    *(case("temperature", Bernoulli().sample, X, X, t) for t in (-1, NAN, "1", None)),
    *(case("likelihood", NegativeLogLikelihood, it) for it in (None, "mse", Bernoulli)),
    # models
    *(
        case("image_shape", pixelcnn, s, filters=2, depth=1)
        for s in (28, (28, 28), "x")
    ),
    *(
        case("image_shape", pixelcnn, (4, 4, n), filters=2, depth=1)
        for n in (0, -1, None, 1.5)
    ),
    *(case("depth", pixelcnn, (4, 4, 1), filters=2, depth=n) for n in POSITIVE),
    *(case("filters", pixelcnn, (4, 4, 1), filters=n, depth=1) for n in POSITIVE),
    *(
        case("likelihood", pixelcnn, (4, 4, 1), filters=2, depth=1, likelihood=it)
        for it in ("bernoulli", Bernoulli, 2)
    ),
    case("activation|nope", pixelcnn, (4, 4, 1), filters=2, depth=1, activation="nope"),
    case("colors", pixelcnn, (4, 4, 3), filters=12, depth=1, colors=2),
    *(
        case(
            "num_classes", gated_pixelcnn, (4, 4, 1), filters=2, depth=1, num_classes=n
        )
        for n in (0, -1, 1.5, "10")
    ),
    case("label_map", gated_pixelcnn, (4, 4, 1), filters=2, depth=1, label_map=2),
    *(
        case("dilations", gated_pixelcnn, (4, 4, 1), filters=2, depth=1, dilations=n)
        for n in ((), 2, "12", None, (0,), (1, 2.5), ("2",))
    ),
    # data
    case("source", data.load_mnist, "no such file"),
    case("source", data.load_mnist, 3),
    case("source", data.load_mnist, None),
    *(
        case(words, data.binarize, images)
        for words, images in IMAGES
        if "4, 4" not in words
    ),
    case("seed or threshold", data.binarize, X, seed=0, threshold=0.5),
    *(case("threshold", data.binarize, X, threshold=t) for t in (-0.1, 1.1, NAN, "x")),
    *(case("seed", data.binarize, X, seed=s) for s in (-1, 1.5, "x")),
    *(case("levels", data.quantize, X, n) for n in (1, *POSITIVE)),
    case("NaN", data.quantize, put(np.nan), 4),
    case("levels", data.quantize, X, 10**39),
    case("object", data.hold_out, X, np.array([0, "a"], object), 1),
    case("Divide by 255", data.exclude, put(255), X[:, 0, 0, 0], X),
    case("4, 4, 3", data.colorize, np.zeros((2, 4, 4, 3))),
    case("seed", data.colorize, X, seed=-1),
    # evaluation
    *(case(words, nats, images) for words, images in LEVELS),
    *(case("batch_size", nats, batch_size=n) for n in POSITIVE),
    case("likelihood", nats, model=other),
    case("output|logits", nats, model=other, likelihood=Bernoulli()),
    case("likelihood", nats, likelihood="bernoulli"),
    case("likelihood", nats, likelihood=0),
    case("labels", nats, labels=1),
    case("labels", nats, model=labeled),
    *(case("labels", nats, model=labeled, labels=y) for y in (3, -1, 0.5, (0, 1, 2))),
    case("65,536", evaluation.all_images, (5, 5, 1)),
    *(case("levels", evaluation.all_images, (2, 2, 1), n) for n in (1, *POSITIVE)),
    *(case("image_shape", evaluation.all_images, (2, n, 1)) for n in POSITIVE),
    case("image_shape", evaluation.all_images, 4),
    case("65,536", evaluation.total_probability, pixelcnn(filters=2, depth=1)),
    case("image_shape", evaluation.total_probability, open_size()),
    case("N >= 2", evaluation.mean_and_standard_error, (1.0,)),
    case("numbers", evaluation.mean_and_standard_error, ("a", "b")),
    case(r"shape \(N,\)", evaluation.mean_and_standard_error, [[1], [1, 2]]),
    # generation
    *(case("count", generation.generate, plain(), n) for n in POSITIVE),
    *(case("seed", generate, seed=s) for s in (-1, 1.5, "0", True)),
    *(
        case("temperature", generate, temperature=t)
        for t in (-1, NAN, np.inf, "warm", None, True, (1, 2))
    ),
    *(case("method", generate, method=m) for m in ("fast", None, 3)),
    case("image_shape", generate, open_size),
    case("image_shape", generate, image_shape=(5, 5, 1)),
    case("image_shape", generate, open_size, image_shape=(4, 4)),
    case("image_shape", generate, open_size, image_shape=(0, 4, 1)),
    case("image_shape", generate, image_shape=4),
    case("uniforms", generate, uniforms=X[:1]),
    case("uniforms", generate, uniforms=put(1.0)),
    case("uniforms", generate, uniforms=put(-0.1)),
    case("uniforms", generate, uniforms=put(np.nan)),
    case("uniforms", generate, uniforms=X + 0j),
    case(">= 0 and finite", generate, temperature=np.inf),
    case("uniforms", generate, uniforms="abc"),
    case("likelihood", generate, other),
    case("likelihood", generate, likelihood=3),
    case("output|logits|layer", generate, other, likelihood=Bernoulli()),
    *(
        case("output|logits", generate, other, likelihood=Bernoulli(), method=m)
        for m in ("naive", "fixed_point")
    ),
    case("labels", generate, labels=1),
    case("labels", generate, labeled),
    *(
        case("labels", generate, labeled, labels=y)
        for y in (3, -1, 0.5, "a", (0, 1, 2))
    ),
    *(case(words, complete, images, known=~KNOWN) for words, images in LEVELS),
    *(
        case("known", complete, known=k)
        for k in (KNOWN.astype(int), KNOWN[:3], KNOWN[None], None, "top")
    ),
    *(case("count", complete, count=n) for n in POSITIVE),
    *(case("particles", complete, particles=n) for n in POSITIVE),
    case("temperature", complete, particles=8, temperature=0.5),
    case("seed", complete, seed=-1),
    # training
    *(case(words, fit, images) for words, images in IMAGES),
    *(case("epochs", fit, epochs=n) for n in POSITIVE),
    *(case("batch_size", fit, batch_size=n) for n in POSITIVE),
    *(case("learning_rate", fit, learning_rate=r) for r in (0, -1, 1, NAN, "x", None)),
    *(case("'muon'", fit, optimizer=o) for o in ("adam", 1, keras.optimizers.SGD)),
    *(case("seed", fit, seed=s) for s in (-1, 1.5, "x", None)),
    case("soft_targets", fit, likelihood=Categorical(2), soft_targets=True),
    case("validation_images", fit, validation_images=X[:, :3]),
    case("validation_images", fit, validation_images=X[:0]),
    case("labels", fit, labels=(0, 1)),
    case("labels", fit, model=labeled),
    case("labels", fit, model=labeled, labels=(0, 3)),
    case(
        "validation_labels|labels",
        fit,
        model=labeled,
        labels=(0, 1),
        validation_images=X,
    ),
    case("likelihood", fit, model=other),
    case(
        "4 levels",
        fit,
        put(0.5),
        lambda: pixelcnn((4, 4, 1), filters=2, depth=1, likelihood=Categorical(4)),
    ),
    *(case("count", training.SampleGrid, n) for n in POSITIVE),
    *(case("seed", training.SampleGrid, seed=s) for s in (None, -1, "x")),
    *(case("method", training.SampleGrid, method=m) for m in (None, "fast")),
    *(case("every", training.SampleGrid, every=n) for n in POSITIVE),
    # causality
    *(
        case("row, col", causality.receptive_field, plain(), *at)
        for at in ((4, 0), (0, -1))
    ),
    case("row", causality.receptive_field, plain(), 0.5, 0),
    case("images", causality.receptive_field, plain(), 0, 0, images=0),
    *(case("trials", causality.assert_causal, plain(), trials=n) for n in (0, -1, 1.5)),
    *(case("trials", causality.dependency_matrix, plain(), trials=n) for n in (0, "x")),
    case("image_shape", causality.assert_causal, open_size()),
    case("image_shape", causality.assert_causal, open_size(), image_shape=(4, 4)),
    case("output of shape", causality.assert_causal, other()),
    case("height and width", generation.generate, taller(), method="naive"),
    case("height and width", compression.code_length, taller(), X, method="naive"),
    case("model", causality.assert_causal, "model"),
    # the rest
    *(case("name", pretrained.load, name) for name in ("tea", "../coffee", 3, None)),
    case("name", pretrained.card, "tea"),
    case("row of the scoreboard", scoreboard.show, "09", {"no such row": [80.0]}),
    *(case("Divide by 255", plots.image_grid, np.uint8([[[[n]]]])) for n in (2, 255)),
    case("in .0, 1.", plots.image_grid, -np.ones((1, 4, 4, 1))),
    case("images of shape", plots.image_grid, X[0]),
    case("images of shape", plots.image_grid, np.zeros((2, 4, 4, 2))),
    case("at least one image", plots.image_grid, np.zeros((0, 4, 4, 1))),
    case("at least one image", plots.image_grid, np.zeros((2, 0, 4, 1))),
    *(case("columns", plots.image_grid, X, columns=n) for n in (0, -1, 2.5, None)),
    case("labels for", plots.image_grid, X, labels=["one"]),
]


@pytest.mark.parametrize(("words", "function", "args", "kwargs"), CASES)
def test_bad_input_is_refused_by_name(words, function, args, kwargs):
    kinds = (ValueError, FileNotFoundError) if "source" in words else ValueError
    with pytest.raises(kinds, match=words) as caught:
        function(*args, **kwargs)
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
    with pytest.raises(ValueError, match="logits|finite"):
        FUNCTIONS[name](model)


def test_a_run_that_diverges_keeps_its_history_and_has_no_samples():
    model, samples = small(), training.SampleGrid(1)

    def diverge(epoch, logs):
        if epoch:
            model.set_weights([np.full(w.shape, np.nan) for w in model.get_weights()])

    broken = keras.callbacks.LambdaCallback(on_epoch_begin=diverge)
    with pytest.warns(RuntimeWarning, match="weights are not finite"):
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
    # have their own words
    left_out = tuple(
        f"pixelcnn_edu.{name}" for name in ("one_file", "checkpoints", "exercises")
    )
    functions = {}
    for found in pkgutil.walk_packages(pixelcnn_edu.__path__, "pixelcnn_edu."):
        private = found.name.rpartition(".")[2].startswith("_")
        if private or found.name.startswith(left_out):
            continue
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            if own and callable(value) and not name.startswith("_"):
                if "model" in inspect.signature(value).parameters:
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
    assert len(OF_A_MODEL) >= 25
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
    labels = np.int64(3)
    assert model.num_classes == 4
    images = generation.generate(
        model, one, seed=four, labels=labels, temperature=np.float32(0.5)
    )
    np.testing.assert_array_equal(
        images, generation.generate(model, 1, seed=4, labels=3, temperature=0.5)
    )
    fit(epochs=one, batch_size=four, learning_rate=np.float64(1e-3))
    assert json.loads(json.dumps(MaskedConv2D(four, np.int64(3)).get_config()))
