"""Faults: kills, damaged files, missing rights, files that carry code."""

import itertools
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from pixelcnn_edu import data, pretrained, training
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli
from pixelcnn_edu.models import ImageModel

import keras
import numpy as np
import pytest

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has the second alone
# On Linux each process is a fork of one that has imported TensorFlow and has not used it.
processes = multiprocessing.get_context(
    "forkserver" if sys.platform == "linux" else "spawn"
)
processes.set_forkserver_preload(["pixelcnn_edu"])


def small():
    """Two masked layers and dropout, with weights of seed 0: quick to compile."""
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 1))
    x = keras.layers.Dropout(0.2)(MaskedConv2D(4, 3, "A", activation="relu")(image))
    return ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())


def train(folder, die_at):
    """Train in a folder. The event of this number kills the process."""
    count = itertools.count(1)
    savez, replace = np.savez, os.replace

    def event(*_, **__):
        if next(count) == die_at:
            os.kill(os.getpid(), KILL)

    def half_first(path, **arrays):
        savez(path, **arrays)
        os.truncate(path, os.path.getsize(path) // 2)  # as far as it had come
        event()
        savez(path, **arrays)

    def around(*paths):
        event()
        replace(*paths)
        event()

    np.savez, os.replace = half_first, around
    images = np.random.default_rng(0).random((48, 6, 6, 1), dtype="float32")
    model, tell = small(), keras.callbacks.LambdaCallback(on_train_batch_end=event)
    settings = {"epochs": 6, "batch_size": 8, "verbose": 0}
    training.fit(model, images, folder=folder, callbacks=[tell], **settings)
    savez(folder / "end.npz", *model.get_weights())


def in_new_process(function, *arguments):
    """Run a function in a new process, and return the exit code."""
    process = processes.Process(target=function, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def test_a_run_killed_again_and_again_ends_as_one_that_never_was(tmp_path):
    """In a batch, with a half-written file, before and after it gets its name."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    assert in_new_process(train, whole, 0) == 0
    for die_at in (10, 9, 8, 3):
        assert in_new_process(train, killed, die_at) == -KILL
    assert in_new_process(train, killed, 0) == 0
    with np.load(whole / "end.npz") as expected, np.load(killed / "end.npz") as found:
        for name in expected.files:
            np.testing.assert_array_equal(found[name], expected[name])
    assert sorted(os.listdir(killed)) == sorted(os.listdir(whole))


def damages(raw, rng, count):
    """Cut short, empty, of another kind, and single bits flipped."""
    yield from (b"", raw[:-9], raw[: len(raw) // 2], b"<html>not found</html>")
    for at in rng.integers(0, len(raw), count):
        flipped = bytearray(raw)
        flipped[at] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)


def test_damage_to_weights_is_refused_by_name(tmp_path, monkeypatch):
    for file in pretrained.FOLDER.glob("coffee.*"):
        shutil.copy(file, tmp_path)
    raw = (tmp_path / "coffee.npz").read_bytes()
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    for bad in damages(raw, np.random.default_rng(0), 4):
        (tmp_path / "coffee.npz").write_bytes(bad)
        with pytest.raises(ValueError, match=r"coffee.npz.*Reinstall"):
            pretrained.load("coffee")


def test_damage_to_a_file_of_digits_is_refused_by_name(tmp_path):
    arrays = {
        name: np.zeros((5, 4, 4) if name[0] == "x" else 5, "uint8")
        for name in data.ARRAYS
    }
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **arrays)
    for bad in damages(path.read_bytes(), np.random.default_rng(2), 60):
        path.write_bytes(bad)
        try:
            (x, _), _ = data.load_mnist(path)
        except ValueError as error:
            assert "mine.npz" in str(error)
        else:  # a byte that no reader looks at, a date for example
            assert x.shape == (5, 4, 4, 1) and not x.any()


def without_rights(folder, pipe):
    """Send the errors of a user who may neither read a file nor write to a folder."""
    images = np.zeros((4, 6, 6, 1), "float32")

    def fit(name):
        training.fit(small(), images, epochs=1, verbose=0, folder=folder / name)

    data.load_mnist()  # what is imported late is imported while it can be read
    fit("first")
    for name in ("digits.npz", "mine"):
        (folder / name).chmod(0)
    folder.chmod(0o555)
    if os.getuid() == 0:  # root may do everything
        os.setuid(65534)
    calls = {
        "digits.npz": lambda: data.load_mnist(folder / "digits.npz"),
        "mine": lambda: fit("mine"),
        "new": lambda: fit("new"),
    }
    for name, call in calls.items():
        try:
            call()
        except (OSError, ValueError) as error:
            pipe.send((name, str(error)))
    pipe.send(None)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has other rights")
def test_files_and_folders_without_permission_are_named():
    folder = Path(tempfile.mkdtemp())  # another user can enter it, not so `tmp_path`
    np.savez(folder / "digits.npz", **dict.fromkeys(data.ARRAYS, np.zeros(1)))
    (folder / "mine").mkdir()
    ours, theirs = processes.Pipe()
    try:
        assert in_new_process(without_rights, folder, theirs) == 0
        errors = dict(iter(ours.recv, None))
        assert list(errors) == ["digits.npz", "mine", "new"]
        for name, error in errors.items():
            assert name in error and "ermission" in error
    finally:
        folder.chmod(0o755)
        for one in folder.iterdir():
            one.chmod(0o755)
        shutil.rmtree(folder)


class Payload:
    """Runs when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_data_file_or_a_file_of_weights_is_not_run(tmp_path, monkeypatch):
    mark = tmp_path / "it ran"
    poison = np.array([Payload(mark)], object)
    np.savez(tmp_path / "evil.npz", **dict.fromkeys([*data.ARRAYS, "0"], poison))
    with pytest.raises(ValueError, match=r"evil\.npz"):
        data.load_mnist(tmp_path / "evil.npz")
    (tmp_path / "evil.json").write_text(json.dumps(pretrained.card("coffee")), "utf-8")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="evil"):
        pretrained.load("evil")
    assert not mark.exists()
    np.load(tmp_path / "evil.npz", allow_pickle=True)["0"][0].close()
    assert mark.exists()  # the payload does run where it is allowed to
