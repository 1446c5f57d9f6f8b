"""The bit reader: each cost against a network that sees only what is read so far."""

from pixelcnn_edu import evaluation, models, widgets
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.widgets._base import bits as bits_of

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest


def bits_of_pixels(model, images):
    return bits_of(model, images, images)


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


def worst_pixel(network, image, bits):
    """Largest error of the bits of any pixel, all later pixels being blank."""
    image = image.ravel()
    pages = np.stack([np.where(np.arange(30) < at, image, 0) for at in range(30)])
    logits = np.asarray(network(pages.reshape(30, 5, 6, 1)), "float64").reshape(30, 30)
    p = 1 / (1 + np.exp(-np.diag(logits)))
    by_hand = -np.log2(np.where(image == 1, p, 1 - p))
    return abs(by_hand - bits.ravel()).max()


def test_each_pixel_costs_what_the_network_says_with_only_the_past_seen(model):
    images = some_images()
    bits = bits_of_pixels(model, images)
    assert bits.shape == (3, 5, 6)
    assert worst_pixel(model, images[0], bits[0]) < 1e-4
    assert worst_pixel(model, images[2], bits[2]) < 1e-4


def test_the_bits_of_a_network_that_looks_ahead_would_differ(model):
    # the planted bug: the image's last pixel as input of every probability
    page = keras.Input((5, 6, 1))
    ahead = keras.layers.Lambda(lambda x: x[:, -1:, -1:])(page)
    leaky = models.ImageModel(page, model(page) + ahead, likelihood=model.likelihood)
    images = some_images(1)
    images[:, -1, -1] = 1
    assert worst_pixel(leaky, images[0], bits_of_pixels(leaky, images)) > 0.01


def test_the_bits_of_an_image_are_those_of_the_package(model):
    nats = evaluation.nats_per_image(model, some_images())
    bits = bits_of_pixels(model, some_images()).sum(axis=(1, 2))
    assert np.allclose(bits * np.log(2), nats, atol=1e-4)


def test_the_page_gets_the_images(model):
    reader = widgets.BitReader(model, some_images())
    levels = np.frombuffer(reader.images, "uint8").reshape(3, 5, 6, 1)
    assert np.array_equal(levels, some_images())


def test_the_still_picture_shows_the_first_image_up_to_its_dearest_pixel(model):
    images = some_images()
    reader = widgets.BitReader(model, images)
    images[:] = 0  # the reader keeps its own
    image, bits = some_images()[0], bits_of_pixels(model, some_images()[:1])[0]
    at = int(bits.argmax())
    figure = plt.figure(figsize=reader.size)
    reader.draw(figure)
    page, cost, paid = figure.axes
    seen = np.asarray(page.images[0].get_array()).ravel()
    assert np.array_equal(seen[:at], image.ravel()[:at]) and set(seen[at:]) == {0.25}
    assert np.array_equal(cost.images[0].get_array(), bits)
    before = bits.ravel()[:at].sum()
    assert paid.get_title() == f"{before:.1f} of {bits.sum():.1f} bits"
    plt.close(figure)


def test_its_text_and_its_still_picture_are_always_the_same(model):
    first, again = (widgets.BitReader(model, some_images()) for _ in range(2))
    (bundle, _), (other, _) = first._repr_mimebundle_(), again._repr_mimebundle_()
    assert bundle["text/html"] == other["text/html"]
    assert bundle["text/plain"] == other["text/plain"] == repr(first)
    assert repr(first).startswith("BitReader: ")


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
            r"likelihood=Bernoulli\(\)",
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
