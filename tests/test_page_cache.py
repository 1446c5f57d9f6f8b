"""The plain cache of whole pages: the naive loop's images, and what a bug does to them."""

from pixelcnn_edu import generation, page_cache
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, pixelcnn

import keras
import numpy as np
import pytest
from test_evaluation import randomize
from test_one_pixel import assert_same_images

MODELS = {
    "plain": lambda: pixelcnn((4, 3, 1), filters=4, depth=1, position=True),
    "three colors": lambda: pixelcnn(
        (3, 4, 3), filters=6, depth=1, likelihood=Categorical(3)
    ),
    "mixture": lambda: pixelcnn(
        (2, 2, 3), filters=4, depth=1, likelihood=DiscretizedLogisticMixture(2, 4)
    ),
    "gated, dilated": lambda: gated_pixelcnn(
        (5, 4, 1), filters=3, depth=2, dilations=(1, 2)
    ),
    "gated, labels": lambda: gated_pixelcnn(
        (4, 3, 1), filters=2, depth=1, num_classes=3, label_map=2
    ),
}


def arguments_of(model, count=4, seed=0, known=0.2):
    shape, rng = model.inputs[0].shape[1:], np.random.default_rng(seed)
    uniforms = rng.random((count, *shape), dtype="float32")
    levels = model.likelihood.levels
    given = rng.integers(0, levels, uniforms.shape) / np.float32(levels - 1)
    labels = [np.arange(count) % 3] if len(model.inputs) > 1 else []
    known = rng.random(shape[:2]) < known
    return model, model.likelihood, uniforms, given.astype("f4"), known, 1.0, *labels


@pytest.mark.parametrize("name", MODELS)
def test_it_draws_the_images_of_the_naive_loop(name):
    model = MODELS[name]()
    randomize(model)
    arguments = arguments_of(model)
    naive = generation.naive(*arguments)
    np.testing.assert_array_equal(page_cache.draw(*arguments), naive)
    known, given = arguments[4], arguments[3]
    np.testing.assert_array_equal(naive[:, known], given[:, known])


def test_a_temperature_of_0_takes_the_most_likely_values():
    model = MODELS["three colors"]()
    randomize(model)
    *arguments, _ = arguments_of(model)
    images = page_cache.draw(*arguments, 0)
    np.testing.assert_array_equal(images, generation.naive(*arguments, 0))


def shifted(layer, taps=page_cache._taps):
    return [(down, right - 1, weights) for down, right, weights in taps(layer)]


def without_the_left(layer, taps=page_cache._taps):
    return [tap for tap in taps(layer) if tap[:2] != (0, -1)]


@pytest.mark.parametrize("bug", [shifted, without_the_left])
@pytest.mark.parametrize("name", ["plain", "gated, dilated"])
def test_the_comparison_catches_a_cache_that_reads_a_wrong_place(
    monkeypatch, bug, name
):
    model = MODELS[name]()
    randomize(model)
    arguments = arguments_of(model, count=32)
    monkeypatch.setattr(page_cache, "_taps", bug)
    with pytest.raises(AssertionError, match="apart"):
        assert_same_images(
            model,
            generation.naive(*arguments),
            page_cache.draw(*arguments),
            arguments[2],
        )


@pytest.mark.parametrize(("bias", "words"), [(np.nan, "finite"), (-1, "NaN")])
def test_weights_and_logits_that_are_no_numbers_are_refused(bias, words):
    image = keras.Input((4, 4, 1))
    logits = MaskedConv2D(1, 3, "A", activation=keras.ops.log)(image)
    model = ImageModel(image, logits, likelihood=Bernoulli())
    model.set_weights([0 * model.get_weights()[0], np.float32([bias])])
    uniforms = np.full((1, 4, 4, 1), 0.5, "float32")
    nothing = 0 * uniforms, np.zeros((4, 4), bool)
    with pytest.raises(ValueError, match=words):
        page_cache.draw(model, model.likelihood, uniforms, *nothing, 1.0)


def test_a_layer_that_cannot_run_one_pixel_at_a_time_is_named():
    image = keras.Input((3, 3, 1))
    model = keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(image))
    u = np.zeros((1, 3, 3, 1), "float32")
    with pytest.raises(ValueError, match="no masked convolution"):
        page_cache.draw(model, Bernoulli(), u, u, np.zeros((3, 3), bool), 1.0)
