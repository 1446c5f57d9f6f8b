"""The explorers in JupyterLab: they answer without a kernel, and leave a picture behind."""

import base64
import json

import notebooks
from pixelcnn_edu import export
from pixelcnn_edu.widgets import Fork, TemperatureAndSeed

import nbformat
import pytest
import stills
from exported import Shown
from nbformat.v4 import new_code_cell, new_notebook
from sheet import HAS_KERNEL, Sheet
from test_explorers import told_fork

NAME = "explorers.ipynb"
SOURCES = [
    "from pixelcnn_edu import pretrained, widgets\nmodel = pretrained.load('coffee')",
    "widgets.Fork(model)",
    "widgets.TemperatureAndSeed(model, temperature=1, seed=2)",
]


@pytest.fixture(scope="module")
def sheet(browser, lab, lab_root):
    """A notebook with two explorers, after one run of all cells, and its console."""
    cells = [new_code_cell(source) for source in SOURCES]
    nb = new_notebook(cells=cells, metadata={"kernelspec": notebooks.KERNELSPEC})
    nbformat.write(nb, lab_root / NAME)
    sheet = Sheet(browser, lab, NAME)
    sheet.console = []
    sheet.page.on(
        "console",
        lambda message: message.type == "error" and sheet.console.append(message.text),
    )
    try:
        sheet.run()
        assert sheet.shown(["Fork", "TemperatureAndSeed"]) == [
            "Fork",
            "TemperatureAndSeed",
        ]
        yield sheet
    finally:
        sheet.close()


@pytest.fixture(scope="module")
def saved(sheet, lab_root):
    """The text of the notebook, saved after both explorers have answered."""
    told(sheet, "Fork", "is flipped")
    told(sheet, "TemperatureAndSeed", "T = 1.00")
    sheet.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    return (lab_root / NAME).read_text("utf-8")


@pytest.fixture(scope="module")
def alone(sheet, saved):
    """The same notebook after its kernel was shut down."""
    assert list(sheet.problems()) == []
    assert sheet.page.evaluate(HAS_KERNEL)
    sheet.end_kernel()
    return sheet


def explorer(sheet, name):
    return Shown(sheet.page.locator(f'[data-shows="{name}"] .pixelcnn'))


def told(sheet, name, text):
    return explorer(sheet, name).told(text)


def test_it_begins_with_what_it_was_given(sheet, saved, coffee):
    sentence = told(sheet, "TemperatureAndSeed", "T = ")
    assert sentence == stills.sentence(explorers(coffee)[1])


def test_the_saved_notebook_holds_the_pictures_and_no_network(saved, coffee):
    outputs = [
        output["data"]
        for cell in json.loads(saved)["cells"]
        for output in cell["outputs"]
        if "data" in output
    ]
    pictures = [stills.found(data)[0][1] for data in outputs]
    for picture, made in zip(pictures, explorers(coffee), strict=True):
        shown = base64.b64decode(picture)
        assert shown.startswith(b"\x89PNG") and len(shown) == len(made.still()[0])
    assert len(saved) < sum(map(len, pictures)) + 10_000
    _, weights = export.network(coffee)
    assert base64.b64encode(weights[:30].tobytes()).decode() not in saved
    for code in ("makeAnswers", "addProduct", '"tensors"', '"taps"', "_esm", "_css"):
        assert code not in saved
    assert "widgets" not in json.loads(saved)["metadata"]


def explorers(model):
    return Fork(model), TemperatureAndSeed(model, temperature=1, seed=2)


def test_a_click_and_keys_are_answered_without_a_kernel(alone, coffee):
    fork = explorer(alone, "Fork")
    pad = fork.canvas("The drawn digit")
    place = fork.at(pad, 13, 14)
    sentence = fork.told_after(pad.click, position=place)
    flip, changes = told_fork(coffee, 0, 13, 14)
    assert sentence.startswith(flip) and changes in sentence
    pad.press("ArrowRight")
    sentence = fork.told_after(pad.press, " ")
    assert sentence.startswith(told_fork(coffee, 0, 13, 15)[0])


@pytest.mark.parametrize(("heat", "seed"), [(0.5, 3), (1.25, 7)])
def test_the_sliders_are_answered_without_a_kernel(alone, coffee, heat, seed):
    shown = explorer(alone, "TemperatureAndSeed")
    for name, value in (("temperature", heat), ("seed", seed)):
        slider = shown.root.get_by_label(name, exact=True)
        sentence = shown.told_after(slider.fill, str(value))
    same = TemperatureAndSeed(coffee, temperature=heat, seed=seed)
    assert sentence == stills.sentence(same)


def test_each_control_has_an_id_of_its_own(alone):
    ids = alone.page.evaluate(
        "() => [...document.querySelectorAll('.pixelcnn [id]')].map(({ id }) => id)"
    )
    assert len(ids) == len(set(ids)) == 3  # the sliders of two explorers


def test_nothing_failed_and_nothing_left_this_computer(alone):
    assert alone.page_errors == []
    assert alone.console == []
    assert alone.outside() == []
    assert alone.page.locator(".pixelcnn .failed").count() == 0
