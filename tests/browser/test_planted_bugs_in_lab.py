"""Notebooks with one bug each, which the checks of this folder must catch."""

import contextlib

import notebooks

import pytest


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
