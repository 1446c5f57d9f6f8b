"""Draw half a digit, and the network completes it in 16 ways. Notebook 10."""

import warnings

from pixelcnn_edu import generation, plots
from pixelcnn_edu._checks import check_images, check_seed
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets._base import Explorer, bernoulli_image_shape
from pixelcnn_edu.widgets.pad import PixelPad

import ipywidgets
import numpy as np
from matplotlib.colors import to_rgb

FUTURES = 16
SIDES = {"the top is given": "top", "the bottom is given": "bottom"}
PARTICLES = {"1: clamping": 1, "16": 16, "64": 64}  # fast enough for every stroke
MANY = 256
NOT_GIVEN = "rgba(224, 232, 240, 0.85)"  # over the half that the network draws


def given_rows(side, row, shape) -> np.ndarray:
    """Return boolean (H, W): True for the given part of the image.

    Args:
        side: ``"top"`` or ``"bottom"``, the given part.
        row: the first row of the bottom part.
        shape: (H, W).
    """
    above = np.arange(shape[0])[:, None] < row
    return np.broadcast_to(above if side == "top" else ~above, shape).copy()


class FinishMyDigit(Explorer):
    """Draw the top of a digit on a pad; after each stroke, 16 completions appear.

    If the bottom is given instead, no earlier pixel can look ahead to it. Clamping
    ignores it and only pastes it in. Particles correct this: many tops are drawn, and
    each gets a weight that says how well it leads to the bottom. The picture shows how
    many of them are effective. (If the top is given, all weights are equal.) After each
    stroke 16 or 64 particles are drawn. The button draws 256 once.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        digits: (N, H, W, 1) of 0 and 1, for the button "a test digit". The pad starts
            with the first.
        seed: of the completions, so that only the drawing changes them.

    Attributes:
        known: (H, W), True for the given part.
        futures: (16, H, W, 1), the completions.
        count: the number of particles from which they were chosen.
        ess: their effective sample size, (Σw)²/Σw².
        collapsed: whether `generation.complete` warned that too few are effective.
        bits: median over the futures of -log2 p(given pixels | those before them).

    Raises:
        ValueError: if an argument is not of that kind.
    """

    size, width = (4.8, 5.2), 480

    def __init__(self, model, digits, *, seed=0):
        super().__init__()
        shape = (*bernoulli_image_shape(model), 1)
        if shape[0] < 2:
            raise ValueError(
                "Expected model to take images of at least 2 rows, one given and one "
                f"drawn. Received: images {shape}"
            )
        digits = check_images(digits, name="digits", levels=2, image_shape=shape)
        seed = check_seed(seed, optional=False)
        self.model, self.digits, self._seed = model, digits, seed
        self._next = 0

        self.side = ipywidgets.ToggleButtons(options=SIDES)
        self.row = ipywidgets.IntSlider(
            value=shape[0] // 2, min=1, max=shape[0] - 1, description="up to row"
        )
        self.particles = ipywidgets.ToggleButtons(
            options=PARTICLES, style={"button_width": "auto"}
        )
        self.many = ipywidgets.Button(
            description=f"{MANY}, once (1 s)",
            tooltip="The first time takes seconds longer. The next stroke is answered "
            "with as few particles as before.",
        )
        self.pen = ipywidgets.ToggleButtons(
            options={"draw": 255, "erase": 0}, style={"button_width": "80px"}
        )
        self.clear = ipywidgets.Button(description="clear", layout={"width": "80px"})
        self.example = ipywidgets.Button(
            description="a test digit", layout={"width": "100px"}
        )
        self.pad = PixelPad(
            digits[0],
            mode="draw",
            colors=[NOT_GIVEN],
            label="A pad to draw on: the half of a digit that is given",
        )
        self.start(about="16 ways in which the network goes on with a drawing")
        below = ipywidgets.HBox([self.clear, self.example])
        left = ipywidgets.VBox([self.pad, self.pen, below], layout={"flex": "0 0 auto"})
        self.children = [
            ipywidgets.HBox([self.side, self.row]),
            ipywidgets.HBox([ipywidgets.Label("particles"), self.particles, self.many]),
            ipywidgets.HBox([left, self.picture], layout={"align_items": "flex-start"}),
        ]
        self._complete(max(PARTICLES.values()))  # compiles before the first stroke
        self._complete(1)
        for control in (self.side, self.row, self.particles):
            control.observe(self.refresh, "value")
        ipywidgets.dlink((self.pen, "value"), (self.pad, "ink"))
        self.pad.on_draw(self.refresh)
        self.many.on_click(self._answer_many)
        self.clear.on_click(self._answer_clear)
        self.example.on_click(self._answer_example)

    def _answer_clear(self, _button):
        self.pad.image = np.zeros(self.digits.shape[1:])

    def _answer_example(self, _button):
        self._next = (self._next + 1) % len(self.digits)
        self.pad.image = self.digits[self._next]

    def _answer_many(self, button):
        name, button.description = button.description, f"drawing {MANY} …"
        button.disabled = True  # the first time it takes seconds: a compilation
        self._show(MANY)
        button.disabled, button.description = False, name

    def refresh(self, _change=None):
        """Draw 16 completions of the image on the pad."""
        top = self.side.value == "top"
        self.row.description = "up to row" if top else "from row"
        self.particles.disabled = self.many.disabled = top
        self._show(1 if top else self.particles.value)

    def _show(self, count):
        height, width = self.digits.shape[1:3]
        self.known = given_rows(self.side.value, self.row.value, (height, width))
        self.pad.mark(~self.known)
        self._complete(count)
        super().refresh()

    def _complete(self, count):
        """Draw 16 completions, chosen from ``count`` particles."""
        image = np.round(self.pad.image)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", RuntimeWarning)
            futures, ess = generation.complete(
                self.model,
                image[None],
                self.known,
                count=FUTURES,
                seed=self._seed,
                particles=count,
                return_ess=True,
                progress=False,
            )
        self.count, self.collapsed = count, bool(caught)
        self.futures, self.ess = futures[0], float(ess[0])
        self.bits = self._bits_of_the_given()

    def _bits_of_the_given(self):
        """Return the bits of the given pixels, each given those before it: a median."""
        # a given top comes first, so it costs the same in all completions
        images = self.futures[:1] if self.side.value == "top" else self.futures
        logits = logits_function(self.model)(images)
        log_p = np.asarray(self.model.likelihood.log_prob_of_pixels(logits, images))
        return float(np.median(-log_p[:, self.known].sum(axis=1)) / np.log(2))

    def title(self) -> str:
        """Return three lines that describe the picture."""
        if self.side.value == "top":
            return (
                "16 futures of your top (blue)\n"
                "The top comes first: each is an exact draw.\n"
                f"Your top costs {self.bits:.0f} bits."
            )
        cost = f"After these tops, your bottom costs {self.bits:.0f} bits (median)."
        if self.count == 1:
            return (
                "16 tops drawn without a look at your bottom (blue)\n"
                f"It is pasted in: the strokes need not meet.\n{cost}"
            )
        effective = f"{self.ess:.1f} of {self.count} particles are effective."
        if self.collapsed:
            effective = f"Only {effective[:-1]}: tops repeat."
        return f"16 tops chosen to lead to your bottom (blue)\n{effective}\n{cost}"

    def draw(self, figure):
        ax = figure.add_axes((0, 0, 1, 0.86))
        pages = np.repeat(1 - self.futures, 3, axis=-1)
        pages[(self.futures[..., 0] == 1) & self.known] = to_rgb(plots.SEEN)
        plots.image_grid(pages, columns=4, ax=ax)
        figure.text(0.01, 0.99, self.title(), va="top", size=11.5)
