"""Numbers from NumPy: all public functions take them as they take Python's numbers.

Students write ``num_classes=y.max() + 1`` or ``filters=np.arange(8)[4]``. Each call in
`CALLS` is made with Python numbers, and again with each kind of NumPy number in their
place. The results must be equal. A call that refuses a kind must name the argument.
"""

import importlib
import inspect
import json
import pkgutil

import pixelcnn_edu
from pixelcnn_edu import (
    causality,
    compression,
    data,
    evaluation,
    export,
    fields,
    gated,
    generation,
    layers,
    likelihoods,
    masks,
    mixture,
    models,
    optimizers,
    plots,
    training,
    widgets,
)
from pixelcnn_edu._checks import fixed_arguments
from pixelcnn_edu.presets import Preset
from pixelcnn_edu.widgets import fork, morph, reading
from pixelcnn_edu.widgets._base import Explorer

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from effort import tally
from PIL import Image

X = data.binarize(np.full((6, 5, 5, 1), 0.5), seed=0)
DIGITS = data.binarize(data.load_mnist()[1][0][:20], seed=0)


def small(size=5, num_classes=None):
    """Two masked layers, and a bias for each label: quick to compile."""
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((size, size, 1))]
    x = layers.MaskedConv2D(2, 3, "A", activation="relu")(inputs[0])
    if num_classes:
        inputs.append(keras.Input((), dtype="int32"))
        biases = keras.layers.Embedding(num_classes, 2)(inputs[1])
        x = keras.layers.add([x, keras.layers.Reshape((1, 1, 2))(biases)])
    known = {"likelihood": likelihoods.Bernoulli(), "num_classes": num_classes}
    return models.ImageModel(inputs, layers.MaskedConv2D(1, 1)(x), **known)


MODEL, LABELED, OPEN = small(), small(num_classes=3), small(None)
PAGE, TOLD = small(28), small(28, num_classes=10)
WHOLE = keras.KerasTensor((None, 4, 4, 4))
FIELD = np.zeros((5, 5), bool)


def trained(tmp_path, **arguments):
    """Train with a folder; return what the model has learned and what was kept of it."""
    model = small()
    folder = tmp_path / f"run {len(list(tmp_path.iterdir()))}"
    history = training.fit(model, X, folder=folder, verbose=0, **arguments)
    with np.load(folder / "checkpoint.npz") as file:
        kept = json.loads(str(file["about"]))["settings"]
    return history.history["loss"], kept, model.get_weights()


def from_folder(tmp_path, *args, **kwargs):
    for k in range(4):
        Image.new("L", (6, 5), 60 * k).save(tmp_path / f"{k}.png")
    return data.load_folder(tmp_path, *args, **kwargs)


def exported(tmp_path, model, image_shape):
    export.page(model, tmp_path / "page.html", image_shape=image_shape)
    return (tmp_path / "page.html").read_text("utf-8")


def sample_grid(**arguments):
    samples = training.SampleGrid(**arguments)
    return samples.count, samples.every, samples.seed


