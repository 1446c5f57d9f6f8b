"""Models: counted weights, save and load in a new process, one step of training."""

import subprocess
import sys

from pixelcnn_edu import causality, evaluation
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import ImageModel, logits_function, pixelcnn
from pixelcnn_edu.training import compile_model

import keras
import numpy as np
import pytest

PLAIN = {"filters": 8, "depth": 2}
VARIANTS = [
    {},
    {"activation": "relu", "position": True},
    {"dropout": 0.5},
    {"likelihood": Categorical(4)},
    {"image_shape": (5, 3, 2), "likelihood": Categorical(3)},
]


def test_weights_are_the_counted_ones():
    model = pixelcnn(filters=128, depth=6)
    assert model.count_params() == 362_497
    slopes = [layer for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    assert (
        sum(layer.count_params() for layer in slopes) == 6 * (128 + 64 + 64) + 3 * 128
    )


def test_only_the_first_layer_has_mask_a():
    masked = [
        layer for layer in pixelcnn(**PLAIN).layers if hasattr(layer, "mask_type")
    ]
    assert [layer.mask_type for layer in masked] == ["A", "B", "B", "B", "B"]
    assert [layer.kernel_size for layer in masked] == [
        (7, 7),
        (3, 3),
        (3, 3),
        (1, 1),
        (1, 1),
    ]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_logits_have_the_documented_shape(variant):
    model = pixelcnn(**{**PLAIN, **variant})
    shape = model.input_shape[1:]
    logits = model(np.zeros((3, *shape), "float32"))
    expected = model.likelihood.logits_per_pixel(shape[-1])
    assert logits.shape == (3, *shape[:2], expected)


def test_an_open_image_size_takes_any_size():
    model = pixelcnn((None, None, 1), **PLAIN)
    for size in (1, 5, 28):
        images = np.zeros((2, size, size + 1, 1), "float32")
        assert model(images).shape == images.shape


LOADER = """
import numpy as np
import pixelcnn_edu
import keras
from pixelcnn_edu import generation, models

for i in range({count}):
    model = keras.models.load_model(f"model_{{i}}.keras")
    expected = np.load(f"expected_{{i}}.npz")
    logits = models.logits_function(model)(expected["images"])
    assert np.array_equal(logits, expected["logits"])
    assert repr(model.likelihood) == str(expected["likelihood"])
    assert type(model) is models.ImageModel
    assert model.optimizer is not None
    assert generation.generate(model, 2, seed=0).shape == (2, 6, 5, 1)
"""


def test_saved_models_load_in_a_new_process_with_their_likelihood(tmp_path):
    images = np.random.default_rng(0).random((3, 6, 5, 1), dtype="float32")
    for i, variant in enumerate(VARIANTS[:4]):
        model = pixelcnn((6, 5, 1), **{**PLAIN, **variant})
        compile_model(model, steps=10)
        model.save(tmp_path / f"model_{i}.keras")
        np.savez(
            tmp_path / f"expected_{i}.npz",
            images=images,
            logits=logits_function(model)(images),
            likelihood=repr(model.likelihood),
        )
    script = LOADER.format(count=4)
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_one_compiled_step_lowers_the_loss_at_every_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        keras.utils.set_random_seed(0)
        model = pixelcnn((8, 8, 1), **PLAIN)
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(model.output.dtype) == "float32"
    images = np.random.default_rng(0).integers(0, 2, (16, 8, 8, 1)).astype("float32")
    compile_model(model, steps=30, learning_rate=0.01)
    losses = [float(model.train_on_batch(images, images)) for _ in range(10)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    causality.assert_causal(model)


def test_nothing_is_written_over_masked_weights_by_training():
    keras.utils.set_random_seed(0)
    model = pixelcnn((8, 8, 1), **PLAIN)
    first = model.layers[1]
    before = first.kernel.numpy()
    images = np.random.default_rng(0).integers(0, 2, (16, 8, 8, 1)).astype("float32")
    compile_model(model, steps=5)
    for _ in range(5):
        model.train_on_batch(images, images)
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
        ({"image_shape": (28, 28)}, "image_shape"),
        ({"image_shape": (28, 28, None)}, "channels in image_shape"),
        ({"image_shape": (0, 28, 1)}, "height in image_shape"),
        ({"image_shape": 28}, "image_shape"),
        ({"filters": 7}, "even"),
        ({"filters": 0}, "filters"),
        ({"depth": 0}, "depth"),
        ({"depth": 1.5}, "depth"),
        ({"likelihood": "bernoulli"}, "likelihood"),
        ({"dropout": 2}, "dropout"),
        ({"activation": "no such thing"}, "no such thing"),
        ({"image_shape": (None, None, 1), "position": True}, "fixed image size"),
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
