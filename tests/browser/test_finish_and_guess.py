"""Finishing a drawing, and the guessing game, in a page: their numbers are Python's."""

import contextlib
import re
import warnings

from pixelcnn_edu import data, export, generation, pretrained, widgets
from pixelcnn_edu.models import logits_function, pixelcnn
from pixelcnn_edu.widgets.reading import uncertain_pixels

import numpy as np
import pytest
from test_explorers import WIDTHS, Page, address_of

PAD, GRID = "A pad to draw on", "Sixteen ways"
# A copy of a canvas, because reading the canvas itself again and again makes it slow.
COPY = """
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const page = copy.getImageData(0, 0, canvas.width, canvas.height);
"""
# Of each of the 16 cells, the color in the middle of each pixel: 0 for paper, 1 for black
# and 2 for blue.
CELLS = (
    f"(canvas) => {{ {COPY}"
    + """
  const dense = canvas.width / 360;
  const at = (x, y) => 4 * (Math.floor(y * dense) * canvas.width + Math.floor(x * dense));
  const kind = (i) => page.data[i] > 128 ? 0 : page.data[i + 2] > 128 ? 2 : 1;
  return Array.from({ length: 16 * 784 }, (_, i) => {
    const [cell, pixel] = [Math.floor(i / 784), i % 784];
    const [x, y] = [(cell % 4) * 90 + 1, Math.floor(cell / 4) * 90 + 1];
    return kind(at(x + (pixel % 28) * 3 + 1.5, y + Math.floor(pixel / 28) * 3 + 1.5));
  });
}"""
)

# The red part of the color in the middle of each pixel.
GRAYS = (
    f"(canvas) => {{ {COPY}"
    + """
  const step = canvas.width / 28;
  const at = (i) => Math.floor((i + 0.5) * step);
  return Array.from({ length: 784 }, (_, i) =>
    page.data[4 * (at(Math.floor(i / 28)) * canvas.width + at(i % 28))]);
}"""
)


@pytest.fixture(scope="module")
def coffee():
    return pretrained.load("coffee")


@pytest.fixture(scope="module")
def digits():
    return data.binarize(data.load_mnist()[1][0][:4], seed=0)


def given_rows(side, row, shape):
    """Return boolean (H, W): the rows above ``row`` at the top, or the others."""
    above = np.arange(shape[0])[:, None] < row
    return np.broadcast_to(above if side == "top" else ~above, shape)


def page_of(explorer, path):
    """Write a page with one explorer and the images that it shows."""
    section = export._section("In a page", explorer.explorer, **explorer.settings)
    weights = np.frombuffer(explorer.weights, "float32")
    text = export._html(
        "A test", "", [section], explorer.graph, weights, explorer.images
    )
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def opened(browser, screens, request):
    @contextlib.contextmanager
    def opened(path, width="wide", address=""):
        page = Page(browser, path, WIDTHS[width], address)
        try:
            yield page
            page.check()
        finally:
            name = f"page-{request.node.name}.png"
            page.page.screenshot(path=screens / name, full_page=True)
            page.context.close()

    return opened


# ------------------------------------------------------------------- finish my digit


@pytest.fixture(scope="module")
def finish_file(coffee, digits, tmp_path_factory):
    finish = widgets.FinishMyDigit(coffee, digits, seed=5)
    return page_of(finish, tmp_path_factory.mktemp("finish") / "finish.html")


