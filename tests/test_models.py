"""Models: counted weights, save and load in a new process, one step of training."""

import functools
import inspect
import json
import subprocess
import sys

from pixelcnn_edu import causality, evaluation, generation
from pixelcnn_edu.gated import Gate, StackConv2D, gated_block
from pixelcnn_edu.layers import (
    MaskedConv2D,
    OneHotLevels,
    PositionBias,
    residual_block,
)
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import (
    ImageModel,
    gated_pixelcnn,
    last_layers,
    live_weights,
    logits_function,
    pixelcnn,
)
from pixelcnn_edu.training import compile_model

import keras
import numpy as np
import pytest
import tensorflow as tf

PLAIN = {"filters": 8, "depth": 1}
VARIANTS = [
    {},
    {"activation": "relu", "position": True},
    {"dropout": 0.5},
    {"likelihood": Categorical(4)},
    {"image_shape": (5, 3, 2), "likelihood": Categorical(3)},
]
BUILT = [(pixelcnn, variant) for variant in VARIANTS]
BUILT += [
    (gated_pixelcnn, {}),
    (gated_pixelcnn, {"position": True, "dropout": 0.5}),
    (gated_pixelcnn, {"num_classes": 10}),
    (gated_pixelcnn, {"num_classes": 10, "label_map": 2}),
    (pixelcnn, {"likelihood": DiscretizedLogisticMixture(2, 16)}),
    (gated_pixelcnn, {"image_shape": (5, 3, 2), "likelihood": Categorical(3)}),
]


def build(builder, variant, **arguments):
    return builder(**{**PLAIN, **arguments, **variant})


@functools.cache
def shared(i):
    """A compiled model of each kind, for several tests."""
    model = build(*BUILT[i], image_shape=(6, 5, 1))
    compile_model(model, steps=10)
    return model


def inputs_of(model, count):
    """Random images, and labels if the model takes them: a list."""
    rng = np.random.default_rng(0)
    images = rng.random((count, *model.inputs[0].shape[1:]), dtype="float32")
    return [images, *[np.arange(count, dtype="int32") for _ in model.inputs[1:]]]


class OwnMask(keras.layers.Conv2D):
    """A masked convolution as a student writes it, with one mask for all channels."""

    mask = np.array([1, 0, 1], "float32").reshape(1, 3, 1, 1)

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel * self.mask)


def own_mask():
    return keras.Sequential([keras.Input((7, 7, 2)), OwnMask(3, (1, 3))])


def nested():
    """A masked network as one layer of another, in two places."""
    inner, image = pixelcnn((7, 7, 1), filters=4, depth=1), keras.Input((7, 7, 1))
    return keras.Model(image, keras.layers.Conv2D(1, 1)(inner(inner(image))))


COLORS = {"image_shape": (7, 7, 3), "likelihood": Categorical(2), "filters": 6}
COUNTED = {
    "plain": lambda: pixelcnn((7, 7, 1), filters=4, depth=1, position=True),
    "colors": lambda: pixelcnn(**COLORS, depth=1),
    "gated": lambda: gated_pixelcnn((7, 7, 1), filters=3, depth=1, num_classes=2),
    "gated colors": lambda: gated_pixelcnn(**COLORS, depth=1, one_hot=True),
    "a student's layer": own_mask,
    "nested": nested,
}


def acting_weights(model):
    """Count the weights that move an output, by gradients at random weights and images."""
    rng = np.random.default_rng(0)
    acting = [np.zeros(w.shape, bool) for w in model.weights]
    for _ in range(10):  # a ReLU may be off for all images of one draw
        model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
        images = rng.normal(size=(8, *model.inputs[0].shape[1:]))
        labels = [np.arange(8) % 2 for _ in model.inputs[1:]]
        with tf.GradientTape() as tape:
            outputs = model([images, *labels] if labels else images)
            total = tf.reduce_sum(outputs * rng.normal(size=outputs.shape))
        slopes = tape.gradient(total, model.weights)
        for seen, slope in zip(acting, slopes, strict=True):
            seen |= np.asarray(tf.convert_to_tensor(slope)) != 0
    return sum(int(seen.sum()) for seen in acting)


