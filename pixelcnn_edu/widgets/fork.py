"""Flip one pixel of a drawn digit, and see how all later pixels change."""

import base64
import io

from pixelcnn_edu import generation, plots
from pixelcnn_edu._checks import check_seed
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets._base import Explorer, bernoulli_image_shape, checksums
from pixelcnn_edu.widgets.pad import PixelPad

import ipywidgets
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

ALMOST_ONE = np.nextafter(np.float32(1), np.float32(0))
UNCHANGED, GAINED, LOST = "#404040", plots.TARGET, "#FBDCDC"
CANDIDATES, SHOWN = 128, 16  # forks compared, and forks shown
TOGETHER = 64  # forks drawn in one call; another count needs another compilation
TELLING = "rgba(0, 114, 178, 0.4)"  # plots.SEEN, over the 16 pixels of the pad


def flip_bits(logits, image) -> np.ndarray:
    """Return the cost of the *other* value of each pixel.

    Args:
        logits: (H, W, 1), of a `Bernoulli` model for ``image``.
        image: (H, W, 1) of 0 and 1.

    Returns:
        (H, W): -log2 p(1 - pixel | the pixels before it), in bits.

    Example:
        >>> flip_bits(np.log(np.full((1, 2, 1), 3.0)), np.array([[[1], [0]]])).round(2)
        array([[2.  , 0.42]])
    """
    towards = np.where(np.asarray(image) > 0, -1.0, 1.0)  # the flip is to ink: +1
    logits = np.asarray(logits, "float64")
    return (np.logaddexp(0, -towards * logits) / np.log(2))[..., 0]


def draw_forks(model, image, uniforms, pixels):
    """For each of ``pixels``, flip it and draw all later pixels of the image again.

    Such a new image is a fork. It uses the uniform numbers of ``image``, with one
    change: the number of the flipped pixel becomes 0 (this gives ink) or almost 1
    (paper). So the earlier pixels stay. Each later pixel is drawn again by u < p(ink |
    all before it), with the same u and a new p.

    Args:
        model: a `Bernoulli` model.
        image: (H, W, 1), as drawn with ``uniforms``.
        uniforms: (H, W, 1) in [0, 1).
        pixels: n pairs (row, col).

    Returns:
        float32 (n, H, W, 1). If p(ink) is exactly 0 or 1 in float32, no uniform number
        gives the other value, and nothing changes.
    """
    drawn = []
    for at in range(0, len(pixels), TOGETHER):
        part = list(pixels[at : at + TOGETHER])
        if len(pixels) > 1:
            part += part[-1:] * (TOGETHER - len(part))
        u = np.repeat(uniforms[None], len(part), axis=0)
        for fork, (row, col) in enumerate(part):
            u[fork, row, col] = flipping_number(image, row, col)
        drawn.append(generation.generate(model, len(u), uniforms=u, progress=False))
    return np.concatenate(drawn)[: len(pixels)]


def flipping_number(image, row, col):
    """Return the uniform number that flips the pixel at (row, col)."""
    return np.float32(0) if image[row, col, 0] == 0 else ALMOST_ONE


def later_changes(old, new, row, col):
    """Count the pixels after (row, col) in which images (…, H, W, 1) differ."""
    place = row * old.shape[-2] + col
    changed = (old != new).reshape(*new.shape[:-3], -1)
    return changed[..., place + 1 :].sum(axis=-1)


def difference(old, new):
    """Return (H, W, 3): ink of both images gray, new ink red, lost ink pale red."""
    page = np.ones((*old.shape[:2], 3))
    for where, color in [
        ((old == 1) & (new == 1), UNCHANGED),
        ((old == 0) & (new == 1), GAINED),
        ((old == 1) & (new == 0), LOST),
    ]:
        page[where[..., 0]] = to_rgb(color)
    return page


