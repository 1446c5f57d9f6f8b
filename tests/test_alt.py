"""Alternative texts: each figure of a notebook has one, in JupyterLab and in an export."""

import base64
import functools
import html.parser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import notebooks
from pixelcnn_edu import _alt, masks, plots, scoreboard
from pixelcnn_edu.widgets import drawing

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import stills
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats
from IPython.display import display
from IPython.utils.capture import capture_output
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).parents[1]


def said(ax):
    return _alt.text(ax.figure)


def bars(places, heights, ticks, shift=0):
    ax = plt.subplots()[1]
    ax.set_xticks(np.arange(len(ticks)) + shift, ticks)
    return ax.bar(places, heights)[0].axes


def two_kinds_of_bars():
    ax = plt.subplots()[1]
    ax.bar(["a", "b"], [5, 6], label="one")
    return ax.bar(["b", "a"], [1, 2], label="two")[0].axes


def with_color_bar(orientation, **label):
    figure, ax = plt.subplots()
    picture = ax.imshow(np.arange(12.0).reshape(3, 4) * 20)
    figure.colorbar(picture, orientation=orientation, **label)
    return ax


SAYS = {
    "image_grid": (
        lambda: plots.image_grid(np.zeros((10, 28, 28, 1))),
        "10 images of 28×28 pixels, 2 rows of 8",
    ),
    "one image": (
        lambda: plots.image_grid(np.zeros((1, 5, 4, 3))).set_title("an image").axes,
        "an image. 1 image of 5×4 pixels",
    ),
    "labels": (
        lambda: plots.image_grid(np.zeros((3, 5, 5, 1)), labels=["a", "", "3 nats"]),
        "3 images of 5×5 pixels, 1 row of 3: a, 3 nats",
    ),
    "heatmap": (
        lambda: plots.heatmap(np.array([[0.123, np.nan], [1, 2]]), label="bits"),
        "Map of 2×2 pixels from 0.12 to 2. Color bar from 0 to 1: bits",
    ),
    "mask": (
        lambda: plots.mask(masks.causal_mask(3, "A"), title="A"),
        "A. Mask of 3×3, row by row: 1 1 1; 1 0 0; 0 0 0",
    ),
    "receptive_field": (
        lambda: plots.receptive_field(np.tri(4) > 0, 1, 2, title="t"),
        "t. 10 of 16 pixels seen, rows 0 to 3, columns 0 to 3; "
        "target at row 1, column 2",
    ),
    "a field that is empty": (
        lambda: plots.receptive_field(np.zeros((4, 4), bool), 0, 0, title="t"),
        "t. 0 of 16 pixels seen; target at row 0, column 0",
    ),
    "dependency": (
        lambda: plots.dependency(np.tri(4) + np.eye(4, k=2)),
        "Dependencies of 4 outputs: 6 on earlier inputs, 4 on their own, 2 on later "
        "ones. Horizontal axis: input (place in reading order). "
        "Vertical axis: output (place in reading order)",
    ),
    "residual_block": (
        plots.residual_block,
        "The input x, of 2h channels, goes through PReLU, 1×1, PReLU, 3×3 mask B, PReLU, "
        "1×1. The first 1×1 makes h channels, the last one 2h. A line around all of them "
        "carries x to a sum with the result, the output of the block",
    ),
    "bars in another order": (
        lambda: bars([2, 0, 1], [7, 5, 6], ticks=["red", "green", "blue"]),
        "bars: blue 7, red 5, green 6",
    ),
    "bars between the ticks": (
        lambda: bars([0, 1, 2], [7, 5, 6], ticks=["red", "green", "blue"], shift=0.5),
        "Horizontal axis: 0.5 red, 1.5 green, 2.5 blue. bars: 7, 5, 6",
    ),
    "two kinds of bars": (
        two_kinds_of_bars,
        "one: bars: a 5, b 6; two: bars: b 1, a 2",
    ),
    "a color bar without a label": (
        lambda: with_color_bar("vertical"),
        "a picture of 3×4 from 0 to 220. Color bar from 0 to 220",
    ),
    "a color bar below": (
        lambda: with_color_bar("horizontal", label="nats"),
        "a picture of 3×4 from 0 to 220. Color bar from 0 to 220: nats",
    ),
    "two marks": (
        lambda: plt.subplots()[1].plot([1, 3], [5, 5], "o")[0].axes,
        "2 marks, x from 1 to 3, y from 5 to 5",
    ),
    "curves": (
        lambda: plots.curves({"train": [123.4, 88, 90.04], "test": ([2, 4], [3, 1])}),
        "Line chart. train: from 120 at 1 to 90 at 3, lowest 88; "
        "test: from 3 at 2 to 1 at 4. "
        "Horizontal axis: epoch. Vertical axis: nats per image",
    ),
}


