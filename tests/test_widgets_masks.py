"""The mask explorer without a page; tests/browser moves it."""

from pixelcnn_edu import plots, widgets

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure


def test_the_still_picture_shows_the_mask_number_by_number():
    figure = Figure()
    widgets.MaskExplorer().draw(figure)
    (ax,) = figure.axes
    by_hand = 3 * ["1111111"] + ["1110000"] + 3 * ["0000000"]
    numbers = {text.get_position(): text.get_text() for text in ax.texts}
    cells = [patch for patch in ax.patches if patch.get_fill()]
    assert len(cells) == len(numbers) == 49
    for cell in cells:
        col, row = map(int, cell.get_xy())
        number = by_hand[row][col]
        assert numbers[col + 0.5, row + 0.5] == number
        face = to_hex(cell.get_facecolor()).upper()
        assert face == (plots.SEEN if number == "1" else plots.HIDDEN)
    live = np.sum([row.count("1") for row in by_hand])
    assert ax.get_title() == f"type A, live taps: {live} of 49"


def test_the_repr_is_always_the_same():
    told = "MaskExplorer: which taps of a masked kernel are live."
    assert repr(widgets.MaskExplorer()) == told
