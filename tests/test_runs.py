"""Runs in a folder: a killed run goes on, another run is refused, damage is named."""

import contextlib
import errno
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

from pixelcnn_edu import _files, checkpoints, training
from pixelcnn_edu.models import pixelcnn

import filelock
import keras
import numpy as np
import pytest

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has the second alone
X = np.random.default_rng(0).random((24, 5, 5, 1), dtype="float32")
FILES = ["checkpoint.npz", "run.json", "run.lock"]


def network(seed=0, policy="float32"):
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(policy)
    try:
        return pixelcnn((5, 5, 1), filters=4, depth=1, dropout=0.2)
    finally:
        keras.config.set_dtype_policy("float32")


def run(folder=None, model=None, images=X, **arguments):
    """Train for four epochs of three batches; return the weights and the history."""
    model = model or network()
    arguments = {"epochs": 4, "batch_size": 8, "verbose": 0, **arguments}
    history = training.fit(model, images, folder=folder, **arguments).history
    return model.get_weights(), history


class Counter(keras.callbacks.Callback):
    """Counts the steps; raises KeyboardInterrupt after the last one, if there is one."""

    def __init__(self, last=None):
        super().__init__()
        self.steps, self.last = 0, last

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps == self.last:
            raise KeyboardInterrupt


def interrupted(folder, last, **arguments):
    """Run until a step, in which somebody presses Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        run(folder, callbacks=Counter(last), **arguments)
        raise AssertionError("the run was not interrupted")


def same(one, other):
    return all(map(np.array_equal, one, other))


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "run.lock")


# ------------------------------------------------------------------ a run goes on

CHILD = """
import os, sys
import numpy as np
import test_runs

folder, moment, step = sys.argv[1], sys.argv[2], int(sys.argv[3])

def die(*_):
    os.kill(os.getpid(), test_runs.KILL)

def half_a_file(path, savez=np.savez, **arrays):
    savez(path, **arrays)
    os.truncate(path, os.path.getsize(path) // 2)
    die()

class Die(test_runs.Counter):
    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch)
        if self.steps == step and moment == "in an epoch":
            die()
        if self.steps == step and moment == "in a file":
            np.savez = half_a_file
        if self.steps == step and moment == "before renaming":
            os.replace = die

test_runs.run(folder, callbacks=Die(), validation_images=test_runs.X[:8])
"""


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(tmp_path):
    """The processes are real. Each dies in the second epoch, or at its end."""
    for moment, step in (("in an epoch", 5), ("in a file", 2), ("before renaming", 2)):
        command = [sys.executable, "-c", CHILD, tmp_path, moment, str(step)]
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True
        )
        assert done.returncode not in (0, 1), done.stderr
        with np.load(tmp_path / "checkpoint.npz") as file:
            assert json.loads(str(file["state"]))["epoch"] == 1
    counter, more = Counter(), {"validation_images": X[:8]}
    weights, history = run(tmp_path, callbacks=counter, **more)
    assert counter.steps == 9  # three of the four epochs
    expected, whole = run(**more)
    assert same(weights, expected)
    assert history["loss"] == whole["loss"] and history["val_loss"] == whole["val_loss"]
    assert names(tmp_path) == FILES[:2]


@pytest.mark.parametrize("left_out", [None, "optimizer", "generators", "weights"])
def test_a_state_that_lacks_something_would_be_found(
    left_out, tmp_path, monkeypatch, step_by_step
):
    def some(model):
        found = {
            "optimizer": model.optimizer.variables,
            "generators": model.non_trainable_variables,
            "weights": model.trainable_variables,
        }
        return [one for name in found if name != left_out for one in found[name]]

    monkeypatch.setattr(checkpoints, "_variables", some)
    interrupted(tmp_path, last=5)
    assert same(run(tmp_path)[0], run()[0]) == (left_out is None)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("kind", ["nadam", "muon", "running mean"])
def test_every_optimizer_goes_on(kind, policy, tmp_path, step_by_step):
    def recipe():
        model = network(policy=policy)
        mean = keras.optimizers.Nadam(0.02, use_ema=True, ema_momentum=0.9)
        optimizer = mean if kind == "running mean" else kind
        return {"model": model, "optimizer": optimizer, "validation_images": X[:8]}

    interrupted(tmp_path, last=5, **recipe())
    weights, history = run(tmp_path, **recipe())
    expected, whole = run(**recipe())
    assert same(weights, expected) and history["val_loss"] == whole["val_loss"]


def test_a_run_that_has_ended_is_not_trained_again(tmp_path, step_by_step):
    expected, history = run(tmp_path)
    counter = Counter()
    weights, again = run(tmp_path, callbacks=counter)
    assert counter.steps == 0 and same(weights, expected) and again == history
    assert len(again["seconds"]) == 4


def test_a_run_that_a_callback_has_stopped_has_ended(tmp_path, step_by_step):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

        def on_train_end(self, logs=None):  # as `EarlyStopping` restores the best ones
            self.model.set_weights([w + 1 for w in self.model.get_weights()])

    expected, history = run(tmp_path, callbacks=Stop())
    assert len(history["loss"]) == 2
    counter = Counter()
    weights, again = run(tmp_path, callbacks=[counter, Stop()])
    assert counter.steps == 0 and same(weights, expected) and again == history


def test_a_run_interrupted_in_its_first_epoch_begins_again(tmp_path, step_by_step):
    interrupted(tmp_path, last=2, seed=5)
    assert names(tmp_path) == ["run.json"]
    assert same(run(tmp_path)[0], run()[0])  # with another seed: nothing is lost yet


def test_a_run_stays_in_its_folder_when_a_callback_goes_to_another(
    tmp_path, monkeypatch, step_by_step
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    go = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: os.chdir(tmp_path / "elsewhere")
    )
    run("run", callbacks=go)
    assert names(tmp_path / "run") == FILES[:2] and not names(tmp_path / "elsewhere")


# ------------------------------------------------------------------ another run


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The folder of a run that has ended."""
    folder = tmp_path_factory.mktemp("ended")
    run(folder, validation_images=X[:8])
    return folder


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"seed": 1}, "seed"),
        ({"epochs": 5}, "epochs"),
        ({"batch_size": 4}, "batch_size"),
        ({"learning_rate": 1e-3}, "learning_rate"),
        ({"soft_targets": True}, "soft_targets"),
        ({"optimizer": "muon"}, "optimizer"),
        ({"images": X[:, ::-1]}, "images"),
        ({"validation_images": X[8:16]}, "validation_images"),
        ({"model": {"seed": 1}}, "initial weights"),
        ({"model": {"policy": "mixed_bfloat16"}}, "precision"),
    ],
)
def test_a_setting_that_has_changed_is_named(changed, name, ended):
    model = network(**changed.get("model", {}))
    before = model.get_weights()
    files = {path: path.read_bytes() for path in ended.iterdir()}
    with pytest.raises(ValueError, match=rf"differs in: {name}\.") as told:
        run(ended, **{"validation_images": X[:8], **changed, "model": model})
    assert ("set_random_seed" in str(told.value)) == (name == "initial weights")
    assert same(model.get_weights(), before)
    assert {path: path.read_bytes() for path in ended.iterdir()} == files