@pytest.mark.parametrize("name", SAYS)
def test_a_plot_function_says_what_it_draws(name):
    draw, expected = SAYS[name]
    assert said(draw()) == expected


def test_the_architecture_and_the_scoreboard_name_their_parts():
    words = said(plots.architecture())
    assert "masked convolution (7 × 7, type A; notebook 02, 03)" in words
    words = said(scoreboard.show("03"))
    for row in scoreboard.rows("03"):
        assert f"{row['name']} {row['nats_per_image']:.1f} ± " in words


def test_what_a_reader_adds_to_a_plot_is_said_too():
    ax = plots.curves({"a": [3, 2]})
    ax.axhline(406)
    ax.text(0, 394, "all that\ncome before it")
    ax.set(yscale="log", ylim=(1, 500), title="How\nmany?")
    assert said(ax) == (
        "How many?. Line chart. a: from 3 at 1 to 2 at 2. Horizontal axis: epoch. "
        "Vertical log axis: nats per image. "
        "a horizontal line at 406; “all that come before it”"
    )


def test_what_was_cleared_is_not_said():
    _, ax = plt.subplots()
    plots.image_grid(np.zeros((6, 5, 5, 1)), ax=ax)
    ax.clear()
    ax.plot([3, 2, 1], label="loss")
    assert _alt.text(ax.figure) == "loss: from 3 at 0 to 1 at 2"
    plt.close(ax.figure)


def test_plain_matplotlib_is_described():
    figure, (left, middle, right) = plt.subplots(1, 3)
    figure.suptitle("Three")
    left.barh(["a", "b"], [1, 2.345], label="cost")
    left.set(xlabel="bits")
    middle.hist(np.arange(60), bins=30)
    middle.plot([1, 2, 3], [0, 0, 5], "o")
    middle.axvline(2.5)
    picture = right.imshow(np.eye(4))
    right.add_patch(plt.Rectangle((0, 0), 1, 1))
    figure.colorbar(picture, ax=right, label="nats")
    assert _alt.text(figure) == (
        "Three. Horizontal axis: bits. cost: bars: a 1, b 2.3. "
        "3 marks, x from 1 to 3, y from 0 to 5; a vertical line at 2.5; "
        "30 bars from 2 to 2. a picture of 4×4 from 0 to 1; 1 shape. "
        "Color bar from 0 to 1: nats"
    )


def test_names_that_a_legend_shows_are_told():
    figure, (left, middle, right) = plt.subplots(1, 3)
    left.hist([[1, 2, 2], [3, 3, 3]], bins=3, label=["drawn", "real"])
    for label, height in (("gate", 3), ("0.5", 5)):
        middle.errorbar([1, 2], [height, 4], yerr=[1, 1], label=label)
    right.fill_between([1, 2], [3, 4], label="digits")
    right.bar([1, 2], [3, 4], label=["a", "b"])
    right.bar([], [])
    assert _alt.text(figure) == (
        "bars (drawn): 1, 2, 0; bars (real): 0, 0, 3. "
        "gate: from 3 at 1 to 4 at 2; 0.5: from 5 at 1 to 4 at 2; 2 areas. "
        "bars (a, b): 1 3, 2 4; 1 area (digits)"
    )