# name: (function, arguments by position, arguments by name); Python's numbers only.
CALLS = {
    "masks.causal_mask": (
        masks.causal_mask,
        (3, "B"),
        {"in_channels": 6, "out_channels": 3, "colors": 3},
    ),
    "masks.causal_mask of a pair": (masks.causal_mask, ((3, 5), "A"), {}),
    "layers.MaskedConv2D": (layers.MaskedConv2D, (6, 3), {"colors": 3}),
    "layers.MaskedConv2D with Keras's arguments": (
        layers.MaskedConv2D,
        (6, (3, 5), "A"),
        {"strides": 1, "groups": 1},
    ),
    "layers.residual_block": (
        lambda *args, **kwargs: layers.residual_block(WHOLE, *args, **kwargs),
        (4, 3),
        {"dropout": 0.5, "colors": 2},
    ),
    "_checks.fixed_arguments": (fixed_arguments, ({"strides": 1}, "same"), {}),
    "layers.OneHotLevels": (layers.OneHotLevels, (4,), {}),
    "gated.StackConv2D": (
        gated.StackConv2D,
        (6, 3, "horizontal"),
        {"colors": 3, "dilation_rate": 2},
    ),
    "gated.Gate": (gated.Gate, (3,), {}),
    "gated.gated_block": (
        lambda *args, **kwargs: gated.gated_block(WHOLE, WHOLE, *args, **kwargs),
        (4, 3),
        {"dropout": 0.5, "colors": 2, "dilation_rate": 2},
    ),
    "likelihoods.Categorical": (likelihoods.Categorical, (4,), {}),
    "mixture.DiscretizedLogisticMixture": (
        mixture.DiscretizedLogisticMixture,
        (2, 4),
        {},
    ),
    "likelihoods.sample": (
        likelihoods.Categorical(2).sample,
        (np.arange(50, dtype="float32").reshape(1, 5, 5, 2) % 3, X[:1]),
        {"temperature": 2.0},
    ),
    "likelihoods.logits_per_pixel": (
        mixture.DiscretizedLogisticMixture(2, 4).logits_per_pixel,
        (3,),
        {},
    ),
    "models.last_layers": (
        lambda *args, **kwargs: models.last_layers(WHOLE, *args, **kwargs),
        (6, "relu"),
        {"likelihood": likelihoods.Categorical(3), "channels": 2, "colors": 2},
    ),
    "models.pixelcnn": (
        models.pixelcnn,
        ((5, 5, 3),),
        {
            "filters": 6,
            "depth": 1,
            "position": True,
            "dropout": 0.5,
            "colors": 3,
            "one_hot": True,
        },
    ),
    "models.gated_pixelcnn": (
        models.gated_pixelcnn,
        ((5, 5, 1),),
        {
            "filters": 4,
            "depth": 2,
            "num_classes": 3,
            "label_map": 2,
            "position": True,
            "skip": True,
            "dilations": (1, 2),
            "dropout": 0.5,
            "colors": 1,
            "one_hot": False,
        },
    ),
    "models.ImageModel": (
        models.ImageModel,
        (MODEL.input, MODEL.output),
        {"likelihood": MODEL.likelihood, "num_classes": 3},
    ),
    "data.load_folder": (
        from_folder,
        ((4, 5), 3),
        {"levels": 4, "invert": True, "validation": 0.5, "seed": 3},
    ),
    "data.hold_out": (data.hold_out, (X, [0, 1, 0, 1, 0, 1], 2), {"seed": 3}),
    "data.binarize": (data.binarize, (X,), {"seed": 3}),
    "data.binarize with several seeds": (data.binarize, (X,), {"seed": [3, 1]}),
    "data.binarize with a threshold": (data.binarize, (X,), {"threshold": 0.5}),
    "data.quantize": (data.quantize, (X, 4), {}),
    "data.colorize": (data.colorize, (X,), {"seed": 3}),
    "evaluation.nats_per_image": (
        evaluation.nats_per_image,
        (LABELED, X),
        {"labels": 2, "batch_size": 3},
    ),
    "evaluation.bits_per_dim": (
        evaluation.bits_per_dim,
        (MODEL, X),
        {"batch_size": 3},
    ),
    "evaluation.all_images": (evaluation.all_images, ((2, 2, 1), 3), {}),
    "evaluation.total_probability": (
        evaluation.total_probability,
        (OPEN, (2, 2, 1)),
        {},
    ),
    "evaluation.total_probability with a label": (
        evaluation.total_probability,
        (small(2, num_classes=3),),
        {"label": 2},
    ),
    "generation.generate": (
        generation.generate,
        (LABELED, 3),
        {"seed": 3, "temperature": 0.5, "labels": 2, "progress": False},
    ),
    "generation.generate of a size": (
        generation.generate,
        (OPEN, 100),
        {"seed": [1, 2], "image_shape": (4, 3, 1), "method": "fixed_point"},
    ),
    "generation.generate_slices": (
        lambda *args, **kwargs: list(generation.generate_slices(*args, **kwargs)),
        (MODEL, 2),
        {"seed": 3, "temperature": 0.5},
    ),
    "generation.complete": (
        generation.complete,
        (MODEL, X, np.arange(25).reshape(5, 5) < 12),
        {"count": 2, "seed": 3, "temperature": 1.0, "particles": 3},
    ),
    "generation.complete by clamping": (
        generation.complete,
        (MODEL, X, np.arange(25).reshape(5, 5) < 12),
        {"count": 2, "seed": 3, "temperature": 0.5, "return_ess": True},
    ),
    "causality.dependency_matrix": (
        causality.dependency_matrix,
        (OPEN,),
        {"image_shape": (3, 3, 1), "trials": 1, "seed": 3},
    ),
    "causality.receptive_field": (
        causality.receptive_field,
        (OPEN, 1, 2),
        {"image_shape": (4, 4, 1), "images": 4, "seed": 3},
    ),
    "causality.first_leak": (
        causality.first_leak,
        (OPEN,),
        {"image_shape": (3, 3, 1), "trials": 1, "seed": 3},
    ),
    "causality.assert_causal": (
        causality.assert_causal,
        (OPEN,),
        {"image_shape": (3, 3, 1), "trials": 1, "seed": 3},
    ),
    "compression.compress": (compression.compress, (LABELED, X), {"labels": 2}),
    "compression.decompress": (
        compression.decompress,
        (LABELED, compression.compress(LABELED, X, labels=2)),
        {"labels": 2},
    ),
    "compression.code_length": (compression.code_length, (LABELED, X), {"labels": 2}),
    "compression.choose_values": (
        compression.choose_values,
        (OPEN, 2, lambda counts: counts.argmax(axis=1)),
        {"image_shape": (3, 3, 1), "total": 255},
    ),
    "compression.quantize": (compression.quantize, ([0.25, 0.75],), {"total": 255}),
    "optimizers.cosine": (optimizers.cosine, (100, 0.0078125), {}),
    "optimizers.nadam": (
        optimizers.nadam,
        (100, 0.0078125),
        {},
    ),
    "optimizers.muon": (optimizers.muon, (100, 0.0078125), {}),
    "samples.SampleGrid": (sample_grid, (), {"count": 2, "every": 1, "seed": 3}),
    "training.compile_model": (
        lambda **how: training.compile_model(small(), **how),
        (),
        {"steps": 100, "learning_rate": 0.01},
    ),
    "training.fit": (
        trained,
        (),
        {
            "epochs": 2,
            "batch_size": 4,
            "learning_rate": 0.0078125,  # the same number in float32
            "soft_targets": True,
            "seed": 3,
        },
    ),
    "plots.image_grid": (plots.image_grid, (X,), {"columns": 3}),
    "plots.heatmap": (plots.heatmap, (X[0, ..., 0],), {"label": "", "vmax": 2.0}),
    "plots.pixels": (
        lambda page, **ends: plots.pixels(plots.plt.gca(), page, **ends),
        (X[0, ..., 0],),
        {"vmin": -1.0, "vmax": 2.0},
    ),
    "plots.receptive_field": (plots.receptive_field, (FIELD, 2, 3), {}),
    "plots.with_edge": (plots.with_edge, (3,), {}),
    "presets.Preset": (
        lambda **how: Preset("", **how).model(),
        (),
        {"filters": 4, "depth": 1, "epochs": 1, "dropout": 0.5},
    ),
    "fields.seen": (
        fields.seen,
        ((5, 5), (2, 2)),
        {"first": 3, "further": 1, "gated": True},
    ),
    "fields.by_depth": (
        lambda *args, **kwargs: next(fields.by_depth(*args, **kwargs)),
        ((5, 5), (2, 2)),
        {"first": 3, "gated": True},
    ),
    "widgets.finish.FinishMyDigit": (
        widgets.FinishMyDigit,
        (PAGE, DIGITS[:2]),
        {"seed": 3},
    ),
    "export.network": (export.network, (OPEN,), {"image_shape": (5, 6, 1)}),
    "export.page": (exported, (OPEN,), {"image_shape": (5, 6, 1)}),
    "widgets.fork.flipping_number": (fork.flipping_number, (X[0], 1, 2), {}),
    "widgets.fork.draw_flipped": (fork.draw_flipped, (PAGE, 3, [(1, 2)]), {}),
    "widgets.fork.Fork": (widgets.Fork, (PAGE,), {"seed": 3}),
    "widgets.reading.uncertain_pixels": (
        reading.uncertain_pixels,
        (np.linspace(0, 1, 30).reshape(5, 6), 2, 4),
        {},
    ),
    "widgets.morph.Morph": (
        morph.Morph,
        (TOLD,),
        {"first": 4, "second": 9, "share": 0.5, "seed": 3},
    ),
    "widgets.morph.posterior": (
        morph.posterior,
        (TOLD, DIGITS[:2]),
        {"first": 4, "second": 9},
    ),
    "widgets.morph.readings": (
        lambda first, second: morph.readings(np.array([0.2, 0.9]), first, second),
        (),
        {"first": 4, "second": 9},
    ),
    "widgets.reading.TouchableDigit": (widgets.TouchableDigit, (PAGE,), {"seed": 3}),
    "widgets.reading.GenerationStepper": (
        widgets.GenerationStepper,
        (PAGE,),
        {"seed": 3},
    ),
    "widgets.temperature.TemperatureAndSeed": (
        widgets.TemperatureAndSeed,
        (PAGE,),
        {"temperature": 0.5, "seed": 3},
    ),
}