class TellingForks(Explorer):
    """The 16 flips that changed most, each at least 3 pixels from the others.

    Only likely flips are compared: at most 128, each of probability 0.05 or more.
    """

    size = (9, 3.2)

    def __init__(self):
        super().__init__()
        self.pixels = []

    def compare(self, model, old, uniforms, bits):
        """Find the forks of the image ``old``; ``bits`` comes from `flip_bits`."""
        likeliest = np.argsort(bits, axis=None, kind="stable")[:CANDIDATES]
        at = [divmod(int(place), bits.shape[1]) for place in likeliest]
        at = [pixel for pixel in at if bits[pixel] <= -np.log2(0.05)] or at[:1]
        images = draw_forks(model, old, uniforms, at)
        counts = [
            later_changes(old, fork, *pixel)
            for fork, pixel in zip(images, at, strict=True)
        ]
        chosen = []
        for i in np.argsort(-np.array(counts), kind="stable"):
            row, col = at[i]
            far = [max(abs(row - at[j][0]), abs(col - at[j][1])) for j in chosen]
            if min(far, default=3) >= 3 and len(chosen) < SHOWN:
                chosen.append(i)
        self.old = old
        self.pixels = [at[i] for i in chosen]
        self.counts = [int(counts[i]) for i in chosen]
        self.bits = [float(bits[at[i]]) for i in chosen]
        self.images = images[chosen]

    def draw(self, figure):
        ax = figure.add_axes((0, 0, 1, 0.9))
        labels = [
            f"{count}: {bits:.1f} bits"
            for count, bits in zip(self.counts, self.bits, strict=True)
        ]
        pages = [difference(self.old, new) for new in self.images]
        plots.image_grid(pages, columns=8, labels=labels, ax=ax)
        for frame, (row, col) in zip(list(ax.patches), self.pixels, strict=True):
            x, y = frame.get_xy()
            around = Rectangle((x + col - 1, y + row - 1), 3, 3, fill=False)
            around.set(edgecolor=plots.SEEN, linewidth=2, zorder=3)
            ax.add_patch(around)
        figure.text(
            0.01,
            0.98,
            f"The {len(self.pixels)} most telling forks: pixels changed, and the price of "
            "the flip (framed)",
            va="top",
            size=14,
        )


