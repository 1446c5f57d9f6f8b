"""Figures: what they draw, what their alternative texts say, and who can see them."""

import html.parser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import notebooks
from pixelcnn_edu import masks, plots, scoreboard
from pixelcnn_edu.widgets import drawing

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import stills
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


DRAWINGS = {
    "image_grid": lambda ax: plots.image_grid(np.ones((5, 4, 4, 1)), columns=2, ax=ax),
    "image_grid with labels": lambda ax: plots.image_grid(
        np.ones((2, 4, 4, 3)), labels=["a", "b"], ax=ax
    ),
    "heatmap": lambda ax: plots.heatmap(np.ones((3, 3)), label="p(ink)", ax=ax),
    "mask": lambda ax: plots.mask(masks.causal_mask((3, 5), "A"), title="A", ax=ax),
    "receptive_field": lambda ax: plots.receptive_field(np.eye(5) > 0, 2, 3, ax=ax),
    "dependency": lambda ax: plots.dependency(np.tri(9, k=-1), title="d", ax=ax),
    "curves": lambda ax: plots.curves({"a": [3, 2], "b": ([1, 5], [4, 1])}, ax=ax),
    "architecture": lambda ax: plots.architecture(ax=ax),
    "residual_block": lambda ax: plots.residual_block(ax=ax),
    "scoreboard": lambda ax: scoreboard.show("09", ax=ax),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_plots_draw_on_the_given_axes_and_return_them(name):
    _, ax = plt.subplots()
    assert DRAWINGS[name](ax) is ax
    ax.figure.canvas.draw()


@pytest.mark.parametrize("name", DRAWINGS)
def test_plots_make_their_own_axes_if_none_are_given(name):
    DRAWINGS[name](None).figure.canvas.draw()
    assert len(plt.get_fignums()) == 1


def test_a_grid_shows_the_images_pixel_by_pixel():
    images = np.random.default_rng(0).random((3, 4, 5, 1))
    page = np.asarray(plots.image_grid(images, columns=3).images[0].get_array())
    for i in range(3):
        np.testing.assert_allclose(
            page[1:5, i * 6 : i * 6 + 5], images[i, ..., 0], rtol=1e-6
        )
    assert plt.gca().images[0].get_clim() == (0, 1)


@pytest.mark.parametrize("name", DRAWINGS)
def test_row_0_is_above_and_nothing_is_blurred_in_another_style(name):
    style = {"image.origin": "lower", "image.interpolation": "bilinear"}
    with plt.rc_context(style):
        ax = DRAWINGS[name](None)
    for image in ax.images:
        assert image.origin == "upper"
        assert image.get_interpolation() in ("nearest", "antialiased")


@pytest.mark.parametrize(("side", "columns"), [(28, 40), (32, 32), (128, 8)])
def test_no_line_of_pixels_is_left_out_of_a_large_grid(side, columns):
    images = np.zeros((columns, side, side, 1))
    for i, image in enumerate(images):  # one line of ink in each, at different places
        image[:, 3 + 7 * i % (side - 6)] = 1
    ax = plots.image_grid(images, columns=columns)
    for frame in list(ax.patches):
        frame.remove()
    ax.figure.canvas.draw()
    shown = np.asarray(ax.figure.canvas.buffer_rgba())[..., 0]
    row = shown[len(shown) // 2].astype(int) < 200
    assert (np.diff(np.concatenate([[0], row])) == 1).sum() == columns


@pytest.mark.parametrize("size", [25, 784])
@pytest.mark.parametrize("later", [0, 1, 300])
def test_one_leak_is_visible_in_a_matrix_of_any_size(size, later):
    output, source = 10, 10 + min(later, size - 11)
    matrix = np.zeros((size, size))
    matrix[output, source] = 1
    ax = plots.dependency(matrix)
    ax.figure.canvas.draw()
    pixels = np.asarray(ax.figure.canvas.buffer_rgba())
    red, green, blue, _ = np.moveaxis(pixels, -1, 0)
    yellow = np.argwhere((red > 200) & (green > 180) & (blue < 120))
    row, col = yellow.mean(axis=0)
    place = ax.transData.inverted().transform((col + 0.5, len(pixels) - row - 0.5))
    assert np.abs(place - (source, output)).max() < max(1, size / 100)


def test_one_image_is_as_large_as_a_heatmap_beside_it():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4))
    plots.image_grid(np.ones((1, 28, 28, 1)), ax=left)
    plots.heatmap(np.ones((28, 28)), label="nats", ax=right)
    figure.canvas.draw()
    assert left.images[0].get_array().shape == right.images[0].get_array().shape
    sides = (left.bbox.width, left.bbox.height, left.bbox.y0)
    np.testing.assert_allclose(
        sides, (right.bbox.width, right.bbox.height, right.bbox.y0)
    )


# ---------------------------------------------------------------- alternative texts

