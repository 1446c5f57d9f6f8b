"""The bit reader: each cost against a network that sees only what is read so far."""

import re

from pixelcnn_edu import evaluation, models, widgets
from pixelcnn_edu.likelihoods import Categorical

import keras
import numpy as np
import pytest


def small_model(**more):
    keras.utils.set_random_seed(0)
    build = models.gated_pixelcnn if more.get("num_classes") else models.pixelcnn
    model = build((5, 6, 1), filters=8, depth=1, **more)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


def some_images(count=3):
    rng = np.random.default_rng(1)
    return (rng.random((count, 5, 6, 1)) < 0.4).astype("float32")


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def reader(model):
    return widgets.BitReader(model, some_images())


def worst_pixel(reader, model, digit):
    """Largest error of the bits of any pixel, all later pixels being blank."""
    image = reader.images[digit]
    pages = np.stack([np.where(np.arange(30) < at, image, 0) for at in range(30)])
    logits = np.asarray(model(pages.reshape(30, 5, 6, 1)), "float64").reshape(30, 30)
    p = 1 / (1 + np.exp(-np.diag(logits)))
    bits = -np.log2(np.where(image == 1, p, 1 - p))
    return abs(bits - reader.bits[digit]).max()


@pytest.mark.parametrize("digit", [0, 2])
def test_each_pixel_costs_what_the_network_says_with_only_the_past_seen(
    reader, model, digit
):
    assert worst_pixel(reader, model, digit) < 1e-4


def test_the_bits_of_a_network_that_looks_ahead_would_differ():
    # the planted bug: the image's last pixel as input of every probability
    inside = small_model()
    image = keras.Input((5, 6, 1))
    ahead = keras.layers.Lambda(lambda x: x[:, -1:, -1:])(image)
    leaky = models.ImageModel(
        image, inside(image) + ahead, likelihood=inside.likelihood
    )
    images = some_images()
    images[:, -1, -1] = 1
    assert worst_pixel(widgets.BitReader(leaky, images), leaky, 0) > 0.01


def test_the_bits_of_an_image_are_those_of_the_package(reader, model):
    nats = evaluation.nats_per_image(model, some_images())
    assert np.allclose(reader.bits.sum(axis=1) * np.log(2), nats, atol=1e-4)


def test_every_sentence_is_true(reader):
    for reader.digit.value in range(3):
        for reader.read.value in range(30):
            row, col, p, value, bits = re.fullmatch(
                r"row (\d), column (\d): p\(ink\) = (\d\.\d+); it is (ink|paper): "
                r"(\d+\.\d+) bits",
                reader.sentence(),
            ).groups()
            at = reader.digit.value, reader.read.value
            assert (int(row), int(col)) == divmod(at[1], 6)
            assert (value == "ink") == (reader.images[at] == 1)
            chance = float(p) if value == "ink" else 1 - float(p)
            assert 2 ** -float(bits) == pytest.approx(chance, abs=0.006)
    reader.read.value = 30
    assert reader.sentence() == "all pixels are read"


def test_it_starts_at_the_dearest_pixel_of_the_first_digit(model):
    reader = widgets.BitReader(model, some_images())
    assert reader.bits[0, reader.read.value] == reader.bits[0].max()


def test_the_button_visits_the_pixels_above_one_bit_and_then_the_end(reader):
    visited, reader.digit.value, reader.read.value = [], 1, 0
    for _ in range(40):
        reader.dear.click()
        visited.append(reader.read.value)
    dear = [at for at in range(1, 30) if reader.bits[1, at] > 1]
    assert 3 < len(dear) < 30
    assert visited == dear + [30] * (40 - len(dear))


def test_the_picture_changes_with_each_slider_and_comes_back(reader):
    reader.digit.value, reader.read.value = 0, 7
    first = reader.picture.value
    reader.read.value = 8
    second = reader.picture.value
    reader.digit.value = 1
    third = reader.picture.value
    assert len({first, second, third}) == 3
    reader.digit.value, reader.read.value = 0, 7
    assert reader.picture.value == first


def test_the_curve_ends_at_the_image_s_bits(reader):
    from matplotlib.figure import Figure

    reader.digit.value, reader.read.value = 2, 30
    figure = Figure(figsize=reader.size)
    reader.draw(figure)
    title = figure.axes[-1].get_title()
    total = f"{reader.bits[2].sum():.1f}"
    assert title == f"{total} of {total} bits"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (lambda m: ("coffee", some_images()), "Expected model"),
        (lambda m: (m, some_images()[..., 0]), "Add the channel axis"),
        (lambda m: (m, some_images() / 2), "Expected images on 2 levels"),
        (lambda m: (m, np.zeros((2, 6, 5, 1))), "Expected images of shape"),
        (lambda m: (m, some_images(101)), "up to 100 images"),
        (lambda m: (m, some_images(0)), "at least one image"),
        (
            lambda m: (small_model(likelihood=Categorical(4)), some_images()),
            "of two levels",
        ),
        (
            lambda m: (small_model(likelihood=Categorical(2)), some_images()),
            r"likelihood=Bernoulli\(\).*Categorical",
        ),
        (lambda m: (small_model(num_classes=3), some_images()), "images alone"),
    ],
)
def test_other_models_and_images_are_refused(model, arguments, words):
    with pytest.raises(ValueError, match=words):
        widgets.BitReader(*arguments(model))
