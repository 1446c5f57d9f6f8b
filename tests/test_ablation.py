"""The table of what helps: its script, and the table that notebook 14 draws."""

import functools
import importlib.util
from pathlib import Path

from pixelcnn_edu import data, models, presets
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli

import keras
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "ablation.py"


@pytest.fixture
def script(monkeypatch):
    """The script, whose runs take no time: 90 nats and a bit, by change and seed."""
    spec = importlib.util.spec_from_file_location("ablation", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    order = list(module.CHANGES)
    module.tried, module.trained = [], module.run  # the real one

    def run(change, seed, images, held_out):
        name = next(n for n, (_, c) in module.CHANGES.items() if c is change)
        module.tried.append((name, seed))
        nats = 90 + 0.1 * order.index(name) + 0.01 * seed
        return {"nats_per_image": nats}

    def digits_from(source):
        digits = np.zeros((2, 28, 28, 1), np.float32)
        return (digits, None), (digits, None), "none"

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(module.presets, "digits_from", digits_from)
    return module


def call(script, folder, monkeypatch):
    """Run the script as from a terminal; return its table as bytes."""
    out = folder / "table.json"
    argv = ["ablation.py", "--runs", str(folder / "runs.jsonl"), "--out", str(out)]
    monkeypatch.setattr("sys.argv", argv)
    script.main()
    return out.read_bytes()


def test_a_script_that_was_killed_goes_on_to_the_same_table(
    script, tmp_path, monkeypatch
):
    (tmp_path / "whole").mkdir()
    whole = call(script, tmp_path / "whole", monkeypatch)
    tried, script.tried = script.tried, []
    free = script.run

    def killed(*args):
        if len(script.tried) == 7:
            raise KeyboardInterrupt
        return free(*args)

    monkeypatch.setattr(script, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        call(script, tmp_path, monkeypatch)
    monkeypatch.setattr(script, "run", free)
    assert call(script, tmp_path, monkeypatch) == whole
    assert script.tried == tried  # nothing twice, nothing left out
    assert call(script, tmp_path, monkeypatch) == whole
    assert script.tried == tried


def test_the_table_has_every_change_and_three_seeds_where_it_is_close(script):
    rows = presets.ablation()
    first = {row["change"]: row for row in rows if row["seed"] == 0}
    assert list(first) == list(script.CHANGES)
    for name, row in first.items():
        assert row["base"] == script.CHANGES[name][0]
        gap = row["nats_per_image"] - first[row["base"]]["nats_per_image"]
        seeds = [other["seed"] for other in rows if other["change"] == name]
        assert seeds == ([0, 1, 2] if abs(gap) < script.CLOSE else [0])
    for row in rows:
        assert 80 < row["nats_per_image"] < 160
        assert 0.1 < row["standard_error"] < 0.6
        assert row["cpu_minutes"] > 0


@pytest.mark.parametrize("name", ["base", "layer normalization", "gated with Muon"])
def test_the_table_counts_live_weights(script, name):
    network = script.CHANGES[name][1].get("network", script.plain())()
    rows = [row for row in presets.ablation() if row["change"] == name]
    assert {row["weights"] for row in rows} == {models.live_weights(network)}


def two_layers(filters=4):
    """Return a function that builds a network which compiles fast."""

    def build():
        image = keras.Input((28, 28, 1))
        x = MaskedConv2D(filters, 3, "A", activation="relu")(image)
        logits = MaskedConv2D(1, 1, dtype="float32")(x)
        return models.ImageModel(image, logits, likelihood=Bernoulli())

    return build


def test_a_run_changes_what_it_says(script, monkeypatch, step_by_step):
    clear = functools.partial(keras.utils.clear_session, free_memory=False)
    monkeypatch.setattr(keras.utils, "clear_session", clear)  # else 0.4 s a run
    (few, _), (held_out, _) = data.load_mnist()
    few, held_out = few[:8], data.binarize(held_out[:8], seed=0)
    small = {"network": two_layers(), "epochs": 4, "learning_rate": 0.05}
    run = script.trained
    base = run(small, 0, few, held_out)
    assert base["weights"] == models.live_weights(two_layers()())
    assert base == {**run(small, 0, few, held_out), "cpu_minutes": base["cpu_minutes"]}
    for other in (
        {"digits": "static"},
        {"batch_size": 4},
        {"learning_rate": 1e-2},
        {"optimizer": lambda steps: keras.optimizers.SGD(1e-3)},
        {"optimizer": "muon"},
        {"soft_targets": True},
        {"network": two_layers(filters=5)},
    ):
        changed = run({**small, **other}, 0, few, held_out)
        assert changed["nats_per_image"] != base["nats_per_image"], other
    assert run(small, 1, few, held_out)["nats_per_image"] != base["nats_per_image"]
    assert keras.config.dtype_policy().name == "float32"