def test_a_legend_tells_its_title_and_the_names_that_are_no_labels():
    figure, (left, middle, right) = plt.subplots(1, 3)
    for ax in (left, middle):
        first, second = ax.plot([1, 2], [3, 4]), ax.plot([1, 2], [5, 6])
    left.legend(["train", "test"])
    middle.add_artist(middle.legend(first, ["train"], title="loss"))
    middle.legend(second, ["test"])
    points = right.scatter([1, 2], [3, 4], c=[0, 1])
    right.legend(*points.legend_elements(), title="class")
    lines = "from 3 at 1 to 4 at 2; from 5 at 1 to 6 at 2"
    assert _alt.text(figure) == (
        f"{lines}. Legend: train, test. {lines}. Legend: loss: train. Legend: test. "
        "1 area. Legend: class: 0, 1"
    )
    ax = plots.curves({"0.1": [3, 2]})
    ax.get_legend().set_title("rate")
    assert said(ax).endswith("Vertical axis: nats per image. Legend: rate")
    figure, ax = plt.subplots()
    ax.plot([1, 2], [3, 4], label="7")
    ax.legend(title="digit")
    figure.legend()
    figure.legend(["seven"])
    assert _alt.text(figure) == (
        "7: from 3 at 1 to 4 at 2. Legend: digit. Legend: seven"
    )


def test_very_many_texts_are_counted_and_their_words_are_told():
    ax = plt.subplots()[1]
    for i in range(33):
        ax.text(0, i, ["1", "", "kept"][i % 3])
    assert said(ax) == "22 texts (kept)"
    for i in range(20):
        ax.text(1, i, f"x{i}")
    assert said(ax) == "42 texts"


def test_ticks_that_have_names_are_told():
    _, (ax, same) = plt.subplots(1, 2, sharey=True)
    ax.plot([1, 2, 4], [0, 1, 2], "o")
    ax.set_xticks([1, 2], ["1", "2"])
    ax.set_yticks([0, 1, 9], ["digits", "clothes", "outside"])
    ax.set_ylim(-1, 3)
    ax.set_ylabel("kind")
    same.bar(["a", "b"], [1, 2])
    same.axvline(1)
    assert said(ax) == (
        "Vertical axis: kind, 0 digits, 1 clothes. 3 marks, x from 1 to 4, y from 0 to 2. "
        "a vertical line at 1; bars: a 1, b 2"
    )


def test_names_of_minor_ticks_and_of_a_color_bar_are_told():
    figure, ax = plt.subplots()
    ax.plot([1, 2], [1, 2])
    ax.set_xticks([1.5], ["half way"], minor=True)
    bar = with_color_bar("horizontal", label="gray").figure.axes[-1]
    assert said(ax) == "Horizontal axis: 1.5 half way. from 1 at 1 to 2 at 2"
    bar.set_xticks([0, 220], ["paper", "ink"])
    assert said(bar).endswith("Color bar from 0 to 220: gray: 0 paper, 220 ink")


def test_very_many_names_of_ticks_are_counted():
    letters = "abcdefghijklmnopqrstu"
    ax = plt.subplots()[1]
    ax.plot([0, 20], [1, 2])
    ax.set_xticks(range(21), letters)
    line = "from 1 at 0 to 2 at 20"
    assert said(ax) == f"Horizontal axis: 21 named ticks from 0 a to 20 u. {line}"
    ax = plt.subplots()[1]
    ax.bar(list(letters), range(21))
    assert said(ax) == (
        "Horizontal axis: 21 named ticks from 0 a to 20 u. 21 bars from 0 to 20"
    )


def test_ticks_whose_names_are_their_places_are_not_told():
    ax = plt.subplots()[1]
    ax.plot([0, 100], [0, 1])
    ax.set_xticks([0, 50, 100], ["0", "50", "100"])
    ax.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
    assert said(ax) == "from 0 at 0 to 1 at 100"
    ax = plt.subplots()[1]
    ax.plot(["8", "64"], [5, 4], "o")
    assert (
        said(ax) == "Horizontal axis: 0 8, 1 64. 2 marks, x from 0 to 1, y from 4 to 5"
    )


@pytest.mark.parametrize("names", ["ab", ["re", "ark"], "×手", "xy"])
def test_ticks_beside_grouped_bars_are_told(names):
    ax = plt.subplots()[1]
    ax.bar([0.8, 1.8], [1, 2], width=0.4, label="drawn")
    ax.bar([1.2, 2.2], [3, 4], width=0.4, label="real")
    ax.set_xticks([1, 2], names)
    assert said(ax) == (
        f"Horizontal axis: 1 {names[0]}, 2 {names[1]}. "
        "drawn: bars: 1, 2; real: bars: 3, 4"
    )


def test_titles_at_all_places_are_told():
    ax = plt.subplots()[1]
    for place in ("center", "left", "right"):
        ax.set_title(f"the {place}", loc=place)
    assert said(ax) == "the center. the left. the right"


