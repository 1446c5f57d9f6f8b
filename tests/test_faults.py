"""Faults: kills, damaged files, full disks, missing rights, files that carry code.

`make trust` runs the long form: more kills, more damaged bytes.
"""

import json
import os
import signal
import subprocess
import sys

from pixelcnn_edu import (
    _digit_files,
    data,
    models,
    pretrained,
    training,
)
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli
from pixelcnn_edu.models import ImageModel

import keras
import numpy as np
import pytest
from effort import LONG, tally

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has the second alone
TRAIN = """
import os, signal, sys
import numpy as np
import pixelcnn_edu
import keras
from pixelcnn_edu import training
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli
from pixelcnn_edu.models import ImageModel

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
events = die_at = 0


def event(*_, **__):
    global events
    events += 1
    if events == die_at:
        os.kill(os.getpid(), KILL)


def half_first(savez=np.savez):
    def wrapped(file, **arrays):
        savez(file, **arrays)
        file.flush()
        size = os.path.getsize(file.name)
        os.truncate(file.name, size // 2)  # as far as it had come
        event()
        file.seek(0)
        file.truncate()
        savez(file, **arrays)
    return wrapped


def around(replace=os.replace):
    def wrapped(*paths):
        event()
        replace(*paths)
        event()
    return wrapped


savez = np.savez


folder, die_at = sys.argv[1], int(sys.argv[2])
np.savez, os.replace = half_first(), around()
images = np.random.default_rng(0).random((48, 6, 6, 1), dtype="float32")
keras.utils.set_random_seed(0)
image = keras.Input((6, 6, 1))
x = keras.layers.Dropout(0.2)(MaskedConv2D(4, 3, "A", activation="relu")(image))
model = ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())
batch = keras.callbacks.LambdaCallback(on_train_batch_end=event)
training.fit(model, images, epochs=6, batch_size=8, folder=folder,
             callbacks=[batch], verbose=0)
savez(os.path.join(folder, "end.npz"), *model.get_weights())
"""
# Runs each program in a fork of a process that has imported TensorFlow and has not used it:
# the import is most of the work.
FORK = """
import json, os, sys
import pixelcnn_edu
for line in sys.stdin:
    program, arguments, told = json.loads(line)
    pid = os.fork()
    if not pid:
        file = os.open(told, os.O_WRONLY)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv[1:] = arguments
        exec(program, {})
        sys.stdout.flush()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a program in a new process, which may be killed: its exit code and output."""
    told = tmp_path_factory.mktemp("told") / "told"

    def spawned(program, *arguments):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def forked(program, *arguments):
        told.write_text("", "utf-8")
        request = [program, [*map(str, arguments)], str(told)]
        print(json.dumps(request), file=parent.stdin, flush=True)
        return int(parent.stdout.readline()), told.read_text("utf-8")

    if sys.platform != "linux":
        yield spawned
        return
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", FORK], **pipes) as parent:
        yield forked


def test_a_run_killed_again_and_again_ends_as_one_that_never_was(run, tmp_path):
    """A trial, six batches an epoch, a half-written file, four moments of renaming it."""

    def train(folder, die_at=0):
        folder.mkdir(exist_ok=True)
        code, told = run(TRAIN, folder, die_at)
        assert abs(code) in (0, KILL), told
        return code

    assert train(tmp_path / "whole") == 0
    rng, kills, killed = np.random.default_rng(0), 0, tmp_path / "killed"
    # each moment of an epoch's end once, and then random ones
    moments = [13, 12, 11, 10, 9, 1] if LONG else [12, 8]
    while kills < (20 if LONG else 3):
        die_at = moments.pop() if moments else int(rng.integers(1, 26))
        code = train(killed, die_at)
        kills += code != 0
        tally("kills survived", code != 0)
        if code == 0:  # the run has ended: begin another one
            assert_same_weights(tmp_path)
            killed = tmp_path / f"killed after {kills}"
    assert train(killed) == 0
    ends = [np.load(f / "end.npz") for f in tmp_path.iterdir()]
    for end in ends:
        for name in ends[0].files:
            np.testing.assert_array_equal(end[name], ends[0][name])
    assert not list(tmp_path.glob("*/*.partial.*"))
    assert not list(tmp_path.glob("*/*.lock"))


def assert_same_weights(folder):
    first, *others = (
        np.load(f / "end.npz") for f in folder.glob("*") if (f / "end.npz").exists()
    )
    for other in others:
        for name in first.files:
            np.testing.assert_array_equal(other[name], first[name])


def small():
    """Two masked layers, with weights of seed 0: quick to compile."""
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 1))
    x = MaskedConv2D(4, 3, "A", activation="relu")(image)
    return ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())


