"""The explorer `inside`: its fields, features, products and probabilities are Python's."""

import contextlib
import re

from pixelcnn_edu import causality, export, generation, pretrained
from pixelcnn_edu.models import logits_function

import keras
import numpy as np
import pytest
from test_explorers import WIDTHS, Page, address_of

NAMES = ["coffee", "levels_4", "colored", "conditional"]
NUMBER = r"(-?\d+(?:\.\d+)?(?:e-\d+)?)"


@pytest.fixture(scope="module")
def models():
    return {name: pretrained.load(name) for name in NAMES}


@pytest.fixture(scope="module")
def files(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, model in models.items():
        export.page(model, folder / f"{name}.html")
    return folder


@pytest.fixture
def opened(browser, files, screens, request):
    @contextlib.contextmanager
    def opened(name, width="wide", address=""):
        page = Page(browser, files / f"{name}.html", WIDTHS[width], address)
        try:
            shown = page.explorer("inside")
            shown.told("was drawn")
            shown.page = page.page
            yield shown
            page.check()
        finally:
            shown.root.screenshot(path=screens / f"{request.node.name}.png")
            page.context.close()

    return opened


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


def costliest_pixel(model, seed):
    """Return the row and column of the pixel that costs most in the image of a seed."""
    images = generation.generate(model, 1, seed=seed)
    logits = logits_function(model)(images)
    cost = -np.asarray(model.likelihood.log_prob_of_pixels(logits, images))[0]
    return divmod(int(cost.argmax()), cost.shape[1])


def check_sentence(sentence, drawn, row, col, channel=0):
    """Check all that the first sentence says of a pixel."""
    own = drawn.level(row, col, channel)
    one_logit = drawn.logits.shape[-1] == drawn.images.shape[-1]
    level = 1 if one_logit else own
    color = f", {['red', 'green', 'blue'][channel]}" * (drawn.images.shape[-1] == 3)
    name = ["paper", "ink"][own] if one_logit else f"level {own}"
    assert sentence.startswith(f"At row {row}, column {col}{color}, {name} was drawn.")
    logit = float(
        re.search(rf"logit (?:of level {level} )?is {NUMBER}[.,] ", sentence)[1]
    )
    assert logit == pytest.approx(drawn.logit(row, col, channel, level), abs=2e-3)
    p = float(re.search(rf"= {NUMBER}\. ", sentence)[1])
    assert p == pytest.approx(drawn.p[row, col, channel, level], rel=6e-3)
    field = causality.receptive_field(drawn.model, row, col, images=16)
    pixel = row * drawn.images.shape[2] + col
    count = field.ravel()[:pixel].sum()
    assert f"on at most {count} of the {pixel} earlier pixels" in sentence
    assert ("the pixel's earlier colors" in sentence) == field[row, col]


def sums(shown):
    """Return the last sums of the table, by name, and the products that it lists."""
    rows = [line.inner_text().split("\t") for line in shown.root.locator("tr").all()]
    named = {re.sub(r" \(.*", "", row[0]): float(row[-1]) for row in rows[1:]}
    listed = np.array([row[1:] for row in rows[1:] if row[1].strip()], float)
    return named, listed


def check_products(shown, drawn, row, col, channel=0, level=0):
    """Check the table of the products against the features and the weights of Keras."""
    named, listed = sums(shown)
    logits = drawn.model.layers[-1]
    source = logits.input._keras_history.operation.name
    features = drawn.features(source)[row, col]
    kernel = np.asarray(logits.kernel * logits.mask)[0, 0]
    size = drawn.logits.shape[-1] // drawn.images.shape[-1]
    products = features * kernel[:, channel * size + level]
    largest = products[np.argsort(-np.abs(products))][: len(listed)]
    assert listed[:, 2] == pytest.approx(largest, abs=2e-3)
    assert listed[:, 0] * listed[:, 1] == pytest.approx(listed[:, 2], abs=2e-2)
    rest = products.sum() - largest.sum()
    assert named["all others"] == pytest.approx(rest, abs=5e-3)
    assert named["logit"] == pytest.approx(
        drawn.logit(row, col, channel, level), abs=2e-3
    )
    whole = listed[:, 2].sum() + named["all others"] + named["bias"]
    assert whole == pytest.approx(named["logit"], abs=1e-2)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_pixel_by_mouse_touch_and_keys(opened, models, width):
    with opened("coffee", width) as shown:
        drawn = Drawn(models["coffee"], 0)
        row, col = costliest_pixel(models["coffee"], 0)
        check_sentence(shown.sentence.inner_text(), drawn, row, col)
        pad = shown.canvas("The image")
        place = shown.at(pad, (28, 28), 13, 14)
        sentence, _ = shown.told_after(lambda: pad.click(position=place))
        check_sentence(sentence, drawn, 13, 14)
        check_products(shown, drawn, 13, 14)
        place = shown.at(pad, (28, 28), 9, 12)
        sentence, _ = shown.told_after(lambda: pad.tap(position=place))
        check_sentence(sentence, drawn, 9, 12)
        pad.press("ArrowDown")
        sentence, _ = shown.told_after(lambda: pad.press(" "))
        check_sentence(sentence, drawn, 10, 12)
        slider = shown.root.get_by_label("image (seed)")
        sentence, _ = shown.told_after(lambda: slider.press("ArrowRight"))
        check_sentence(sentence, Drawn(models["coffee"], 1), 10, 12)
        address = address_of(shown.page)
        assert "look=1" in address and f"pixel={10 * 28 + 12}" in address


def test_the_features_of_every_tenth_layer(opened, models):
    with opened("coffee", address="#look=3&pixel=404&layer=1") as shown:
        drawn = Drawn(models["coffee"], 3)
        row, col = divmod(404, 28)
        check_sentence(shown.sentence.inner_text(), drawn, row, col)
        slider = shown.root.get_by_label("layer", exact=True)
        told = shown.root.locator(".sentence", has_text=re.compile("^Layer "))
        for layer in (1, 2, 3, *range(10, 93, 10), 92):
            slider.fill(str(layer))
            text = f"Layer {layer} of 92 is"
            told.filter(has_text=text).wait_for()
            sentence = told.inner_text()
            name = re.search(r"\((\w+)\), with|is \w+ \((\w+)\)", sentence)
            features = drawn.features(name[1] or name[2])[row, col]
            bars = shown.canvas("Features: ").get_attribute("aria-label")
            found = [float(value) for value in bars.split(": ")[1].split(", ")]
            assert found == pytest.approx(features, abs=2e-3)
            least, most = re.findall(rf"(?:from|to) {NUMBER} \(channel", sentence)
            assert float(least) == pytest.approx(features.min(), abs=2e-3)
            assert float(most) == pytest.approx(features.max(), abs=2e-3)
        assert "layer=92" in address_of(shown.page)


def test_a_level_and_its_products(opened, models):
    with opened("levels_4", "narrow") as shown:
        drawn = Drawn(models["levels_4"], 0)
        row, col = costliest_pixel(models["levels_4"], 0)
        check_sentence(shown.sentence.inner_text(), drawn, row, col)
        check_products(shown, drawn, row, col, level=drawn.level(row, col, 0))


def test_colors(opened, models):
    with opened("colored", "narrow", "#pixel=350") as shown:
        drawn = Drawn(models["colored"], 0)
        for channel, color in enumerate(["red", "green", "blue"]):
            if channel:
                button = shown.root.get_by_text(color, exact=True)
                shown.told_after(button.click)
            sentence = shown.sentence.inner_text()
            check_sentence(sentence, drawn, 12, 14, channel)
            level = drawn.level(12, 14, channel)
            check_products(shown, drawn, 12, 14, channel, level)


def test_classes(opened, models):
    with opened("conditional", "narrow", "#look=2&pixel=350&lookclass=3") as shown:
        first = Drawn(models["conditional"], 2, label=3)
        check_sentence(shown.sentence.inner_text(), first, 12, 14)
        chosen = shown.root.locator("label", has_text="7")
        sentence, _ = shown.told_after(chosen.click)
        check_sentence(sentence, Drawn(models["conditional"], 2, label=7), 12, 14)
        assert "lookclass=7" in address_of(shown.page)
