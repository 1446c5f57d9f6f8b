"""The stepper, the bit reader and the morph in a page, their numbers beside Python's."""

import base64
import contextlib
import json
import re

from pixelcnn_edu import _web, data, export, generation, pretrained
from pixelcnn_edu.evaluation import nats_per_image
from pixelcnn_edu.labels import with_labels
from pixelcnn_edu.widgets import BitReader
from pixelcnn_edu.widgets._base import bits as bits_of
from pixelcnn_edu.widgets.drawing import posterior, readings
from pixelcnn_edu.widgets.reading import steps

import matplotlib
import numpy as np
import pytest
from test_explorers import WIDTHS, Page

PIXELS = 784
PATIENCE = 60_000  # milliseconds: at first a page draws sixteen images and more
# The colors at the centers of an image's pixels in a canvas, by row.
CENTERS = """(canvas, [height, width]) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const page = copy.getContext("2d", { willReadFrequently: true });
  page.drawImage(canvas, 0, 0);
  const { data } = page.getImageData(0, 0, canvas.width, canvas.height);
  const scale = Math.floor((canvas.width - 1) / width);
  const at = (k) => Math.floor((k + 0.5) * scale + 1);
  return Array.from({ length: height * width }, (_, i) => {
    const [row, col] = [Math.floor(i / width), i % width];
    const place = 4 * (at(row) * canvas.width + at(col));
    return Array.from(data.subarray(place, place + 3));
  });
}"""
# The red part of the color at the center of each pixel of 8 small images with titles.
EIGHT = """(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const page = copy.getContext("2d", { willReadFrequently: true });
  page.drawImage(canvas, 0, 0);
  const { data } = page.getImageData(0, 0, canvas.width, canvas.height);
  const columns = canvas.width / 90;
  return Array.from({ length: 8 * 784 }, (_, k) => {
    const [i, pixel] = [Math.floor(k / 784), k % 784];
    const x = (i % columns) * 90 + 2 + 3 * (pixel % 28);
    const y = Math.floor(i / columns) * 106 + 18 + 3 * Math.floor(pixel / 28);
    return data[4 * (y * canvas.width + x)];
  });
}"""
# What JupyterLab does for one widget.
ALONE = """<!doctype html><html lang="en">
<meta name="viewport" content="width=device-width">
<title>One explorer</title><style>%s</style>
<div data-explorer="%s"></div>
<script>%s
const own = %s;
for (const name of ["weights", "images"]) {
  const bytes = Uint8Array.from(atob(own[name]), (letter) => letter.charCodeAt(0));
  own[name] = new DataView(bytes.buffer);
}
const el = document.querySelector("div");
main_js.render({ model: { get: (name) => own[name] }, el });
</script></html>"""


def write_alone(explorer, path):
    """Write a page that shows one explorer as JupyterLab does."""
    own = {name: getattr(explorer, name) for name in ("explorer", "settings", "graph")}
    for name in ("weights", "images"):
        own[name] = base64.b64encode(getattr(explorer, name)).decode()
    script = _web.explorers()
    style = _web.web_file("style.css")
    text = ALONE % (style, explorer.explorer, script, json.dumps(own))
    path.write_text(text, "utf-8")


@pytest.fixture(scope="module")
def coffee():
    return pretrained.load("coffee")


@pytest.fixture(scope="module")
def conditional():
    return pretrained.load("conditional")


@pytest.fixture(scope="module")
def digits():
    return data.binarize(data.load_mnist()[1][0][21:41], seed=0)


@pytest.fixture(scope="module")
def files(coffee, conditional, digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    export.page(coffee, folder / "stepper.html")
    export.page(conditional, folder / "morph.html")
    write_alone(BitReader(coffee, digits), folder / "bits.html")
    return folder


@pytest.fixture
def opened(browser, files, screens, request):
    @contextlib.contextmanager
    def opened(name, width, address=""):
        page = Page(browser, files / f"{name}.html", WIDTHS[width], address)
        page.page.set_default_timeout(PATIENCE)
        try:
            yield page, page.explorer(name)
            page.check()
        finally:
            shot = f"page-{request.node.name}.png"
            page.page.screenshot(path=screens / shot, full_page=True)
            page.context.close()

    return opened


def bits_of_pixels(model, images):
    return bits_of(model, images, images)


def centers(canvas, shape=(28, 28)):
    """Return the color of each pixel of an image in a canvas, (H·W, 3), 0 to 255."""
    return np.array(canvas.evaluate(CENTERS, list(shape)))


def ink(canvas):
    return (centers(canvas)[:, 0] < 128).astype("float32")


def slider_of(shown, name):
    return shown.root.get_by_role("slider", name=name, exact=True)


def drag(page, slider, place):
    """Drag a slider's handle to a place from 0 to 1 with the mouse."""
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.5 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + place * box["width"], middle, steps=5)
    page.mouse.up()


