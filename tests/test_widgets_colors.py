"""What a color knows, against tables by hand and networks; tests/browser has the rest."""

import itertools

from pixelcnn_edu import causality, widgets
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.widgets.colors import (
    COLORS_FIRST,
    LEVELS_FIRST,
    THIRDS,
    TURNS,
    paths,
)

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

RIGHT = ["000", "100", "110"]  # [who asks][who is known], R, G, B


def knows(**choice):
    """Boolean (3, 3): [color that asks, color of the same pixel]."""
    values, features, reads = paths(**choice)
    return (values @ features @ reads).T


def table(choice):
    return ["".join(map(str, row.astype(int))) for row in knows(**choice)]


@pytest.mark.parametrize(
    ("choice", "expected"),
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
def test_who_knows_whom_is_as_by_hand(choice, expected):
    assert table(choice) == expected


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
    ours = knows(**dict(zip(names, choice, strict=True)))
    assert np.array_equal(ours, causality.dependency_matrix(network(*choice)))


def test_other_arguments_are_refused():
    for wrong in ({"groups": "RBG"}, {"reading": "(6,)"}, {"first": "C"}):
        with pytest.raises(ValueError, match="Expected .* Received: "):
            paths(**wrong)


def test_the_still_picture_darkens_the_paths_to_green_s_logits():
    figure = Figure()
    widgets.ColorExplorer().draw(figure)
    (ax,) = figure.axes
    dark = {0: set(), 3: set()}  # by the x at which a line begins
    for line in ax.lines:
        if line.get_color() == "#333333":
            dark[line.get_xdata()[0]].add(tuple(map(float, line.get_ydata())))
    assert dark[0] == {(0.5, 2.0), (0.5, 3.0)}  # red, at 0.5, to the features of green
    assert dark[3] == set(itertools.product((2.0, 3.0), repeat=2))
    values, features, reads = paths()
    assert len(ax.lines) == values.sum() + features.sum()
    assert table({})[1] == "100"
    assert ax.get_title() == "green knows red of its own pixel"


def test_the_repr_is_always_the_same():
    told = "ColorExplorer: what a color knows of its own pixel."
    assert repr(widgets.ColorExplorer()) == told
