"""The explorers in a page from disk: what they show and tell is what Python computes."""

import re
import warnings

from pixelcnn_edu import causality, evaluation, generation, widgets
from pixelcnn_edu.labels import with_labels
from pixelcnn_edu.models import logits_function
from pixelcnn_edu.widgets import drawing
from pixelcnn_edu.widgets._base import bits, first_of_seed
from pixelcnn_edu.widgets.reading import steps, uncertain_pixels

import keras
import matplotlib
import numpy as np
import pytest
from exported import colors

NUMBER = r"(-?\d+(?:\.\d+)?(?:e-\d+)?)"


def ink_on(canvas, scale, **layout):
    """Return 1 where a pixel of an image is dark, (count, 784)."""
    return (colors(canvas, scale, **layout)[..., 0] < 100).astype("float32")


def by_python(shown, model):
    """Run the Python call that an explorer names; return its image or images."""
    text = shown.root.locator(".call code").inner_text()
    return eval(text, {"model": model, "widgets": widgets, "generation": generation})


def wait_until(page, condition):
    """Wait until a function of no argument returns true."""
    for _ in range(600):
        if condition():
            return
        page.page.wait_for_timeout(100)
    raise TimeoutError


# ----------------------------------------------------------------------------- touch, fork


def test_a_touched_digit_is_drawn_again_from_the_touched_pixel(visit, coffee):
    image = drawing.draw_flipped(coffee, 1, [(12, 14), (20, 9)])
    with visit("coffee", "narrow") as page:
        shown = page.explorer("touch")
        shown.told("Touch a pixel")
        pad = shown.canvas("A digit that draws itself")

        def is_drawn():  # no pixel is gray
            gray = colors(pad, 12)[..., 0]
            return not ((gray > 150) & (gray < 220)).any()

        shown.button("another digit").click()
        wait_until(page, is_drawn)
        shown.told_after(pad.tap, position=shown.at(pad, 12, 14))
        wait_until(page, is_drawn)
        sentence = shown.told_after(pad.click, position=shown.at(pad, 20, 9))
        assert sentence.startswith("Row 20, column 9 is now ")
        wait_until(page, is_drawn)
        assert np.array_equal(ink_on(pad, 12), image.reshape(1, 784))
        assert np.array_equal(by_python(shown, coffee), image)
        assert "touch=1&touched=350.569" in page.address()


def told_fork(model, seed, row, col):
    """Return what the fork explorer must say, from Python's computations."""
    old, uniforms = first_of_seed(model, seed)
    (new,) = drawing.draw_forks(model, old, uniforms, [(row, col)])
    price = bits(model, old[None], 1 - old[None])[0, row, col]
    changed = (old != new).sum() - 1
    later = 784 - 28 * row - col - 1
    value = "paper" if old[row, col, 0] else "ink"
    return (
        f"Row {row}, column {col} is flipped to {value}. This costs {price:.1f} bits",
        f"{changed} of {later} later pixels change.",
    )


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_fork_by_mouse_touch_and_keys(visit, coffee, width):
    with visit("coffee", width) as page:
        shown = page.explorer("fork")
        shown.canvas("Likely flips that change most: row").wait_for()
        pad = shown.canvas("The drawn digit")

        def expect(row, col, seed, act):
            sentence = shown.told_after(act)
            flip, changes = told_fork(coffee, seed, row, col)
            assert sentence.startswith(flip) and changes in sentence

        expect(13, 14, 0, lambda: pad.click(position=shown.at(pad, 13, 14)))
        expect(9, 12, 0, lambda: pad.tap(position=shown.at(pad, 9, 12)))
        pad.press("ArrowRight")
        expect(9, 13, 0, lambda: pad.press(" "))
        shown.told_after(shown.slider("seed").press, "ArrowRight")
        expect(20, 20, 1, lambda: pad.click(position=shown.at(pad, 20, 20)))
        assert "seed=1&flip=580" in page.address()
        page.page.evaluate("document.body.style.zoom = 1.25")  # as slides are zoomed
        expect(9, 12, 1, lambda: pad.click(position=shown.at(pad, 9, 12)))