def test_subfigures_are_told_with_their_titles():
    figure = plt.figure()
    figure.suptitle("Masks")
    left, right = figure.subfigures(1, 2)
    for part, kind in ((left, "A"), (right, "B")):
        part.suptitle(f"type {kind}")
        part.subplots().plot([1, 2], [3, 4])
    hidden = right.subfigures()
    hidden.suptitle("hidden")
    hidden.set_visible(False)
    line = "from 3 at 1 to 4 at 2"
    assert _alt.text(figure) == f"Masks. type A. {line}. type B. {line}"


def test_insets_and_secondary_axes_are_told():
    ax = plots.curves({"training": [3, 2, 1]})
    bits = ax.secondary_yaxis("right", functions=(lambda y: 2 * y, lambda y: y / 2))
    bits.set_ylabel("bits per image")
    hidden, inset = (ax.inset_axes([x, 0.5, 0.4, 0.4]) for x in (0, 0.6))
    for part in (hidden, inset):
        part.set_title("the last epochs")
        part.plot([2, 3], [2, 1])
    hidden.set_visible(False)
    text = said(ax)
    assert text.endswith(
        "Vertical axis: nats per image. Vertical axis: bits per image. "
        "the last epochs. from 2 at 2 to 1 at 3"
    )


def test_an_endless_line_is_told_by_two_points():
    figure, ax = plt.subplots()
    ax.axline((40, 40), (165, 170))
    ax.axline((0, 543), slope=-45, label="linear")
    ax.axline((3, 0), (3, 1))
    ax.axline((4, 0), slope=np.inf)
    assert _alt.text(figure) == (
        "from 40 at 40 to 170 at 165 and beyond; "
        "linear: from 543 at 0 to 498 at 1 and beyond; a vertical line at 3; "
        "a vertical line at 4"
    )


def test_a_line_in_units_of_the_ax_is_told_in_units_of_the_data():
    ax = plt.subplots()[1]
    ax.plot([80, 90], [85, 95], label="network")
    ax.set(xlim=(80, 90), ylim=(85, 95))
    ax.plot([0, 1], [0, 1], transform=ax.transAxes, label="ideal")
    ax.axline((0, 1), (1, 0), transform=ax.transAxes)
    ax.plot([82, 84, 88], [0, 0, 0], "|", transform=ax.get_xaxis_transform())
    ax.axvline(81.5)
    assert said(ax) == (
        "network: from 85 at 80 to 95 at 90; ideal: from 85 at 80 to 95 at 90; "
        "from 95 at 80 to 85 at 90 and beyond; 3 marks, x from 82 to 88, y from 85 to 85; "
        "a vertical line at 82"
    )


def test_points_without_a_place_are_not_told():
    ax = plt.subplots()[1]
    ax.plot([1, 2, 3, np.nan], [0, 5, np.nan, 7], "o")
    ax.plot([0, 1, 2, 4], [np.nan, 1, 2, 3])
    line = "; from 1 at 1 to 3 at 4"
    assert said(ax) == f"2 marks, x from 1 to 2, y from 0 to 5{line}"
    ax.set(xscale="log", yscale="log")
    assert said(ax) == f"1 mark, x from 2 to 2, y from 5 to 5{line}"


def test_what_is_hidden_is_not_told():
    figure, (left, right) = plt.subplots(1, 2)
    left.plot([1, 2], [3, 4])[0].set_visible(False)
    left.plot([1, 2], [5, 6])
    left.set_xlabel("epoch", visible=False)
    left.set_ylabel("nats")
    left.yaxis.set_visible(False)
    left.legend(["test"]).set_visible(False)
    right.plot([1, 2], [7, 8])
    right.set_visible(False)
    assert _alt.text(figure) == "from 5 at 1 to 6 at 2"
    ax = plots.curves({"train": [3, 2], "test": [4, 3]})
    ax.lines[0].set_visible(False)
    assert said(ax).startswith("Line chart. test: from 4 at 1 to 3 at 2. ")


