"""A grid of pixels to click or to draw on, by mouse, finger or keyboard."""

import base64
import io
from pathlib import Path

from pixelcnn_edu._checks import check_number, check_one_of, check_positive_int

import anywidget
import numpy as np
import traitlets
from matplotlib.image import imsave

MODES = ("click", "draw")
HINTS = {
    "click": "Click a pixel, or go there with the arrow keys and press Space.",
    "draw": "Draw here. Keys: arrows move, Space puts a dot, Shift + arrows a line; "
    "Delete erases, C clears.",
}


class PixelPad(anywidget.AnyWidget):
    """An image that can be clicked (``mode="click"``) or drawn on (``mode="draw"``).

    ``pad.js`` is the part that runs in the browser. Both parts share their state, so a
    notebook without a kernel shows it too. The browser draws a stroke. When the stroke
    ends, this part gets one change of ``pixels``. A click changes ``clicked``. With the
    keyboard, arrow keys move a cursor, and Space or Enter click its pixel. In the mode
    "draw", arrow keys with Shift draw a line (a stroke that ends when Shift is
    released), Delete or Backspace erase at the cursor, and C clears the pad.

    Args:
        image: (H, W) or (H, W, 1) in [0, 1]; 1 is ink. Its shape stays.
        mode: ``"click"`` or ``"draw"``.
        scale: side of an image pixel on the page, in pixels of the page.
        colors: at most 255 colors as in CSS; `mark` paints pixels with them.
        brush: diameter of the pen, in pixels of the image.
        label: what the pad shows, for readers who cannot see it.

    Raises:
        ValueError: if an argument is not of that kind.

    Example:
        >>> pad = PixelPad(np.eye(3))
        >>> pad.on_click(lambda row, col: print("row", row, "column", col))
        >>> pad.clicked = [2, 0, 1]  # as the browser does for a first click
        row 2 column 0
    """

    _esm = Path(__file__).parent / "pad.js"
    _css = ".pixel-pad:focus { outline: 3px solid #0072B2; outline-offset: 2px; }"

    height = traitlets.Int().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    # a byte per pixel: 255 is ink; 0 is no mark, and k one of colors[k - 1]
    pixels = traitlets.CBytes().tag(sync=True)
    marks = traitlets.CBytes().tag(sync=True)
    colors = traitlets.List(traitlets.Unicode()).tag(sync=True)
    cursor = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)  # row, column
    clicked = traitlets.List(traitlets.Int()).tag(sync=True)  # row, column, how many-th
    mode = traitlets.Enum(MODES).tag(sync=True)
    scale = traitlets.Int().tag(sync=True)
    brush = traitlets.Float().tag(sync=True)
    ink = traitlets.Int(255).tag(sync=True)  # the value that the pen draws; 0 erases
    label = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        image,
        *,
        mode="click",
        scale=11,
        colors=(),
        brush=2.3,
        label="a grid of pixels",
    ):
        check_one_of("mode", mode, MODES)
        if len(colors) > 255:
            raise ValueError(
                "Expected at most 255 colors, because each mark is one byte. "
                f"Received: {len(colors)} colors"
            )
        image = _checked(image)
        height, width = image.shape
        super().__init__(
            height=height,
            width=width,
            pixels=_bytes(image),
            marks=bytes(height * width),
            colors=list(colors),
            mode=mode,
            scale=check_positive_int("scale", scale),
            brush=check_number("brush", brush, "(0, inf)"),
            label=label,
            hint=HINTS[mode],
        )

    @property
    def image(self):
        """The image: float32 (H, W, 1), values k/255. Assign another to show it."""
        values = np.frombuffer(self.pixels, "uint8").astype("float32") / 255
        return values.reshape(self.height, self.width, 1)

    @image.setter
    def image(self, image):
        image = _checked(image)
        if image.shape != (self.height, self.width):
            raise ValueError(
                f"Expected image of shape {(self.height, self.width)}. "
                f"Received: {image.shape}"
            )
        self.pixels = _bytes(image)

    def mark(self, codes):
        """Paint pixels over: (H, W) of integers, k for ``colors[k - 1]``, 0 for none."""
        codes = np.asarray(codes)
        whole = codes.dtype == bool or np.issubdtype(codes.dtype, np.integer)
        if not whole or codes.shape != (self.height, self.width):
            raise ValueError(
                f"Expected codes to be integers of shape {(self.height, self.width)}. "
                f"Received: {codes.dtype} {codes.shape}"
            )
        if codes.min() < 0 or codes.max() > len(self.colors):
            raise ValueError(
                f"Expected codes from 0 to {len(self.colors)}, the number of colors. "
                f"Received: {codes.min()} to {codes.max()}"
            )
        self.marks = codes.astype("uint8").tobytes()

    def on_click(self, callback):
        """Call ``callback(row, col)`` for each click, or Space at the cursor."""
        self.observe(lambda change: callback(*change.new[:2]), "clicked")

    @traitlets.validate("clicked")
    def _a_pixel(self, proposal):
        row, col, *_ = [*proposal.value, -1, -1]
        if proposal.value and not (0 <= row < self.height and 0 <= col < self.width):
            raise traitlets.TraitError(
                f"Expected clicked to be a row and a column of the image. "
                f"Received: {proposal.value}"
            )
        return proposal.value

    def on_draw(self, callback):
        """Call ``callback(image)`` when a stroke has ended or the image has changed."""
        self.observe(lambda change: callback(self.image), "pixels")

    @traitlets.validate("pixels", "marks")
    def _a_byte_per_pixel(self, proposal):
        expected = self.height * self.width
        if len(proposal.value) != expected:
            raise traitlets.TraitError(
                f"Expected {proposal.trait.name} to be {expected} bytes. "
                f"Received: {len(proposal.value)}"
            )
        return proposal.value

    def _repr_mimebundle_(self, **kwargs):
        """Offer a picture beside the widget, for pages that show no widgets."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        ink = self.image[..., 0].repeat(self.scale, 0).repeat(self.scale, 1)
        page = io.BytesIO()
        imsave(page, 1 - ink, vmin=0, vmax=1, cmap="gray", metadata={"Software": None})
        data["image/png"] = base64.b64encode(page.getvalue()).decode()
        return data, metadata

    def __repr__(self):
        return f"PixelPad: {self.label}, {self.height} × {self.width} pixels"


def _checked(image):
    """Return the image as (H, W)."""
    image = np.asarray(image, "float32")
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim != 2 or not image.size:
        raise ValueError(
            f"Expected image of shape (H, W) or (H, W, 1). Received: {image.shape}"
        )
    if not ((0 <= image) & (image <= 1)).all():
        raise ValueError(
            f"Expected image in [0, 1]. Received: {image.min():g} to {image.max():g}"
        )
    return image


def _bytes(image):
    return np.round(255 * image).astype("uint8").tobytes()