def test_the_telling_forks_change_most_and_the_likeliest_flip_is_shown_first(
    visit, coffee
):
    old, uniforms = first_of_seed(coffee, 0)
    price = bits(coffee, old[None], 1 - old[None])[0]
    likely = [divmod(int(i), 28) for i in np.argsort(price, axis=None)[:64]]
    likely = [pixel for pixel in likely if price[pixel] <= -np.log2(0.05)]
    forks = drawing.draw_forks(coffee, old, uniforms, likely)
    changes = {
        pixel: int((old != new).sum()) - 1
        for pixel, new in zip(likely, forks, strict=True)
    }
    with visit("coffee") as page:
        shown = page.explorer("fork")
        others = shown.canvas("Likely flips that change most: row")
        others.wait_for()
        found = re.findall(
            r"row (\d+), column (\d+): (\d+) pixels, (\S+) bits",
            others.get_attribute("aria-label"),
        )
        first = shown.sentence.inner_text()
    telling = [(int(row), int(col)) for row, col, _, _ in found]
    assert 3 <= len(telling) <= 16
    assert [int(count) for _, _, count, _ in found] == [changes[at] for at in telling]
    assert [cost for *_, cost in found] == [f"{price[at]:.1f}" for at in telling]
    likeliest = divmod(int(price.argmin()), 28)
    assert first.startswith("Row {}, column {} is flipped".format(*likeliest))
    counts = [changes[at] for at in telling]
    assert counts == sorted(counts, reverse=True)


def test_quick_moves_end_at_the_last_one(visit, coffee):
    with visit("coffee") as page:
        shown = page.explorer("fork")
        pad = shown.canvas("The drawn digit")
        others = shown.canvas("Likely flips that change most: row")
        others.wait_for()
        for _ in range(4):  # without waiting for an answer
            shown.slider("seed").press("ArrowRight")
            others.click(position={"x": 40, "y": 40})
            shown.button("keep this flip").click()
            pad.click(position=shown.at(pad, 6, 6))
        shown.slider("seed").press("Home")
        pad.click(position=shown.at(pad, 13, 14))
        flip, changes = told_fork(coffee, 0, 13, 14)
        assert changes in shown.told(flip)


def test_the_calls_in_the_page_are_right(visit, coffee):
    address = "#seed=5&flip=404.500&temperature=0.8&sixteen=3"
    with visit("coffee", address=address) as page:
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
        assert f"{100 * by_python(shown, coffee).mean():.1f} % ink" in sentence


# ------------------------------------------------------------------------ stepper and bits


def check_step(sentence, of_seed, at):
    """Check what the stepper tells of pixel ``at``."""
    image, p, u = (values[at] for values in of_seed)
    row, col, of_u, relation, of_p, value = re.fullmatch(
        r"Next: row (\d+), column (\d+)\. "
        r"u = (\d\.\d+) ([<≥]) p = (\d\.\d+): (ink|paper)\.",
        sentence,
    ).groups()
    assert (int(row), int(col)) == divmod(at, 28)
    half = 0.501 * 10 ** -len(of_u.partition(".")[2])
    assert float(of_u) == pytest.approx(u, abs=half)
    assert float(of_p) == pytest.approx(p, abs=half + 1e-5)
    assert (relation, value) == (("<", "ink") if image else ("≥", "paper"))


def test_the_stepper_by_mouse_touch_and_keys(visit, coffee):
    first, second = steps(coffee, 0), steps(coffee, 1)
    start = int(abs(first[1] - 0.5).argmin())
    with visit("coffee", "narrow") as page:
        shown = page.explorer("stepper")
        check_step(shown.told("Next"), first, start)
        slider, doubtful = shown.slider("drawn"), shown.button("next doubtful pixel")

        def expect(of_seed, at, act):
            sentence = shown.told_after(act)
            check_step(sentence, of_seed, at)
            assert int(slider.input_value()) == at

        expect(first, start + 1, lambda: slider.press("ArrowRight"))
        later = np.flatnonzero((first[1] > 0.1) & (first[1] < 0.9))
        one, two, three = later[later > start + 1][:3]
        expect(first, one, doubtful.click)
        expect(first, two, doubtful.tap)
        expect(first, three, lambda: doubtful.press("Enter"))
        expect(second, three, lambda: shown.slider("seed").press("ArrowRight"))
        expect(second, 300, lambda: slider.fill("300"))
        page_colors = colors(shown.canvas("The image so far"), 11)[0]
        assert np.array_equal(page_colors[:300, 0] < 128, second[0][:300] == 1)
        assert (page_colors[302:] == 191).all()
        sentence = shown.told_after(slider.press, "End")
        image = second[0].reshape(1, 28, 28, 1)
        (nats,) = evaluation.nats_per_image(coffee, image)
        assert sentence == f"Finished, at a cost of {nats:.0f} nats."
        assert "step=784&stepped=1" in page.address()