@functools.cache
def counted(name):
    """A network, and how many of its weights move an output."""
    model = COUNTED[name]()
    return model, acting_weights(model)


@pytest.mark.parametrize("name", COUNTED)
def test_live_weights_are_those_that_can_move_an_output(name):
    model, acting = counted(name)
    assert live_weights(model) == acting


def stored(model):
    return model.count_params()


def without_stacks(model):
    """The planted bug: masks of the gated network's layers are left out."""
    layers = [layer for layer in model.layers if isinstance(layer, StackConv2D)]
    return live_weights(model) + sum(int((x.mask == 0).sum()) for x in layers)


def zeros_of_own_layers(model):
    """The planted bug: no look into inner networks, and a mask's zeros as they stand."""
    layers = [layer for layer in model.layers if hasattr(layer, "mask")]
    return model.count_params() - sum(int((x.mask == 0).sum()) for x in layers)


@pytest.mark.parametrize(
    ("counter", "name"),
    [
        (stored, "plain"),
        (without_stacks, "gated colors"),
        (zeros_of_own_layers, "nested"),
        (zeros_of_own_layers, "a student's layer"),
    ],
)
def test_a_counter_that_ignores_a_mask_is_found(counter, name):
    model, acting = counted(name)
    assert counter(model) > acting


def test_live_weights_of_the_networks_in_the_text():
    assert live_weights(pixelcnn(filters=128, depth=6)) == 362_497 - 101_504
    assert live_weights(gated_pixelcnn(filters=24, depth=8, position=True)) == 141_169
    with pytest.raises(ValueError, match="Expected model to be a Keras model"):
        live_weights("coffee")


def test_only_the_first_layer_has_mask_a():
    masked = [
        (layer.mask_type, *layer.kernel_size)
        for layer in pixelcnn(filters=8, depth=2).layers
        if hasattr(layer, "mask_type")
    ]
    block = [("B", 1, 1), ("B", 3, 3), ("B", 1, 1)]
    assert masked == [("A", 7, 7), *2 * block, *3 * [("B", 1, 1)]]


@pytest.mark.parametrize("i", range(len(BUILT)))
def test_logits_have_the_documented_shape(i):
    model = shared(i)
    images, *labels = inputs_of(model, 3)
    logits = model([images, *labels] if labels else images)
    expected = model.likelihood.logits_per_pixel(images.shape[-1])
    assert logits.shape == (*images.shape[:3], expected)


@pytest.mark.parametrize("builder", [pixelcnn, gated_pixelcnn])
def test_an_open_image_size_takes_any_size(builder):
    model = builder((None, None, 1), **PLAIN)
    for size in (1, 5, 28):
        images = np.zeros((2, size, size + 1, 1), "float32")
        assert model(images).shape == images.shape


LOADER = """
import json
import traceback
from pathlib import Path
import numpy as np
import pixelcnn_edu
import keras
from pixelcnn_edu import generation, models, training

def check(file):
    model = keras.models.load_model(file)
    expected = np.load(file.with_suffix(".npz"))
    inputs = [expected[f"arr_{j}"] for j in range(len(model.inputs))]
    logits = models.logits_function(model)(*inputs)
    assert np.array_equal(logits, expected["logits"])
    assert repr(model.likelihood) == str(expected["likelihood"])
    assert str(model.num_classes) == str(expected["num_classes"])
    assert type(model) is models.ImageModel
    assert model.optimizer is not None
    labels = 1 if model.num_classes else None
    if file.suffix == ".keras" and "drawn" in expected:
        drawn = generation.generate(model, 2, seed=0, labels=labels)
        assert np.array_equal(drawn, expected["drawn"])
    elif file.suffix == ".h5" and labels:
        training.fit(model, inputs[0], labels=inputs[1], epochs=1, verbose=0)

errors = {}
for file in sorted(Path().glob("*.keras")) + sorted(Path().glob("*.h5")):
    errors[file.name] = None
    try:
        check(file)
    except Exception:
        errors[file.name] = traceback.format_exc()
print(json.dumps(errors))
"""
IN_H5 = [1, 3, len(BUILT) - 2, len(BUILT) - 3]  # the last one takes labels