SAYS = {
    "image_grid": (
        lambda: plots.image_grid(np.zeros((10, 28, 28, 1))),
        "10 images of 28×28 pixels, 2 rows of 8",
    ),
    "labels": (
        lambda: plots.image_grid(np.zeros((3, 5, 5, 1)), labels=["a", "", "3 nats"]),
        "3 images of 5×5 pixels, 1 row of 3: a, 3 nats",
    ),
    "heatmap": (
        lambda: plots.heatmap(np.array([[0.123, np.nan], [1, 2]]), label="bits"),
        "Map of 2×2 pixels from 0.12 to 2. Color bar: bits",
    ),
    "mask": (
        lambda: plots.mask(masks.causal_mask(3, "A"), title="A"),
        "A. Mask of 3×3, row by row: 1 1 1; 1 0 0; 0 0 0",
    ),
    "receptive_field": (
        lambda: plots.receptive_field(np.tri(4) > 0, 1, 2),
        "10 pixels seen. 10 of 16 pixels seen, rows 0 to 3, columns 0 to 3; "
        "target at row 1, column 2",
    ),
    "dependency": (
        lambda: plots.dependency(np.tri(4) + np.eye(4, k=2)),
        "Dependencies of 4 outputs: 6 on earlier inputs, 4 on their own, 2 on later "
        "ones. Horizontal axis: input (place in reading order). "
        "Vertical axis: output (place in reading order)",
    ),
    "curves": (
        lambda: plots.curves({"train": [123.4, 88, 90.04], "test": ([2, 4], [3, 1])}),
        "Line chart. train: from 120 at 1 to 90 at 3, lowest 88; "
        "test: from 3 at 2 to 1 at 4. "
        "Horizontal axis: epoch. Vertical axis: nats per image",
    ),
    "curves without points": (
        lambda: plots.curves({"none": [], "lost": [np.nan]}, xlabel="", ylabel=""),
        "Line chart. none: no points; lost: no points",
    ),
    "scoreboard": (
        lambda: scoreboard.show("00"),
        "Scoreboard: uniform guessing 543.4 ± 0.0. "
        "Horizontal axis: nats per image on 1,000 test digits (lower is better)",
    ),
}


@pytest.mark.parametrize("name", SAYS)
def test_a_plot_function_says_what_it_draws(name):
    draw, expected = SAYS[name]
    assert plots.alt_text(draw().figure) == expected


def test_plain_matplotlib_is_told_by_its_titles_axes_and_legend():
    figure, (left, right) = plt.subplots(1, 2)
    figure.suptitle("Two runs.")
    left.plot([1, 2], label="first")
    left.plot([2, 1], label="second")
    left.set(title="Losses", xlabel="epoch", ylabel="nats")
    right.set_visible(False)
    assert plots.alt_text(figure) == (
        "Two runs. Losses. Horizontal axis: epoch. Vertical axis: nats. "
        "Legend: first, second"
    )
    plots.describe(left, "The runs meet")
    assert "The runs meet" in plots.alt_text(figure)
    assert plots.alt_text(plt.figure()) == "A figure without words"


class Images(html.parser.HTMLParser):
    """The attributes of each picture of a page."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found.append(dict(attributes))


def test_html_in_a_text_is_escaped_and_the_first_line_tells_nothing():
    words = "p(x) < \"1\" & <script>alert(1)</script> onload='x'"
    page = plots.alt_image("AAAA", words, width=9)
    assert page.splitlines()[0] == " "  # shown in place of a hidden output
    (img,) = Images(page).found
    assert img == {"alt": words, "src": "data:image/png;base64,AAAA", "width": "9"}


CELLS = [
    "from pixelcnn_edu import plots\n"
    "import matplotlib.pyplot as plt\nimport numpy as np",
    "ax = plots.curves({'a': [3, 2]})\nax.set_title('\"2 < 3\"')\nplt.show()",
    "_ = plots.mask(np.eye(3))",  # shown at the cell's end
    "figure, ax = plt.subplots()\nax.set_title('t')\nplt.close()\nfigure",
]
TEXTS = [
    '"2 < 3". Line chart. a: from 3 at 1 to 2 at 2. Horizontal axis: epoch. '
    "Vertical axis: nats per image",
    "Mask of 3×3, row by row: 1 0 0; 0 1 0; 0 0 1",
    "t",
]
# Runs a notebook, and pytest on another one beside it, whose pictures are other ones and of
# whose two texts one is wrong.
RUN = """
import os, sys
from pathlib import Path
import nbformat, pytest
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
    for cell, words in zip(run[0].cells[1:], TEXTS, strict=True):
        (output,) = cell.outputs
        assert output.data.keys() == {"text/html", "text/plain"}
        ((text, _),) = stills.found(output.data)
        assert text == words


def test_a_strict_run_compares_the_texts_and_not_the_pixels(run):
    """It is started beside the notebook; of two figures, one is wrong."""
    assert "1 failed, 2 passed" in run[1] and "1 1 0" in run[1], run[1][-3000:]


@pytest.mark.parametrize(
    "path", sorted(notebooks.NOTEBOOKS.rglob("*.ipynb")), ids=lambda path: path.stem
)
def test_each_figure_of_an_exported_page_has_its_text(path):
    exporter = pytest.importorskip("nbconvert").HTMLExporter(exclude_input=True)
    nb = nbformat.read(path, 4)
    outputs = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    stored = [words for o in outputs for words, _ in stills.found(o.get("data", {}))]
    page, _ = exporter.from_notebook_node(nb)
    assert [img.get("alt") for img in Images(page).found] == stored and all(stored)


# ------------------------------------------------------------------------- contrast

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


def test_the_contrast_is_that_of_the_standard():
    assert contrast("white", "black") == pytest.approx(21)
    both = [luminance(c, "normal") for c in (plots.TARGET, SEEN_ENDS[0])]
    assert (both[0] + 0.05) / (both[1] + 0.05) == pytest.approx(2.75, abs=0.01)