def test_a_line_in_space_is_told_with_all_its_axes():
    figure, ax = plt.subplots(subplot_kw={"projection": "3d"})
    ax.plot([1, 2, 3], [40, 50, 60], [90, 85, 80], label="nats")
    figure.canvas.draw()
    told = "nats: x from 1 to 3, y from 40 to 60, z from 80 to 90"
    assert _alt.text(figure) == told
    ax.set(xlabel="rate", zlabel="loss")
    assert _alt.text(figure) == f"x axis: rate. z axis: loss. {told}"
    ax.set_axis_off()
    assert _alt.text(figure) == told


def test_bars_are_named_by_their_places_whatever_labels_are_drawn():
    figure, ax = plt.subplots()
    ax.bar([1e6, 2e6, 3e6], [90, 80, 70], width=5e5)  # the labels are 1, 2 and 3
    assert _alt.text(figure) == "bars: 1,000,000 90, 2,000,000 80, 3,000,000 70"
    figure, ax = plt.subplots()
    ax.bar([1e-8, 1e-7, 1e-6], [90, 80, 70], width=1e-9)
    ax.set_xscale("log")
    assert _alt.text(figure) == "bars: 1e-08 90, 1e-07 80, 1e-06 70"
    figure, axes = plt.subplots(2, 1, sharex=True)  # the upper labels are not drawn
    for ax in axes:
        ax.bar(["a", "b"], [2, 3])
    assert _alt.text(figure) == "bars: a 2, b 3. bars: a 2, b 3"
    figure, ax = plt.subplots()
    ax.bar([0.123, 1.123], [2, 3])
    assert _alt.text(figure) == "bars: 2, 3"  # no ticks there


def test_tiny_numbers_are_zero_but_not_on_a_log_axis():
    for scale, end in (("log", "1e-15"), ("linear", "0")):
        figure, (left, middle, right) = plt.subplots(1, 3)
        left.plot([1, 2, 3], [1, 0.1, 1e-15])
        middle.bar(["a", "b"], [1, 1e-15])
        right.plot([2, 3], [1, 1e-15], "o")
        for ax in (left, middle, right):
            ax.set_yscale(scale)
        told = (
            f"from 1 at 1 to {end} at 3. bars: a 1, b {end}. 2 marks, x from 2 to 3, "
        )
        assert _alt.text(figure) == told + f"y from {end} to 1"
    figure, ax = plt.subplots()
    plots.curves({"f": [1, 1e-15]}, xlabel="x", ylabel="y", ax=ax).set_yscale("log")
    assert "Line chart. f: from 1 at 1 to 1e-15 at 2. Horizontal" in _alt.text(figure)
    figure, ax = plt.subplots()
    figure.colorbar(ax.imshow([[1e-15, 1]], norm="log"))
    words = "a picture of 1×2 from 1e-15 to 1. Color bar from 1e-15 to 1"
    assert _alt.text(figure) == words
    ax = plots.heatmap([[1e-15, 1]], label="p")
    ax.images[0].set_norm(LogNorm(1e-16, 1))
    words = "Map of 1×2 pixels from 1e-15 to 1. Color bar from 1e-16 to 1: p"
    assert _alt.text(ax.figure) == words
    figure, ax = plt.subplots()
    ax.bar([1e-14, 1e-13], [2, 3], width=1e-15)
    ax.set_xscale("log")
    assert _alt.text(figure) == "bars: 1e-14 2, 1e-13 3"


def test_bars_in_space_and_tables_are_counted():
    figure, ax = plt.subplots(subplot_kw={"projection": "3d"})
    ax.bar([1, 2], [3, 4])
    assert _alt.text(figure) == "2 bars"
    figure, ax = plt.subplots()
    ax.table([["1", "2"]])
    assert _alt.text(figure) == "1 table"


def test_a_figure_without_words_is_shown_all_the_same(monkeypatch):
    monkeypatch.setattr(_alt, "text", lambda figure: 1 / 0)
    assert _alt._text_or_kind(plt.figure()) == "A figure that has no description"


def test_a_picture_of_true_and_false_is_told():
    figure, (left, right) = plt.subplots(1, 2)
    left.imshow(np.eye(3, dtype=bool))
    right.plot([], [])
    told = "a picture of 3×3 from 0 to 1. no points"
    assert _alt.text(figure) == told


def test_no_figure_is_without_a_text():
    assert _alt.text(Figure()) == "An empty figure"
    for draw in (lambda ax: None, lambda ax: ax.plot([], []), lambda ax: ax.pie([1])):
        figure, ax = plt.subplots()
        draw(ax)
        assert _alt.text(figure)


