"""The pad on its own: what is drawn or clicked, on the page and in the kernel."""

import pytest
from moves import Hand, click_pixels, draw_strokes, keys_on_pad

PADS = """
import ipywidgets
import numpy as np
from pixelcnn_edu.widgets import PixelPad


class Pad(ipywidgets.VBox):
    def __init__(self, mode, kind=PixelPad):
        self.pad = kind(np.zeros((6, 8)), mode=mode, scale=20, brush=1, label="the pad")
        self.told = ipywidgets.Label("nothing yet")
        super().__init__([self.pad, self.told])
        self.pad.on_draw(self.tell_image)
        self.pad.on_click(lambda row, col: self.tell(f"row {row}, column {col}"))

    def tell_image(self, image):
        rows = (image[..., 0] > 0.5).astype(int)
        self.tell(" ".join("".join(".#"[ink] for ink in row) for row in rows))

    def tell(self, text):
        self.told.value = text

    def __repr__(self):
        return f"{type(self).__name__}: a pad, and what it tells the kernel"


class Drawn(Pad):
    def __init__(self, kind=PixelPad):
        super().__init__("draw", kind)


class Clicked(Pad):
    def __init__(self):
        super().__init__("click")
"""
# The planted bugs: a pad that keeps its strokes to itself, and one that is a row off.
BUGS = """
from pathlib import Path
from pixelcnn_edu.widgets import pad

source = (Path(pad.__file__).parent / "pad.js").read_text("utf-8")


class SilentPad(PixelPad):
    _esm = source.replace('model.set("pixels"', 'model.get("pixels"')

class OffPad(PixelPad):
    _esm = source.replace("event.offsetY", "event.offsetY + 20")

assert source not in (SilentPad._esm, OffPad._esm)

class Silent(Drawn):
    def __init__(self):
        super().__init__(SilentPad)

class Off(Drawn):
    def __init__(self):
        super().__init__(OffPad)
"""
NAMES = ["Drawn", "Clicked", "Silent", "Off"]
SIZE = {"height": 6, "width": 8}
TOLD = ".widget-label"
# What is dark on the page, in the middle of each pixel; the kernel tells it in this form.
ON_PAGE = """(canvas) => {
  const dark = (row, col) => canvas.getContext('2d').getImageData(
    20 * col + 10, 20 * row + 10, 1, 1).data[0] < 128;
  const rows = Array.from({length: 6}, (_, row) =>
    Array.from({length: 8}, (_, col) => '.#'[+dark(row, col)]).join(''));
  return rows.join(' ');
}"""
LINE = [(1, 2), (1, 6)]
DRAWN = "........ ..#####. ........ ........ ........ ........"


@pytest.fixture(scope="module")
def pads(opened):
    shows = [f"{name}()" for name in NAMES]
    with opened(PADS, BUGS, *shows) as sheet:
        assert sheet.shown(NAMES) == NAMES
        yield sheet


def use(pads, name, move):
    """Make a move; return the milliseconds, and what page and kernel know after it."""
    hand = Hand(pads, name, patience=3_000)
    ((_, times, _),) = hand.do([move]).by_limit()
    on_page = hand.root.get_by_label("the pad").evaluate(ON_PAGE)
    return times, on_page, hand.root.locator(TOLD).inner_text()


def test_a_stroke_of_the_mouse_is_ink_on_the_page_and_in_the_kernel(pads):
    times, on_page, told = use(pads, "Drawn", stroke())
    assert on_page == told == DRAWN
    assert None not in times


def stroke():
    return draw_strokes("the pad", LINE, **SIZE, what=TOLD)


def test_keys_draw_a_dot_a_line_and_an_empty_page(pads):
    keys = keys_on_pad("the pad", "c", what=TOLD)
    assert use(pads, "Drawn", keys)[1:] == 2 * (DRAWN.replace("#", "."),)
    dot = keys_on_pad("the pad", " ", quiet=["ArrowDown", "ArrowLeft"], what=TOLD)
    dotted = "........ ........ .....#.. ........ ........ ........"
    assert use(pads, "Drawn", dot)[1:] == (dotted, dotted)
    line = keys_on_pad("the pad", "Shift+ArrowDown", "Shift+ArrowRight", what=TOLD)
    lined = "........ ........ .....#.. .....##. ........ ........"
    assert use(pads, "Drawn", line)[1:] == (lined, lined)


def test_a_click_and_a_key_tell_the_pixel(pads):
    click = click_pixels("the pad", (0, 0), (5, 7), (3, 1), **SIZE, what=TOLD)
    times, _, told = use(pads, "Clicked", click)
    assert None not in times
    assert told == "row 3, column 1"
    key = keys_on_pad("the pad", "Enter", quiet=["ArrowRight", "ArrowUp"], what=TOLD)
    assert use(pads, "Clicked", key)[2] == "row 2, column 2"


def test_a_pad_that_tells_nothing_or_the_wrong_row_is_caught(pads):
    times, on_page, told = use(pads, "Silent", stroke())
    assert times == [None]
    assert told == "nothing yet"
    times, on_page, told = use(pads, "Off", stroke())
    assert on_page == told != DRAWN


def test_the_page_has_no_problem(pads):
    assert list(pads.problems()) == []
    assert pads.outside() == []