def test_the_settings_of_a_keras_optimizer_and_the_version_belong_to_the_run(
    tmp_path, monkeypatch, step_by_step
):
    def optimizer(momentum):
        return keras.optimizers.SGD(0.1, momentum=momentum)

    run(tmp_path, optimizer=optimizer(0.5))
    run(tmp_path, optimizer=optimizer(0.5))  # Keras gives it another name
    monkeypatch.setattr("pixelcnn_edu.__version__", "another")
    with pytest.raises(ValueError, match=r"differs in: optimizer, version\."):
        run(tmp_path, optimizer=optimizer(0.6))


def test_labels_belong_to_the_run(tmp_path, step_by_step):
    from test_training import labeled

    labels = np.arange(24) % 3
    run(tmp_path, model=labeled(), labels=labels)
    run(tmp_path, model=labeled(), labels=list(labels))
    with pytest.raises(ValueError, match=r"differs in: labels\."):
        run(tmp_path, model=labeled(), labels=labels[::-1])


# ------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("checkpoint.npz", lambda raw: raw[: len(raw) // 2]),
        ("checkpoint.npz", lambda raw: b""),
        ("checkpoint.npz", lambda raw: raw[:500] + b"?" + raw[501:]),
        ("run.json", lambda raw: raw[: len(raw) // 2]),
    ],
)
def test_a_damaged_file_is_named(name, damage, ended, tmp_path):
    for path in ended.iterdir():
        raw = path.read_bytes()
        (tmp_path / path.name).write_bytes(damage(raw) if path.name == name else raw)
    with pytest.raises(ValueError, match=r"damaged files .*delete the folder"):
        run(tmp_path, validation_images=X[:8])


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_in_a_checkpoint_is_not_run(ended, tmp_path):
    mark = tmp_path / "it ran"
    pickle.loads(pickle.dumps(Payload(mark))).close()
    mark.unlink()  # so the payload works
    (tmp_path / "run.json").write_bytes((ended / "run.json").read_bytes())
    np.savez(tmp_path / "checkpoint.npz", state=np.array([Payload(mark)], object))
    with pytest.raises(ValueError, match="damaged"):
        run(tmp_path, validation_images=X[:8])
    assert not mark.exists()


def test_a_full_disk_keeps_the_state_before(tmp_path, monkeypatch, step_by_step):
    savez, calls = np.savez, []

    def full(path, **arrays):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        savez(path, **arrays)

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path)
    assert names(tmp_path) == FILES[:2]
    counter = Counter()
    weights, _ = run(tmp_path, callbacks=counter)
    assert counter.steps == 9 and same(weights, run()[0])


def test_a_folder_that_another_process_uses_is_refused(tmp_path):
    counter, free = Counter(), r"Expected folder to be free.*Received"
    with (
        filelock.FileLock(tmp_path / "run.lock"),
        pytest.raises(ValueError, match=free),
    ):
        run(tmp_path, callbacks=counter)
    assert counter.steps == 0


def test_a_folder_that_cannot_be_used_is_named_before_the_first_batch(tmp_path):
    (tmp_path / "file").write_text("mine", "utf-8")
    counter = Counter()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ValueError, match=r"Expected folder to be a folder.*file"):
            run(folder, callbacks=counter)
    assert counter.steps == 0
    assert (tmp_path / "file").read_text("utf-8") == "mine"


def test_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old", "utf-8")
    with pytest.raises(RuntimeError), _files.atomic_write(path) as temporary:
        temporary.write_text("half", "utf-8")
        raise RuntimeError
    assert path.read_text("utf-8") == "old" and names(tmp_path) == ["file"]
    with _files.atomic_write(path) as temporary:
        temporary.write_text("new", "utf-8")
    assert path.read_text("utf-8") == "new" and names(tmp_path) == ["file"]
