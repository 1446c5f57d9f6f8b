"""The temperature explorer: its images and its nats, computed another way."""

from pixelcnn_edu import generation, models, pretrained, widgets

import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = models.pixelcnn((5, 6, 1), filters=8, depth=1)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def explorer(model):
    return widgets.TemperatureAndSeed(model, temperature=0.6, seed=2)


def nats_by_hand(model, images):
    logits = np.asarray(model(images), "float64")
    p = 1 / (1 + np.exp(-logits))
    return -np.log(np.where(images == 1, p, 1 - p)).sum(axis=(1, 2, 3))


def test_it_starts_at_the_temperature_and_seed_that_it_is_given(explorer):
    assert (explorer.temperature.value, explorer.seed.value) == (0.6, 2)


@pytest.mark.parametrize("temperature", [0, 0.35, 0.375, 1, 2])
def test_the_images_are_those_of_generate(explorer, model, temperature):
    explorer.temperature.value, explorer.seed.value = temperature, 4
    drawn = generation.generate(
        model, 16, seed=4, temperature=temperature, method="fixed_point"
    )
    assert (explorer.images == drawn).all()


@pytest.mark.parametrize("temperature", [0.5, 1, 1.5])
def test_the_nats_are_those_of_the_model_at_temperature_one(
    explorer, model, temperature
):
    explorer.temperature.value, explorer.seed.value = temperature, 1
    by_hand = nats_by_hand(model, explorer.images)
    assert explorer.nats == pytest.approx(by_hand, rel=1e-4)
    ink = 100 * explorer.images.mean()
    assert explorer.sentence() == (
        f"T = {temperature:.2f}: {ink:.1f} % ink, {by_hand.mean():.0f} nats per image"
    )


def test_the_usual_cost_is_that_of_64_images_drawn_at_temperature_one(explorer, model):
    drawn = [generation.generate(model, 16, seed=s, method="naive") for s in range(4)]
    by_hand = nats_by_hand(model, np.concatenate(drawn))
    assert explorer.usual == pytest.approx(by_hand.mean(), rel=1e-4)


def test_nats_at_the_temperature_of_the_draw_would_be_told_apart(explorer, model):
    # the planted bug: logits divided by T before the images are scored
    explorer.temperature.value = 0.5
    logits = np.asarray(model(explorer.images), "float64") / 0.5
    tempered = -np.asarray(model.likelihood.log_prob(logits, explorer.images))
    assert abs(tempered - explorer.nats).max() > 0.5


def test_cold_images_cost_less_and_hot_ones_more(explorer):
    cost = []
    for explorer.temperature.value in (0.0, 0.5, 1.0, 2.0):
        cost.append(explorer.nats.mean())
    assert cost == sorted(cost)
    assert cost[0] < explorer.usual < cost[3]


def test_the_picture_changes_with_each_slider_and_comes_back(explorer):
    explorer.temperature.value, explorer.seed.value = 1.0, 0
    first = explorer.picture.value
    explorer.temperature.value = 1.5
    second = explorer.picture.value
    explorer.seed.value = 5
    assert len({first, second, explorer.picture.value}) == 3
    explorer.seed.value, explorer.temperature.value = 0, 1.0
    assert explorer.picture.value == first
    assert len(first) < 60_000


def test_its_text_is_always_the_same(explorer, model):
    assert repr(explorer) == repr(widgets.TemperatureAndSeed(model))
    assert repr(explorer).startswith("TemperatureAndSeed: ")


def test_the_empty_pages_that_notebook_09_reads_back():
    explorer = widgets.TemperatureAndSeed(pretrained.load("coffee"), temperature=1)
    assert explorer.nats.mean() == pytest.approx(92, abs=0.5)
    for explorer.temperature.value, empty in (
        (0.55, 0),
        (0.5, 1),
        (0.25, 15),
        (0.2, 16),
    ):
        assert (explorer.images.sum(axis=(1, 2, 3)) == 0).sum() == empty
    assert explorer.nats.mean() == pytest.approx(24, abs=0.5)


@pytest.mark.parametrize("temperature", [-0.1, 2.1, True, "1", None, float("nan")])
def test_a_wrong_temperature_is_refused(model, temperature):
    with pytest.raises(ValueError, match="Expected temperature .* Received: "):
        widgets.TemperatureAndSeed(model, temperature=temperature)


def test_another_wrong_argument_is_refused(model):
    with pytest.raises(ValueError, match="Expected model .* Received: "):
        widgets.TemperatureAndSeed("coffee")
    with pytest.raises(ValueError, match="Expected seed .* Received: -1"):
        widgets.TemperatureAndSeed(model, seed=-1)


def test_the_usual_cost_follows_the_weights():
    model = models.pixelcnn((5, 6, 1), filters=8, depth=1)
    explorer = widgets.TemperatureAndSeed(model)
    for bias in (0, 3):  # a fair coin for each pixel, then p(ink) = 0.95
        last = model.layers[-1]
        last.set_weights([np.zeros(last.kernel.shape), np.full(1, bias)])
        explorer.refresh()
        p = 1 / (1 + np.exp(-bias))
        entropy = -30 * (p * np.log(p) + (1 - p) * np.log(1 - p))
        assert explorer.usual == pytest.approx(entropy, rel=0.1)
