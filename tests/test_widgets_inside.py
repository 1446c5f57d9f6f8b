"""The explorer of a network's inside: its arguments, its pixel, its still picture."""

import functools

from pixelcnn_edu import causality, generation, models, plots, widgets
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.mixture import DiscretizedLogisticMixture
from pixelcnn_edu.widgets.inside import costliest_pixel

import numpy as np
import pytest
import stills
from matplotlib.colors import to_rgb

KINDS = {
    "ink": {},
    "levels": {"likelihood": Categorical(3)},
    "colors": {"image_shape": (5, 6, 3), "filters": 6, "likelihood": Categorical(2)},
    "labels": {"num_classes": 3},
}


@functools.cache
def small(kind):
    """A model that no test changes."""
    build = models.gated_pixelcnn if kind == "labels" else models.pixelcnn
    model = build(**{"image_shape": (5, 6, 1), "filters": 4, "depth": 1, **KINDS[kind]})
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


def picture(explorer):
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer)
    return stills.pixels(bundle)[..., :3]


@pytest.mark.parametrize("kind", KINDS)
def test_the_pixel_is_the_one_that_costs_most(kind):
    model = small(kind)
    image, p, row, col = costliest_pixel(model, 3)
    labels = [np.zeros(1, "int32")] * bool(model.num_classes)
    told = {"labels": 0} if labels else {}
    drawn = generation.generate(model, 1, seed=3, method="naive", **told)
    assert np.array_equal(image[None], drawn)
    every = model.likelihood.probabilities(
        model([drawn, *labels] if labels else drawn), drawn
    )
    level = np.round(drawn * (model.likelihood.levels - 1)).astype(int)
    own = np.take_along_axis(np.asarray(every), level[..., None], -1)[0, ..., 0]
    cost = -np.log(own).sum(axis=-1)
    assert cost[row, col] == pytest.approx(cost.max())
    assert p == pytest.approx(np.asarray(every)[0, row, col, 0], abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_still_picture_shows_the_receptive_field_of_the_pixel(kind):
    model = small(kind)
    explorer = widgets.Inside(model, seed=3)
    image, _, row, col = costliest_pixel(model, 3)
    field = causality.receptive_field(model, row, col)
    page = picture(explorer)
    paper = image[..., :1].repeat(3, -1) if image.shape[-1] == 1 else 1 - image
    tinted = 0.6 * (1 - paper) + 0.4 * np.array(to_rgb(plots.SEEN))
    left = page[:, : page.shape[1] * 42 // 100].reshape(-1, 3)
    field[row, col] = False
    for color in np.unique(tinted[field], axis=0):
        assert np.abs(left - color).max(axis=-1).min() < 0.01
    red = np.abs(left - to_rgb(plots.TARGET)).max(axis=-1) < 0.01
    assert red.mean() == pytest.approx(1 / 42, rel=0.9)
    if kind == "ink":
        again = picture(widgets.Inside(model, seed=3))
        assert np.array_equal(page, again)
        assert not np.array_equal(page, picture(widgets.Inside(model, seed=4)))


def test_it_starts_at_its_seed_and_leaves_pixel_and_layer_to_the_page():
    explorer = widgets.Inside(small("ink"), 7)
    assert explorer.explorer == "inside"
    assert explorer.settings == {"look": 7, "pixel": "", "layer": "", "lookclass": 0}
    assert repr(explorer).startswith("Inside: ")


@pytest.mark.parametrize("seed", [-1, 1.5, True, None, "1"])
def test_another_seed_is_refused(seed):
    with pytest.raises(ValueError, match="Expected seed .* Received: "):
        widgets.Inside(small("ink"), seed=seed)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: "coffee", "Expected .*model.* Received: "),
        (
            lambda: models.pixelcnn((None, None, 1), filters=2, depth=1),
            "image_shape.* Received: ",
        ),
        (
            lambda: models.pixelcnn(
                (5, 6, 1),
                filters=2,
                depth=1,
                likelihood=DiscretizedLogisticMixture(2, 4),
            ),
            "Received: DiscretizedLogisticMixture",
        ),
    ],
    ids=["a name", "an open size", "a mixture"],
)
def test_another_model_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        widgets.Inside(make())