@pytest.fixture(scope="module")
def errors_of_loading(tmp_path_factory):
    """What another process says of each file of a model: None, or a traceback."""
    folder = tmp_path_factory.mktemp("models")
    # compiling the loop takes long: the last model of each builder is enough
    drawn = {builder: i for i, (builder, _) in enumerate(BUILT)}.values()
    for i in range(len(BUILT)):
        model = shared(i)
        model.save(folder / f"model_{i}.keras")
        if i in IN_H5:
            model.save(folder / f"model_{i}.h5")
        inputs = inputs_of(model, 2)
        more = {}
        if i in drawn:
            how = {"labels": 1 if model.num_classes else None, "method": "naive"}
            more["drawn"] = generation.generate(model, 2, seed=0, **how)
        np.savez(
            folder / f"model_{i}.npz",
            *inputs,
            logits=logits_function(model)(*inputs),
            likelihood=repr(model.likelihood),
            num_classes=str(model.num_classes),
            **more,
        )
    done = subprocess.run(
        [sys.executable, "-c", LOADER],
        cwd=folder,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_saved_models_load_in_a_new_process_and_give_the_same_bits(errors_of_loading):
    for i in range(len(BUILT)):
        assert errors_of_loading[f"model_{i}.keras"] is None


def test_models_in_the_older_file_format_load_in_a_new_process(errors_of_loading):
    for i in IN_H5:
        assert errors_of_loading[f"model_{i}.h5"] is None


def cloned(model):
    return keras.models.clone_model(model)


def cloned_layer_by_layer(model):
    return keras.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config(layer.get_config())
    )


def cloned_onto_tensors(model):
    """Onto tensors that are no inputs of a model."""
    shape = model.inputs[0].shape[1:]
    tensors = [keras.layers.Identity()(keras.Input(shape))]
    tensors += [keras.Input((), dtype="int32") for _ in model.inputs[1:]]
    return keras.models.clone_model(
        model, input_tensors=tensors if len(tensors) > 1 else tensors[0]
    )


@pytest.mark.parametrize("i", range(len(BUILT)))
def test_clones_are_the_same_network_with_weights_of_their_own(i):
    model = shared(i)
    copies = [
        clone(model) for clone in (cloned, cloned_layer_by_layer, cloned_onto_tensors)
    ]
    inputs, start = inputs_of(model, 3), model.get_weights()
    inputs = inputs if len(inputs) > 1 else inputs[0]
    expected = model(inputs)
    for copy in copies:
        assert type(copy) is ImageModel
        known = copy.likelihood, copy.num_classes
        assert known == (model.likelihood, model.num_classes)
        assert copy.loss.get_config() == model.loss.get_config()
        copy.set_weights(start)
    model.set_weights([w + 1 for w in start])
    assert np.abs(model(inputs) - expected).max() > 0
    for copy in copies:
        np.testing.assert_array_equal(copy(inputs), expected)
    model.set_weights(start)  # for the next test


def test_a_frozen_model_is_frozen_after_loading(tmp_path):
    model = pixelcnn((6, 5, 1), **PLAIN)
    for trainable in (False, True):
        model.trainable = trainable
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert loaded.trainable is trainable
        assert len(loaded.trainable_weights) == len(model.trainable_weights)


def test_a_number_of_labels_that_is_given_is_kept():
    model = cloned(gated_pixelcnn((6, 5, 1), **PLAIN, num_classes=10))
    again = ImageModel(model.inputs, model.output, num_classes=12)
    assert (again.likelihood, again.num_classes) == (model.likelihood, 12)


def test_a_configuration_with_a_likelihood_of_one_s_own_takes_custom_objects():
    class Own(Bernoulli):
        """A likelihood that Keras finds in no module."""

    model = pixelcnn((3, 3, 1), **PLAIN, likelihood=Own())
    again = ImageModel.from_config(model.get_config(), {"Own": Own})
    assert again.likelihood == Own()


def test_the_last_layers_end_a_network_of_one_s_own_blocks():
    likelihood = Categorical(4)
    image = keras.Input((5, 4, 3))
    x = MaskedConv2D(6, 5, "A", colors=3)(image)
    ends = {"likelihood": likelihood, "channels": 3, "colors": 3}
    model = ImageModel(image, last_layers(x, 6, "prelu", **ends), likelihood=likelihood)
    causality.assert_causal(model)
    matrix = causality.dependency_matrix(model)
    assert matrix[1, 0] and not matrix[0].any()  # green reads red of its pixel
    assert generation.generate(model, 2, seed=0).shape == (2, 5, 4, 3)