def as_signed(value):
    return np.float64(value) if isinstance(value, float) else np.int64(value)


def as_small(value):
    """The smallest types: sums of two of them overflow."""
    return np.float32(value) if isinstance(value, float) else np.uint8(value)


KINDS = {"64 bits": as_signed, "as few bits as there are": as_small, "0-d": np.array}


def numbers_as(kind, value):
    """Replace the numbers in an argument, those of a tuple or a list too."""
    if isinstance(value, bool):
        return np.array(value) if kind is np.array else np.bool_(value)
    if isinstance(value, int | float):
        return kind(value)
    if isinstance(value, tuple | list) and all(isinstance(v, int) for v in value):
        return np.array(value) if kind is np.array else tuple(map(kind, value))
    return value


def told(result):
    """Return what can be compared of a result."""
    if isinstance(
        result, keras.Model | keras.layers.Layer | keras.optimizers.Optimizer
    ):
        named = {k: v for k, v in result.get_config().items() if k != "name"}
        return (
            [told(layer) for layer in result.layers]
            if isinstance(result, keras.Model)
            else json.dumps(named, default=lambda v: json.dumps(v.get_config()))
        )
    if isinstance(result, Explorer):
        return [told(result.settings), list(result.images), result.still()]
    if isinstance(result, keras.KerasTensor):
        return tuple(result.shape)
    if isinstance(result, dict):
        return {key: told(value) for key, value in result.items()}
    if isinstance(result, tuple | list):
        return [told(value) for value in result]
    if isinstance(result, float):
        return result
    if hasattr(result, "__array__"):
        return np.asarray(result).tolist()
    if isinstance(result, plt.Axes):
        return [[round(float(end), 6) for end in result.get_xlim() + result.get_ylim()]]
    return repr(result) if type(result).__repr__ is not object.__repr__ else None