def test_the_text_does_not_depend_on_the_last_digits():
    """Another processor rounds differently: here, by 1e-6 of each number."""
    values = np.array([512, 1 / 3, 123.4, 0.0472])
    first, other = (
        said(plots.curves({"a": values * factor})) for factor in (1, 1 - 1e-6)
    )
    assert first == other


class Images(html.parser.HTMLParser):
    """The attributes of each <img> of a page."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found.append(dict(attributes))


def test_html_in_a_title_is_escaped():
    title = "p(x) < \"1\" & <script>alert(1)</script> onload='x'"
    ax = plots.image_grid(np.zeros((1, 2, 2, 1)))
    ax.set_title(title)
    page = _alt.image("AAAA", said(ax))
    (img,) = Images(page).found
    assert img["alt"].startswith(title) and img["src"].endswith("base64,AAAA")
    assert "<script" not in page and img.keys() == {"alt", "src"}


def test_the_line_that_stands_for_a_hidden_output_does_not_tell_what_is_seen():
    first, *_ = _alt.image("AAAA", "24 of 784 pixels seen").splitlines()
    assert first == " "


CELLS = [
    "from pixelcnn_edu import plots\n"
    "import matplotlib.pyplot as plt\nimport numpy as np",
    "ax = plots.curves({'a': [3, 2]})\nax.set_title('\"2 < 3\"')\nplt.show()",
    "_ = plots.mask(np.eye(3))",  # shown at the cell's end
    "figure, ax = plt.subplots()\nax.plot([1, 2], [3, 4])\nplt.close()\nfigure",
    "%config InlineBackend.figure_formats = ['svg', 'png']\n"
    "plt.plot([1, 2], [3, 5])\nplt.show()",
    "%config InlineBackend.figure_formats = ['retina']\n"
    "plt.plot([1, 2], [3, 6])\nplt.show()",
    "%config InlineBackend.figure_formats = ['svg']\n"
    "plt.plot([1, 2], [3, 7])\nplt.show()",
]
TEXTS = [
    '"2 < 3". Line chart. a: from 3 at 1 to 2 at 2. Horizontal axis: epoch. '
    "Vertical axis: nats per image",
    "Mask of 3×3, row by row: 1 0 0; 0 1 0; 0 0 1",
    *(f"from 3 at 1 to {last} at 2" for last in (4, 5, 6, 7)),
]


# Runs a notebook, and pytest on another one beside it, whose pictures are other ones and of
# whose two texts one is wrong.
RUN = """
import os, sys
from pathlib import Path
sys.modules["rfc3987_syntax"] = None  # of jsonschema: a grammar, read for two seconds
import ipykernel.kernelapp, nbformat, pytest
import pixelcnn_edu

import notebooks

path = Path(sys.argv[1])
notebooks.refresh(path)
nb = nbformat.read(path, 4)
nb.cells = nb.cells[:3]
for cell in nb.cells[1:]:
    data = cell.outputs[0].data
    before, start, png = data["text/html"].rpartition("base64,")
    data["text/html"] = f"{before}{start}AAAA{png[png.index('\"'):]}"
assert data["text/html"].count("0 1 0") == 1
data["text/html"] = data["text/html"].replace("0 1 0", "1 1 0")
changed = path.with_name("00_changed.ipynb")
nbformat.write(nb, changed)
os.chdir(path.parent)
pytest.main(["--nbval", "-q", str(changed)])
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A notebook that is run and stored, and what a strict run of a changed one says."""
    folder = tmp_path_factory.mktemp("figures")
    for name in ("pyproject.toml", "conftest.py", "nbval.cfg"):
        shutil.copy(ROOT / name, folder)
    path = folder / "notebooks" / "00_figures.ipynb"
    path.parent.mkdir()
    nbformat.write(new_notebook(cells=[new_code_cell(text) for text in CELLS]), path)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", RUN, path]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    return nbformat.read(path, 4), done.stdout + done.stderr


def test_a_notebook_holds_each_figure_once_with_its_text(run):
    cells = run[0].cells
    assert cells[0].outputs == []
    for cell, words in zip(cells[1:], TEXTS, strict=True):
        (output,) = cell.outputs
        assert output.data.keys() == {"text/html", "text/plain"}
        ((text, png),) = stills.found(output.data)
        assert text == words
        assert base64.b64decode(png).startswith(b"\x89PNG")
        assert output.data["text/plain"].startswith("<Figure size ")
    sizes = [stills.pixels(cell.outputs[0].data).shape[1] for cell in cells[4:6]]
    assert (
        sizes[1] > 1.9 * sizes[0] and 'width="' in cells[5].outputs[0].data["text/html"]
    )


@pytest.fixture
def shell(monkeypatch):
    """IPython, as in a kernel where the inline backend begins after the import."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # IPython warns of another one
    shell = InteractiveShell.instance()
    _alt.show_in_ipython()
    select_figure_formats(shell, {"png"})
    yield shell
    InteractiveShell.clear_instance()


