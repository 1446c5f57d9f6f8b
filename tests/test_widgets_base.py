"""What all explorers share: the network, the settings, and a still picture."""

from pixelcnn_edu import export, models
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.widgets._base import Explorer, check_page_seed, ink_shape

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import stills
from IPython.core.formatters import DisplayFormatter


class Bar(Explorer):
    """A bar as wide as ``quarters`` says, over the whole figure."""

    size = (4, 1)

    def __init__(self, model, quarters=1, images=()):
        super().__init__("bar", model, about="a bar", images=images, quarters=quarters)

    def draw(self, figure):
        width = self.settings["quarters"] / 4
        figure.add_axes((0, 0, width, 1), facecolor="black").set(xticks=[], yticks=[])


@pytest.fixture(scope="module")
def network():
    return models.pixelcnn((5, 6, 1), filters=2, depth=1, likelihood=Categorical(4))


def test_a_page_without_widgets_gets_the_still_picture_and_a_text(network):
    bar = Bar(network, 3)
    data, _ = bar._repr_mimebundle_()
    picture = stills.pixels(data)
    assert picture.shape[:2] == (100, 400)
    assert (picture[..., 0] < 0.5).mean() == pytest.approx(3 / 4, abs=0.01)
    assert data["text/plain"] == repr(bar) == "Bar: a bar"
    assert "application/vnd.jupyter.widget-view+json" in data
    assert plt.get_fignums() == []  # no figure of pyplot is left open


def test_ipywidgets_7_gets_the_still_picture_too(network, monkeypatch):
    shown = []

    def display_7(self):
        shown.append(self)

    name = "_ipython_display_"
    monkeypatch.setattr(ipywidgets.Widget, name, display_7, raising=False)
    data, _ = DisplayFormatter().format(Bar(network))
    assert "text/html" in data and not shown


def test_the_page_gets_the_network_the_settings_and_the_images(network):
    images = np.arange(60).reshape(2, 5, 6, 1) % 4 / np.float32(3)
    state = Bar(network, 2, images).get_state()
    graph, weights = export.network(network)
    assert state["graph"] == graph and state["settings"] == {"quarters": 2}
    assert np.array_equal(np.frombuffer(state["weights"], "float32"), weights)
    assert np.array_equal(np.frombuffer(state["images"], "uint8"), np.arange(60) % 4)
    assert state["_esm"].startswith(export.explorers())


def test_a_seed_that_a_page_does_not_have_is_refused():
    assert check_page_seed(np.int64(2**32 - 1)) == 2**32 - 1
    for seed in (-1, 1.5, True, None, "1", 2**32):
        with pytest.raises(ValueError, match="Expected seed .* Received: "):
            check_page_seed(seed)


def test_the_shape_of_images_of_ink_is_read_from_the_model():
    model = models.pixelcnn((5, 6, 1), filters=2, depth=1)
    assert ink_shape(model) == (5, 6)
    told = models.gated_pixelcnn((5, 6, 1), filters=2, depth=1, num_classes=3)
    assert ink_shape(told, labels=True) == (5, 6)


@pytest.mark.parametrize(
    "model",
    [
        "coffee",
        lambda: models.pixelcnn((None, None, 1), filters=2, depth=1),
        lambda: models.pixelcnn((5, 6, 3), filters=6, depth=1),
        lambda: models.pixelcnn(
            (5, 6, 1), filters=2, depth=1, likelihood=Categorical(4)
        ),
        lambda: models.gated_pixelcnn((5, 6, 1), filters=2, depth=1, num_classes=3),
    ],
    ids=["a name", "an open size", "colors", "four levels", "labels"],
)
def test_another_model_is_refused(model):
    with pytest.raises(ValueError, match="Expected model .* Received: "):
        ink_shape(model() if callable(model) else model)
