"""The temperature explorer: its ink and its nats are those of Python."""

import contextlib
import re
from functools import partial

from pixelcnn_edu import evaluation, export, generation, pretrained

import pytest
from test_explorers import WIDTHS, Page, address_of

NAMES = ["coffee", "conditional", "colored"]


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
        shown = page.explorer("temperature")
        try:
            shown.told("T = ")
            yield shown
            page.check()
        finally:
            shown.root.screenshot(path=screens / f"{request.node.name}.png")
            page.context.close()

    return opened


def check_told(sentence, model, temperature, seed, label=None):
    """Compare the sentence with images and nats that are computed another way."""
    told = {} if label is None else {"labels": label}
    images = generation.generate(
        model, 16, seed=seed, temperature=temperature, method="fixed_point", **told
    )
    nats = evaluation.nats_per_image(model, images, **told).mean()
    assert sentence.startswith(f"T = {temperature:.2f}: ")
    found = float(
        re.search(r"Measured at temperature 1, they cost (\d+) nats", sentence)[1]
    )
    assert found == pytest.approx(nats, abs=0.51)
    if images.shape[-1] == 1:
        ink = float(re.search(r"([\d.]+) % ink", sentence)[1])
        assert ink == pytest.approx(100 * images.mean(), abs=0.051)


@pytest.mark.parametrize("width", WIDTHS)
def test_ink_and_nats_at_many_temperatures_and_seeds(opened, models, width):
    with opened("coffee", width, "#temperature=0.6&sixteen=1") as shown:
        check_told(shown.sentence.inner_text(), models["coffee"], 0.6, 1)
        seed = shown.root.get_by_label("seed", exact=True)
        sentence, _ = shown.told_after(lambda: seed.fill("2"))
        check_told(sentence, models["coffee"], 0.6, 2)
        slider = shown.root.get_by_label("temperature", exact=True)
        for temperature in (0, 0.35, 1, 1.5, 2):
            sentence, _ = shown.told_after(partial(slider.fill, str(temperature)))
            check_told(sentence, models["coffee"], temperature, 2)
        sentence, _ = shown.told_after(lambda: slider.press("ArrowLeft"))
        check_told(sentence, models["coffee"], 1.95, 2)
        address = address_of(shown.root.page)
        assert "temperature=1.95" in address and "sixteen=2" in address


def test_classes_have_their_own_images(opened, models):
    with opened("conditional", address="#temperature=0.8") as shown:
        check_told(shown.sentence.inner_text(), models["conditional"], 0.8, 0, 0)
        chosen = shown.root.locator("label", has_text="4")
        sentence, _ = shown.told_after(chosen.click)
        check_told(sentence, models["conditional"], 0.8, 0, 4)


def test_colors_have_nats_and_no_ink(opened, models):
    with opened("colored", "narrow", "#temperature=1.2&sixteen=3") as shown:
        sentence = shown.sentence.inner_text()
        check_told(sentence, models["colored"], 1.2, 3)
        assert "ink" not in sentence
