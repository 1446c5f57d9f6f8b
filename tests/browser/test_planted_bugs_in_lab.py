"""Notebooks and widgets with one bug each, which the checks of this folder must catch."""

import contextlib

import notebooks

import pytest
from moves import Hand


@pytest.fixture
def run(opened):
    """A function that makes a notebook of sources, runs it, and returns its sheet."""
    with contextlib.ExitStack() as stack:
        yield lambda *sources: stack.enter_context(opened(*sources))


def test_a_good_notebook_has_no_problem(run):
    sheet = run("import sys\nprint('out', file=sys.stdout)", "x = 2", "x + 1")
    assert list(sheet.problems()) == []
    assert sheet.outside() == []
    assert len(sheet.requests) > 20


def test_a_cell_that_fails_is_caught_and_so_are_those_that_were_not_run(run):
    failed, not_run = run("1 / 0", "x = 2").problems()
    assert failed == "ZeroDivisionError: division by zero (1 / 0)"
    assert not_run == "not every cell was run, in order: [1, None]"


def test_what_the_reader_should_not_see_is_caught(run):
    view = f"{{'{notebooks.VIEW}': {{'model_id': 'none', 'version_major': 2}}}}"
    sheet = run(
        # one write: what print writes in two, the kernel may send in two
        "import sys\nn = sys.stderr.write('a warning\\n')",
        "import os, time\nn = os.write(2, b'from below Python\\n')\ntime.sleep(1)",
        f"from IPython.display import Javascript, display\ndisplay({view}, raw=True)",
        # the page fails to make one with a tooltip
        "import ipywidgets\nipywidgets.Image(tooltip='a picture')",
        "ipywidgets.IntSlider()",
        "Javascript(\"setTimeout(() => { throw new Error('in a script') })\")",
    )
    assert list(sheet.problems()) == [
        "stderr: a warning\n",
        "stderr: from below Python\n",
        "1 of 3 widgets are shown",
        "in the page: in a script",
    ]


ASKING = {
    "https://example.org/a.png": "<img src='https://example.org/a.png'>",
    "http://example.org/b.css": "<style>@import 'http://example.org/b.css';</style>",
    "wss://example.org/c": "<script>new WebSocket('wss://example.org/c')</script>",
}


def test_a_page_that_asks_another_host_is_caught(run):
    shown = [f'HTML("{html}")' for html in ASKING.values()]
    sheet = run("from IPython.display import HTML", *shown)
    sheet.page.wait_for_timeout(500)
    assert set(sheet.outside()) == set(ASKING)


# ------------------------------------------------------------------------------- widgets

BAR = """
import anywidget

SOURCE = \'\'\'
export default { render({ el }) {
  el.addEventListener("keydown", (event) => event.stopPropagation());
  el.innerHTML = `<div class="pixelcnn">
    <p class="sentence">1 quarter</p>
    <label>quarters <input type="range" min="0" max="4" value="1"></label>
    <button>full</button>
    <canvas></canvas></div>`;
  const [slider, button] = [el.querySelector("input"), el.querySelector("button")];
  const tell = () => {
    el.querySelector("p").textContent = `${slider.value} quarters`;
  };
  slider.addEventListener("input", tell);
  button.addEventListener("click", () => {
    slider.value = slider.value === "4" ? 0 : 4;
    tell();
  });
} };
\'\'\'

class Bar(anywidget.AnyWidget):
    _esm = SOURCE

    def __repr__(self):
        return f"{type(self).__name__}: a bar"

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/plain": repr(self)}, metadata
"""
BUGS = """
class Still(Bar):
    _esm = SOURCE.replace("const tell = () => {", "const tell = () => { return;")

class Slow(Bar):
    _esm = SOURCE.replace("const tell = () => {", "const tell = () => setTimeout(() => {"
        ).replace("quarters`;\\n  };", "quarters`;\\n  }, 1500);")

class Failing(Bar):
    _esm = SOURCE.replace("const tell = () => {",
        "const tell = () => { throw new Error('no bar'); ")

class Leaking(Bar):
    _esm = SOURCE.replace("event.stopPropagation()", "null")

assert len({kind._esm for kind in (Bar, Still, Slow, Failing, Leaking)}) == 5
"""


def test_a_widget_that_is_still_slow_or_failing_is_caught_and_a_good_one_is_not(run):
    names = ["Bar", "Still", "Slow", "Failing", "Leaking"]
    sheet = run(BAR, BUGS, *(f"{name}()" for name in names))
    assert sheet.shown(names) == names
    assert list(sheet.problems()) == []

    def problems(name, means):
        root = sheet.page.locator(f'[data-shows="{name}"] .pixelcnn')
        return list(Hand(root, patience=2_500).do(means).problems())

    def is_active(name):
        active = sheet.page.locator(".jp-Cell.jp-mod-active")
        return active.get_attribute("data-shows") == name

    for means in ("mouse", "keyboard"):
        assert problems("Bar", means) == []
        still = ["'quarters' changed nothing", "'full' changed nothing"]
        assert problems("Still", means) == still
        (slow,) = problems("Slow", means)
        assert slow.endswith(" ms to an answer, of 5 × 200 ms")
    assert is_active("Slow")
    assert problems("Failing", "mouse") == still
    assert list(sheet.problems()) == 2 * ["in the page: no bar"]
    problems("Leaking", "mouse")
    leaking = sheet.page.locator('[data-shows="Leaking"] input')
    leaking.focus()
    for _ in range(3):
        sheet.page.keyboard.press("ArrowUp")
    assert not is_active("Leaking")
