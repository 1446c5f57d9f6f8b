"""The explorers in a page that `export.page` wrote: from disk, wide and narrow."""

import contextlib
import re
import time

from pixelcnn_edu import export, generation, pretrained, widgets
from pixelcnn_edu.widgets import drawing
from pixelcnn_edu.widgets._base import bits as bits_of

import numpy as np
import pytest

WIDTHS = {"wide": 1280, "narrow": 390}
PATIENCE = 60_000  # milliseconds, of an answer on a busy machine


# Explorers begin at once, and not when the reader comes near.
AT_ONCE = """globalThis.IntersectionObserver = class {
  constructor(act) { this.act = act; }
  observe() { setTimeout(() => this.act([{ isIntersecting: true }])); }
  disconnect() {}
};"""


def address_of(page):
    """Return the settings in a page's address, which changes after the last move."""
    page.wait_for_timeout(600)
    return page.evaluate("location.hash")


class Page:
    """An exported page in Chromium, and what went wrong in it."""

    def __init__(self, browser, path, width, address="", before=""):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, has_touch=True
        )
        self.context.add_init_script(before)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.problems, self.requests = [], []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.url = f"{path.as_uri()}{address}"
        self.page.goto(self.url)

    def _note(self, message):
        of_this_test = "willReadFrequently" in message.text  # `ink_on` reads a canvas
        if message.type in ("error", "warning") and not of_this_test:
            self.problems.append(message.text)

    def explorer(self, name):
        root = self.page.locator(f'[data-explorer="{name}"]')
        root.scroll_into_view_if_needed()  # it begins when the reader comes near
        return Shown(root)

    def check(self):
        """Check that nothing failed, nothing was asked for, and nothing is cut off."""
        assert self.problems == []
        outside = [
            url for url in self.requests if not url.startswith(("file:", "blob:"))
        ]
        assert outside == []
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0


class Shown:
    """One explorer in a page."""

    def __init__(self, root):
        self.root = root
        self.sentence = root.locator(".sentence").first

    def told(self, text):
        """Wait until the first sentence contains a text; return the whole sentence."""
        self.sentence.filter(has_text=text).wait_for()
        return self.sentence.inner_text()

    def told_after(self, act):
        """Act, and return the new sentence and the milliseconds until it was there."""
        before, start = self.sentence.inner_text(), time.perf_counter()
        act()
        self.sentence.page.wait_for_function(
            "([sentence, before]) => sentence.innerText !== before",
            arg=[self.sentence.element_handle(), before],
            polling="raf",
        )
        return self.sentence.inner_text(), 1000 * (time.perf_counter() - start)

    def canvas(self, label):
        return self.root.locator(f'canvas[aria-label^="{label}"]')

    def at(self, canvas, shape, row, col):
        """Return the position of a pixel of an image in a canvas."""
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        return {
            "x": (col + 0.5) * box["width"] / shape[1],
            "y": (row + 0.5) * box["height"] / shape[0],
        }


@pytest.fixture(scope="module")
def coffee():
    return pretrained.load("coffee")


