"""What all explorers share: a picture that answers in the browser, without Python.

The explorers are written in JavaScript, in the folder `web`. Python hands over the network
and the first settings, and draws one still picture for pages without JavaScript.
"""

import base64
import io

from pixelcnn_edu import export, generation, plots
from pixelcnn_edu._checks import check_number, check_seed
from pixelcnn_edu._compiled import logits_function
from pixelcnn_edu._web import explorers, web_file
from pixelcnn_edu.likelihoods import Bernoulli

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure

NOT_YET = 0.25  # the gray of a pixel that is not known; paper is 0, ink is 1


class Explorer(anywidget.AnyWidget):
    """An explorer of a network, as it is when the explorer is made.

    Later changes of the model's weights do not reach the page, but the still picture is
    drawn with the present weights: make a new explorer. A subclass defines
    ``draw(figure)``, which draws the still picture with matplotlib. Each explorer raises a
    ValueError for a model or another argument that it cannot show.

    Args:
        explorer: its name in ``web/main.js``.
        model: an `ImageModel` that runs in a page, see `export.network`.
        about: one sentence that describes the still picture.
        images: (N, H, W, C) on the likelihood's levels, which the explorer shows.
        **settings: what the reader may change.
    """

    _esm = explorers() + "export default main_js;\n"
    _css = web_file("style.css")

    explorer = traitlets.Unicode().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    graph = traitlets.Dict().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    images = traitlets.Bytes().tag(sync=True)

    _ipython_display_ = None  # ipywidgets 7 has a method that shows no picture

    size = (9, 4)  # of the still picture, in inches

    def __init__(self, explorer, model, *, about, images=(), **settings):
        graph, weights = export.network(model)
        self.model, self.about = model, about
        super().__init__(
            explorer=explorer,
            settings=settings,
            graph=graph,
            weights=bytes(weights),
            images=export.image_bytes(images, graph),
        )

    def still(self) -> tuple[bytes, str]:
        """Return the still picture as a PNG, and its alternative text."""
        figure = Figure(figsize=self.size, dpi=100, layout="none")
        self.draw(figure)
        page = io.BytesIO()
        figure.savefig(page, format="png", dpi="figure", metadata={"Software": None})
        return page.getvalue(), f"{self.about.rstrip('.')}. {plots.alt_text(figure)}"

    def _repr_mimebundle_(self, **kwargs):
        """Offer the still picture beside the widget, for pages that show no widgets."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        png, words = self.still()
        data["text/html"] = plots.alt_image(base64.b64encode(png).decode(), words)
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


def ink_shape(model, *, labels=False) -> tuple[int, int]:
    """Return (H, W) of a `Bernoulli` model (for labels too), or raise ValueError."""
    shapes = [tuple(image.shape[1:]) for image in getattr(model, "inputs", ())]
    likelihood = getattr(model, "likelihood", None)
    one = len(shapes) == 1 + labels and len(shapes[0]) == 3 and None not in shapes[0]
    if not one or shapes[0][2] != 1 or not isinstance(likelihood, Bernoulli):
        inputs = "images and labels" if labels else "images alone"
        raise ValueError(
            f"Expected model to take {inputs}, of shape (H, W, 1), and to carry "
            f"likelihood=Bernoulli(). Received: {model!r} with inputs {shapes} and "
            f"{likelihood!r}"
        )
    return shapes[0][:2]


def bits(model, images, values) -> np.ndarray:
    """Return what pixels cost: -log2 p(value | the pixels before it), float64 (N, H, W).

    ``images`` are (N, H, W, 1) of 0 and 1, and ``values`` too; or ``values`` is 1, for the
    cost of ink. So p(ink) is 2 ** -cost.
    """
    logits = logits_function(model)(images).astype("float64")
    towards = np.where(values, logits, -logits)
    return (np.logaddexp(0, -towards) / np.log(2))[..., 0]


def first_of_seed(model, seed):
    """Return the image of ``generate(model, 1, seed=seed)``, and its uniform numbers."""
    shape = (1, *ink_shape(model), 1)
    stream = np.random.SeedSequence(check_page_seed(seed)).spawn(1)[0]
    uniforms = np.random.default_rng(stream).random(shape, dtype="float32")
    drawn = generation.generate(model, 1, uniforms=uniforms, progress=False)
    return drawn[0], uniforms[0]


def up_to(image, at, later=NOT_YET):
    """Return an image (H, W, 1) as (H, W); only its first ``at`` pixels are known."""
    page = np.where(np.arange(image.size) < at, image.ravel(), later)
    return page.reshape(image.shape[:2])


def show_page(ax, page, at, **colors):
    """Draw one number per pixel, and a frame around pixel ``at``."""
    plots.pixels(ax, page, **colors)
    row, col = divmod(int(at), page.shape[1])
    plots.frame(ax, col - 0.5, row - 0.5)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color=plots.FRAME)
