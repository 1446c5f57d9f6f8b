"""What all explorers share: controls above, one picture below."""

import base64
import gc
import html
import io
import zlib

from pixelcnn_edu import plots  # noqa: F401 (sets the series' matplotlib style)
from pixelcnn_edu._checks import is_int, plain
from pixelcnn_edu.likelihoods import Bernoulli

import ipywidgets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

NEEDS = (
    "This picture answers the mouse and the keyboard only with ipywidgets 8, but version "
    f"{ipywidgets.__version__} is installed: run python -m pip install "
    '"ipywidgets>=8.1" and restart the kernel (Google Colab takes version 7 only).'
)


class Explorer(ipywidgets.VBox):
    """Controls and a picture that answers them.

    The picture is drawn on a matplotlib figure without pyplot and shown as a PNG. So a
    notebook without a kernel still shows the last picture. A subclass makes its
    controls in ``__init__``, calls ``start``, and defines ``draw(figure)``.

    Args:
        about: one sentence that describes the picture, for readers who cannot see it.
    """

    size = (9, 4)  # inches
    width = 900  # pixels on the page

    def start(self, *controls, about):
        self.about = about
        self.picture = ipywidgets.Image(format="png", width=self.width)
        self.picture.layout.max_width = "100%"  # of a narrow page
        self.children = [*controls, self.picture]
        self.refresh()

    def refresh(self, _change=None):
        """Draw the picture again; for ``control.observe(self.refresh, "value")``."""
        # A drawing creates thousands of objects. With Keras loaded, a whole garbage
        # collection takes longer than the drawing. So the collector waits until the
        # picture is done, and then checks the youngest objects only.
        waits = gc.isenabled()
        gc.disable()
        try:
            self.picture.value = self.png()
        finally:
            if waits:
                gc.enable()
        gc.collect(0)

    def png(self) -> bytes:
        """Return the picture for the current values of the controls."""
        # fixed positions: a layout engine takes longer than the drawing
        dpi = self.width / self.size[0]
        figure = Figure(figsize=self.size, dpi=dpi, layout="none")
        self.draw(figure)
        page = io.BytesIO()
        # savefig would draw everything twice
        FigureCanvasAgg(figure).print_png(page, metadata={"Software": None})
        return page.getvalue()

    def _repr_mimebundle_(self, **kwargs):
        """Offer the picture beside the widget, for pages that show no widgets.

        Such a page is a page on the web, or a notebook that is not trusted. (In a new
        copy of this repository no notebook is trusted until it has run.)
        """
        picture = base64.b64encode(self.picture.value).decode()
        if ipywidgets.__version__.startswith("7."):
            return {
                "text/html": f"<p>{html.escape(NEEDS)}</p><img width={self.width} "
                f'alt="{html.escape(self.about)}" src="data:image/png;base64,{picture}">',
                "text/plain": f"{self!r} {NEEDS}",
            }
        return {**super()._repr_mimebundle_(**kwargs), "image/png": picture}

    _ipython_display_ = None  # of ipywidgets 7: Jupyter would call no other method

    def __repr__(self):
        return f"{type(self).__name__}: {self.about}"


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


def checksums(model) -> list[int]:
    """Return a checksum of each weight, which tells whether the model has changed."""
    return [zlib.crc32(weight.tobytes()) for weight in model.get_weights()]


def seed_slider(seed):
    """Return a slider for the seeds 0 to 9, set to ``seed``."""
    number = plain(seed)
    if not is_int(number) or not 0 <= number <= 9:
        raise ValueError(f"Expected seed to be an integer 0 to 9. Received: {seed!r}")
    return ipywidgets.IntSlider(number, 0, 9, description="seed")
