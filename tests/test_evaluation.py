"""Evaluation: exact probabilities over whole tiny domains."""

import math

from pixelcnn_edu import evaluation
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, pixelcnn

import keras
import numpy as np
import pytest


def randomize(model, seed=0):
    """Draw the weights so that logits spread by 1.5 around 0: no pixel is settled."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.6, w.shape) for w in model.get_weights()])
    shape = [size or 4 for size in model.inputs[0].shape[1:]]
    x = rng.random((256, *shape), dtype="float32")
    labels = [np.arange(256) % model.num_classes for _ in model.inputs[1:]]
    out = np.asarray(model([x, *labels] if labels else x))
    kernel, bias = model.layers[-1].get_weights()
    gain = 1.5 / np.maximum(out.std(axis=(0, 1, 2)), 0.1)
    offset = (bias - out.mean(axis=(0, 1, 2))) * gain
    model.layers[-1].set_weights([kernel * gain, offset])


def random_model(
    image_shape=(3, 3, 1), likelihood=None, seed=0, builder=pixelcnn, **kwargs
):
    """A small network with random weights, in which pixels matter to each other."""
    keras.utils.set_random_seed(seed)
    filters = 12 if image_shape[-1] == 3 else 8
    model = builder(
        image_shape, filters=filters, depth=1, likelihood=likelihood, **kwargs
    )
    randomize(model, seed)
    return model


@pytest.mark.parametrize(
    ("shape", "likelihood"),
    [
        ((3, 3, 1), Bernoulli()),
        ((1, 7, 1), Bernoulli()),
        ((2, 3, 1), Categorical(4)),
        ((2, 2, 1), Categorical(8)),
    ],
    ids=str,
)
def test_probabilities_of_all_images_sum_to_one(shape, likelihood):
    model = random_model(shape, likelihood)
    assert abs(evaluation.total_probability(model) - 1) < 1e-5


def test_bits_per_dim_are_nats_over_dims_and_ln_2():
    model = random_model((4, 3, 2), Categorical(4))
    images = np.round(np.random.default_rng(0).random((5, 4, 3, 2)) * 3) / 3
    bits = evaluation.bits_per_dim(model, images)
    nats = evaluation.nats_per_image(model, images)
    np.testing.assert_allclose(bits, nats / (24 * math.log(2)))


def test_all_images_are_all_different():
    images = evaluation.all_images((2, 2, 1), 3)
    assert images.shape == (81, 2, 2, 1)
    assert len(np.unique(images.reshape(81, -1), axis=0)) == 81
    assert set(np.unique(images)) == {0.0, 0.5, 1.0}


def test_the_standard_error_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(5, 2, 400)
    mean, error = evaluation.mean_and_standard_error(values)
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / 20)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 2.0, math.nan], "finite. Received: nan at index 2"),
        ([1.0, -math.inf], "finite. Received: -inf at index 1"),
        ([[1.0, 2.0]], "N >= 2"),
    ],
)
def test_a_mean_of_what_is_no_finite_number_is_refused(values, words):
    with pytest.raises(ValueError, match=words):
        evaluation.mean_and_standard_error(values)


def test_a_model_without_a_likelihood_asks_for_one():
    image = keras.Input((3, 3, 1))
    plain = keras.Model(image, keras.layers.Rescaling(0.0)(image))
    images = np.zeros((1, 3, 3, 1), "float32")
    with pytest.raises(ValueError, match="likelihood="):
        evaluation.nats_per_image(plain, images)
    nats = evaluation.nats_per_image(plain, images, likelihood=Bernoulli())
    assert nats[0] == pytest.approx(9 * np.log(2))


def test_logits_that_give_no_probability_are_named():
    image = keras.Input((2, 2, 1))
    infinite = keras.layers.Rescaling(0.0, [-np.inf, 0.0, 0.0])(
        MaskedConv2D(3, 3, "A")(image)
    )
    model = ImageModel(image, infinite, likelihood=DiscretizedLogisticMixture(1, 2))
    with pytest.raises(ValueError, match="gives? a probability.*infinite"):
        evaluation.nats_per_image(model, np.zeros((1, 2, 2, 1)))