def test_a_console_without_html_gets_the_picture(shell):
    data, _ = shell.display_formatter.format(plt.subplots(figsize=(1, 1))[0])
    assert data.keys() == {"text/html", "image/png", "text/plain"}
    ((_, png),) = stills.found(data)
    assert png == data["image/png"].strip()


def test_a_figure_on_show_can_be_updated(shell):
    figure, _ = plt.subplots(figsize=(1, 1))
    with capture_output() as shown:
        display(figure, display_id="a").update(figure)
    assert [(one.transient["display_id"], one.update) for one in shown.outputs] == [
        ("a", False),
        ("a", True),
    ]


@pytest.fixture(scope="module")
def exported():
    """Return a function from a notebook to the alternative texts in its HTML."""
    exporter = functools.cache(pytest.importorskip("nbconvert").HTMLExporter)

    def texts(nb, **options):
        page, _ = exporter(**options).from_notebook_node(nb)
        return [img.get("alt") for img in Images(page).found]

    return texts


def test_an_export_holds_the_text_of_each_figure(run, exported):
    assert exported(run[0]) == TEXTS


@pytest.mark.parametrize(
    "name",
    sorted(notebooks.NOTEBOOKS.rglob("*.ipynb")),
    ids=lambda path: path.relative_to(notebooks.NOTEBOOKS).as_posix(),
)
def test_each_figure_of_an_exported_page_has_its_text(name, exported):
    nb = nbformat.read(name, 4)
    outputs = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    stored = [words for o in outputs for words, _ in stills.found(o.get("data", {}))]
    # without the code, whose colors are most of the work
    assert exported(nb, exclude_input=True) == stored and all(stored)


def test_a_figure_without_a_text_is_found_in_an_export(exported):
    output = new_output("display_data", {"image/png": "iVBORw0KGgo="})
    nb = new_notebook(cells=[new_code_cell("x", outputs=[output])])
    for exclude_input in (False, True):
        (words,) = exported(nb, exclude_input=exclude_input)
        assert words in (None, "", "No description has been provided for this image")


def test_a_strict_run_compares_the_texts_and_not_the_pixels(run):
    """It is started beside the notebook; of two figures, one is wrong."""
    _, told = run
    assert "1 failed, 2 passed" in told and "1 1 0" in told, told[-3000:]


# --------------------------------------------------------------------------- contrast

# Machado, Oliveira and Fernandes 2009, severity 1: of linear RGB
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def seen(color, sight):
    """Return linear red, green and blue of a color as someone sees it."""
    srgb = np.array(matplotlib.colors.to_rgb(color))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.clip(SIGHT[sight] @ linear, 0, 1)


def luminance(color, sight):
    """Return the relative luminance of WCAG 2 of a color as someone sees it."""
    return seen(color, sight) @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    """Return the least contrast of two colors, of all kinds of sight."""
    pairs = [sorted(luminance(color, s) for color in (one, other)) for s in SIGHT]
    return min((light + 0.05) / (dark + 0.05) for dark, light in pairs)


def difference(one, other):
    """Return how far apart two colors are, of all kinds of sight: in red, green or blue."""
    return min(np.abs(seen(one, s) - seen(other, s)).max() for s in SIGHT)


PAPER = "white"
SEEN_ENDS = plt.get_cmap("cividis")([0.0, 1.0])


