"""The stepper: each step against a network that sees only what is drawn so far."""

import re

from pixelcnn_edu import generation, models, pretrained, widgets
from pixelcnn_edu.likelihoods import Categorical

import keras
import numpy as np
import pytest


def small_model(shift=0.0):
    keras.utils.set_random_seed(0)
    model = models.pixelcnn((5, 6, 1), filters=8, depth=1)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(shift, 0.5, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def stepper(model):
    return widgets.GenerationStepper(model, seed=3)


def worst_step(stepper, model):
    """Largest error of p at any step, the rest of the picture being blank."""
    image = stepper.images[stepper.seed.value]
    pages = np.stack([np.where(np.arange(30) < at, image, 0) for at in range(30)])
    logits = np.asarray(model(pages.reshape(30, 5, 6, 1)), "float64").reshape(30, 30)
    return abs(1 / (1 + np.exp(-np.diag(logits))) - stepper.p[stepper.seed.value]).max()


def test_p_of_each_step_is_what_the_network_says_with_only_the_past_drawn(
    stepper, model
):
    assert 0.01 < stepper.images.mean() < 0.99
    assert worst_step(stepper, model) < 1e-5


def test_the_p_of_a_model_that_looks_ahead_would_differ(stepper):
    # the planted bug: the picture's last pixel as input of every probability
    leaky = small_model()
    image = keras.Input((5, 6, 1))
    ahead = keras.layers.Lambda(lambda x: x[:, -1:, -1:])(image)
    leaky = keras.Model(image, leaky(image) + ahead)
    assert worst_step(stepper, leaky) < 1e-5  # at each step that pixel is blank ...
    page = stepper.images[3].reshape(1, 5, 6, 1).copy()
    page[0, -1, -1] = 1
    p = 1 / (1 + np.exp(-np.asarray(leaky(page), "float64").ravel()))
    assert (
        abs(p - stepper.p[3]).max() > 0.01
    )  # ... and in the finished picture it is not


@pytest.mark.parametrize("seed", [0, 3, 9])
def test_the_images_are_those_of_generate(stepper, model, seed):
    drawn = generation.generate(model, 1, seed=seed, method="naive")
    assert (drawn.ravel() == stepper.images[seed]).all()


def test_every_sentence_is_true(stepper):
    for stepper.drawn.value in range(30):
        u, relation, p, value = re.fullmatch(
            r"u = (\d\.\d+) ([<≥]) p = (\d\.\d+): (ink|paper)", stepper.sentence()
        ).groups()
        at = stepper.seed.value, stepper.drawn.value
        assert float(u) == pytest.approx(stepper.u[at], abs=0.0051)
        assert float(p) == pytest.approx(stepper.p[at], abs=0.0051)
        assert (
            (relation == "<")
            == (float(u) < float(p))
            == (stepper.u[at] < stepper.p[at])
        )
        assert (value == "ink") == (relation == "<") == (stepper.images[at] == 1)


def test_the_finished_image_says_its_cost(stepper, model):
    stepper.drawn.value = 30
    page = stepper.images[stepper.seed.value].reshape(1, 5, 6, 1)
    nats = -float(model.likelihood.log_prob(model(page), page)[0])
    assert stepper.sentence() == f"finished, at a cost of {nats:.0f} nats"


def test_it_starts_where_the_network_knows_least(model):
    stepper = widgets.GenerationStepper(model, seed=5)
    doubt = abs(stepper.p[5] - 0.5)
    assert doubt[stepper.drawn.value] == doubt.min()


def test_the_button_visits_the_doubtful_pixels_and_then_the_end(stepper):
    visited, stepper.drawn.value = [], 0
    for _ in range(40):
        stepper.doubtful.click()
        visited.append(stepper.drawn.value)
    p = stepper.p[stepper.seed.value]
    doubtful = [at for at in range(1, 30) if 0.1 < p[at] < 0.9]
    assert 3 < len(doubtful) < 30
    assert visited == doubtful + [30] * (40 - len(doubtful))


def test_the_picture_changes_with_each_slider_and_comes_back(stepper):
    stepper.drawn.value, stepper.seed.value = 7, 1
    first = stepper.picture.value
    stepper.drawn.value = 8
    second = stepper.picture.value
    stepper.seed.value = 2
    assert len({first, second, stepper.picture.value}) == 3
    stepper.seed.value, stepper.drawn.value = 1, 7
    assert stepper.picture.value == first
    assert len(first) < 60_000


def test_its_text_is_always_the_same(stepper, model):
    assert repr(stepper) == repr(widgets.GenerationStepper(model))
    assert repr(stepper).startswith("GenerationStepper: ")


def test_the_first_ink_that_notebook_09_reads_back():
    stepper = widgets.GenerationStepper(pretrained.load("coffee"))
    first = int(stepper.images[0].argmax())
    assert divmod(first, 28) == (5, 12)
    assert stepper.p[0, first] == pytest.approx(0.05, abs=0.005)
    assert stepper.p[0, first + 1] == pytest.approx(0.73, abs=0.005)


def test_a_wrong_argument_is_refused(model):
    with pytest.raises(ValueError, match="Expected model .* Received: "):
        widgets.GenerationStepper("coffee")
    with pytest.raises(ValueError, match="Expected seed .* Received: 10"):
        widgets.GenerationStepper(model, seed=10)
    two = models.pixelcnn((5, 6, 1), filters=4, depth=1, likelihood=Categorical(2))
    with pytest.raises(ValueError, match=r"likelihood=Bernoulli\(\).*Categorical"):
        widgets.GenerationStepper(two)
