"""Every notebook in a real JupyterLab: opened, its widgets moved.

The notebooks with widgets are run here. The others show their stored outputs: `make test`
runs their cells, and here they would do the same again, in as many minutes.
Photographs of the widgets are kept under ``build/screens/`` for a person to look at.
"""

import contextlib
import json
from pathlib import Path

from pixelcnn_edu import widgets

import pytest
from moves import LIMIT, SILENT, SIXTEEN, Hand
from sheet import Sheet
from test_whole_page import found_by_axe

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
MEANS = ("mouse", "keyboard")
# Where sixteen images are drawn for an answer, or eight with their costs.
SLOWER = {"FinishMyDigit": SIXTEEN, "Morph": SIXTEEN, "TemperatureAndSeed": SIXTEEN}


def shown_in(path):
    """The explorers among a notebook's stored outputs, by the text they offer."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    texts = ["".join(out.get("data", {}).get("text/plain", "")) for out in outputs]
    return [
        text.split(": ")[0] for text in texts if text.split(": ")[0] in widgets.__all__
    ]


def forget_the_counts(path):
    """Take away the stored counts, so that a count shows that a cell was run."""
    nb = json.loads(path.read_text("utf-8"))
    for cell in nb["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
    path.write_text(json.dumps(nb), "utf-8")


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def opened_notebook(request, browser, lab, lab_root):
    """A notebook's path, and its sheet, after one run of all cells if it has widgets."""
    path = request.param
    if shown_in(path):
        forget_the_counts(lab_root / "notebooks" / path.name)
    with contextlib.closing(Sheet(browser, lab, f"notebooks/{path.name}")) as sheet:
        if shown_in(path):
            sheet.run()
        yield path, sheet


def test_it_is_shown_or_run_from_top_to_bottom_without_a_complaint(opened_notebook):
    path, sheet = opened_notebook
    assert (list(sheet.problems()) if shown_in(path) else sheet.page_errors) == []
    assert sheet.page.locator(".jp-OutputArea-output").count() > 5


def test_its_widgets_answer_without_a_kernel(opened_notebook, screens):
    path, sheet = opened_notebook
    shown = sheet.shown(widgets.__all__)
    assert shown == shown_in(path)
    if not shown:
        return
    problems = list(sheet.problems())
    sheet.end_kernel()
    problems += found_by_axe(sheet.page, ".pixelcnn")
    for name in shown:
        root = sheet.page.locator(f'[data-shows="{name}"] .pixelcnn')
        hand = Hand(root, limit=SLOWER.get(name, LIMIT), silent=SILENT)
        for means in MEANS:
            answers = hand.do(means)
            problems += [f"{name}, {means}: {text}" for text in answers.problems()]
            active = sheet.page.locator(".jp-Cell.jp-mod-active")
            if name != active.get_attribute("data-shows"):
                problems.append(f"{name}, {means}: a key led to another cell")
            root.screenshot(path=screens / f"{path.stem}-{name}-{means}.png")
    assert problems + list(sheet.problems()) == []


def test_its_page_asks_only_this_computer(opened_notebook):
    _, sheet = opened_notebook
    assert len(sheet.requests) > 20
    assert sheet.outside() == []
