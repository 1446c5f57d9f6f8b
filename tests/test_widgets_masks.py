"""The mask explorer: what it draws and counts, against masks made by hand."""

from pixelcnn_edu import plots, widgets

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

LIVE = {"A": {1: 0, 3: 4, 5: 12, 7: 24}, "B": {1: 1, 3: 5, 5: 13, 7: 25}}
# [to][from], in the order R, G, B
CENTER = {"A": ["000", "100", "110"], "B": ["100", "110", "111"]}


def at(kernel_size, mask_type, colors):
    explorer = widgets.MaskExplorer()
    explorer.kernel_size.value = kernel_size
    explorer.mask_type.value = mask_type
    explorer.colors.value = colors
    return explorer


def drawn(explorer, ax=0):
    """The numbers written on an axes, and the colors of the cells behind them."""
    figure = Figure()
    explorer.draw(figure)
    ax = figure.axes[ax]
    faces = {
        tuple(np.round(np.add(cell.get_xy(), cell.get_width() / 2), 6)): to_hex(
            cell.get_facecolor()
        ).upper()
        for cell in ax.patches
        if cell.get_fill()
    }
    return {
        text.get_position()[::-1]: (
            text.get_text(),
            faces[tuple(np.round(text.get_position(), 6))],
        )
        for text in ax.texts
    }


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("mask_type", ["A", "B"])
def test_live_taps_are_counted(mask_type, kernel_size):
    explorer = at(kernel_size, mask_type, 1)
    live, places = LIVE[mask_type][kernel_size], kernel_size**2
    assert explorer.summary == f"live taps: {live} of {places}"
    explorer.colors.value = 3
    # every pair of colors has the taps of type A, and the center has its own table
    live = 9 * LIVE["A"][kernel_size] + "".join(CENTER[mask_type]).count("1")
    text = f"live taps: {live} of {9 * places} = {places} places × 3 × 3 colors"
    assert explorer.summary == text


@pytest.mark.parametrize("mask_type", ["A", "B"])
def test_the_drawing_shows_the_mask_number_by_number(mask_type):
    cells = drawn(at(3, mask_type, 1))
    by_hand = ["111", {"A": "100", "B": "110"}[mask_type], "000"]
    for row, col in np.ndindex(3, 3):
        number, face = cells[row + 0.5, col + 0.5]
        assert number == by_hand[row][col]
        assert face == (plots.SEEN if number == "1" else plots.HIDDEN)


@pytest.mark.parametrize("mask_type", ["A", "B"])
def test_the_center_table_reads_from_the_column_to_the_row(mask_type):
    cells = drawn(at(5, mask_type, 3), ax=1)
    assert len(cells) == 9
    for to, source in np.ndindex(3, 3):
        number, face = cells[to + 0.5, source + 0.5]
        assert number == CENTER[mask_type][to][source]
        assert face == (plots.SEEN if number == "1" else plots.HIDDEN)


def test_the_axes_of_the_center_table_are_named():
    figure = Figure()
    at(3, "A", 3).draw(figure)
    table = figure.axes[1]
    assert table.get_xlabel().startswith("from")
    assert table.get_ylabel().startswith("to")
    for axis in (table.xaxis, table.yaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == list("RGB")


def test_a_drawing_with_from_and_to_exchanged_is_caught():
    class Turned(widgets.MaskExplorer):
        @property
        def mask(self):
            return super().mask.swapaxes(2, 3)

    explorer = Turned()
    explorer.colors.value = 3
    cells = drawn(explorer, ax=1)
    shown = ["".join(cells[to + 0.5, c + 0.5][0] for c in range(3)) for to in range(3)]
    assert shown != CENTER["A"]


def test_every_control_changes_the_picture():
    explorer = widgets.MaskExplorer()
    pictures = [explorer.picture.value]
    for control, value in [("kernel_size", 3), ("mask_type", "B"), ("colors", 3)]:
        getattr(explorer, control).value = value
        pictures.append(explorer.picture.value)
    assert len(set(pictures)) == 4


def test_the_repr_is_always_the_same():
    assert repr(widgets.MaskExplorer()) == repr(at(3, "B", 3))
    assert "0x" not in repr(widgets.MaskExplorer())
