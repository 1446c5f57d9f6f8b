"""Notebooks and widgets with one bug each, which the checks of this folder must catch."""

import contextlib

import notebooks

import pytest
from moves import Hand, press, press_by_key, slide, slide_by_keys


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
import time
import ipywidgets
from pixelcnn_edu.widgets._base import Explorer


class Bar(Explorer):
    def __init__(self):
        super().__init__()
        self.quarters = ipywidgets.IntSlider(1, 0, 4, description="quarters")
        self.quarters.observe(self.refresh, "value")
        self.full = ipywidgets.Button(description="full")
        self.full.on_click(lambda _: setattr(self.quarters, "value", 4))
        self.none = ipywidgets.Button(description="none")
        self.none.on_click(lambda _: setattr(self.quarters, "value", 0))
        self.start(self.quarters, self.full, self.none, about="a bar")

    def draw(self, figure):
        figure.set_layout_engine("none")
        figure.add_axes((0, 0, self.quarters.value / 4, 1), facecolor="black")
"""
BUGS = """
class Still(Bar):
    def draw(self, figure):
        figure.set_layout_engine("none")
        figure.add_axes((0, 0, 0.5, 1))

class Slow(Bar):
    def draw(self, figure):
        time.sleep(0.01 if self.quarters.value == 1 else 1.2)
        super().draw(figure)

class Failing(Bar):
    def draw(self, figure):
        if self.quarters.value == 3:
            raise ValueError("no bar of 3 quarters")
        super().draw(figure)
"""
MOUSE = [slide("quarters", 0.5, 0.99), press("none", "full")]
KEYBOARD = [
    slide_by_keys("quarters", "ArrowLeft", "ArrowLeft"),
    press_by_key("full"),
    press_by_key("none", key=" "),
]


def test_a_widget_that_is_still_slow_or_failing_is_caught_and_a_good_one_is_not(run):
    names = ["Bar", "Still", "Slow", "Failing"]
    sheet = run(BAR, BUGS, *(f"{name}()" for name in names))
    assert sheet.shown(names) == names
    assert list(sheet.problems()) == []

    def problems(name, moves):
        return list(Hand(sheet, name, patience=2_500).do(moves).problems())

    assert problems("Bar", MOUSE) == problems("Bar", KEYBOARD) == []
    for moves in ([press("none")], [press_by_key("full")]):
        assert problems("Still", moves) == ["1 of 1 moves changed nothing"]
        (slow,) = problems("Slow", moves)
        assert slow.endswith(" ms to an answer, of 5 × 200 ms")
    assert list(sheet.problems()) == []
    fails = [slide("quarters", 0.76)]
    assert problems("Failing", fails) == ["1 of 1 moves changed nothing"]
    (failed,) = sheet.problems()
    assert failed.startswith("ValueError: no bar of 3 quarters (")


def test_a_key_that_does_not_reach_the_widget_is_caught(run):
    sheet = run(BAR, "bar = Bar()\nbar.none.tabbable = False\nbar")
    assert sheet.shown(["Bar"]) == ["Bar"]
    hand = Hand(sheet, "Bar")
    hand.tab_to(hand.button("full"))
    with pytest.raises(AssertionError, match="the Tab key does not lead to"):
        hand.tab_to(hand.button("none"))
    hand.tab_to(hand.button("full"))
    assert list(hand.went_astray()) == []
    sheet.page.keyboard.press("ArrowUp")  # no key of a button: JupyterLab takes it
    assert list(hand.went_astray()) == ["a key led to another cell"]