def check_bits(shown, sentence, image, cost, at):
    """Check what the bit reader tells of pixel ``at``."""
    row, col, p, value, told = re.fullmatch(
        r"Row (\d+), column (\d+): p\(ink\) = (\d\.\d{3}); "
        r"it is (ink|paper): (\d+\.\d\d) bits\.",
        sentence,
    ).groups()
    assert (int(row), int(col)) == divmod(at, 28)
    assert (value == "ink") == (image[at] == 1)
    assert float(told) == pytest.approx(cost[at], abs=0.0052)
    chance = 2.0 ** -cost[at]
    assert float(p) == pytest.approx(chance if image[at] else 1 - chance, abs=0.00052)
    paid = shown.canvas("The bits paid so far").get_attribute("aria-label")
    so_far, all_bits = map(float, re.findall(r"\d+\.\d", paid))
    assert so_far == pytest.approx(cost[:at].sum(), abs=0.052)
    assert all_bits == pytest.approx(cost.sum(), abs=0.052)


def test_the_bit_reader_by_mouse_touch_and_keys(visit, coffee, digits):
    images = digits.reshape(-1, 784)
    cost = bits(coffee, digits, digits).reshape(-1, 784)
    start = int(cost[0].argmax())
    with visit("coffee") as page:
        shown = page.explorer("bits")
        check_bits(shown, shown.told("Row"), images[0], cost[0], start)
        slider, dear = shown.slider("read"), shown.button("next pixel above 1 bit")

        def expect(digit, at, act):
            sentence = shown.told_after(act)
            check_bits(shown, sentence, images[digit], cost[digit], at)

        expect(0, start - 1, lambda: slider.press("ArrowLeft"))
        later = np.flatnonzero(cost[0] > 1)
        one, two, three = later[later >= start][:3]
        expect(0, one, dear.click)
        expect(0, two, dear.tap)
        expect(0, three, lambda: dear.press("Enter"))
        expect(1, three, lambda: shown.slider("image").press("ArrowRight"))
        seen = colors(shown.canvas("The pixels read so far"), 8)[0]
        assert np.array_equal(seen[:three, 0] < 128, images[1][:three] == 1)
        assert (seen[three + 2 :] == 191).all()
        of_bits = colors(shown.canvas("The bits of each pixel"), 8)[0]
        cividis = matplotlib.colormaps["cividis"](np.minimum(cost[1] / 5, 1))[:, :3]
        assert np.delete(abs(of_bits - 255 * cividis), three, axis=0).max() < 10
        sentence = shown.told_after(slider.press, "End")
        assert sentence == "All pixels are read."


# ---------------------------------------------------------------------- finish my digit


class Finish:
    """The explorer in a page, beside what Python says of the same drawing."""

    def __init__(self, page, model):
        self.page, self.model = page, model
        self.shown = page.explorer("finish")
        self.pad = self.shown.canvas("A pad to draw on")
        self.effect = self.shown.root.locator(".sentence").nth(1)

    def futures(self):
        """Return 0 (paper), 1 (black) and 2 (blue), (16, 28, 28)."""
        found = colors(self.shown.canvas("Sixteen ways"), 3, gap=6, count=16)
        kinds = (found[..., 0] < 128) * (1 + (found[..., 2] > 128))
        return kinds.reshape(16, 28, 28)

    def compare(self, image, side, row, particles, seed):
        """Check futures, effective sample size and bits against generation.complete."""
        above = np.arange(28)[:, None].repeat(28, axis=1) < row
        known = above if side == "top" else ~above
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
        ink = expected[..., 0] == 1
        wait_until(self.page, lambda: np.array_equal(self.futures() > 0, ink))
        assert np.array_equal(self.futures() == 2, ink & known)
        logits = logits_function(self.model)(expected)
        log_p = np.asarray(self.model.likelihood.log_prob_of_pixels(logits, expected))
        cost = np.median(-log_p[:, known].sum(axis=1)) / np.log(2)
        (told,) = re.findall(r"costs (\d+) bits", self.shown.sentence.inner_text())
        assert abs(int(told) - cost) < 0.51
        if particles > 1:
            words = f"{ess:.1f} of {particles} particles are effective"
            words += " (effective sample size)"
            words = f"Only {words}: tops repeat." if ess < 5 else f"{words}."
            assert self.effect.inner_text() == words

    def stroke(self, *places):
        """Draw a line over pixels (row, col) with the mouse."""
        at = [self.shown.at(self.pad, *place) for place in places]
        box, mouse = self.pad.bounding_box(), self.page.page.mouse
        at = [(box["x"] + one["x"], box["y"] + one["y"]) for one in at]
        mouse.move(*at[0])
        mouse.down()
        for place in at[1:]:
            mouse.move(*place, steps=5)
        mouse.up()

    def given(self):
        """Return the ink of the given part, which is blue in each future."""
        return (self.futures()[0] == 2)[..., None].astype("float32")