def answers(name, tmp_path, change=lambda value: value):
    function, args, kwargs = CALLS[name]
    needs = "tmp_path" in inspect.signature(function).parameters
    args = (tmp_path, *args) if needs else args
    return told(
        function(*map(change, args), **{k: change(v) for k, v in kwargs.items()})
    )


@pytest.mark.parametrize("name", CALLS)
def test_numpy_numbers_are_taken_as_python_s(name, tmp_path):
    expected = answers(name, tmp_path)
    for kind in KINDS.values():
        got = answers(name, tmp_path, lambda value, kind=kind: numbers_as(kind, value))
        assert got == expected
        tally("calls with NumPy's numbers, as with Python's")


NUMERIC = {
    *(
        "batch_size",
        "channels",
        "col",
        "columns",
        "count",
        "depth",
        "epochs",
        "filters",
    ),
    *("first", "height", "image_shape", "kernel_size", "label", "levels", "page"),
    *("pixel", "row", "scale", "steps", "total", "width"),
}
NOT_NUMBERS = {  # names of arguments that are numbers elsewhere
    "batches.Batches": "made by `fit`",
    "code_file.CodeFile": "made by `compress`",
    "optimizers.KernelMuon": "Keras's own arguments",
    "optimizers.ReplicatedMuon": "Keras's own arguments",
    "optimizers.ReplicatedNadam": "Keras's own arguments",
    "pixel_graph.Tensor": "made by `read_graph`",
    "plots.dependency": "takes no number",
    "scoreboard.record": "for authors",
}


def public_functions():
    """Yield (name, function) of all public modules.

    Exercises are left out, and ``one_file``, which has no validators.
    """
    for found in pkgutil.walk_packages(pixelcnn_edu.__path__, "pixelcnn_edu."):
        short = found.name.removeprefix("pixelcnn_edu.")
        if short.startswith(("exercises", "one_file")) or short.split(".")[
            -1
        ].startswith("_"):
            continue
        for name, value in vars(importlib.import_module(found.name)).items():
            ours = getattr(value, "__module__", "") == found.name
            if ours and callable(value) and not name.startswith("_"):
                yield f"{short}.{name}", value


def test_every_public_function_that_takes_a_number_is_tried():
    missing = []
    for name, function in public_functions():
        for parameter in inspect.signature(function).parameters.values():
            number = isinstance(parameter.default, int | float)
            if number or parameter.name in NUMERIC:
                tried = any(call.split(" ")[0] == name for call in CALLS)
                if not tried and name not in NOT_NUMBERS:
                    missing.append(f"{name}({parameter.name})")
    assert not missing
