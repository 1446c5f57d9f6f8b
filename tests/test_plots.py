"""Figures: they draw on the axes they are given, and what they draw is what is there."""

import matplotlib

matplotlib.use("agg")

from pixelcnn_edu import masks, plots, scoreboard

import matplotlib.pyplot as plt
import numpy as np
import pytest


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


def test_a_curve_may_have_no_points_or_no_index_0():
    class Losses(list):
        def __getitem__(self, index):
            raise KeyError(index)

    ax = plots.curves({"none": [], "losses": Losses([3.0, 2.0])})
    drawn = [line.get_xydata().tolist() for line in ax.lines]
    assert drawn == [[], [[1.0, 3.0], [2.0, 2.0]]]


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


@pytest.mark.parametrize("style", [{"image.cmap": "gray"}, {"image.origin": "lower"}])
def test_ink_is_black_and_row_0_is_above_in_another_style_too(style):
    image = np.zeros((1, 10, 10, 1))
    image[:, :5] = 1
    with plt.rc_context(style):
        ax = plots.image_grid(image)
    ax.figure.canvas.draw()
    shown = np.asarray(ax.figure.canvas.buffer_rgba())[..., 0]
    above, below = (shown[len(shown) * n // 4, shown.shape[1] // 2] for n in (1, 3))
    assert (above, below) == (0, 255)


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


def test_titles_that_shrink_the_axes_leave_no_line_out():
    figure, ax = plt.subplots(figsize=(3.2, 3.2))
    figure.suptitle("two\nlines\nof title")
    ax.set_xlabel("below\n\n\n")
    plots.image_grid(np.zeros((64, 28, 28, 1)), columns=8, ax=ax)
    figure.canvas.draw()
    (image,) = ax.images
    assert len(image.get_array()) > ax.get_window_extent().height
    assert image.get_interpolation() == "antialiased"


def test_frames_do_not_hide_small_pixels():
    images = np.zeros((2, 100, 1, 1))
    images[:, :50] = 1
    figure = plt.figure(figsize=(6, 6))
    plots.image_grid(images, ax=figure.add_subplot())
    figure.set_size_inches(2.2, 1.1)  # later: its layout, too, comes later
    figure.canvas.draw()
    grays = np.asarray(figure.canvas.buffer_rgba())[..., 0]
    assert (grays < 100).any(axis=1).sum() > 40  # rows of dots with ink


def test_a_grid_refuses_what_is_no_batch_of_images():
    for shape in ((4, 4), (2, 4, 4), (2, 4, 4, 2)):
        with pytest.raises(ValueError, match="images"):
            plots.image_grid(np.zeros(shape))


def test_a_mask_shows_its_numbers_and_its_center():
    ax = plots.mask(masks.causal_mask(3, "A"))
    assert [text.get_text() for text in ax.texts] == list("111100000")


def test_a_receptive_field_says_how_many_pixels_are_seen():
    ax = plots.receptive_field(np.tri(4) > 0, 1, 1)
    assert ax.get_title() == "10 pixels seen"


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


def test_a_dependency_matrix_has_two_like_axes():
    for size in (3, 12, 16, 66):
        figure, ax = plt.subplots(figsize=(4.2, 4.2))
        plots.dependency(np.eye(size), ax=ax)
        figure.canvas.draw()
        assert list(ax.get_xticks()) == list(ax.get_yticks())
        words = ax.get_xlabel(), ax.get_ylabel()
        assert words[0].partition(" ")[2] == words[1].partition(" ")[2]


def test_each_arrow_of_the_architecture_ends_at_its_box():
    ax = plots.architecture()
    ax.figure.canvas.draw()
    kinds = (plots.FancyArrowPatch, plots.FancyBboxPatch)
    arrows, boxes = (
        [p.get_window_extent() for p in ax.patches if isinstance(p, kind)]
        for kind in kinds
    )
    *along, back = arrows  # the last arrow leads to the second row
    for arrow, box in zip(along, boxes[1:4] + boxes[5:], strict=True):
        assert abs(arrow.x1 - box.x0) < 5 and box.y0 < arrow.y0 < box.y1
    assert abs(back.y0 - boxes[4].y1) < 5 and boxes[4].x0 < back.x0 < boxes[4].x1
