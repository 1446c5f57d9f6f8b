"""The temperature explorer: its arguments, its images and nats, its still picture."""

import base64
import io

from pixelcnn_edu import (
    evaluation,
    generation,
    models,
    pretrained,
    widgets,
)
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.widgets.temperature import drawn

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import stills


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = models.pixelcnn((5, 6, 1), filters=8, depth=1)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


def nats_by_hand(model, images):
    logits = np.asarray(model(images), "float64")
    p = 1 / (1 + np.exp(-logits))
    return -np.log(np.where(images == 1, p, 1 - p)).sum(axis=(1, 2, 3))


def test_it_starts_at_the_temperature_and_seed_that_it_is_given(model):
    explorer = widgets.TemperatureAndSeed(model, temperature=0.6, seed=2)
    assert explorer.explorer == "temperature"
    assert explorer.settings == {"temperature": 0.6, "sixteen": 2, "label": 0}
    assert len(explorer.graph["tensors"]) > 3 and len(explorer.weights) > 1000


@pytest.mark.parametrize("temperature", [0, 0.375, 1, 2])
def test_the_images_are_those_of_generate_and_the_nats_at_temperature_one(
    model, temperature
):
    images, nats = drawn(model, temperature, 4)
    by_hand = generation.generate(
        model, 16, seed=4, temperature=temperature, method="naive"
    )
    assert np.array_equal(images, by_hand)
    assert nats == pytest.approx(nats_by_hand(model, images), rel=1e-4)
    if (20 * temperature) % 1:  # between two steps of the slider
        return
    ink = 100 * images.mean()
    explorer = widgets.TemperatureAndSeed(model, temperature=temperature, seed=4)
    assert stills.sentence(explorer) == (
        f"T = {temperature:.2f}: {ink:.1f} % ink. "
        + "Every pixel takes its most probable value.\n" * (temperature == 0)
        + f"Measured at temperature 1, they cost {nats.mean():.0f} nats on average."
    )


def test_nats_at_the_temperature_of_the_draw_would_be_told_apart(model):
    # the planted bug: logits divided by T before the images are scored
    images, nats = drawn(model, 0.5, 1)
    logits = np.asarray(model(images), "float64") / 0.5
    tempered = -np.asarray(model.likelihood.log_prob(logits, images))
    assert abs(tempered - nats).max() > 0.5


def test_cold_images_cost_less_and_hot_ones_more(model):
    cost = [drawn(model, temperature, 2)[1].mean() for temperature in (0, 0.5, 1, 2)]
    assert cost == sorted(cost)


def test_the_empty_pages_that_notebook_09_reads_back(monkeypatch):
    coffee = pretrained.load("coffee")
    assert drawn(coffee, 1, 0)[1].mean() == pytest.approx(92, abs=0.5)
    for temperature, empty in ((0.55, 0), (0.5, 1), (0.25, 15), (0.2, 16)):
        images, nats = drawn(coffee, temperature, 0)
        assert (images.sum(axis=(1, 2, 3)) == 0).sum() == empty
    assert nats.mean() == pytest.approx(24, abs=0.5)


def test_a_temperature_between_two_steps_of_the_slider_is_refused(model):
    for temperature in (0.33, 0.051, 1.999):
        with pytest.raises(
            ValueError, match="^Expected temperature .*multiple of 0.05"
        ):
            widgets.TemperatureAndSeed(model, temperature=temperature)
    for temperature in (0.15, 0.3, 0.35, np.float32(0.55)):  # not exact in binary
        explorer = widgets.TemperatureAndSeed(model, temperature=temperature)
        assert explorer.settings["temperature"] == pytest.approx(temperature)


def still(explorer):
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer)
    ((_, png),) = stills.found(bundle)
    return png


def test_the_still_picture_shows_the_images_and_changes_with_each_setting(model):
    first = still(widgets.TemperatureAndSeed(model, temperature=1))
    page = plt.imread(io.BytesIO(base64.b64decode(first)))[..., :3]
    left, right = page[60:, : page.shape[1] * 2 // 5], page[60:, page.shape[1] // 2 :]
    assert np.ptp(left, axis=-1).max() < 0.01 < np.ptp(right, axis=-1).max()
    cold = drawn(model, 0, 0)[0]
    darker = drawn(model, 1, 0)[0].mean() - cold.mean()
    second = still(widgets.TemperatureAndSeed(model, temperature=0))
    other = plt.imread(io.BytesIO(base64.b64decode(second)))[60:, : left.shape[1], :3]
    assert np.sign(other.mean() - left.mean()) == np.sign(darker) != 0
    others = [{"temperature": 2}, {"temperature": 1, "seed": 1}]
    changed = [still(widgets.TemperatureAndSeed(model, **other)) for other in others]
    assert len({first, *changed}) == 3
    assert still(widgets.TemperatureAndSeed(model, temperature=1)) == first
    assert len(first) < 80_000


@pytest.mark.parametrize("kind", ["levels", "colors", "labels"])
def test_another_kind_of_model_has_a_picture_too(kind):
    if kind == "labels":
        other = models.gated_pixelcnn((4, 5, 1), filters=4, depth=1, num_classes=3)
    else:
        colors, likelihood = 3 if kind == "colors" else 1, Categorical(3)
        image = keras.Input((4, 5, colors))
        x = MaskedConv2D(6, 3, "A", colors=colors, activation="relu")(image)
        x = MaskedConv2D(3 * colors, 1, colors=colors)(x)
        other = models.ImageModel(image, x, likelihood=likelihood)
        bias = other.layers[-1].bias  # level 0 is the most probable one
        bias.assign(9.0 * (np.arange(bias.shape[0]) % 3 == 0))
    images, nats = drawn(other, 0.7, 3)
    told = {"labels": np.zeros(16, "int32")} if kind == "labels" else {}
    by_hand = evaluation.nats_per_image(other, images, **told)
    assert nats == pytest.approx(by_hand)
    for temperature in (0, 0.7):
        explorer = widgets.TemperatureAndSeed(other, temperature=temperature, seed=3)
        assert ("ink" in stills.sentence(explorer)) == (kind == "labels")
        page = plt.imread(io.BytesIO(base64.b64decode(still(explorer))))[..., :3]
        assert (page[:, [0, -1]] == 1).all()  # no text is cut


def test_its_text_is_always_the_same(model):
    text = repr(widgets.TemperatureAndSeed(model))
    assert text == repr(widgets.TemperatureAndSeed(model, seed=3))
    assert text.startswith("TemperatureAndSeed: ")


@pytest.mark.parametrize("temperature", [-0.1, 2.1, True, "1", None, float("nan")])
def test_a_wrong_temperature_is_refused(model, temperature):
    with pytest.raises(ValueError, match="Expected temperature .* Received: "):
        widgets.TemperatureAndSeed(model, temperature=temperature)


def test_another_wrong_argument_is_refused(model):
    with pytest.raises(ValueError, match="Expected .*model.* Received: "):
        widgets.TemperatureAndSeed("coffee")
    with pytest.raises(ValueError, match="Expected seed .* Received: -1"):
        widgets.TemperatureAndSeed(model, seed=-1)