def test_marks_stand_out_from_what_lies_beside_them():
    for color in plt.rcParams["axes.prop_cycle"].by_key()["color"]:
        assert contrast(color, PAPER) >= 3, color
    for mark in (plots.SEEN, plots.TARGET, plots.FRAME):
        assert contrast(mark, PAPER) >= 3
    assert contrast(plots.SEEN, plots.HIDDEN) >= 3
    assert contrast(*SEEN_ENDS) >= 3
    # a red pixel and its edge: one of the two on each face, and they on each other
    assert contrast(plots.TARGET, plots.EDGE) >= 3
    for face in (*SEEN_ENDS, plots.SEEN, plots.HIDDEN, "white", "black"):
        assert max(contrast(face, c) for c in (plots.TARGET, plots.EDGE)) >= 3


def test_text_stands_out_from_its_face():
    for face, ink in plots.INK_ON.items():
        assert contrast(face, ink) >= 4.5, face


def test_what_is_red_has_a_white_edge():
    ax = plots.receptive_field(np.tri(4) > 0, 1, 2)
    (target,) = ax.patches
    assert matplotlib.colors.same_color(target.get_facecolor(), plots.TARGET)
    assert matplotlib.colors.same_color(target.get_edgecolor(), plots.EDGE)
    assert target.get_linewidth() >= 1
    drawn = [
        plots.mask(np.eye(3)).patches[-1],
        plots.dependency(np.eye(3)).lines[0],
    ]
    for mark in drawn:
        (effect,) = mark.get_path_effects()
        assert effect._gc["foreground"] == plots.EDGE
        assert effect._gc["linewidth"] >= mark.get_linewidth() + 2


WEB = ROOT / "pixelcnn_edu" / "web"


def rules(css):
    """Return the properties of each rule of a style sheet, by its selector."""
    found = re.findall(r"([^{}]+)\{([^{}]*)\}", css)
    return {name.strip(): re.findall(r"([\w-]+): *([^;]+)", all) for name, all in found}


def low_contrast(css):
    """Yield each color of a style sheet that stands out too little from what is behind."""
    for name, properties in rules(css).items():
        behind = dict(properties).get("background", PAPER)
        for key, value in properties:
            least = 4.5 if key == "color" and "disabled" not in name else 3
            for color in re.findall(r"#\w+|\bblack\b|\bwhite\b", value):
                if key != "background" and contrast(color, behind) < least:
                    yield name, key, color


def test_the_explorers_stand_out_from_their_paper():
    css = (WEB / "style.css").read_text("utf-8")
    assert len(rules(css)) > 20 and list(low_contrast(css)) == []
    script = (WEB / "ui.js").read_text("utf-8")
    colors = dict(re.findall(r'^  (\w+): "(#\w+)",$', script, re.MULTILINE))
    assert (colors["seen"], colors["target"]) == (plots.SEEN, plots.TARGET)
    assert (colors["target"], colors["gone"]) == (drawing.GAINED, drawing.LOST)
    for name in ("ink", "seen", "target", "gone", "border"):
        assert contrast(colors[name], colors["paper"]) >= 3
    for name in ("ink", "target"):
        assert difference(colors["gone"], colors[name]) >= 0.25


@pytest.mark.parametrize(
    "rule",
    [
        "a { color: #888; }",
        "a { color: white; background: #56B4E9; }",
        "a { border: 1px solid #bbb; }",
    ],
)
def test_a_bad_style_is_found(rule):
    assert len(list(low_contrast(rule))) == 1


@pytest.mark.parametrize(
    ("mark", "beside"),
    [
        (plots.TARGET, SEEN_ENDS[0]),  # red directly on navy
        (plots.TARGET, plots.SEEN),
        ("#E69F00", PAPER),
        ("#CC79A7", PAPER),  # for some readers alone
        ("#BBBBBB", PAPER),
        ("#F5B8B8", PAPER),  # lost ink, a pale red
    ],
)
def test_a_bad_color_is_found(mark, beside):
    assert contrast(mark, beside) < 3


def test_colors_that_some_readers_confuse_are_found():
    assert difference("#C77700", plots.TARGET) < 0.25  # orange and red


def test_the_contrast_is_that_of_the_standard():
    assert contrast("white", "black") == pytest.approx(21)
    both = [luminance(c, "normal") for c in (plots.TARGET, SEEN_ENDS[0])]
    assert (both[0] + 0.05) / (both[1] + 0.05) == pytest.approx(2.75, abs=0.01)