def test_a_given_top_and_a_given_bottom_are_finished_as_in_python(
    visit, coffee, digits
):
    address = "#given=0.14&particles=1&future=5"
    with visit("coffee", "narrow", address) as page:
        finish = Finish(page, coffee)
        shown = finish.shown
        finish.compare(digits[0], "top", 14, 1, 5)
        shown.told_after(shown.button("a test digit").tap)
        finish.compare(digits[1], "top", 14, 1, 5)
        shown.told_after(shown.slider("rows").press, "ArrowLeft")
        finish.compare(digits[1], "top", 13, 1, 5)
        shown.slider("seed").press("ArrowRight")
        finish.compare(digits[1], "top", 13, 1, 6)
        shown.choose("the bottom")
        finish.compare(digits[1], "bottom", 13, 1, 6)
        for name in ("16", "256", "64"):
            shown.choose(name)
            finish.compare(digits[1], "bottom", 13, int(name), 6)
        assert "given=13.28&particles=64&future=6" in page.address()


def test_a_drawing_by_mouse_and_keys(visit, coffee):
    with visit("coffee") as page:
        finish = Finish(page, coffee)
        shown = finish.shown
        shown.told("your top")
        shown.told_after(shown.button("clear").click)
        finish.compare(np.zeros((28, 28, 1)), "top", 14, 1, 0)
        shown.told_after(finish.stroke, (6, 8), (6, 19), (12, 14))
        seven = finish.given()
        assert seven[6, 8:20].all() and seven[10, 14:18].any() and 25 < seven.sum() < 70
        finish.stroke((20, 8), (20, 19))  # below the edge nothing is given
        finish.compare(seven, "top", 14, 1, 0)
        shown.choose("erase")
        shown.told_after(finish.stroke, (6, 8), (6, 12))
        shorter = finish.given()
        assert not shorter[6, 8:13].any() and shorter[6, 14:20].all()
        shown.choose("draw")
        shown.told_after(shown.button("clear").click)
        for _ in range(3):  # the cursor is where the last stroke ended
            finish.pad.press("ArrowUp")
        shown.told_after(finish.pad.press, " ")
        dot = finish.given()
        assert dot[3, 12] and 1 <= dot.sum() <= 9
        finish.pad.press("Shift+ArrowRight")
        line = np.maximum(dot, np.roll(dot, 1, axis=1))
        wait_until(page, lambda: np.array_equal(finish.given(), line))
        finish.compare(line, "top", 14, 1, 0)


def test_a_drawing_by_touch(visit, coffee):
    with visit("coffee", "narrow") as page:
        finish = Finish(page, coffee)
        finish.shown.told("your top")
        finish.shown.told_after(finish.shown.button("clear").tap)
        touch = page.context.new_cdp_session(page.page)

        def send(kind, *columns):
            box = finish.pad.bounding_box()
            places = [finish.shown.at(finish.pad, 6, col) for col in columns]
            points = [{"x": box["x"] + p["x"], "y": box["y"] + p["y"]} for p in places]
            event = {"type": kind, "touchPoints": points}
            touch.send("Input.dispatchTouchEvent", event)

        def stroke():
            finish.pad.scroll_into_view_if_needed()
            send("touchStart", 8)
            send("touchMove", 13)
            send("touchMove", 19)
            send("touchEnd")

        finish.shown.told_after(stroke)
        line = finish.given()
        assert line[6, 8:20].all() and not line[10:].any()
        finish.compare(line, "top", 14, 1, 0)


# ------------------------------------------------------------------- beat the network


