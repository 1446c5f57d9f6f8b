"""The first small call: the fixed point answers, with the images of later calls."""

from pixelcnn_edu import _drawing, _first_call, generation
from pixelcnn_edu._pixel_loop import pixel_loop
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import ImageModel, gated_pixelcnn

import keras
import numpy as np
import pytest
from keras import layers
from test_evaluation import random_model, randomize


def small(dtype=None):
    image = keras.Input((3, 4, 1))
    x = MaskedConv2D(3, 3, "A", activation="tanh", dtype=dtype)(image)
    logits = layers.Conv2D(1, 1, dtype="float32")(x)
    model = ImageModel(image, logits, likelihood=Bernoulli())
    randomize(model)
    return model


def loose(shape, likelihood):
    """Two masked layers, whose loop compiles fast."""
    image, colors = keras.Input(shape), {"colors": shape[-1]}
    x = MaskedConv2D(6, 3, "A", activation="tanh", **colors)(image)
    logits = MaskedConv2D(likelihood.logits_per_pixel(shape[-1]), 1, **colors)(x)
    return ImageModel(image, logits, likelihood=likelihood)


def compiled(model):
    """Return the number of compiled loops."""
    return len(pixel_loop(model, model.likelihood).compiled)


def rounds(model, shape):
    """Return how many rounds the fixed point may take in the first call."""
    loop = pixel_loop(model, model.likelihood)
    return _first_call.rounds_of_first_call(loop, model.likelihood, shape, 1.0)


@pytest.mark.parametrize(
    "build",
    [
        lambda: random_model((5, 4, 1)),
        lambda: loose((4, 3, 3), Categorical(4)),
        lambda: gated_pixelcnn((5, 4, 1), filters=3, depth=1, num_classes=3),
    ],
    ids=["plain", "colors", "gated"],
)
def test_the_first_call_draws_the_images_of_later_calls(build):
    model = build()
    randomize(model)
    how = {"seed": 0, "labels": 1 if len(model.inputs) > 1 else None}
    first = generation.generate(model, 16, **how)
    assert compiled(model) == 0
    second, third = (generation.generate(model, 16, **how) for _ in range(2))
    assert compiled(model) == 1
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)
    assert len(np.unique(first, axis=0)) > 1


@pytest.mark.parametrize(
    ("shape", "is_small"),
    [
        ((16, 28, 28, 1), True),
        ((1, 1, 16 * 28 * 28, 1), True),
        ((1, 1, 16 * 28 * 28 + 1, 1), False),
    ],
)
def test_sixteen_digits_are_small_and_one_pixel_more_is_not(shape, is_small):
    assert bool(rounds(loose((None, None, 1), Bernoulli()), shape)) == is_small


@pytest.mark.parametrize("temperature", [0, 0.5])
def test_a_temperature_and_known_pixels_reach_the_first_call(temperature):
    model = small()
    known = np.eye(3, 4, dtype=bool)
    images = np.ones((2, 3, 4, 1), "float32")
    how = {"count": 3, "seed": 1, "temperature": temperature}
    first, second = (generation.complete(model, images, known, **how) for _ in range(2))
    assert compiled(model) == 1
    np.testing.assert_array_equal(first, second)
    assert (first[:, :, known] == 1).all() and (first != 1).any()


@pytest.mark.usefixtures("without_xla")
def test_3_and_4_images_share_one_compiled_loop():
    model = small()
    for count in (3, 4, 3):
        images = generation.generate(model, count, seed=0)
        assert images.shape == (count, 3, 4, 1)
    assert compiled(model) == 1


@pytest.mark.usefixtures("without_xla")
def test_each_size_has_its_own_first_call():
    model = small()
    for count in (1, 4):
        before = compiled(model)
        first = generation.generate(model, count, seed=0)
        assert compiled(model) == before
        np.testing.assert_array_equal(first, generation.generate(model, count, seed=0))
        assert compiled(model) == before + 1


@pytest.mark.usefixtures("without_xla")
def test_a_large_first_call_is_compiled(monkeypatch):
    monkeypatch.setattr(_first_call, "MOST_IN_FIRST_CALL", 4 * 12 * 2)
    model = small()
    generation.generate(model, 4, seed=0)
    assert compiled(model) == 0
    generation.generate(model, 5 * _drawing.cores(), seed=0)
    assert compiled(model) == 1


@pytest.mark.usefixtures("without_xla")
def test_a_first_call_with_many_levels_is_compiled(monkeypatch):
    """A round computes the probability of every level of every value."""
    monkeypatch.setattr(_first_call, "MOST_IN_FIRST_CALL", 2 * 12 * 4)
    for levels, count in ((4, 0), (5, 1)):
        model = loose((3, 4, 1), Categorical(levels))
        generation.generate(model, 2, seed=0)
        assert compiled(model) == count


@pytest.mark.usefixtures("without_xla")
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_a_first_call_in_half_precision_is_compiled(dtype):
    model = small(dtype)
    assert rounds(model, (2, 3, 4, 1)) == 0
    model = small(dtype)
    generation.generate(model, 2, seed=0)
    assert compiled(model) == 1


def test_a_first_call_of_a_quantized_layer_is_compiled():
    for how in (None, "int8"):
        image = keras.Input((3, 4, 1))
        logits = layers.Dense(1)(MaskedConv2D(3, 3, "A")(image))
        model = ImageModel(image, logits, likelihood=Bernoulli())
        if how:
            model.layers[-1].quantize(how)
        assert bool(rounds(model, (2, 3, 4, 1))) == (how is None)


@pytest.mark.usefixtures("without_xla")
def test_images_that_do_not_settle_soon_are_drawn_by_the_compiled_loop(monkeypatch):
    model = small()
    expected = generation.generate(model, 4, seed=0, method="naive")
    monkeypatch.setattr(_first_call, "MOST_ROUNDS", 1)
    np.testing.assert_array_equal(generation.generate(model, 4, seed=0), expected)
    assert compiled(model) == 1


def test_a_first_call_whose_logits_are_not_numbers_is_refused():
    model = small()
    with pytest.raises(ValueError, match="finite"):
        weights = model.get_weights()
        weights[0][0] = np.nan
        model.set_weights(weights)
        generation.generate(model, 1)


class InNumPy(Bernoulli):
    """A likelihood of a user whose draw cannot be compiled."""

    def _sample(self, logits, uniforms, temperature):
        return (np.asarray(uniforms) < 1 / (1 + np.exp(-np.asarray(logits)))) * 1.0


def test_what_is_wrong_in_a_user_s_likelihood_shows_in_the_first_call():
    image = keras.Input((3, 4, 1))
    logits = MaskedConv2D(1, 3, "A")(image)
    model = ImageModel(image, logits, likelihood=InNumPy())
    with pytest.raises(NotImplementedError, match="symbolic"):
        generation.generate(model, 1, seed=0)
