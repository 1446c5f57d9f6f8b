"""The stepper: each step against a network that sees only what is drawn so far."""

from pixelcnn_edu import generation, models, pretrained, widgets
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.widgets import reading
from pixelcnn_edu.widgets.reading import steps

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import stills

SHAPE = 5, 6


def small_model():
    keras.utils.set_random_seed(0)
    model = models.pixelcnn((*SHAPE, 1), filters=8, depth=1)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def model():
    return small_model()


def worst_step(network, image, p):
    """Largest error of p at any step, the rest of the picture being blank."""
    pages = np.stack([np.where(np.arange(30) < at, image, 0) for at in range(30)])
    logits = np.asarray(network(pages.reshape(30, *SHAPE, 1)), "float64")
    return abs(1 / (1 + np.exp(-np.diag(logits.reshape(30, 30)))) - p).max()


def test_p_of_each_step_is_what_the_network_says_with_only_the_past_drawn(model):
    image, p, _ = steps(model, 3)
    assert 0.01 < image.mean() < 0.99
    assert worst_step(model, image, p) < 1e-5


def test_the_p_of_a_model_that_looks_ahead_would_differ(model):
    # the planted bug: the picture's last pixel as input of every probability
    page = keras.Input((*SHAPE, 1))
    ahead = keras.layers.Lambda(lambda x: x[:, -1:, -1:])(page)
    leaky = models.ImageModel(page, model(page) + ahead, likelihood=model.likelihood)
    image, _, _ = steps(model, 3)
    image[-1] = 1
    logits = models.logits_function(leaky)(image.reshape(1, *SHAPE, 1))
    p = 1 / (1 + np.exp(-logits.astype("float64"))).ravel()
    assert worst_step(leaky, image, p) > 0.01


@pytest.mark.parametrize("seed", [0, 3, 57])
def test_the_image_is_that_of_generate_and_u_decides(model, seed):
    image, p, u = steps(model, seed)
    drawn = generation.generate(model, 1, seed=seed, method="naive")
    assert np.array_equal(drawn.ravel(), image)
    assert np.array_equal(image == 1, u < p)


def test_the_still_picture_shows_the_image_up_to_its_most_doubtful_pixel(model):
    stepper = widgets.GenerationStepper(model, seed=3)
    image, p, u = steps(model, 3)
    at = int(abs(p - 0.5).argmin())
    figure = plt.figure(figsize=stepper.size)
    stepper.draw(figure)
    left, right = figure.axes
    page = np.asarray(left.images[0].get_array()).ravel()
    assert np.array_equal(page[:at], image[:at])
    assert set(page[at:]) == {0.25}
    assert left.get_title() == "next: row {}, column {}".format(*divmod(at, 6))
    value = "< p = {:.2f}: ink" if image[at] else "≥ p = {:.2f}: paper"
    assert right.get_title() == f"u = {u[at]:.2f} {value.format(p[at])}"
    plt.close(figure)


def test_numbers_that_are_nearly_equal_have_more_digits(model, monkeypatch):
    values = np.ones(30), np.full(30, 0.5041), np.full(30, 0.5039)
    monkeypatch.setattr(reading, "steps", lambda *_: values)
    figure = plt.figure()
    widgets.GenerationStepper(model).draw(figure)
    assert figure.axes[1].get_title() == "u = 0.50390 < p = 0.50410: ink"
    plt.close(figure)


def test_its_text_and_its_still_picture_are_always_the_same(model):
    first, again = (widgets.GenerationStepper(model, seed=2) for _ in range(2))
    (bundle, _), (other, _) = first._repr_mimebundle_(), again._repr_mimebundle_()
    assert bundle["text/html"] == other["text/html"]
    assert bundle["text/plain"] == other["text/plain"] == repr(first)
    assert repr(first).startswith("GenerationStepper: ")
    page = stills.pixels(bundle)
    assert page.shape[:2] == (400, 900)


def test_the_first_ink_that_notebook_09_reads_back():
    image, p, _ = steps(pretrained.load("coffee"), 2)
    first = int(image.argmax())
    assert divmod(first, 28) == (3, 18)
    assert p[first] == pytest.approx(0.01, abs=0.005)
    assert p[first + 1] == pytest.approx(0.74, abs=0.005)


@pytest.mark.parametrize("seed", [-1, 1.5, True, None, "1", 2**32 + 1])
def test_another_seed_is_refused(model, seed):
    with pytest.raises(ValueError, match="Expected seed .* Received: "):
        widgets.GenerationStepper(model, seed=seed)


def test_another_model_is_refused():
    with pytest.raises(ValueError, match="Expected model .* Received: "):
        widgets.GenerationStepper("coffee")
    two = models.pixelcnn((*SHAPE, 1), filters=4, depth=1, likelihood=Categorical(2))
    with pytest.raises(ValueError, match=r"likelihood=Bernoulli\(\).*Categorical"):
        widgets.GenerationStepper(two)