def test_the_bill_is_that_of_python(visit, coffee, digits):
    with visit("coffee", "narrow") as page:
        shown = page.explorer("guess")
        slider, reveal = shown.slider("p(ink) in %"), shown.button("reveal")
        canvas = shown.canvas("The digit up to the next pixel")
        bars = shown.canvas("Bits paid so far")
        for number, guesses in enumerate(([99, 1, 30], [2, 98, 50])):
            digit = digits[number]
            p_ink = 2 ** -bits(coffee, digit[None], 1)[0]
            places, paid = uncertain_pixels(p_ink, 20, 160), np.zeros(3)
            for asked, said in enumerate(guesses):
                shown.told(f"Question {asked + 1} of 20: is the framed pixel ink?")
                place = places[asked]
                before = np.arange(784) < place
                expected = np.where(before, 255 * (1 - digit.ravel()), 191)
                assert np.array_equal(colors(canvas, 11)[0, :, 0], expected)
                slider.fill(str(said))
                assert slider.get_attribute("aria-valuetext") == (
                    f"{said}: you pay {-np.log2(said / 100):.1f} bits if it is ink, "
                    f"{-np.log2(1 - said / 100):.1f} if paper"
                )
                ink, p = digit.flat[place] == 1, p_ink.flat[place]
                gave = np.array([said / 100, p, 0.5])
                last = -np.log2(gave if ink else 1 - gave)
                paid += last
                shown.told_after(reveal.click)
                _, was, costs, warning = shown.root.locator(
                    ".sentence"
                ).all_inner_texts()
                assert was == (
                    f"The pixel in the blue frame was {'ink' if ink else 'paper'}; "
                    f"the network said {100 * p:.0f} % ink."
                )
                assert costs == (
                    f"you {last[0]:.1f} bits, network {last[1]:.1f} bits, coin 1 bit"
                )
                assert (warning != "") == (last[0] > -np.log2(0.1))
                words = "Bits paid so far: you {:.1f}, network {:.1f}, coin {:.1f}"
                assert bars.get_attribute("aria-label") == words.format(*paid)
            if number == 0:
                shown.button("next digit").tap()
        shown.button("start again").press("Enter")
        shown.told("Question 1 of 20")
        for _ in range(20):
            reveal.press(" ")
        end = r"All 20 answered: (you beat the network|the network paid less)\."
        assert re.fullmatch(end, shown.told("answered"))
        assert reveal.is_disabled() and slider.is_disabled()


# --------------------------------------------------------------- morph and temperature


def test_the_morph_by_mouse_touch_and_keys(visit, conditional):
    with visit("conditional", "narrow", "#from=4&to=9") as page:
        shown = page.explorer("morph")
        slider = shown.slider("from → to")
        start, end = (shown.root.get_by_role("group", name=n) for n in ("from", "to"))

        def expect(seed, two, share):
            first, second = two
            shown.told(f"Told {1 - share:.2f} of {first} and {share:.2f} of {second}")
            mixture = (1 - share) * np.eye(10)[[first]] + share * np.eye(10)[[second]]
            mixed = with_labels(conditional, mixture)
            drawn = generation.generate(mixed, 8, seed=seed, labels=0)
            canvas = shown.canvas("Eight digits, read as ")
            small = {"gap": 6, "above": 16, "count": 8}
            ink = drawn.reshape(8, 784)
            wait_until(page, lambda: np.array_equal(ink_on(canvas, 3, **small), ink))
            p = drawing.posterior(conditional, drawn, first, second)
            read = re.findall(r"(\d): (\d+)%", canvas.get_attribute("aria-label"))
            for own, (label, percent) in zip(p, read, strict=True):
                assert int(label) == (second if own >= 0.5 else first)
                assert float(percent) == pytest.approx(100 * max(own, 1 - own), abs=0.6)
            count = (p >= 0.5).sum()
            shown.told(f": {count} of 8 are read as {second}.")

        expect(0, (4, 9), 0.5)
        slider.press("End")
        expect(0, (4, 9), 1)
        start.get_by_text("3", exact=True).click()
        expect(0, (3, 9), 1)
        end.get_by_text("8", exact=True).tap()
        expect(0, (3, 8), 1)
        shown.slider("seed").press("ArrowRight")
        expect(1, (3, 8), 1)
        assert "from=3&to=8&share=1&morph=1" in page.address()


