"""The color explorer: what it says a color knows, against tables by hand and networks."""

import itertools

from pixelcnn_edu import causality, plots, widgets
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.widgets.colors import (
    COLORS_FIRST,
    HUES,
    LEVELS_FIRST,
    THIRDS,
    TURNS,
    paths,
)

import keras
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

RIGHT = ["000", "100", "110"]  # [who asks][who is known], R, G, B


def at(**controls):
    explorer = widgets.ColorExplorer()
    for name, value in controls.items():
        getattr(explorer, name).value = value
    return explorer


def table(explorer):
    return ["".join(map(str, row.astype(int))) for row in explorer.knows]


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ({}, RIGHT),
        ({"groups": TURNS, "reading": LEVELS_FIRST}, RIGHT),
        ({"reading": LEVELS_FIRST}, ["100", "110", "110"]),
        ({"groups": TURNS}, ["100", "110", "110"]),
        ({"masked": False}, ["110", "110", "110"]),
        ({"first": "B"}, ["100", "110", "111"]),
        ({"first": "B", "masked": False}, ["111", "111", "111"]),
    ],
)
def test_who_knows_whom_is_as_by_hand(controls, expected):
    assert table(at(**controls)) == expected


def network(first, groups, masked, reading):
    """The same two layers in Keras; logits in the order that the package reads."""
    image = keras.Input((1, 1, 3))
    order = [THIRDS.index(letter) + i // 3 for i, letter in enumerate(groups)]
    if groups == THIRDS:
        order = list(range(6))
    x = MaskedConv2D(6, 1, first, colors=3)(image)
    x = MaskedConv2D(6, 1, colors=3)(x) if masked else keras.layers.Conv2D(6, 1)(x)
    if reading == LEVELS_FIRST:  # logit 0 of red is number 0, logit 1 is number 3
        order = [order[i] for i in (0, 3, 1, 4, 2, 5)]
    return keras.Model(image, keras.ops.take(x, order, axis=-1))


@pytest.mark.parametrize(
    "choice",
    [
        *itertools.product(
            "AB", (THIRDS, TURNS), (True, False), (COLORS_FIRST, LEVELS_FIRST)
        )
    ],
    ids=str,
)
def test_who_knows_whom_is_as_in_a_network(choice):
    keras.utils.set_random_seed(0)
    names = ("first", "groups", "masked", "reading")
    explorer = at(**dict(zip(names, choice, strict=True)))
    assert np.array_equal(explorer.knows, causality.dependency_matrix(network(*choice)))


@pytest.mark.parametrize(
    ("controls", "color", "text"),
    [
        ({}, 0, "red knows nothing of its own pixel"),
        ({}, 1, "green knows red of its own pixel"),
        ({}, 2, "blue knows red and green of its own pixel"),
        ({"first": "B"}, 0, "red knows red of its own pixel: a leak"),
        (
            {"first": "B"},
            2,
            "blue knows red, green and blue of its own pixel: a leak",
        ),
    ],
)
def test_the_summary_says_it(controls, color, text):
    assert at(**controls, color=color).summary == text


def test_other_arguments_are_refused():
    for wrong in ({"groups": "RBG"}, {"reading": "(6,)"}, {"first": "C"}):
        with pytest.raises(ValueError, match="Expected .* Received: "):
            paths(**wrong)


def cells(ax):
    """The words in the cells of the drawn table, and the color behind each."""
    faces = {
        tuple(np.add(cell.get_xy(), 0.5)): to_hex(cell.get_facecolor()).upper()
        for cell in ax.patches
        if cell.get_fill()
    }
    return {t.get_position(): (t.get_text(), faces[t.get_position()]) for t in ax.texts}


def drawn(explorer):
    figure = Figure()
    explorer.draw(figure)
    return figure.axes


@pytest.mark.parametrize("controls", [{}, {"first": "B"}, {"reading": LEVELS_FIRST}])
def test_the_drawn_table_is_the_computed_one(controls):
    explorer = at(**controls)
    shown = cells(drawn(explorer)[1])
    for to, source in np.ndindex(3, 3):
        knows, word = explorer.knows[to, source], shown[source + 0.5, to + 0.5]
        if knows and source >= to:
            assert word == ("leak", plots.TARGET)
        else:
            assert word == (("1", plots.SEEN) if knows else ("0", plots.HIDDEN))


def lines(ax, hue):
    """The (height, height) of the lines of a color, by the x at which they begin."""
    found = {0: set(), 3: set()}
    for line in ax.lines:
        if to_hex(line.get_color()).upper() == hue:
            found[line.get_xdata()[0]].add(tuple(map(float, line.get_ydata())))
    return found


def test_the_paths_to_the_color_that_asks_are_drawn():
    black = lines(drawn(at(color=1))[0], "#333333")
    assert black[0] == {(0.5, 2.0), (0.5, 3.0)}  # red, at 0.5, to the features of green
    assert black[3] == set(itertools.product((2.0, 3.0), repeat=2))
    nothing = drawn(at(color=0))[0]
    assert lines(nothing, "#333333") == {0: set(), 3: set()}


def test_a_leak_is_drawn_in_red_and_its_value_framed():
    ax = drawn(at(color=1, reading=LEVELS_FIRST))[0]
    assert lines(ax, plots.TARGET)[0] == {(2.5, 4.0), (2.5, 5.0)}  # green to blue's
    framed = [
        to_hex(p.get_facecolor()).upper()
        for p in ax.patches
        if to_hex(p.get_edgecolor()).upper() == plots.TARGET
    ]
    assert framed == [HUES[1]]
    clean = drawn(at(color=1))[0]
    assert lines(clean, plots.TARGET) == {0: set(), 3: set()}


def test_a_drawing_with_rows_and_columns_exchanged_is_caught():
    class Turned(widgets.ColorExplorer):
        @property
        def knows(self):
            return super().knows.T

    shown = cells(drawn(Turned())[1])
    assert shown[0.5, 1.5][0] != "1"  # green knows red


def test_every_control_changes_the_picture_and_back():
    explorer = widgets.ColorExplorer()
    start = explorer.picture.value
    pictures = {start}
    for name, value in {
        "first": "B",
        "groups": TURNS,
        "masked": False,
        "reading": LEVELS_FIRST,
        "color": 2,
    }.items():
        control = getattr(explorer, name)
        before, control.value = control.value, value
        pictures.add(explorer.picture.value)
        control.value = before
        assert explorer.picture.value == start
    assert len(pictures) == 6


def test_the_repr_is_always_the_same():
    assert repr(widgets.ColorExplorer()) == repr(at(color=2))
    assert "0x" not in repr(widgets.ColorExplorer())
