"""A whole page of `export.page`: every explorer moved in Firefox, and read by axe-core.

axe-core finds markup that is hard or impossible to use with a screen reader, with keys
alone, or with weak eyes.
"""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from exported import AT_ONCE, PATIENCE, WIDTHS, Page
from moves import SILENT, Hand

# Explorers of a page, and how each model's page differs.
OF_ALL = ["temperature", "inside"]
MODELS = {
    "coffee": ["touch", "stepper", "fork", "finish", "guess", "bits", *OF_ALL],
    "conditional": ["morph", *OF_ALL],
    "colored": OF_ALL,
}
SLOW = 2_000  # milliseconds; the limits are for Chromium
SERIOUS = ("serious", "critical")


def begun(browser, path, width):
    """Open a page, and wait until all its explorers have answered."""
    page = Page(browser, path, width, before=AT_ONCE)
    for root in page.page.locator("[data-explorer]").all():
        root.locator("canvas").first.wait_for(timeout=PATIENCE)
        said = root.locator(".sentence").filter(has_text=re.compile(r"\w"))
        said.first.wait_for(timeout=PATIENCE)
    return page


def found_by_axe(page, context=None):
    """Return what axe-core calls serious: the rule, and the elements."""
    violations = Axe().run(page, context).response["violations"]
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in violations
        if violation["impact"] in SERIOUS
    ]


CONTROLS = "legend, label, button, select, input[type=range], canvas.pad"
# Return the points near an element's upper edge where a click hits something else.
MISSED = """(element) => {
  element.scrollIntoView({ block: 'center' });
  const { left, top, width } = element.getBoundingClientRect();
  return [1, 6, 12, 18, width / 2].flatMap((x) => [3, 10].map((y) => [x, y]))
    .filter(([x, y]) => document.elementFromPoint(left + x, top + y) !== element);
}"""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", MODELS)
def test_axe_finds_nothing_serious_and_every_control_can_be_hit(
    browser, files, name, width
):
    page = begun(browser, files / f"{name}.html", width)
    assert found_by_axe(page.page) == []
    shown = page.page.locator(CONTROLS).locator("visible=true").all()
    assert len(shown) > 10
    missed = [(one.inner_text(), one.evaluate(MISSED)) for one in shown]
    assert [found for found in missed if found[1]] == []
    page.check()
    page.context.close()


def test_a_picture_keeps_its_paper_in_a_mode_of_high_contrast(browser, files):
    page = begun(browser, files / "coffee.html", "wide")
    page.page.emulate_media(color_scheme="dark", forced_colors="active")
    behind = "(all) => all.map((one) => getComputedStyle(one).backgroundColor)"
    found = page.page.locator("canvas").evaluate_all(behind)
    assert set(found) == {"rgb(255, 255, 255)"}
    chosen = page.page.locator(".choice input:checked + label").evaluate_all(behind)
    assert set(chosen) == {"rgb(0, 114, 178)"}
    page.context.close()


@pytest.mark.parametrize(
    ("name", "width", "means"),
    [
        ("coffee", "narrow", "mouse"),
        ("conditional", "wide", "keyboard"),
    ],
)
def test_every_control_of_a_page_answers_in_firefox(
    firefox, files, screens, name, width, means
):
    page = begun(firefox, files / f"{name}.html", width)
    shown = page.page.locator("[data-explorer]")
    names = shown.evaluate_all("(all) => all.map((e) => e.dataset.explorer)")
    assert names == MODELS[name]
    problems = []
    for explorer, root in zip(names, shown.all(), strict=True):
        hand = Hand(root, limit=SLOW, silent=SILENT)
        problems += [f"{explorer}: {text}" for text in hand.do(means).problems()]
    page.page.screenshot(path=screens / f"firefox-{name}-{width}.png", full_page=True)
    assert problems == []
    page.check()
    page.context.close()