@pytest.fixture(scope="module")
def page_file(coffee, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "coffee.html"
    export.page(coffee, path, title="</title><script>alert(1)</script>")
    return path


@pytest.fixture
def opened(browser, page_file, screens, request):
    @contextlib.contextmanager
    def opened(width, address=""):
        page = Page(browser, page_file, WIDTHS[width], address)
        try:
            yield page
            page.check()
        finally:
            name = f"page-{request.node.name}.png"
            page.page.screenshot(path=screens / name, full_page=True)
            page.context.close()

    return opened


def told_fork(model, seed, row, col):
    """Return what the fork explorer must say, from Python's computations."""
    old, uniforms = drawing.first_of_seed(model, seed)
    (new,) = drawing.draw_forks(model, old, uniforms, [(row, col)])
    bits = bits_of(model, old[None], 1 - old[None])[0, row, col]
    changed = (old != new).sum() - 1
    later = 784 - 28 * row - col - 1
    value = "paper" if old[row, col, 0] else "ink"
    return (
        f"Row {row}, column {col} is flipped to {value}. This costs {bits:.1f} bits",
        f"{changed} of {later} later pixels change.",
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_fork_by_mouse_touch_and_keys(opened, coffee, width):
    with opened(width) as page:
        shown = page.explorer("fork")
        shown.canvas("Likely flips that change most: row").wait_for()
        pad = shown.canvas("The drawn digit")

        def expect(row, col, seed, act):
            sentence, _ = shown.told_after(act)
            flip, changes = told_fork(coffee, seed, row, col)
            assert sentence.startswith(flip)
            assert changes in sentence

        place = shown.at(pad, (28, 28), 13, 14)
        expect(13, 14, 0, lambda: pad.click(position=place))
        place = shown.at(pad, (28, 28), 9, 12)
        expect(9, 12, 0, lambda: pad.tap(position=place))
        pad.press("ArrowRight")
        expect(9, 13, 0, lambda: pad.press(" "))
        slider = shown.root.get_by_label("seed")
        shown.told_after(lambda: slider.press("ArrowRight"))
        place = shown.at(pad, (28, 28), 20, 20)
        expect(20, 20, 1, lambda: pad.click(position=place))
        page.page.wait_for_url("**#*seed=1&flip=580*")
        page.page.evaluate("document.body.style.zoom = 1.25")  # as slides are zoomed
        place = shown.at(pad, (28, 28), 9, 12)
        expect(9, 12, 1, lambda: pad.click(position=place))


def telling_by_hand(model, seed):
    """Return how many pixels each likely flip changes, and its bits, by pixel."""
    old, uniforms = drawing.first_of_seed(model, seed)
    bits = bits_of(model, old[None], 1 - old[None])[0]
    at = [divmod(int(i), 28) for i in np.argsort(bits, axis=None, kind="stable")[:64]]
    at = [pixel for pixel in at if bits[pixel] <= -np.log2(0.05)]
    forks = drawing.draw_forks(model, old, uniforms, at)
    changes = [int((old != new).sum()) - 1 for new in forks]
    return dict(zip(at, changes, strict=True)), bits


def test_the_telling_forks_change_most_and_the_likeliest_flip_is_shown_first(
    opened, coffee
):
    by_hand, bits = telling_by_hand(coffee, 0)
    with opened("wide") as page:
        shown = page.explorer("fork")
        others = shown.canvas("Likely flips that change most: row")
        others.wait_for(timeout=60_000)
        found = re.findall(
            r"row (\d+), column (\d+): (\d+) pixels, (\S+) bits",
            others.get_attribute("aria-label"),
        )
        first = shown.sentence.inner_text()
    telling = [(int(row), int(col)) for row, col, _, _ in found]
    assert 3 <= len(telling) <= 16
    assert [int(count) for _, _, count, _ in found] == [by_hand[at] for at in telling]
    assert [cost for *_, cost in found] == [f"{bits[at]:.1f}" for at in telling]
    likeliest = divmod(int(bits.argmin()), 28)
    assert first.startswith("Row {}, column {} is flipped".format(*likeliest))
    counts = [by_hand[at] for at in telling]
    assert counts == sorted(counts, reverse=True)
    # who is left out is too near to one that changes as much, or changes less than all
    for (row, col), count in by_hand.items():
        near = [
            by_hand[at] for at in telling if max(abs(row - at[0]), abs(col - at[1])) < 3
        ]
        if not near:
            assert len(telling) == 16
        assert count <= max(near, default=min(counts))


@pytest.mark.parametrize("moves", [2, 5])
def test_quick_moves_end_at_the_last_one(opened, coffee, moves):
    with opened("wide") as page:
        shown = page.explorer("fork")
        shown.told("is flipped")
        slider = shown.root.get_by_label("seed")
        pad = shown.canvas("The drawn digit")
        onward = shown.root.get_by_role("button", name="keep this flip")
        others = shown.canvas("Likely flips that change most: row")
        others.wait_for(timeout=60_000)
        for _ in range(moves):  # without waiting for an answer
            slider.press("ArrowRight")
            others.click(position={"x": 40, "y": 40})
            onward.click()
            pad.click(position=shown.at(pad, (28, 28), 6, 6))
        slider.press("Home")
        pad.click(position=shown.at(pad, (28, 28), 13, 14))
        flip, changes = told_fork(coffee, 0, 13, 14)
        assert changes in shown.told(flip)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_touched_digit_is_drawn_again_from_the_touched_pixel(opened, coffee, width):
    image, uniforms = drawing.first_of_seed(coffee, 1)
    for row, col in ((12, 14), (20, 9)):
        uniforms[row, col] = drawing.flipping_number(image, row, col)
        image = generation.generate(coffee, 1, uniforms=uniforms[None])[0]
    with opened(width) as page:
        shown = page.explorer("touch")
        shown.told("Touch a pixel")
        pad = shown.canvas("A digit that draws itself")
        shown.root.get_by_role("button", name="another digit").click()
        wait_until_drawn(page, pad)
        place = shown.at(pad, (28, 28), 12, 14)
        shown.told_after(lambda: pad.tap(position=place))
        wait_until_drawn(page, pad)
        place = shown.at(pad, (28, 28), 20, 9)
        sentence, _ = shown.told_after(lambda: pad.click(position=place))
        assert sentence.startswith("Row 20, column 9 is now ")
        wait_until_drawn(page, pad)
        assert np.array_equal(ink_on(pad, (28, 28)), image[..., 0])
        assert np.array_equal(by_python(shown, coffee), image)
        page.page.wait_for_url("**#*touch=1&touched=350.569*")


def by_python(shown, model):
    """Run the Python call that an explorer names; return its image or images."""
    text = shown.root.locator(".call code").inner_text()
    return eval(text, {"model": model, "widgets": widgets, "generation": generation})


def test_the_calls_in_the_page_are_right(opened, coffee):
    with opened("wide", "#seed=5&flip=404.500&temperature=0.8&sixteen=3") as page:
        shown = page.explorer("fork")
        sentence = shown.told("is flipped")
        image = by_python(shown, coffee)
        assert np.array_equal(
            image, drawing.draw_flipped(coffee, 5, [(14, 12), (17, 24)])
        )
        value = "ink" if image[17, 24, 0] else "paper"
        assert f"Row 17, column 24 is flipped to {value}" in sentence
        shown = page.explorer("temperature")
        sentence = shown.told("T = 0.80")
        images = by_python(shown, coffee)
        assert f"{100 * images.mean():.1f} % ink" in sentence


INK = """(canvas, [height, width]) => {
  const page = canvas.getContext("2d");
  const at = (row, col) => page.getImageData(
    ((col + 0.5) * canvas.width) / width, ((row + 0.5) * canvas.height) / height, 1, 1
  ).data[0];
  return Array.from({ length: height }, (_, row) =>
    Array.from({ length: width }, (_, col) => at(row, col)));
}"""


def ink_on(canvas, shape):
    """Return 1 where a pixel of a canvas is dark."""
    return (np.array(canvas.evaluate(INK, shape)) < 100).astype("float32")


def wait_until_drawn(page, canvas):
    """Wait until no pixel is gray."""
    for _ in range(100):
        gray = np.array(canvas.evaluate(INK, (28, 28)))
        if not ((gray > 150) & (gray < 220)).any():
            return
        page.page.wait_for_timeout(100)
    raise TimeoutError