def check_temperature(sentence, model, temperature, seed, **told):
    """Compare the sentence with images and nats that are computed another way."""
    images = generation.generate(
        model, 16, seed=seed, temperature=temperature, method="fixed_point", **told
    )
    nats = evaluation.nats_per_image(model, images, **told).mean()
    assert sentence.startswith(f"T = {temperature:.2f}: ")
    found = re.search(r"at temperature 1, they cost (\d+) nats", sentence)[1]
    assert float(found) == pytest.approx(nats, abs=0.51)
    if images.shape[-1] == 1:
        ink = float(re.search(r"([\d.]+) % ink", sentence)[1])
        assert ink == pytest.approx(100 * images.mean(), abs=0.051)


def test_ink_and_nats_at_many_temperatures_and_seeds(visit, coffee):
    with visit("coffee", address="#temperature=0.6&sixteen=1") as page:
        shown = page.explorer("temperature")
        check_temperature(shown.told("T = "), coffee, 0.6, 1)
        sentence = shown.told_after(shown.slider("seed").fill, "2")
        check_temperature(sentence, coffee, 0.6, 2)
        for temperature in (0, 1.5, 2):
            heat = shown.slider("temperature")
            sentence = shown.told_after(heat.fill, str(temperature))
            check_temperature(sentence, coffee, temperature, 2)
        assert "temperature=2&sixteen=2" in page.address()


def test_classes_and_colors_have_their_own_images(visit, conditional, colored):
    with visit("conditional", "narrow", "#temperature=0.8") as page:
        shown = page.explorer("temperature")
        check_temperature(shown.told("T = "), conditional, 0.8, 0, labels=0)
        chosen = shown.root.locator("label", has_text="4")
        sentence = shown.told_after(chosen.click)
        check_temperature(sentence, conditional, 0.8, 0, labels=4)
    with visit("colored", "narrow", "#temperature=1.2&sixteen=3") as page:
        sentence = page.explorer("temperature").told("T = ")
        check_temperature(sentence, colored, 1.2, 3)
        assert "ink" not in sentence


# ------------------------------------------------------------------------------- inside


class Drawn:
    """An image of a seed, and what Python computes of it."""

    def __init__(self, model, seed, label=0):
        self.model = model
        self.labels = [np.array([label])] * bool(model.num_classes)
        told = {"labels": label} if self.labels else {}
        self.images = generation.generate(model, 1, seed=seed, **told)
        self.logits = logits_function(model)(self.images, *self.labels)
        p = model.likelihood.probabilities(self.logits, self.images)
        self.p = np.asarray(p)[0]
        self.levels = model.likelihood.levels

    def logit(self, row, col, channel, level):
        of_pixel = self.logits[0, row, col].reshape(len(self.p[0, 0]), -1)
        return float(of_pixel[channel, level if of_pixel.shape[1] > 1 else 0])

    def level(self, row, col, channel):
        return round(float(self.images[0, row, col, channel]) * (self.levels - 1))

    def features(self, name):
        layer = self.model.get_layer(name)
        part = keras.Model(self.model.inputs, layer.output)
        return np.asarray(part([self.images, *self.labels]))[0]


def check_inside(sentence, drawn, row, col, channel=0):
    """Check all that the first sentence says of a pixel."""
    own = drawn.level(row, col, channel)
    one_logit = drawn.logits.shape[-1] == drawn.images.shape[-1]
    level = 1 if one_logit else own
    color = f", {['red', 'green', 'blue'][channel]}" * (drawn.images.shape[-1] == 3)
    name = ["paper", "ink"][own] if one_logit else f"level {own}"
    assert sentence.startswith(f"At row {row}, column {col}{color}, {name} was drawn.")
    logit = re.search(rf"logit (?:of level {level} )?is {NUMBER}[.,] ", sentence)[1]
    expected = drawn.logit(row, col, channel, level)
    assert float(logit) == pytest.approx(expected, abs=2e-3)
    p = float(re.search(rf"= {NUMBER}\. ", sentence)[1])
    assert p == pytest.approx(drawn.p[row, col, channel, level], rel=6e-3)
    field = causality.receptive_field(drawn.model, row, col, images=16)
    pixel = row * drawn.images.shape[2] + col
    count = field.ravel()[:pixel].sum()
    assert f"on at most {count} of the {pixel} earlier pixels" in sentence
    assert ("the pixel's earlier colors" in sentence) == field[row, col]


