"""What all explorers share: a picture that follows its controls, and can be stored."""

import base64
import gc
import io

from pixelcnn_edu import models
from pixelcnn_edu.likelihoods import Categorical
from pixelcnn_edu.widgets._base import Explorer, binary_image_shape, seed_slider

import ipywidgets
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure


class Bar(Explorer):
    """A bar as wide as the slider says, over the whole figure: 0 to 4 quarters."""

    size, width = (4, 1), 400

    def __init__(self):
        super().__init__()
        self.quarters = ipywidgets.IntSlider(1, 0, 4)
        self.quarters.observe(self.refresh, "value")
        self.start(self.quarters, about="a bar")

    def draw(self, figure):
        ax = figure.add_axes((0, 0, self.quarters.value / 4, 1), facecolor="black")
        ax.set(xticks=[], yticks=[])


def share_of_ink(png):
    return (plt.imread(io.BytesIO(png))[..., 0] < 0.5).mean()


def test_the_picture_follows_the_control_and_comes_back_with_it():
    bar = Bar()
    before = bar.picture.value
    for quarters in (2, 3, 1):
        bar.quarters.value = quarters
        assert share_of_ink(bar.picture.value) == pytest.approx(quarters / 4, abs=0.01)
    assert bar.picture.value == before == Bar().picture.value


def test_the_picture_has_the_promised_width_and_shrinks_with_a_narrow_page():
    bar = Bar()
    assert plt.imread(io.BytesIO(bar.picture.value)).shape[:2] == (100, 400)
    assert bar.picture.width == "400"
    assert bar.picture.layout.max_width == "100%"
    assert bar.picture.tooltip is None  # with one, JupyterLab fails to show an Image


def test_drawing_opens_no_figure_of_pyplot():
    Bar()
    assert plt.get_fignums() == []


def figures_alive():
    return sum(isinstance(thing, Figure) for thing in gc.get_objects())


def test_a_move_leaves_no_figure_to_the_garbage_collector():
    bar = Bar()
    gc.collect()
    before = figures_alive()
    for quarters in (2, 3, 4):
        bar.quarters.value = quarters
        assert figures_alive() == before
    bar.png()  # the planted bug: a picture drawn without collecting
    assert figures_alive() == before + 1


@pytest.mark.parametrize("on", [True, False])
def test_the_garbage_collector_is_left_as_it_was_even_if_a_drawing_fails(on):
    class Torn(Bar):
        def draw(self, figure):
            if self.quarters.value == 3:
                raise RuntimeError("torn")

    bar = Torn()
    try:
        gc.enable() if on else gc.disable()
        bar.quarters.value = 2
        assert gc.isenabled() == on
        with pytest.raises(RuntimeError, match="torn"):
            bar.quarters.value = 3
        assert gc.isenabled() == on
    finally:
        gc.enable()


def test_controls_stand_above_the_picture():
    bar = Bar()
    assert bar.children == (bar.quarters, bar.picture)


def test_a_page_without_widgets_gets_the_last_picture_and_the_same_text():
    bar = Bar()
    bar.quarters.value = 3
    bundle = bar._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == bar.picture.value
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == bar.model_id
    assert bundle["text/plain"] == repr(bar) == repr(Bar()) == "Bar: a bar"


def test_the_shape_of_binary_images_is_read_from_the_model():
    model = models.pixelcnn((5, 6, 1), filters=2, depth=1)
    assert binary_image_shape(model) == (5, 6)


@pytest.mark.parametrize(
    "model",
    [
        "coffee",
        lambda: models.pixelcnn((None, None, 1), filters=2, depth=1),
        lambda: models.pixelcnn((5, 6, 3), filters=6, depth=1),
        lambda: models.pixelcnn(
            (5, 6, 1), filters=2, depth=1, likelihood=Categorical(4)
        ),
    ],
    ids=["a name", "an open size", "colors", "four levels"],
)
def test_another_model_is_refused(model):
    with pytest.raises(ValueError, match="Expected model .* Received: "):
        binary_image_shape(model() if callable(model) else model)


@pytest.mark.parametrize("seed", [-1, 10, 1.5, True, None, "1"])
def test_a_seed_that_the_slider_lacks_is_refused(seed):
    with pytest.raises(ValueError, match="Expected seed .* 0 to 9. Received: "):
        seed_slider(seed)


def test_with_ipywidgets_7_the_picture_is_shown_and_says_what_it_needs(monkeypatch):
    bar = Bar()
    assert callable(bar._repr_mimebundle_)
    assert not callable(bar._ipython_display_)  # which would come first
    monkeypatch.setattr(ipywidgets, "__version__", "7.7.1")
    shown = bar._repr_mimebundle_()
    assert set(shown) == {"text/html", "text/plain"}
    assert "only with ipywidgets 8" in shown["text/plain"]
    assert base64.b64encode(bar.picture.value).decode() in shown["text/html"]
    assert "only with ipywidgets 8" in shown["text/html"]
    assert 'alt="a bar"' in shown["text/html"]
