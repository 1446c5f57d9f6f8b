"""Tables of experiments: read whole, and computed again where that is cheap."""

import csv
import importlib.util
import json
from pathlib import Path

from pixelcnn_edu import data, experiments

import keras
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def script(name):
    """A script of `benchmarks/` as a module."""
    path = ROOT / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_is_read_as_it_stands_in_its_file():
    assert experiments.names() == [
        "few_digits_curves",
        "few_digits_nats",
        "told_labels",
        "two_stacks",
    ]
    for name in experiments.names():
        table = experiments.table(name)
        with open(experiments.FOLDER / f"{name}.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(table) == len(rows) and list(table.dtype.names) == list(rows[0])
        for row, line in zip(table, rows, strict=True):
            for key, value in line.items():
                number = table.dtype[key].kind in "if"
                assert row[key] == (float(value) if number else value)
    with pytest.raises(ValueError, match="Expected name to be one of .*Received: 'no'"):
        experiments.table("no")


def test_a_table_is_written_and_read(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    rows = [{"name": "gate × 2", "nats": 1.5}, {"name": "a b", "nats": 2}]
    experiments.record("mine", rows)
    assert experiments.names() == ["mine"]
    assert (tmp_path / "mine.csv").read_text("utf-8").splitlines()[0] == "name,nats"
    rows.pop()
    experiments.record("mine", rows * 2)
    table = experiments.table("mine")
    assert table["name"].tolist() == ["gate × 2"] * 2 and table["nats"].sum() == 3


@pytest.mark.parametrize("value", [None, "a, b", 'say "a"', "two\nlines", [1, 2]])
def test_a_value_that_would_be_read_as_another_is_refused(tmp_path, monkeypatch, value):
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="Expected numbers, and texts .* Received: "):
        experiments.record(
            "mine", [{"name": "a", "nats": 1}, {"name": "b", "nats": value}]
        )
    with pytest.raises(ValueError, match="the same keys"):
        experiments.record("mine", [{"nats": 1.5}, {"nats": 1, "seed": 0}])
    assert not list(tmp_path.iterdir())


def test_two_digits_cost_under_each_label_what_the_table_says(tmp_path, monkeypatch):
    _, (x_test, y_test) = data.load_mnist()
    held_out, table = data.binarize(x_test, seed=0), experiments.table("told_labels")
    assert len(table) == 1000 and (table["label"] == y_test).all()
    some = [0, 7]
    rows = script("told_labels").rows_of(held_out[some], y_test[some])
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    experiments.record("told_labels", rows)
    for i, row in zip(some, experiments.table("told_labels"), strict=True):
        expected = np.array(table[i].tolist())
        ours = np.array([row[name] for name in table.dtype.names])
        np.testing.assert_allclose(ours, expected, atol=0.01)
        others = np.delete(expected[2:], y_test[i])  # a label in another's column
        assert abs(others - expected[2 + y_test[i]]).min() > 0.1


def test_the_first_epochs_with_few_digits_are_those_of_the_table():
    few_digits, table = (
        script("few_digits"),
        experiments.table("few_digits_curves"),
    )
    x_train, validation, _ = few_digits.digits()
    for name in ("static", "dynamic"):
        assert (table["epoch"][table["draws"] == name] == np.arange(1, 61)).all()
    _, rows = few_digits.curve("dynamic", x_train[:100], validation, last=2)
    expected = table[table["draws"] == "dynamic"][:2]
    for key in ("loss", "val_loss"):
        ours = [row[key] for row in rows]
        np.testing.assert_allclose(ours, expected[key], atol=0.5)
    assert abs(np.diff(expected["loss"])) > 5  # so a step less or more would be found


def test_the_nats_after_few_digits_fit_their_curves():
    curves, nats = map(experiments.table, ("few_digits_curves", "few_digits_nats"))
    assert len(nats) == 1000
    dynamic = curves[curves["draws"] == "dynamic"]  # of other digits
    assert abs(nats["nats_100"].mean() - dynamic["val_loss"][-1]) < 3
    assert nats["nats_100"].mean() > nats["nats_400"].mean() > nats["nats_1500"].mean()


def test_a_short_run_of_two_stacks_is_that_of_the_table():
    two_stacks = script("two_stacks")
    table = experiments.table("two_stacks")
    trial = table[table["digits"] == two_stacks.TRIAL]
    assert trial["network"].tolist() == list(two_stacks.VARIANTS)
    name = "no free step"
    (row,) = two_stacks.rows_of(
        two_stacks.TRIAL, 0.03, 0, [name], *two_stacks.digits_of(two_stacks.TRIAL)
    )
    of_name = trial["network"] == name
    assert row["nats"] == pytest.approx(trial["nats"][of_name].item(), abs=0.5)
    # so the zero in the kernel counts, and no other network has these nats
    assert abs(trial["nats"][~of_name] - row["nats"]).min() > 0.5


def test_two_stacks_has_a_row_for_each_network_of_a_run():
    two_stacks, table = script("two_stacks"), experiments.table("two_stacks")
    keys, found = ["digits", "learning_rate", "seed"], {}
    for row in table:
        found.setdefault(row[keys].item(), []).append(row["network"])
    expected = {run[:3]: run[3] for run in two_stacks.runs()}
    assert found == expected
    assert (abs(table["nats"][table["digits"] == two_stacks.ALL] - 100) < 6).all()


def test_the_networks_of_notebook_13_are_those_of_the_script():
    two_stacks, page = script("two_stacks"), {}
    nb = json.loads((ROOT / "notebooks/13_gating.ipynb").read_text("utf-8"))
    cells = ["".join(c["source"]) for c in nb["cells"] if c["cell_type"] == "code"]
    needed = ("import keras", "class NoFreeStep", "def two_stack_network")
    for text in cells:
        if any(part in text for part in needed):
            exec(text, page)
        elif text.startswith("VARIANTS"):
            exec(text.split("\nfor ")[0], page)
    images = np.random.default_rng(0).random((2, 28, 28, 1), dtype="float32")
    assert list(page["VARIANTS"]) == list(two_stacks.VARIANTS)
    logits = []
    for name, arguments in page["VARIANTS"].items():
        keras.utils.set_random_seed(0)
        ours = page["two_stack_network"](**arguments)
        theirs = two_stacks.two_stack_network(**two_stacks.VARIANTS[name])
        theirs.set_weights(ours.get_weights())
        logits.append(np.asarray(ours(images)))
        np.testing.assert_array_equal(theirs(images), logits[-1])
    assert all((logits[0] != other).any() for other in logits[1:])