def check_products(shown, drawn, row, col, channel=0, level=0):
    """Check the table of the products against the features and the weights of Keras."""
    rows = [line.inner_text().split("\t") for line in shown.root.locator("tr").all()]
    named = {re.sub(r" \(.*", "", row[0]): float(row[-1]) for row in rows[1:]}
    listed = np.array([row[1:] for row in rows[1:] if row[1].strip()], float)
    logits = drawn.model.layers[-1]
    source = drawn.model.get_config()["layers"][-1]["inbound_nodes"][0]["args"][0]
    features = drawn.features(source["config"]["keras_history"][0])[row, col]
    kernel = np.asarray(logits.kernel * logits.mask)[0, 0]
    size = drawn.logits.shape[-1] // drawn.images.shape[-1]
    products = features * kernel[:, channel * size + level]
    largest = products[np.argsort(-np.abs(products))][: len(listed)]
    assert listed[:, 2] == pytest.approx(largest, abs=2e-3)
    assert listed[:, 0] * listed[:, 1] == pytest.approx(listed[:, 2], abs=2e-2)
    rest = products.sum() - largest.sum()
    assert named["all others"] == pytest.approx(rest, abs=5e-3)
    logit = drawn.logit(row, col, channel, level)
    assert named["logit"] == pytest.approx(logit, abs=2e-3)
    whole = listed[:, 2].sum() + named["all others"] + named["bias"]
    assert whole == pytest.approx(named["logit"], abs=1e-2)


def test_inside_by_mouse_touch_and_keys(visit, coffee):
    drawn = Drawn(coffee, 0)
    row, col = divmod(int(bits(coffee, drawn.images, drawn.images).argmax()), 28)
    with visit("coffee", "narrow") as page:
        shown = page.explorer("inside")
        check_inside(shown.told("was drawn"), drawn, row, col)
        pad = shown.canvas("The image")
        sentence = shown.told_after(pad.click, position=shown.at(pad, 13, 14))
        check_inside(sentence, drawn, 13, 14)
        check_products(shown, drawn, 13, 14)
        pad.press("ArrowDown")
        sentence = shown.told_after(pad.press, " ")
        check_inside(sentence, drawn, 14, 14)
        slider = shown.slider("image (seed)")
        sentence = shown.told_after(slider.press, "ArrowRight")
        drawn = Drawn(coffee, 1)
        check_inside(sentence, drawn, 14, 14)
        address = page.address()
        assert "look=1" in address and f"pixel={14 * 28 + 14}" in address
        told = shown.root.locator(".sentence", has_text=re.compile("^Layer "))
        for layer in (1, 2, 3, 40, 92):
            shown.slider("layer").fill(str(layer))
            told.filter(has_text=f"Layer {layer} of 92 is").wait_for()
            sentence = told.inner_text()
            name = re.search(r"\((\w+)\), with|is \w+ \((\w+)\)", sentence)
            features = drawn.features(name[1] or name[2])[14, 14]
            shown_bars = shown.canvas("Features: ").get_attribute("aria-label")
            found = [float(value) for value in shown_bars.split(": ")[1].split(", ")]
            assert found == pytest.approx(features, abs=2e-3)


def test_inside_levels_colors_and_classes(visit, levels_4, colored, conditional):
    with visit("levels_4", address="#pixel=350") as page:
        shown, drawn = page.explorer("inside"), Drawn(levels_4, 0)
        check_inside(shown.told("was drawn"), drawn, 12, 14)
        check_products(shown, drawn, 12, 14, level=drawn.level(12, 14, 0))
    with visit("colored", "narrow", "#pixel=350") as page:
        shown, drawn = page.explorer("inside"), Drawn(colored, 0)
        shown.told("was drawn")
        for channel, color in enumerate(["red", "green", "blue"]):
            shown.choose(color)
            check_inside(shown.told(f", {color}, "), drawn, 12, 14, channel)
            level = drawn.level(12, 14, channel)
            check_products(shown, drawn, 12, 14, channel, level)
    with visit("conditional", "narrow", "#look=2&pixel=350&lookclass=3") as page:
        shown = page.explorer("inside")
        check_inside(shown.told("was drawn"), Drawn(conditional, 2, 3), 12, 14)
        chosen = shown.root.locator("label", has_text="7")
        sentence = shown.told_after(chosen.click)
        check_inside(sentence, Drawn(conditional, 2, 7), 12, 14)
