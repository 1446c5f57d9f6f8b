"""Models: counted weights, save and load in a new process, one step of training."""

import functools
import inspect
import subprocess
import sys

from pixelcnn_edu import causality, generation
from pixelcnn_edu.layers import MaskedConv2D
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
BUILT = [
    (pixelcnn, {}),
    (pixelcnn, {"activation": "relu", "position": True, "dropout": 0.5}),
    (pixelcnn, {"image_shape": (5, 3, 2), "likelihood": Categorical(3)}),
    (pixelcnn, {"likelihood": DiscretizedLogisticMixture(2, 16), "one_hot": True}),
    (gated_pixelcnn, {"position": True, "dropout": 0.5, "skip": True}),
    (gated_pixelcnn, {"num_classes": 10}),
    (gated_pixelcnn, {"num_classes": 10, "label_map": 2, "dilations": (1, 2)}),
]


@functools.cache
def shared(i):
    """A compiled model of each kind, for several tests."""
    builder, variant = BUILT[i]
    model = builder(**{"image_shape": (6, 5, 1), **PLAIN, **variant})
    compile_model(model, steps=10)
    return model


def inputs_of(model, count):
    """Random images, and labels if the model takes them: a list."""
    rng = np.random.default_rng(0)
    images = rng.random((count, *model.inputs[0].shape[1:]), dtype="float32")
    return [images, *[np.arange(count, dtype="int32") for _ in model.inputs[1:]]]


COLORS = {"image_shape": (7, 7, 3), "likelihood": Categorical(2), "filters": 6}
COUNTED = {
    "plain": lambda: pixelcnn((7, 7, 1), filters=4, depth=1, position=True),
    "colors": lambda: pixelcnn(**COLORS, depth=1),
    "gated": lambda: gated_pixelcnn((7, 7, 1), filters=3, depth=1, num_classes=2),
    "gated colors": lambda: gated_pixelcnn(**COLORS, depth=1, one_hot=True),
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


@pytest.mark.parametrize("name", COUNTED)
def test_live_weights_are_those_that_can_move_an_output(name):
    model = COUNTED[name]()
    acting = acting_weights(model)
    assert live_weights(model) == acting
    assert name == "gated" or model.count_params() > acting  # masks set some to 0


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


@pytest.mark.parametrize("builder", [pixelcnn, gated_pixelcnn])
def test_an_open_image_size_takes_any_size(builder):
    model = builder((None, None, 1), **PLAIN)
    for size in (1, 5, 28):
        images = np.zeros((2, size, size + 1, 1), "float32")
        assert model(images).shape == images.shape


LOADER = """
from pathlib import Path
import numpy as np
import pixelcnn_edu
import keras
from pixelcnn_edu import generation, models

for file in sorted(Path().glob("*.keras")):
    model = keras.models.load_model(file)
    expected = np.load(file.with_suffix(".npz"))
    inputs = [expected[f"arr_{j}"] for j in range(len(model.inputs))]
    logits = models.logits_function(model)(*inputs)
    assert np.array_equal(logits, expected["logits"]), file
    assert repr(model.likelihood) == str(expected["likelihood"])
    assert str(model.num_classes) == str(expected["num_classes"])
    assert type(model) is models.ImageModel
    assert model.optimizer is not None and model.loss.likelihood == model.likelihood
    labels = 1 if model.num_classes else None
    drawn = generation.generate(model, 2, seed=0, labels=labels, method="naive")
    assert np.array_equal(drawn, expected["drawn"]), file
    print(file)
"""


def test_saved_models_load_in_a_new_process_and_give_the_same_bits(tmp_path):
    for i in range(len(BUILT)):
        model = shared(i)
        model.save(tmp_path / f"model_{i}.keras")
        inputs = inputs_of(model, 2)
        labels = 1 if model.num_classes else None
        np.savez(
            tmp_path / f"model_{i}.npz",
            *inputs,
            logits=logits_function(model)(*inputs),
            likelihood=repr(model.likelihood),
            num_classes=str(model.num_classes),
            drawn=generation.generate(model, 2, seed=0, labels=labels, method="naive"),
        )
    done = subprocess.run(
        [sys.executable, "-c", LOADER], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(BUILT)


def test_a_copy_is_made_from_the_config_and_a_clone_is_refused():
    model = shared(5)
    copy = ImageModel.from_config(model.get_config())
    known = copy.likelihood, copy.num_classes
    assert known == (model.likelihood, model.num_classes) == (Bernoulli(), 10)
    copy.set_weights(model.get_weights())
    inputs = inputs_of(model, 3)
    np.testing.assert_array_equal(copy(inputs), model(inputs))
    with pytest.raises(ValueError, match="Expected likelihood to be a Likelihood"):
        keras.models.clone_model(model)


def test_keras_saves_an_image_model_as_a_functional_model():
    """If not, a saved model cannot be loaded. Keras before 3.15 asks for no argument."""
    spec = inspect.getfullargspec(ImageModel.__init__)
    assert (spec.args, spec.varargs, spec.varkw) == (["self"], "args", "kwargs")


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


def test_the_compiled_call_gives_the_model_s_own_logits_and_sees_new_weights():
    model = pixelcnn((5, 5, 1), **PLAIN)
    images = np.random.default_rng(0).random((3, 5, 5, 1), dtype="float32")
    call = logits_function(model)
    np.testing.assert_allclose(call(images), model(images), atol=1e-5)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    assert (call(images) == 0).all()


def test_a_changed_layer_counts_after_compile():
    model = pixelcnn((5, 5, 1), **PLAIN, activation="relu")
    images = np.random.default_rng(0).random((3, 5, 5, 1), dtype="float32")
    before = logits_function(model)(images)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Activation):
            layer.activation = keras.activations.tanh
    model.compile()
    after = logits_function(model)(images)
    assert (after != before).any()
    np.testing.assert_allclose(after, model(images), atol=1e-5)


MIXTURE_OF_COLORS = {
    "image_shape": (4, 4, 3),
    "likelihood": DiscretizedLogisticMixture(2, 4),
    "colors": 3,
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image_shape": (0, 28, 1)}, "height in image_shape"),
        ({"filters": 7}, "even"),
        ({"dropout": 2}, "dropout"),
        ({"activation": "no such thing"}, "no such thing"),
        ({"activation": "softmax"}, "mixes channels.*'softmax'"),
        ({"image_shape": (None, None, 1), "position": True}, "fixed image size"),
        ({"image_shape": (4, 4, 3), "filters": 8}, "filters to be divisible by 6"),
        ({"colors": 2}, "colors"),
        ({"likelihood": "bernoulli"}, "likelihood to be a Likelihood"),
        (MIXTURE_OF_COLORS, "orders them itself"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        pixelcnn(**{**PLAIN, **arguments})


@pytest.mark.parametrize("num_classes", [0, 2.5, "10"])
def test_a_bad_number_of_labels_is_named(num_classes):
    inputs = keras.Input((3, 3, 1))
    with pytest.raises(ValueError, match="num_classes to be a positive integer"):
        ImageModel(inputs, inputs, likelihood=Bernoulli(), num_classes=num_classes)
