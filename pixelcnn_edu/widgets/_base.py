"""What all explorers share: a picture that answers in the browser, without Python.

The explorers are written in JavaScript, in the folder `web`. Python hands over the network
and the first settings, and draws one still picture for pages without JavaScript.
"""

import base64
import io

from pixelcnn_edu import _alt, export, plots  # noqa: F401 (plots sets the style)
from pixelcnn_edu._checks import check_number, check_seed
from pixelcnn_edu.likelihoods import Bernoulli

import anywidget
import traitlets
from matplotlib.figure import Figure


class Explorer(anywidget.AnyWidget):
    """An explorer of a network, as it is when the explorer is made.

    Later changes of the model's weights do not reach the page: make a new explorer. A
    subclass defines ``draw(figure)``, which draws the still picture with matplotlib.

    Args:
        explorer: its name in ``web/main.js``.
        model: an `ImageModel` that runs in a page, see `export.network`.
        about: one sentence that describes the still picture.
        images: (N, H, W, C) on the likelihood's levels, which the explorer shows.
        **settings: what the reader may change.
    """

    _esm = export.web_file("explorers.js")
    _css = export.web_file("style.css")

    explorer = traitlets.Unicode().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    graph = traitlets.Dict().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    images = traitlets.Bytes().tag(sync=True)

    size = (9, 4)  # of the still picture, in inches

    def __init__(self, explorer, model, *, about, images=(), **settings):
        for name, value in settings.items():
            if isinstance(value, int) and value >= 2**53:
                raise ValueError(
                    f"Expected {name} below 2**53, the whole numbers that JavaScript has. "
                    f"Received: {value}"
                )
        graph, weights = export.network(model)
        self.model, self.about = model, about
        super().__init__(
            explorer=explorer,
            settings=settings,
            graph=graph,
            weights=bytes(weights),
            images=export.image_bytes(images, graph),
        )

    def png(self) -> bytes:
        """Return the still picture."""
        return self._still()[0]

    def _still(self):
        """Return the still picture and its alternative text."""
        figure = Figure(figsize=self.size, dpi=100, layout="none")
        self.draw(figure)
        page = io.BytesIO()
        figure.savefig(page, format="png", dpi="figure", metadata={"Software": None})
        return page.getvalue(), f"{self.about.rstrip('.')}. {_alt.text(figure)}"

    def _repr_mimebundle_(self, **kwargs):
        """Offer the still picture beside the widget, for pages that show no widgets."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        png, words = self._still()
        data["text/html"] = _alt.image(base64.b64encode(png).decode(), words)
        data["text/plain"] = repr(self)
        return data, metadata

    def __repr__(self):
        return f"{type(self).__name__}: {self.about}"


def check_page_seed(seed) -> int:
    """Return ``seed`` as an int from 0 to 2**32 - 1: a page takes no larger number."""
    number = check_seed(seed, optional=False)
    if number >= 2**32:
        raise ValueError(f"Expected seed to be below 2**32. Received: {seed!r}")
    return number


def check_on_slider(name, value, interval) -> float:
    """Return a number in an interval that a slider in steps of 0.05 can show."""
    number = check_number(name, value, interval)
    if abs(20 * number - round(20 * number)) > 1e-6:
        raise ValueError(
            f"Expected {name} to be a multiple of 0.05, the step of its slider. "
            f"Received: {value!r}"
        )
    return number


def binary_image_shape(model) -> tuple[int, int]:
    """Return (H, W) of a model of gray images with two levels, or raise ValueError."""
    shape = tuple(model.inputs[0].shape[1:]) if hasattr(model, "inputs") else ()
    levels = getattr(getattr(model, "likelihood", None), "levels", None)
    if len(shape) != 3 or None in shape or shape[-1] != 1 or levels != 2:
        raise ValueError(
            "Expected model to draw images (H, W, 1) of two levels. "
            f"Received: {model!r} of shape {shape} and levels {levels}"
        )
    return shape[:2]


def bernoulli_image_shape(model) -> tuple[int, int]:
    """Return (H, W) of a `Bernoulli` model without labels, or raise ValueError.

    The logit of a pixel of such a model is log p(ink) - log p(paper).
    """
    shape = binary_image_shape(model)
    if len(model.inputs) != 1 or not isinstance(model.likelihood, Bernoulli):
        raise ValueError(
            "Expected model to take images alone and to carry likelihood=Bernoulli(). "
            f"Received: {len(model.inputs)} inputs and {model.likelihood!r}"
        )
    return shape