@pytest.fixture(scope="module")
def exported(coffee, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "coffee.html"
    export.page(coffee, path)
    return path


class Finish:
    """The explorer in a page, beside what Python says of the same drawing."""

    def __init__(self, page, model):
        self.shown, self.model = page.explorer("finish"), model
        self.root = self.shown.root
        self.pad, self.grid = self.shown.canvas(PAD), self.shown.canvas(GRID)
        self.effect = self.root.locator(".sentence").nth(1)

    def futures(self):
        """(16, 28, 28) of 0 (paper), 1 (black) and 2 (blue)."""
        return np.reshape(self.grid.evaluate(CELLS), (16, 28, 28))

    def choose(self, name):
        self.root.locator("label").get_by_text(name, exact=True).click()

    def compare(self, image, side, row, particles, seed):
        """Check futures, effective sample size and bits against generation.complete."""
        known = given_rows(side, row, (28, 28))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            (expected,), (ess,) = generation.complete(
                self.model,
                image[None],
                known,
                count=16,
                seed=seed,
                particles=particles,
                return_ess=True,
                progress=False,
            )
        if particles > 1:
            told = self.effect.filter(has_text=f"of {particles} particles")
            told.wait_for(timeout=60_000)
        futures = self.futures()
        for _ in range(600):  # until all particles are drawn and shown
            if np.array_equal(futures > 0, expected[..., 0] == 1):
                break
            self.root.page.wait_for_timeout(100)
            futures = self.futures()
        assert np.array_equal(futures > 0, expected[..., 0] == 1)
        assert np.array_equal(futures == 2, (expected[..., 0] == 1) & known)
        logits = logits_function(self.model)(expected)
        log_p = np.asarray(self.model.likelihood.log_prob_of_pixels(logits, expected))
        bits = np.median(-log_p[:, known].sum(axis=1)) / np.log(2)
        (told,) = re.findall(r"costs (\d+) bits", self.shown.sentence.inner_text())
        assert abs(int(told) - bits) < 0.51
        if particles == 1:
            assert "effective" not in self.effect.inner_text()
            return
        few = ess < 5
        words = f"{ess:.1f} of {particles} particles are effective"
        words += " (effective sample size)"
        expected = f"Only {words}: tops repeat." if few else f"{words}."
        assert self.effect.inner_text() == expected
        assert ("warning" in self.effect.get_attribute("class")) == few


@pytest.mark.parametrize("width", WIDTHS)
def test_a_given_top_is_finished_as_in_python(
    opened, finish_file, coffee, digits, width
):
    with opened(finish_file, width) as page:
        finish = Finish(page, coffee)
        finish.compare(digits[0], "top", 14, 1, 5)
        assert finish.root.get_by_label("16", exact=True).is_disabled()
        finish.shown.told_after(finish.root.get_by_text("a test digit").tap)
        finish.compare(digits[1], "top", 14, 1, 5)
        slider = finish.root.get_by_label("rows", exact=True)
        finish.shown.told_after(lambda: slider.press("ArrowLeft"))
        finish.compare(digits[1], "top", 13, 1, 5)
        finish.root.get_by_label("seed").press("ArrowRight")
        finish.compare(digits[1], "top", 13, 1, 6)
        assert address_of(page.page) == "#given=0.13&particles=1&future=6"


@pytest.mark.parametrize("number", [0, 1])
def test_a_given_bottom_is_finished_as_in_python(
    opened, finish_file, coffee, digits, number
):
    with opened(finish_file) as page:
        finish = Finish(page, coffee)
        for _ in range(number):
            finish.root.get_by_text("a test digit").click()
        finish.root.get_by_label("the top", exact=True).press("ArrowRight")
        finish.compare(digits[number], "bottom", 14, 1, 5)
        assert "(median)" in finish.shown.sentence.inner_text()
        for name in ("16", "64", "16", "256")[: 3 + number]:
            finish.choose(name)
            finish.compare(digits[number], "bottom", 14, int(name), 5)
        finish.choose("64")
        finish.root.get_by_label("rows", exact=True).fill("26")
        finish.compare(digits[number], "bottom", 26, 64, 5)


def strokes(finish, *places):
    """Draw a line over pixels (row, col) with the mouse."""
    finish.pad.scroll_into_view_if_needed()
    box, mouse = finish.pad.bounding_box(), finish.root.page.mouse
    at = [
        (
            box["x"] + (c + 0.5) * box["width"] / 28,
            box["y"] + (r + 0.5) * box["width"] / 28,
        )
        for r, c in places
    ]
    mouse.move(*at[0])
    mouse.down()
    for place in at[1:]:
        mouse.move(*place, steps=5)
    mouse.up()


def drawn_given(finish):
    """The ink of the given part in a future: it is blue."""
    futures = finish.futures() == 2
    assert (futures == futures[0]).all()
    return futures[0][..., None].astype("float32")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_drawing_by_mouse_and_keys_in_an_exported_page(
    opened, exported, coffee, width
):
    with opened(exported, width) as page:
        finish = Finish(page, coffee)
        assert finish.root.get_by_text("a test digit").count() == 0
        finish.compare(np.zeros((28, 28, 1)), "top", 14, 1, 0)
        finish.shown.told_after(lambda: strokes(finish, (6, 8), (6, 19), (12, 14)))
        seven = drawn_given(finish)
        assert seven[6, 8:20].all() and seven[10, 14:18].any() and 25 < seven.sum() < 70
        finish.compare(seven, "top", 14, 1, 0)
        # below the edge a stroke is no part of what is given
        strokes(finish, (20, 8), (20, 19))
        finish.compare(seven, "top", 14, 1, 0)
        finish.choose("erase")
        finish.shown.told_after(lambda: strokes(finish, (6, 8), (6, 12)))
        shorter = drawn_given(finish)
        assert not shorter[6, 8:13].any() and shorter[6, 14:20].all()
        finish.choose("draw")
        finish.shown.told_after(finish.root.get_by_text("clear").click)
        finish.compare(np.zeros((28, 28, 1)), "top", 14, 1, 0)
        # the cursor is where the last stroke ended
        for key in ["ArrowUp"] * 3:
            finish.pad.press(key)
        finish.shown.told_after(lambda: finish.pad.press(" "))
        dot = drawn_given(finish)
        assert dot[3, 12] and 1 <= dot.sum() <= 9
        finish.pad.focus()
        page.page.keyboard.down("Shift")
        for _ in range(6):
            page.page.keyboard.press("ArrowRight")
        page.page.keyboard.up("Shift")
        line = np.max([np.roll(dot, cols, axis=1) for cols in range(7)], axis=0)
        for _ in range(100):  # each key is a stroke of its own
            if np.array_equal(drawn_given(finish), line):
                break
            page.page.wait_for_timeout(100)
        assert np.array_equal(drawn_given(finish), line)
        finish.compare(line, "top", 14, 1, 0)


def test_a_drawing_by_touch(opened, exported, coffee):
    with opened(exported, "narrow") as page:
        finish = Finish(page, coffee)
        finish.shown.told("your top")
        touch = page.context.new_cdp_session(page.page)

        def stroke():
            finish.pad.scroll_into_view_if_needed()
            box = finish.pad.bounding_box()
            for kind, col in [("touchStart", 8), ("touchMove", 13), ("touchMove", 19)]:
                x, y = box["x"] + (col + 0.5) * 11, box["y"] + 6.5 * 11
                points = [{"x": x, "y": y}]
                touch.send(
                    "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
                )
            touch.send(
                "Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []}
            )

        finish.shown.told_after(stroke)
        line = drawn_given(finish)
        assert line[6, 8:20].all() and not line[10:].any()
        finish.compare(line, "top", 14, 1, 0)


# ------------------------------------------------------------------ beat the network


@pytest.fixture(scope="module")
def guess_file(coffee, digits, tmp_path_factory):
    game = widgets.BeatTheNetwork(coffee, digits[:2])
    game.settings = {"questions": 5, "among": 160}
    return page_of(game, tmp_path_factory.mktemp("guess") / "guess.html")


class Game:
    """The game in a page, and the same bill in Python."""

    def __init__(self, page, model, digits):
        self.shown = page.explorer("guess")
        self.root = self.shown.root
        self.slider = self.root.get_by_label("p(ink) in %")
        self.bars = self.shown.canvas("Bits paid so far")
        self.sentences = self.root.locator(".sentence")
        self.digits = digits[..., 0]
        logits = logits_function(model)(digits)[..., 0].astype("float64")
        self.p_ink = 1 / (1 + np.exp(-logits))
        self.places = [uncertain_pixels(p, 5, 160) for p in self.p_ink]

    def button(self, name):
        return self.root.get_by_role("button", name=name, exact=True)

    def told(self):
        return self.sentences.all_inner_texts()

    def play(self, number, guesses, act):
        """Answer all questions; check each bill, and return the totals."""
        paid = np.zeros(3)
        for asked, said in enumerate(guesses):
            self.shown.told(f"Question {asked + 1} of 5: is the framed pixel ink?")
            self.check_picture(number, asked)
            self.slider.fill(str(said))
            place = self.places[number][asked]
            p, ink = (
                self.p_ink[number].flat[place],
                self.digits[number].flat[place] == 1,
            )
            of_ink = np.array([said / 100, p, 0.5])
            last = -np.log2(of_ink if ink else 1 - of_ink)
            paid += last
            stakes = self.slider.get_attribute("aria-valuetext")
            assert stakes == (
                f"{said}: you pay {-np.log2(said / 100):.1f} bits if it is ink, "
                f"{-np.log2(1 - said / 100):.1f} if paper"
            )
            self.shown.told_after(lambda: act(self.button("reveal")))
            _, was, costs, warning = self.told()
            value = "ink" if ink else "paper"
            said = f"the network said {100 * p:.0f} % ink."
            assert was == f"The pixel in the blue frame was {value}; {said}"
            assert costs == (
                f"you {last[0]:.1f} bits, network {last[1]:.1f} bits, coin 1 bit"
            )
            assert (warning != "") == (last[0] > -np.log2(0.1))
            words = "Bits paid so far: you {:.1f}, network {:.1f}, coin {:.1f}"
            assert self.bars.get_attribute("aria-label") == words.format(*paid)
            assert self.slider.input_value() == "50"
        return paid

    def check_picture(self, number, asked):
        """Check that the pixels before the question are shown, and no other."""
        canvas = self.shown.canvas("The digit up to the next pixel")
        gray = canvas.evaluate(GRAYS)
        digit, place = self.digits[number].ravel(), self.places[number][asked]
        expected = np.where(np.arange(784) < place, 255 * (1 - digit), 191)
        assert np.array_equal(gray, expected)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_bill_is_that_of_python(opened, guess_file, coffee, digits, width):
    with opened(guess_file, width) as page:
        game = Game(page, coffee, digits[:2])
        you, network, _ = game.play(
            0, [99, 1, 30, 50, 80], lambda button: button.click()
        )
        verdict = "you beat the network" if you < network else "the network paid less"
        assert game.told()[0] == f"All 5 answered: {verdict}."
        assert game.button("reveal").is_disabled() and game.slider.is_disabled()
        game.button("next digit").tap()
        game.play(1, [2, 2, 98, 98, 98], lambda button: button.press("Enter"))
        game.shown.told_after(lambda: game.button("start again").press(" "))
        assert game.told()[1:] == ["Say how probable ink is, then reveal.", "", ""]
        game.play(1, [50] * 5, lambda button: button.tap())
        assert game.told()[0].startswith("All 5 answered: ")
        game.button("next digit").click()
        game.play(0, [60] * 3, lambda button: button.click())


# --------------------------------------------------------------- two copies of the program

# JupyterLab loads the program again for each explorer.
TWICE = """async ([program, values, weights]) => {
  Object.assign(values, {
    weights: new DataView(Uint8Array.from(weights).buffer),
    images: new DataView(new ArrayBuffer(0)),
  });
  for (let copy = 0; copy < 2; copy++) {
    const url = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
    const { default: { render } } = await import(url);
    const el = document.body.appendChild(document.createElement('div'));
    render({ model: { get: (name) => values[name] }, el });
  }
}"""
CHOSEN = """(root) => [...root.querySelectorAll("input:checked")].map(
  (input) => input.labels[0].innerText)"""


def test_two_copies_of_the_program_in_one_page_do_not_disturb_each_other(browser):
    model = pixelcnn((5, 6, 1), filters=2, depth=1)
    finish = widgets.FinishMyDigit(model, np.zeros((1, 5, 6, 1)))
    values = {name: getattr(finish, name) for name in ("explorer", "settings", "graph")}
    page = browser.new_page()
    program = finish._esm
    page.evaluate(TWICE, [program, values, list(finish.weights)])
    first, second = page.locator(".pixelcnn").all()
    for root, label in ((second, "the bottom"), (first, "erase"), (second, "16")):
        root.locator("label").get_by_text(label, exact=True).click()
    assert first.evaluate(CHOSEN) == ["the top", "1: clamping", "erase"]
    assert second.evaluate(CHOSEN) == ["the bottom", "16", "draw"]
    page.close()