class Fork(Explorer):
    """Click a pixel of a drawn digit: it is flipped, and all later pixels drawn again.

    The rule: pixel k is ink if u_k < p(ink | pixels before k). A flip changes only u_k,
    to 0 or to almost 1. All other uniform numbers stay. So no earlier pixel can change,
    and the flip causes every later difference (red for new ink, pale red for lost ink).
    Beside the picture is the cost of the flip, -log2 p(flipped value | pixels before
    it). Below are the 16 flips of this digit that change most.

    Args:
        model: a `Bernoulli` model for images (H, W, 1).
        seed: of the first digit: ``generation.generate(model, 1, seed=seed)``.

    Raises:
        ValueError: if ``model`` or ``seed`` is not of that kind.
    """

    size, width = (5, 3.2), 500

    def __init__(self, model, *, seed=0):
        super().__init__()
        bernoulli_image_shape(model)
        seed = check_seed(seed, optional=False)
        self.model = model
        self.telling = TellingForks()
        self.seed = ipywidgets.IntSlider(
            value=seed,
            max=max(seed, 99),
            description="digit (seed)",
            layout={"width": "380px"},
        )
        self.onward = ipywidgets.Button(
            description="go on from this fork",
            tooltip="Take the new digit for the old one, and flip a pixel of that",
            layout={"width": "180px"},
        )
        self.pad = PixelPad(
            np.zeros(model.inputs[0].shape[1:]),
            colors=[TELLING],
            label="The drawn digit. Clicking a pixel flips it.",
        )
        self.pad.hint += " Blue: the flips below."
        self._new_digit()
        self._compare()
        self._fork(*self.telling.pixels[0])
        self.telling.start(about="the 16 most telling flips of one pixel")
        self.start(about="a flipped pixel, and the later ones that it changes")
        self.children = [
            ipywidgets.HBox([self.seed, self.onward]),
            ipywidgets.HBox(
                [self.pad, self.picture], layout={"align_items": "flex-start"}
            ),
            self.telling,
        ]
        self.seed.observe(self._answer_seed, "value")
        self.onward.on_click(self._answer_onward)
        self.pad.on_click(self.flip)

    def flip(self, row, col):
        """Flip the pixel at (row, col) of the old digit, and draw the rest again."""
        height, width = self.old.shape[:2]
        if not (0 <= row < height and 0 <= col < width):
            raise ValueError(
                f"Expected row and col within {height} × {width}. "
                f"Received: {row}, {col}"
            )
        if checksums(self.model) == self._of_weights:
            self._fork(row, col)
            self.refresh()
        else:  # the model has learned on: the old digit is drawn again too
            self._take(self.uniforms)
            self._fork(row, col)
            self._show_all()

    def _fork(self, row, col):
        self.row, self.col = row, col
        self.new = draw_forks(self.model, self.old, self.uniforms, [(row, col)])[0]
        self.changed = int(later_changes(self.old, self.new, row, col))
        self.pad.cursor = [row, col]

    def _new_digit(self):
        # the numbers of image 0 of generation.generate(model, seed=...)
        own = np.random.SeedSequence(self.seed.value).spawn(1)[0]
        shape = (1, *self.model.inputs[0].shape[1:])
        uniforms = np.random.default_rng(own).random(shape, dtype="float32")
        self._take(uniforms[0])

    def _take(self, uniforms):
        """Draw the old digit with these numbers, and flip its cheapest pixel."""
        self._of_weights = checksums(self.model)
        drawn = generation.generate(
            self.model, 1, uniforms=uniforms[None], progress=False
        )
        self.old, self.uniforms = drawn[0], uniforms
        self.bits = flip_bits(logits_function(self.model)(drawn)[0], self.old)
        self.pad.image = self.old
        self._fork(*divmod(int(self.bits.argmin()), self.old.shape[1]))

    def _answer_seed(self, _change):
        self._new_digit()
        self._show_all()

    def _answer_onward(self, _button):
        # the uniform numbers of the new digit: only the number of the flip differs
        uniforms = self.uniforms.copy()
        uniforms[self.row, self.col] = flipping_number(self.old, self.row, self.col)
        self._take(uniforms)
        self._show_all()

    def _show_all(self):
        self.pad.mark(np.zeros(self.bits.shape, int))
        self.refresh()  # the reader sees it while the 128 forks are drawn
        self._compare()
        self.telling.refresh()

    def _compare(self):
        """Find the flips that change most, and mark them on the pad."""
        self.telling.compare(self.model, self.old, self.uniforms, self.bits)
        marked = np.zeros(self.bits.shape, int)
        marked[tuple(np.transpose(self.telling.pixels))] = 1
        self.pad.mark(marked)

    def _repr_mimebundle_(self, **kwargs):
        """Offer everything as one picture, for pages that show no widgets."""
        # as high as its two halves
        figure = Figure(figsize=(9, 6.4), dpi=100, layout="none")
        top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1))
        left, right = top.subfigures(1, 2, width_ratios=(4, 5))
        ax = left.add_axes((0.1, 0, 0.8, 1))
        ax.imshow(self.old, vmin=0, vmax=1)
        ax.set_axis_off()
        self.draw(right)
        self.telling.draw(bottom)
        page = io.BytesIO()
        figure.savefig(page, format="png", dpi="figure", metadata={"Software": None})
        picture = base64.b64encode(page.getvalue()).decode()
        return {**super()._repr_mimebundle_(**kwargs), "image/png": picture}

    def draw(self, figure):
        row, col = self.row, self.col
        ax = figure.add_axes((0, 0, self.size[1] / self.size[0], 1))
        ax.imshow(difference(self.old, self.new), aspect="auto")
        ax.set_axis_off()
        frame = Rectangle((col - 1, row - 1), 2, 2, fill=False)
        frame.set(edgecolor=plots.SEEN, linewidth=3, clip_on=False)
        ax.add_patch(frame)
        bits = self.bits[row, col]
        kept, value = ("paper", "ink")[:: 1 if self.old[row, col, 0] == 0 else -1]
        later = self.old.size - (row * self.old.shape[1] + col) - 1
        lines = [
            (f"row {row}, column {col}", plots.SEEN),
            (f"flipped to {value}:", plots.SEEN),
            (f"{bits:.1f} bits", "black"),
            (f"(p = {2**-bits:.3g})", "black"),
            (f"{self.changed} of {later} later", "black"),
            ("pixels changed", "black"),
            ("ink in both", UNCHANGED),
            ("new ink", GAINED),
            ("ink that is gone", "#D98A8A"),
        ]
        if self.new[row, col, 0] == self.old[row, col, 0]:
            lines[1:4] = [
                ("cannot be flipped: the", "black"),
                (f"model is certain of {kept}", "black"),
            ]
        for i, (text, color) in enumerate(lines):
            figure.text(0.65, 0.95 - 0.103 * i, text, color=color, size=12.5, va="top")