# --------------------------------------------------------------------------- the stepper


def check_step(sentence, of_seed, at):
    """Check what the stepper tells of pixel ``at``."""
    image, p, u = (values[at] for values in of_seed)
    row, col, of_u, relation, of_p, value = re.fullmatch(
        r"Next: row (\d+), column (\d+)\. "
        r"u = (\d\.\d+) ([<≥]) p = (\d\.\d+): (ink|paper)\.",
        sentence,
    ).groups()
    assert (int(row), int(col)) == divmod(at, 28)
    half = 0.5 * 10 ** -len(of_u.partition(".")[2])
    assert len(of_u) == len(of_p)
    assert float(of_u) == pytest.approx(u, abs=1.01 * half)
    assert float(of_p) == pytest.approx(p, abs=1.01 * half + 1e-5)
    assert (relation, value) == (("<", "ink") if image else ("≥", "paper"))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_stepper_by_mouse_touch_and_keys(opened, coffee, width):
    first, second = steps(coffee, 0), steps(coffee, 1)
    start = int(abs(first[1] - 0.5).argmin())
    with opened("stepper", width) as (page, shown):
        check_step(shown.told("Next"), first, start)
        slider = slider_of(shown, "drawn")
        doubtful = shown.root.get_by_role("button", name="next doubtful pixel")

        def expect(of_seed, at, act):
            sentence, _ = shown.told_after(act)
            check_step(sentence, of_seed, at)
            assert int(slider.input_value()) == at

        expect(first, start + 1, lambda: slider.press("ArrowRight"))
        later = np.flatnonzero((first[1] > 0.1) & (first[1] < 0.9))
        one, two, three = later[later > start + 1][:3]
        expect(first, one, doubtful.click)
        expect(first, two, doubtful.tap)
        doubtful.focus()
        expect(first, three, lambda: doubtful.press("Enter"))
        seed = slider_of(shown, "seed")
        expect(second, three, lambda: seed.press("ArrowRight"))
        shown.told_after(lambda: drag(page.page, slider, 0.3))
        at = int(slider.input_value())
        assert 150 < at < 320
        check_step(shown.sentence.inner_text(), second, at)
        address = f"#step={at}&stepped=1"
        there = "(address) => location.hash === address"
        page.page.wait_for_function(there, arg=address, polling="raf")


def test_the_stepper_shows_the_image_so_far_and_at_last_its_cost(opened, coffee):
    image, _, _ = steps(coffee, 7)
    with opened("stepper", "wide", "#step=300&stepped=7") as (page, shown):
        shown.told("Next: row 10, column 20.")
        canvas = shown.canvas("The image so far")
        colors = centers(canvas)
        assert np.array_equal(colors[:300, 0] < 128, image[:300] == 1)
        assert (colors[302:] == 191).all()
        slider = slider_of(shown, "drawn")
        sentence, _ = shown.told_after(lambda: slider.press("End"))
        assert np.array_equal(ink(canvas), image)
        (nats,) = nats_per_image(coffee, image.reshape(1, 28, 28, 1))
        assert sentence == f"Finished, at a cost of {nats:.0f} nats."
        line = shown.canvas("No pixel is left")
        assert line.count() == 1


# ------------------------------------------------------------------------ the bit reader


def check_bits(sentence, image, bits, at):
    """Check what the bit reader tells of pixel ``at``."""
    row, col, p, value, told = re.fullmatch(
        r"Row (\d+), column (\d+): p\(ink\) = (\d\.\d{3}); "
        r"it is (ink|paper): (\d+\.\d\d) bits\.",
        sentence,
    ).groups()
    assert (int(row), int(col)) == divmod(at, 28)
    assert (value == "ink") == (image[at] == 1)
    assert float(told) == pytest.approx(bits[at], abs=0.0052)
    chance = 2.0 ** -bits[at]
    of_ink = chance if image[at] else 1 - chance
    assert float(p) == pytest.approx(of_ink, abs=0.00052)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_bit_reader_by_mouse_touch_and_keys(opened, coffee, digits, width):
    images = digits.reshape(20, PIXELS)
    bits = bits_of_pixels(coffee, digits).reshape(20, PIXELS)
    start = int(bits[0].argmax())
    with opened("bits", width) as (page, shown):
        check_bits(shown.told("Row"), images[0], bits[0], start)
        slider = slider_of(shown, "read")
        dear = shown.root.get_by_role("button", name="next pixel above 1 bit")

        def expect(digit, at, act):
            sentence, _ = shown.told_after(act)
            check_bits(sentence, images[digit], bits[digit], at)
            paid = shown.canvas("The bits paid so far").get_attribute("aria-label")
            so_far, all_bits = map(float, re.findall(r"\d+\.\d", paid))
            assert so_far == pytest.approx(bits[digit, :at].sum(), abs=0.052)
            assert all_bits == pytest.approx(bits[digit].sum(), abs=0.052)

        expect(0, start - 1, lambda: slider.press("ArrowLeft"))
        later = np.flatnonzero(bits[0] > 1)
        one, two, three = later[later >= start][:3]
        expect(0, one, dear.click)
        expect(0, two, dear.tap)
        dear.focus()
        expect(0, three, lambda: dear.press("Enter"))
        digit = slider_of(shown, "image")
        expect(1, three, lambda: digit.press("ArrowRight"))
        expect(19, three, lambda: digit.press("End"))
        shown.told_after(lambda: drag(page.page, slider, 0.4))
        at = int(slider.input_value())
        check_bits(shown.sentence.inner_text(), images[19], bits[19], at)
        sentence, _ = shown.told_after(lambda: slider.press("End"))
        assert sentence == "All pixels are read."