@pytest.mark.parametrize("file", ["model.keras", "model.h5"])
def test_another_class_of_the_same_name_loads_in_a_scope(file, tmp_path):
    other = type("ImageModel", (keras.Model,), {})
    image = keras.Input((3, 3, 1))
    model = other(image, keras.layers.Conv2D(1, 1)(image))
    model.save(tmp_path / file)
    with keras.saving.custom_object_scope({"ImageModel": other}):
        again = keras.models.load_model(tmp_path / file)
    assert type(again) is other
    images = np.ones((1, 3, 3, 1), "float32")
    np.testing.assert_array_equal(again(images), model(images))
    with pytest.raises(ValueError, match="custom_object_scope"):
        keras.models.load_model(tmp_path / file)


@pytest.fixture
def settings():
    """Put Keras's settings back."""
    before = keras.config.floatx(), keras.config.image_data_format()
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_image_data_format(before[1])
    keras.config.set_dtype_policy(policy)


TENSOR = keras.KerasTensor((None, 4, 4, 4))
PARTS = {
    "pixelcnn": lambda: pixelcnn(**PLAIN),
    "pixelcnn one_hot": lambda: pixelcnn(**PLAIN, one_hot=True),
    "gated_pixelcnn": lambda: gated_pixelcnn(**PLAIN),
    "MaskedConv2D": lambda: MaskedConv2D(4, 3),
    "StackConv2D": lambda: StackConv2D(4, 3, "vertical"),
    "Gate": lambda: Gate(),
    "OneHotLevels": lambda: OneHotLevels(4),
    "PositionBias": lambda: PositionBias()(TENSOR),
    "residual_block": lambda: residual_block(TENSOR, 4),
    "gated_block": lambda: gated_block(TENSOR, TENSOR, 4),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("dtype_policy", "float64", "dtype policies.*Received: 'float64'"),
        ("dtype_policy", "bfloat16", "dtype policies.*Received: 'bfloat16'"),
    ],
)
def test_settings_under_which_a_model_cannot_work_are_refused(
    part, setting, value, words, settings
):
    getattr(keras.config, f"set_{setting}")(value)
    with pytest.raises(ValueError, match=words) as error:
        PARTS[part]()
    assert "\n" not in str(error.value)