def damages(raw, rng, count):
    """Cut short, empty, of another kind, and single bits flipped."""
    yield from (b"", raw[:-1], raw[: len(raw) // 2], b"GIF89a" + raw)
    for at in rng.integers(0, len(raw), count):
        flipped = bytearray(raw)
        flipped[at] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The two files of a small network, whose card says as much as that of "coffee"."""
    folder, card = tmp_path_factory.mktemp("kept"), pretrained.card("coffee")
    card["build"]["arguments"] |= {"image_shape": [4, 4, 1], "filters": 4, "depth": 1}
    arguments = {**card["build"]["arguments"], "likelihood": Bernoulli()}
    model = models.pixelcnn(**arguments)
    pretrained.save(folder, "coffee", model, card)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["coffee.npz", "coffee.json"])
def test_any_damage_to_weights_and_cards_is_refused_by_name(
    name, kept, tmp_path, monkeypatch
):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    for bad in damages(kept[name], np.random.default_rng(0), 400 if LONG else 20):
        for f, raw in kept.items():
            (tmp_path / f).write_bytes(bad if f == name else raw)
        try:
            pretrained.load("coffee")
        except ValueError as error:
            assert name.split(".")[0] in str(error) and "Reinstall" in str(error)
        else:  # a digit of the card's prose: it must still be a card
            assert name == "coffee.json"
            card, right = json.loads(bad), json.loads(kept[name])
            assert all(card[part] == right[part] for part in ("sha256", "build"))
        tally("damaged files refused")


def test_any_damage_to_the_bundled_digits_is_refused_by_name(tmp_path, monkeypatch):
    raw = data.BUNDLED.read_bytes()
    monkeypatch.setattr(data, "BUNDLED", tmp_path / "digits.npz")
    for bad in damages(raw, np.random.default_rng(1), 100 if LONG else 10):
        (tmp_path / "digits.npz").write_bytes(bad)
        with pytest.raises(ValueError, match="digits.npz does not match"):
            data.load_mnist()
        tally("damaged files refused")


def test_any_damage_to_a_file_of_digits_is_refused_by_name(tmp_path):
    arrays = {
        name: np.zeros((5, 4, 4) if name[0] == "x" else 5, "uint8")
        for name in _digit_files.ARRAYS
    }
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **arrays)
    raw = path.read_bytes()
    for bad in damages(raw, np.random.default_rng(2), 1000 if LONG else 60):
        path.write_bytes(bad)
        try:
            (x, _), _ = data.load_mnist(path)
        except ValueError as error:
            assert "mine.npz" in str(error)
        else:  # a byte that no reader looks at, a date for example
            assert x.shape == (5, 4, 4, 1) and not x.any()
        tally("damaged files refused")


@pytest.mark.parametrize("name", ["coffee.npz", "coffee.json", "digits.npz"])
def test_a_missing_file_is_named_with_the_way_out(name, tmp_path, monkeypatch):
    folder = type(data.BUNDLED)(pretrained.__file__).parent
    for f in ("coffee.npz", "coffee.json"):
        if f != name:
            (tmp_path / f).write_bytes((folder / f).read_bytes())
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(data, "BUNDLED", tmp_path / "digits.npz")
    with pytest.raises(ValueError, match=r"coffee|digits.npz.*Reinstall"):
        data.load_mnist() if name == "digits.npz" else pretrained.load("coffee")


NO_RIGHTS = """
import os, sys
from pathlib import Path
import numpy as np
import pixelcnn_edu
import keras
from pixelcnn_edu import data, training
from pixelcnn_edu.models import pixelcnn
path, folder = Path(sys.argv[1]), Path(sys.argv[2])
model = pixelcnn((4, 4, 1), filters=2, depth=1)
os.setuid(65534)
x = np.zeros((4, 4, 4, 1), "float32")
batches = []
tell = keras.callbacks.LambdaCallback(
    on_train_batch_begin=lambda batch, logs: batches.append(batch)
)
fit = lambda at: training.fit(model, x, epochs=1, verbose=0, folder=at, callbacks=tell)
for call in (lambda: data.load_mnist(path), lambda: fit(folder),
             lambda: fit(folder.with_name("full")), lambda: fit(folder.parent / "new")):
    try:
        call()
    except (OSError, ValueError) as error:
        print("REFUSED", error)
print("batches:", len(batches))
"""


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0,
    reason="needs root to drop its rights",
)
def test_files_and_folders_without_permission_are_named(run, tmp_path):
    path, folder = tmp_path / "mnist.npz", tmp_path / "run"
    np.savez(
        path, **{name: np.zeros((1, 2, 2), "uint8") for name in _digit_files.ARRAYS}
    )
    folder.mkdir()
    for one in (path, folder):
        one.chmod(0o600)
    full = tmp_path / "full"  # of a run that another user may read
    training.fit(small(), np.zeros((8, 4, 4, 1)), epochs=1, verbose=0, folder=full)
    full.chmod(0o755)
    for parent in (tmp_path, *tmp_path.parents):
        if os.stat(parent).st_uid == 0 and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    _, told = run(NO_RIGHTS, path, folder)
    lines = [line for line in told.splitlines() if "REFUSED" in line]
    assert len(lines) == 4, told
    for line, name in zip(lines, ("mnist.npz", "run", "full", "new"), strict=True):
        assert name in line and "ermission" in line
    assert "batches: 0" in told


class Payload:
    """Runs when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_file_of_weights_is_not_run_even_with_a_matching_checksum(
    tmp_path, monkeypatch
):
    mark = tmp_path / "it ran"
    poison = np.array([Payload(mark)], object)
    build = pretrained.card("coffee")["build"]
    np.savez(tmp_path / "evil.npz", **{"000_kernel": poison})
    checksum = pretrained._checksum(build, (tmp_path / "evil.npz").read_bytes())
    card = {"sha256": checksum, "build": build}
    (tmp_path / "evil.json").write_text(json.dumps(card), "utf-8")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="evil.npz does not fit.*Reinstall"):
        pretrained.load("evil")
    assert not mark.exists()
    np.load(tmp_path / "evil.npz", allow_pickle=True)["000_kernel"][0].close()
    assert mark.exists()  # the payload does run where it is allowed to
