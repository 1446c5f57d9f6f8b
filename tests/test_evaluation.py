"""Evaluation: exact probabilities over whole tiny domains."""

import gc
import math
import weakref

from pixelcnn_edu import evaluation, generation
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, pixelcnn

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


def in_parts(images, size):
    return (images[at : at + size] for at in range(0, len(images), size))


@pytest.mark.parametrize("score", [evaluation.nats_per_image, evaluation.bits_per_dim])
def test_an_iterator_of_arrays_is_scored_as_one_array(score):
    model = random_model((4, 3, 1), builder=gated_pixelcnn, num_classes=3)
    images = np.random.default_rng(0).integers(0, 2, (17, 4, 3, 1)).astype("float32")
    for labels in (1, np.arange(17) % 3, list(range(3)) * 5 + [0, 1]):
        expected = score(model, images, labels=labels)
        found = score(model, in_parts(images, 5), labels=labels, batch_size=4)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    backwards = score(model, in_parts(images, 5), labels=labels[::-1])
    assert abs(backwards - expected).max() > 0.01  # other labels are found


def test_a_million_images_would_need_one_array_at_a_time():
    model = random_model((4, 3, 1))
    slices = generation.generate_slices(model, 300, seed=0)
    nats = evaluation.nats_per_image(model, slices)
    images = generation.generate(model, 300, seed=0)
    np.testing.assert_allclose(
        nats, evaluation.nats_per_image(model, images), rtol=1e-5
    )
    kept = []

    def parts():
        for _ in range(5):
            part = images[:2].copy()
            kept.append(weakref.ref(part))
            yield part
            del part
            gc.collect()
            assert sum(one() is not None for one in kept) <= 1

    assert len(evaluation.nats_per_image(model, parts())) == 10


def test_an_iterator_without_images_or_with_other_labels_is_refused():
    model = random_model((4, 3, 1), builder=gated_pixelcnn, num_classes=3)
    images = np.zeros((6, 4, 3, 1), "float32")
    with pytest.raises(ValueError, match="at least one array.*Received: 0 images"):
        evaluation.nats_per_image(model, iter([]), labels=1)
    for labels in (np.zeros(5, int), np.zeros(7, int)):
        with pytest.raises(ValueError, match="labels"):
            evaluation.nats_per_image(model, in_parts(images, 2), labels=labels)


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


@pytest.mark.parametrize("with_layer", [True, False], ids=["layer", "operation"])
def test_nats_of_as_many_images_as_channels_are_those_of_one_image_at_a_time(
    with_layer,
):
    image, label = keras.Input((3, 4, 1)), keras.Input((), dtype="int32")
    x = MaskedConv2D(16, 3, "A")(image)
    number = keras.layers.Reshape((1, 1, 1))(keras.layers.Embedding(3, 1)(label))
    x = keras.layers.add([x, number]) if with_layer else x + number
    logits = MaskedConv2D(1, 1)(keras.layers.ReLU()(x))
    model = ImageModel([image, label], logits, likelihood=Bernoulli(), num_classes=3)
    randomize(model)
    images = np.random.default_rng(0).integers(0, 2, (16, 3, 4, 1))
    together, alone = (
        evaluation.nats_per_image(
            model, images, labels=np.arange(16) % 3, batch_size=size
        )
        for size in (16, 1)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 2.0 + 1j], "real numbers. Received: complex128"),
        (["1", "2"], "real numbers. Received: <U1"),
        ([True, False], "real numbers. Received: bool"),
        ([1.0, 2.0, math.nan], "finite. Received: nan at index 2"),
        ([1.0, -math.inf], "finite. Received: -inf at index 1"),
        ([[1.0, 2.0]], "N >= 2"),
    ],
)
def test_a_mean_of_what_is_no_finite_number_is_refused(values, words):
    with pytest.raises(ValueError, match=words):
        evaluation.mean_and_standard_error(values)


def test_whole_numbers_have_a_mean_and_an_error():
    assert evaluation.mean_and_standard_error(np.array([1, 3], "uint8")) == (2.0, 1.0)


def test_logits_that_give_no_probability_are_named():
    image = keras.Input((2, 2, 1))
    infinite = keras.layers.Rescaling(0.0, [-np.inf, 0.0, 0.0])(
        MaskedConv2D(3, 3, "A")(image)
    )
    model = ImageModel(image, infinite, likelihood=DiscretizedLogisticMixture(1, 2))
    with pytest.raises(ValueError, match="gives? a probability.*infinite"):
        evaluation.nats_per_image(model, np.zeros((1, 2, 2, 1)))


def test_a_logit_of_infinity_is_a_level_of_probability_1():
    image = keras.Input((2, 2, 1))
    always = keras.layers.Rescaling(0.0, [0.0, np.inf])(MaskedConv2D(2, 3, "A")(image))
    model = ImageModel(image, always, likelihood=Categorical(2))
    assert evaluation.nats_per_image(model, np.ones((1, 2, 2, 1))) == 0
    assert evaluation.nats_per_image(model, np.zeros((1, 2, 2, 1))) > 1e38
    assert (generation.generate(model, 2, seed=0, method="naive") == 1).all()


def test_a_logit_of_minus_infinity_is_a_level_of_probability_0():
    image = keras.Input((2, 2, 1))
    never = keras.layers.Rescaling(1.0, [0.0, 0.0, -np.inf])(
        MaskedConv2D(3, 3, "A")(image)
    )
    model = ImageModel(image, never, likelihood=Categorical(3))
    assert evaluation.total_probability(model) == pytest.approx(1, abs=1e-5)
    white = np.ones((1, 2, 2, 1))
    assert evaluation.nats_per_image(model, white)[0] == np.inf
    known = np.array([[False, True], [False, False]])
    with pytest.raises(ValueError, match="probability above 0"):
        generation.complete(model, white, known, particles=4, method="naive", seed=0)