@functools.cache
def trained(policy, builder):
    """A model after ten steps, its first weights, and the loss of each step."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        keras.utils.set_random_seed(0)
        model = builder((5, 5, 1), **PLAIN)
    finally:
        keras.config.set_dtype_policy(before)
    start = model.get_weights()
    images = np.random.default_rng(0).integers(0, 2, (16, 5, 5, 1)).astype("float32")
    compile_model(model, steps=30, learning_rate=0.01)
    losses = [float(model.train_on_batch(images, images)) for _ in range(10)]
    return model, start, losses


@pytest.mark.parametrize(
    ("policy", "builder"),
    [
        ("float32", pixelcnn),
        ("float32", gated_pixelcnn),
        ("mixed_float16", gated_pixelcnn),
        ("mixed_bfloat16", pixelcnn),
    ],
)
def test_one_compiled_step_lowers_the_loss_at_every_precision(policy, builder):
    model, _, losses = trained(policy, builder)
    assert keras.backend.standardize_dtype(model.output.dtype) == "float32"
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    causality.assert_causal(model)


def test_nothing_is_written_over_masked_weights_by_training():
    model, (before, *_), _ = trained("float32", pixelcnn)
    first = model.layers[1]
    after, hidden = first.kernel.numpy(), first.mask == 0
    np.testing.assert_array_equal(after[hidden], before[hidden])
    assert (after[~hidden] != before[~hidden]).any()


def test_the_compiled_call_gives_the_model_s_own_logits():
    model = pixelcnn((5, 5, 1), **PLAIN)
    images = np.random.default_rng(0).random((3, 5, 5, 1), dtype="float32")
    np.testing.assert_allclose(logits_function(model)(images), model(images), atol=1e-5)


def test_the_compiled_call_sees_new_weights():
    model = pixelcnn((5, 5, 1), **PLAIN)
    call = logits_function(model)
    images = np.ones((1, 5, 5, 1), "float32")
    call(images)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    assert (call(images) == 0).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image_shape": (0, 28, 1)}, "height in image_shape"),
        ({"filters": 7}, "even"),
        ({"dropout": 2}, "dropout"),
        ({"activation": "no such thing"}, "no such thing"),
        ({"image_shape": (None, None, 1), "position": True}, "fixed image size"),
        ({"image_shape": (4, 4, 3), "filters": 8}, "filters to be divisible by 6"),
        ({"activation": "softmax"}, "mixes channels.*'softmax'"),
        ({"activation": "glu"}, "mixes channels.*'glu'"),
        ({"activation": "threshold"}, "mixes channels.*'threshold'"),
        ({"image_shape": (2, 2, 3), "filters": 6, "activation": "sparsemax"}, "mixes"),
        ({"colors": True}, "colors"),
        (
            {
                "image_shape": (4, 4, 3),
                "likelihood": DiscretizedLogisticMixture(2, 4),
                "colors": 3,
            },
            "orders them itself",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        pixelcnn(**{"filters": 8, "depth": 1, **arguments})


def test_a_model_without_a_likelihood_asks_for_one():
    inputs = keras.Input((3, 3, 1))
    plain = keras.Model(inputs, inputs)
    images = np.zeros((1, 3, 3, 1), "float32")
    with pytest.raises(ValueError, match="likelihood="):
        evaluation.nats_per_image(plain, images)
    nats = evaluation.nats_per_image(plain, images, likelihood=Bernoulli())
    assert nats[0] == pytest.approx(9 * np.log(2))
    with pytest.raises(ValueError, match="likelihood"):
        ImageModel(inputs, inputs)


def test_keras_saves_an_image_model_as_a_functional_model():
    """If not, a saved model cannot be loaded. Keras before 3.15 asks for no argument."""
    spec = inspect.getfullargspec(ImageModel.__init__)
    assert spec.args == ["self"] and spec.varargs and spec.varkw


@pytest.mark.parametrize("num_classes", [0, -1, 2.5, "10", True])
def test_a_bad_number_of_labels_is_named(num_classes):
    inputs = keras.Input((3, 3, 1))
    with pytest.raises(ValueError, match="num_classes to be a positive integer"):
        ImageModel(inputs, inputs, likelihood=Bernoulli(), num_classes=num_classes)


def embedded(kind):
    """A model whose label goes to an embedding of 3 labels, but not as its input."""
    image, label = keras.Input((3, 3, 1)), keras.Input((), dtype="int32")
    embedding = keras.layers.Embedding(3, 4)
    if kind == "shared":
        embedding(keras.Input((2,), dtype="int32"))
        biases = embedding(label)
    elif kind == "reshaped":
        biases = embedding(keras.layers.Reshape((1,))(label))
    elif kind == "shifted":
        biases = embedding(label - 1)
    elif kind == "a sequence":
        biases = keras.Sequential([keras.Input((), dtype="int32"), embedding])(label)
    else:
        inner = keras.Input((), dtype="int32")
        biases = keras.Model(inner, embedding(keras.layers.Identity()(inner)))(label)
    x = MaskedConv2D(4, 3, "A")(image)
    x = keras.layers.add([x, keras.layers.Reshape((1, 1, 4))(biases)])
    logits = MaskedConv2D(1, 1)(x)
    return ImageModel([image, label], logits, likelihood=Bernoulli())


@pytest.mark.parametrize(
    "kind", ["shared", "reshaped", "shifted", "a sequence", "inner model"]
)
def test_a_label_that_an_embedding_does_not_know_is_named(kind):
    model, images = embedded(kind), np.zeros((2, 3, 3, 1))
    known, unknown = ((1, 3), 0) if kind == "shifted" else ((0, 2), 3)
    assert evaluation.nats_per_image(model, images, labels=known).shape == (2,)
    for label in (unknown, 99):
        with pytest.raises(ValueError, match="labels from 0 to 2.*embedding.*Received"):
            evaluation.nats_per_image(model, images, labels=label)
