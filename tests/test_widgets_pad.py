"""The pad: what its two halves share, and what Python makes of the browser's changes."""

import base64
import io
import re
from pathlib import Path

from pixelcnn_edu.widgets import PixelPad, pad

import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets

IMAGE = np.random.default_rng(0).integers(0, 256, (5, 6)) / 255
SCRIPT = (Path(pad.__file__).parent / "pad.js").read_text("utf-8")


def test_an_image_comes_back_as_it_was_given():
    for image in (IMAGE, IMAGE[..., None]):
        back = PixelPad(image).image
        assert back.dtype == np.float32
        assert np.array_equal(back, IMAGE[..., None].astype("float32"))


def test_the_bytes_are_in_reading_order_and_255_is_ink():
    shown = PixelPad(np.array([[0, 1], [0.2, 0]]))
    assert (shown.height, shown.width) == (2, 2)
    assert shown.pixels == bytes([0, 255, 51, 0])
    assert shown.marks == bytes(4)


def test_a_stroke_of_the_browser_is_heard_once_and_read_as_an_image():
    drawn, strokes = PixelPad(np.zeros((2, 3)), mode="draw"), []
    drawn.on_draw(strokes.append)
    stroke = bytes([0, 0, 255, 0, 0, 0])
    drawn.set_state({"pixels": memoryview(stroke)})  # as a message brings it
    drawn.set_state({"pixels": memoryview(stroke)})
    assert len(strokes) == 1
    assert np.array_equal(strokes[0][..., 0], [[0, 0, 1], [0, 0, 0]])
    drawn.image = np.ones((2, 3))
    assert len(strokes) == 2 and (strokes[1] == 1).all()


def test_a_second_click_on_the_same_pixel_is_heard_too():
    clicked, at = PixelPad(IMAGE), []
    clicked.on_click(lambda row, col: at.append((row, col)))
    for click in ([4, 2, 1], [4, 2, 2], [0, 5, 3]):
        clicked.set_state({"clicked": click})
    assert at == [(4, 2), (4, 2), (0, 5)]


def test_marks_are_numbers_of_colors():
    marked = PixelPad(np.zeros((2, 2)), colors=["red", "rgba(0, 0, 0, 0.5)"])
    marked.mark(np.array([[0, 1], [2, 0]]))
    assert marked.marks == bytes([0, 1, 2, 0])
    marked.mark(np.array([[True, False], [False, False]]))
    assert marked.marks == bytes([1, 0, 0, 0])


@pytest.mark.parametrize(
    "codes",
    [np.zeros((2, 3), int), np.zeros((2, 2)), np.full((2, 2), 2), np.full((2, 2), -1)],
    ids=["shape", "not whole", "no such color", "negative"],
)
def test_other_marks_are_refused(codes):
    marked = PixelPad(np.zeros((2, 2)), colors=["red"])
    with pytest.raises(ValueError, match="Expected codes .* Received: "):
        marked.mark(codes)
    assert marked.marks == bytes(4)


@pytest.mark.parametrize(
    "image",
    [np.zeros(4), np.zeros((2, 2, 3)), np.zeros((0, 2)), [[1.5]], [[-1]], [[np.nan]]],
    ids=["flat", "colored", "empty", "too black", "too white", "not a number"],
)
def test_other_images_are_refused(image):
    with pytest.raises(ValueError, match="Expected image .* Received: "):
        PixelPad(image)


def test_the_size_of_the_pad_stays():
    shown = PixelPad(IMAGE)
    with pytest.raises(ValueError, match=r"Expected image of shape \(5, 6\)"):
        shown.image = np.zeros((6, 5))
    for name in ("pixels", "marks"):
        with pytest.raises(
            traitlets.TraitError, match=f"Expected {name} to be 30 bytes"
        ):
            setattr(shown, name, bytes(29))
    assert np.allclose(shown.image[..., 0], IMAGE)


@pytest.mark.parametrize("clicked", [[2], [5, 0, 1], [0, -1, 1]])
def test_a_click_is_inside_the_image(clicked):
    shown = PixelPad(IMAGE)
    with pytest.raises(traitlets.TraitError, match="Expected clicked to be a row"):
        shown.clicked = clicked


def test_more_colors_than_a_byte_can_number_are_refused():
    most = PixelPad(np.zeros((1, 1)), colors=["red"] * 255)
    most.mark([[255]])
    assert most.marks == bytes([255])
    with pytest.raises(ValueError, match="at most 255 colors.* Received: 257"):
        PixelPad(np.zeros((1, 1)), colors=["red"] * 257)


def test_another_mode_is_refused():
    with pytest.raises(ValueError, match="Expected mode .* Received: 'paint'"):
        PixelPad(IMAGE, mode="paint")


def test_each_mode_says_how_to_use_it_by_keyboard():
    assert "Space" in PixelPad(IMAGE).hint
    assert all(
        word in PixelPad(IMAGE, mode="draw").hint for word in ("Shift", "Delete")
    )


def test_two_pads_of_an_image_share_their_whole_state():
    one, other = PixelPad(IMAGE, label="x").get_state(), PixelPad(IMAGE, label="x")
    own = ("layout", "tabbable", "tooltip")  # of ipywidgets
    for name, value in other.get_state().items():
        assert name in own or one[name] == value, name


def test_a_page_without_widgets_gets_the_image_and_the_same_text():
    shown = PixelPad(IMAGE, scale=3, label="noise")
    data, _ = shown._repr_mimebundle_()
    picture = plt.imread(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.shape[:2] == (15, 18)
    assert np.allclose(picture[1::3, 1::3, 0], 1 - IMAGE, atol=0.005)
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == shown.model_id
    assert data["text/plain"] == repr(shown) == "PixelPad: noise, 5 × 6 pixels"


def test_the_script_is_whole_and_asks_nothing_of_a_network():
    assert str(PixelPad(IMAGE)._esm) == SCRIPT
    assert "export default" in SCRIPT
    for word in ("http", "import", "fetch", "require"):
        assert word not in SCRIPT


def test_the_script_and_python_name_the_same_state():
    named = set(re.findall(r'model\.[gs]et\("(\w+)"', SCRIPT))
    assert named <= set(PixelPad(IMAGE).get_state())
    assert {"pixels", "marks", "clicked", "cursor", "ink", "brush"} <= named