def test_the_bit_reader_shows_what_is_read_and_the_bits_in_color(
    opened, coffee, digits
):
    bits = bits_of_pixels(coffee, digits[:1]).ravel()
    with opened("bits", "wide") as (_, shown):
        shown.told("Row")
        slider = slider_of(shown, "read")
        shown.told_after(lambda: slider.press("Home"))
        for _ in range(3):
            slider.press("PageUp")
        at = int(slider.input_value())
        shown.told("Row {}, column {}:".format(*divmod(at, 28)))
        colors = centers(shown.canvas("The pixels read so far"))
        assert 100 < at < 700
        assert np.array_equal(colors[:at, 0] < 128, digits[0].ravel()[:at] == 1)
        assert (colors[at + 2 :] == 191).all()
        colors = centers(shown.canvas("The bits of each pixel"))
    cividis = 255 * matplotlib.colormaps["cividis"](np.minimum(bits / 5, 1))[:, :3]
    others = np.delete(np.arange(PIXELS), at)  # its frame hides one
    assert np.abs(colors - cividis)[others].max() < 10


# ----------------------------------------------------------------------------- the morph


def check_morph(shown, sentence, model, drawn, two, share):
    """Check the images on show, and what is told of them."""
    first, second = two
    canvas = shown.canvas("Eight digits, read as ")
    colors = np.array(canvas.evaluate(EIGHT))
    assert np.array_equal(colors < 128, drawn.ravel() == 1)
    p = posterior(model, drawn, first, second)
    read = re.findall(r"(\d): (\d+)%", canvas.get_attribute("aria-label"))
    for text, own, (label, percent) in zip(readings(p, *two), p, read, strict=True):
        assert label == text.split(": ")[0]
        assert float(percent) == pytest.approx(100 * max(own, 1 - own), abs=0.6)
    assert sentence == (
        f"Told {1 - share:.2f} of {first} and {share:.2f} of {second}: "
        f"{(p >= 0.5).sum()} of 8 are read as {second}."
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_the_morph_by_mouse_touch_and_keys(opened, conditional, width):
    with opened("morph", width) as (page, shown):
        slider = slider_of(shown, "from → to")

        def check(seed, two, share):
            model, label = conditional, two[int(share)]
            if share not in (0, 1):
                mixture = (1 - share) * np.eye(10)[two[0]] + share * np.eye(10)[two[1]]
                model, label = with_labels(conditional, mixture[None]), 0
            drawn = generation.generate(model, 8, seed=seed, labels=label)
            sentence = shown.sentence.inner_text()
            check_morph(shown, sentence, conditional, drawn, two, share)

        def expect(seed, two, share, act):
            act()
            address = f"#from={two[0]}&to={two[1]}&share={share}&morph={seed}"
            there = "(address) => location.hash === address"
            page.page.wait_for_function(there, arg=address, polling="raf")
            check(seed, two, share)

        shown.told("Told 0.50 of 4")
        check(0, (4, 9), 0.5)
        expect(0, (4, 9), 0, lambda: slider.press("Home"))
        expect(0, (4, 9), 1, lambda: slider.press("End"))
        start, end = (shown.root.get_by_role("group", name=n) for n in ("from", "to"))
        expect(0, (3, 9), 1, start.get_by_text("3", exact=True).click)
        expect(0, (3, 8), 1, end.get_by_text("8", exact=True).tap)
        radio = end.get_by_role("radio", name="8")
        expect(0, (3, 9), 1, lambda: radio.press("ArrowRight"))
        expect(1, (3, 9), 1, lambda: slider_of(shown, "seed").press("ArrowRight"))
