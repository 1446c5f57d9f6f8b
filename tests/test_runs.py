"""Runs in a folder: who may use it, which files are theirs, and how a run ends."""

import contextlib
import errno
import functools
import gc
import html
import importlib
import inspect
import io
import json
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tracemalloc
import weakref
import zipfile
from pathlib import Path

import pixelcnn_edu
from pixelcnn_edu import (
    __main__,
    _checksums,
    _digit_files,
    _files,
    _ranks,
    batches,
    checkpoints,
    data,
    export,
    generation,
    models,
    presets,
    pretrained,
    training,
)
from pixelcnn_edu._checks import check_path
from pixelcnn_edu.checkpoints import Checkpoint
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, NegativeLogLikelihood
from pixelcnn_edu.models import ImageModel, pixelcnn

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

X = np.random.default_rng(0).random((8, 4, 4, 1), dtype="float32")
LEFT = ["checkpoint.npz", "checkpoint.previous.npz"]  # in a folder, after two epochs
PARTIAL = "checkpoint.pixelcnn_edu.partial.npz"


def small(labels=False):
    """A quick model, in which each pixel reads its left neighbor; or a label too."""
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((4, 4, 1))]
    features = keras.layers.ZeroPadding2D(((0, 0), (1, 0)))(inputs[0])[:, :, :-1]
    if labels:
        inputs.append(keras.Input((), dtype="int32"))
        features += keras.layers.Embedding(2, 1)(inputs[1])[:, None, None]
    return ImageModel(inputs, keras.layers.Dense(1)(features), likelihood=Bernoulli())


class Count(keras.callbacks.Callback):
    """Counts the batches that were trained."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def on_train_batch_begin(self, batch, logs=None):
        self.count += 1


def fit(folder=None, images=X, model=None, **arguments):
    """Train for two epochs of two batches; return the model and its history."""
    model = small("labels" in arguments) if model is None else model
    arguments = {"epochs": 2, "batch_size": 4, "verbose": 0, **arguments}
    arguments.setdefault("optimizer", keras.optimizers.SGD(0.1, momentum=0.5))
    return model, training.fit(model, images, folder=folder, **arguments)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that has ended, to copy or to leave as it is; and its model."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, fit(folder)[0]


@pytest.fixture
def ended(whole, tmp_path):
    """A folder of one's own, with a run that has ended."""
    return shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_same(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# which files are the run's


def test_a_user_s_files_stay(tmp_path):
    (tmp_path / "partial-results").mkdir()
    (tmp_path / "partial-results" / "a.txt").write_text("mine", "utf-8")
    (tmp_path / "partial-notes.txt").write_text("mine too", "utf-8")
    for _ in range(2):
        fit(tmp_path)
        assert names(tmp_path) == [*LEFT, "partial-notes.txt", "partial-results"]
    assert (tmp_path / "partial-results" / "a.txt").read_text("utf-8") == "mine"
    assert (tmp_path / "partial-notes.txt").read_text("utf-8") == "mine too"


def test_a_file_is_written_through_one_temporary_name(tmp_path):
    path, user_s = tmp_path / "model.keras", tmp_path / "model.partial.keras"
    user_s.write_text("mine", "utf-8")
    with _files.atomic_write(path) as temporary:
        assert temporary == tmp_path / "model.pixelcnn_edu.partial.keras"
        temporary.write_text("half", "utf-8")
    (tmp_path / "model.pixelcnn_edu.partial.keras").write_text(
        "left by a killed process", "utf-8"
    )
    with _files.atomic_write(path) as temporary:
        temporary.write_text("whole", "utf-8")
    assert (
        names(tmp_path) == ["model.keras", user_s.name]
        and path.read_text("utf-8") == "whole"
    )
    with _files.atomic_write(path, trial=True) as temporary:
        temporary.write_text("a trial", "utf-8")
    assert (
        names(tmp_path) == ["model.keras", user_s.name]
        and path.read_text("utf-8") == "whole"
    )
    assert user_s.read_text("utf-8") == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Unix alone has pipes")
def test_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    pipe = _files.atomic_write(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe is a device or a pipe"), pipe as temporary:
        temporary.write_text("mine", "utf-8")
    assert (tmp_path / "pipe").is_fifo()


def test_a_file_that_is_written_again_keeps_its_mode(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old", "utf-8")
    path.chmod(0o600)
    private = path.stat().st_mode
    with _files.atomic_write(path) as temporary:
        temporary.write_text("new", "utf-8")
    assert path.read_text("utf-8") == "new"
    assert path.stat().st_mode == private


def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    link, second, target = here / "link.npz", here / "second.npz", there / "target"
    try:
        link.symlink_to("../there/target")  # which does not exist yet
        second.symlink_to("link.npz")
    except OSError:
        pytest.skip("no right to make a link, as on some Windows")
    for path, text in ((link, "first"), (second, "second")):
        with _files.atomic_write(path) as temporary:
            assert temporary.parent.samefile(there)
            assert temporary.name == "target.pixelcnn_edu.partial.npz"
            temporary.write_text(text, "utf-8")
        assert link.is_symlink() and second.is_symlink()
        assert not target.is_symlink() and target.read_text("utf-8") == text
    with _files.atomic_write(link, backup=here / "previous.npz") as temporary:
        temporary.write_text("third", "utf-8")
    assert link.is_symlink() and target.read_text("utf-8") == "third"
    assert (here / "previous.npz").read_text("utf-8") == "second"
    assert names(here) == ["link.npz", "previous.npz", "second.npz"]
    assert names(there) == ["target"]
    (there / "gone").mkdir()
    link.unlink()
    link.symlink_to("../there/gone/target")
    (there / "gone").rmdir()
    with pytest.raises(OSError, match="Could not write"), _files.atomic_write(link):
        raise AssertionError("no folder for the temporary file")


# a folder that cannot be used


def unusable(tmp_path):
    """Yield folders that cannot hold a run, and the word that says why."""
    (tmp_path / "file").write_text("mine", "utf-8")
    yield tmp_path / "file", "file"
    yield tmp_path / "file" / "run", "file"
    yield tmp_path / ("long" * 100), "long"
    yield "", "folder"
    yield "a\0b", "folder"
    yield 3, "folder"
    for name in (*LEFT, PARTIAL, "checkpoint.lock"):
        folder = tmp_path / f"with {name}"
        (folder / name).mkdir(parents=True)
        (folder / name / "mine").write_text("mine", "utf-8")
        yield folder, name


def test_a_folder_that_cannot_be_used_is_named_before_the_first_batch(tmp_path):
    count = Count()
    for folder, word in unusable(tmp_path):
        with pytest.raises((ValueError, OSError), match=re.escape(word)):
            fit(folder, callbacks=count)
    assert count.count == 0
    assert len(list(tmp_path.glob("with */checkpoint*/mine"))) == 4
    assert (tmp_path / "file").read_text("utf-8") == "mine"


def refused(capsys, *argv):
    """Return what the command line says about arguments that it refuses."""
    with pytest.raises(SystemExit) as ended:
        __main__.main([str(one) for one in argv])
    assert ended.value.code == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and told[0].startswith("usage: ")
    return told[1]


def test_the_command_line_looks_at_its_folder_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(presets, "digits_from", None)  # too late
    (tmp_path / "file").write_text("mine", "utf-8")
    (tmp_path / "run" / "coffee.json").mkdir(parents=True)
    train = ("train", "--preset", "coffee", "--out")
    for out in ("file", "run", "file/run"):
        told = refused(capsys, *train, tmp_path / out)
        assert "file" in told or "coffee.json is a folder" in told
    with _files.locked(tmp_path / "run"):
        told = refused(capsys, *train, tmp_path / "run")
    assert f"this process {os.getpid()}" in told
    for file in ("coffee.json", "coffee.npz"):
        (tmp_path / "own" / file).parent.mkdir(exist_ok=True)
        (tmp_path / "own" / file).write_text("mine", "utf-8")
        assert file in refused(capsys, *train, tmp_path / "own")
        assert (tmp_path / "own" / file).read_text("utf-8") == "mine"
        (tmp_path / "own" / file).unlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", ""], "--out"),
        (["--seed", "-1"], "--seed"),
        (["--seed", str(2**32)], "--seed"),
        (["--data", "nowhere"], "nowhere"),
        (["--data", ""], "source"),
        (["--data", "one.npz"], "at least two validation images"),
    ],
)
def test_what_the_command_line_cannot_train_with_is_refused_in_one_line(
    tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "fit", None)  # too late
    x, y = np.zeros((40, 28, 28), "uint8"), np.zeros(40, "uint8")
    np.savez("one.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    train = ["train", "--preset", "minutes", "--out", "run"]
    assert words in refused(capsys, *train, *arguments)


def told():
    """A model that is told whether an image is dark, label 0, or bright, label 1."""
    image, label = keras.Input((28, 28, 1)), keras.Input((), dtype="int32")
    ink = keras.layers.Embedding(2, 1)
    logits = MaskedConv2D(1, 3, "A")(image)
    logits = keras.layers.add([logits, keras.layers.Reshape((1, 1, 1))(ink(label))])
    ink.set_weights([np.float32([[2], [-2]])])
    known = {"likelihood": Bernoulli(), "num_classes": 2}
    return ImageModel([image, label], logits, **known)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "tea"], "coffee, colored"),
        (["--model", ""], "--model"),
        (["--model", "file.png"], "file.png"),
        (["--model", "empty.keras"], "a file of Keras"),
        (["--model", "own.keras"], "If the model has a class of your own"),
        (["--count", "0"], "--count"),
        (["--count", "250000"], "at most 2**26 pixels"),
        (["--model", "two.keras"], "1 or 3 channels. Received: 2"),
        (["--seed", "-1"], "--seed"),
        (["--temperature", "-1"], "temperature"),
        (["--labels", "3"], "labels"),
        (["--model", "told.keras"], "labels"),
        (["--model", "told.keras", "--labels", "1", "2"], "labels"),
        (["--model", "told.keras", "--labels", "2"], "labels"),
        (["--out", "digits.gif"], ".png"),
        (["--out", "no folder/digits.png"], "no folder"),
    ],
)
def test_what_the_command_line_cannot_draw_is_refused_in_one_line(
    tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    Path("file.png").write_text("mine", "utf-8")
    zipfile.ZipFile("empty.keras", "w").close()
    told().save("told.keras")
    pixelcnn((4, 4, 2), filters=4, depth=1).save("two.keras")

    class Own(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    image = keras.Input((28, 28, 1))
    keras.Model(image, Own()(image)).save("own.keras")
    files = names(tmp_path)
    assert words in refused(capsys, "draw", "--out", "a.png", *arguments)
    assert names(tmp_path) == files


def test_a_picture_is_written_only_where_the_user_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "required: --out" in refused(capsys, "draw")
    assert not names(tmp_path)


def test_a_terminal_without_a_letter_is_no_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    __main__.main(["draw", "--model", "levels_4", "--count", "1", "--out", "é.png"])
    sys.stdout.seek(0)
    assert sys.stdout.read() == "1 image drawn; written to \\xe9.png\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "tea"], "coffee, colored"),
        (["--model", "file.png"], "file.png"),
        (["--model", "levels_256_mixture"], "DiscretizedLogisticMixture"),
        (["--model", "open.keras"], "image_shape"),
        (["--model", "plain.keras"], "likelihood"),
        ([], "--model"),
        (["--model", "levels_4", "--out", "page.png"], ".html"),
        (["--model", "levels_4", "--out", "no folder/page.html"], "no folder"),
    ],
)
def test_what_the_command_line_cannot_export_is_refused_in_one_line(
    tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    Path("file.png").write_text("mine", "utf-8")
    Path("page.html").write_text("mine", "utf-8")
    image = keras.Input((None, None, 1))
    logits = MaskedConv2D(1, 3, "A")(image)
    ImageModel(image, logits, likelihood=Bernoulli()).save("open.keras")
    image = keras.Input((6, 6, 1))
    keras.Model(image, MaskedConv2D(1, 3, "A")(image)).save("plain.keras")
    assert words in refused(capsys, "export", "--out", "page.html", *arguments)
    assert names(tmp_path) == ["file.png", "open.keras", "page.html", "plain.keras"]
    assert Path("page.html").read_text("utf-8") == "mine"


def test_the_command_line_exports_what_export_page_writes(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    own = told()
    own.save("told.keras")
    source = Path(pretrained.__file__).parent
    for ending in (".json", ".npz"):
        shutil.copy(source / f"levels_4{ending}", f"levels_4{ending}")
    models_by_name = {
        "levels_4": pretrained.load("levels_4"),
        "levels_4.json": pretrained.load("levels_4"),
        "told.keras": own,
    }
    for name, model in models_by_name.items():
        title = f"<{name}> & co."
        __main__.main(["export", "--model", name, "--out", "a.html", "--title", title])
        said = capsys.readouterr().out
        assert re.fullmatch(r"\d\.\d MB written to a\.html\n", said)
        export.page(model, "b.html", title=title)
        one, two = (without_names(Path(f"{file}.html")) for file in "ab")
        assert one == two
        assert f"<h1>{html.escape(title)}</h1>" in one
    __main__.main(["export", "--model", "levels_4", "--out", "a.html"])
    export.page(models_by_name["levels_4"], "b.html")
    assert without_names(Path("a.html")) == without_names(Path("b.html"))


def without_names(page):
    """Return a page without the names of layers, which Keras numbers anew each time."""
    text = re.sub(r'data-crc32="\d+" id="graph"', "", page.read_text("utf-8"))
    return re.sub(r'"name":"\w+"', "", text)


def ink(picture):
    """Return how dark each dot of a picture is, from 0 to 1."""
    return 1 - plt.imread(picture)[..., 0]


@pytest.mark.parametrize(("height", "width"), [(6, 6), (1, 28), (3, 1)])
def test_the_command_line_draws_what_generate_draws(
    tmp_path, monkeypatch, capsys, height, width
):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    image = keras.Input((height, width, 1))
    logits = MaskedConv2D(1, 3, "A")(image)
    model = ImageModel(image, logits, likelihood=Bernoulli())
    model.save("mine.keras")
    same = ["draw", "--model", "mine.keras", "--count", "4", "--seed"]
    __main__.main([*same, "3", "--out", "one.png"])
    assert capsys.readouterr().out == "4 images drawn; written to one.png\n"
    __main__.main([*same, "3", "--out", "two.png"])
    __main__.main([*same, "4", "--out", "three.png"])
    pictures = [Path(f"{name}.png").read_bytes() for name in ("one", "two", "three")]
    assert pictures[0] == pictures[1] != pictures[2]
    page = ink("one.png")  # two rows of two images, with margins of one pixel
    assert page.shape == (5 * (2 * height + 3), 5 * (2 * width + 3))
    page = page[2::5, 2::5]  # the middle of each pixel
    for i, image in enumerate(generation.generate(model, 4, seed=3)[..., 0]):
        y, x = (height + 1) * (i // 2) + 1, (width + 1) * (i % 2)
        shown = page[y : y + height, x : x + width]
        np.testing.assert_allclose(shown, image, atol=0.01)


def test_the_command_line_draws_what_labels_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told().save("told.keras")
    dark = []
    for labels in (["0"], ["1"], ["0", "1"]):
        same = ["draw", "--model", "told.keras", "--seed", "0", "--count", "2"]
        __main__.main([*same, "--out", "one.png", "--labels", *labels])
        halves = np.array_split(ink("one.png"), 2, 1)
        dark.append([half[:, :-20].mean() for half in halves])  # dots of one image
    zeros, ones, both = dark
    assert min(zeros) > 1.2 * max(ones)
    assert np.allclose(both, [zeros[0], ones[1]])


def test_a_run_stays_in_its_folder_when_a_callback_goes_to_another(
    tmp_path, monkeypatch
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    go = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: os.chdir(tmp_path / "elsewhere")
    )
    fit("run", callbacks=go)
    assert names(tmp_path / "run") == LEFT and not names(tmp_path / "elsewhere")


# one process at a time

HOLDER = """
import sys
from test_runs import fit
import keras

def hold(epoch, logs):
    if epoch == 1:
        print("training", flush=True)
        sys.stdin.readline()

fit(sys.argv[1], callbacks=keras.callbacks.LambdaCallback(on_epoch_begin=hold))
"""


def test_a_second_process_is_refused_until_the_first_has_ended_or_was_killed(
    whole, tmp_path
):
    folder = tmp_path / "run"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent,
        text=True,
    )
    try:
        assert child.stdout.readline() == "training\n"
        before = {path: path.read_bytes() for path in folder.iterdir()}
        count = Count()
        with pytest.raises(ValueError, match=f"folder.* process {child.pid} on "):
            fit(folder, callbacks=count)
        assert count.count == 0
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
    finally:
        child.kill()
        child.communicate()
    model, _ = fit(folder)
    assert_same(model, whole[1])
    assert names(folder) == LEFT


def test_a_second_thread_is_refused(tmp_path):
    training_now, go_on = threading.Event(), threading.Event()

    def hold(epoch, logs):
        training_now.set()
        go_on.wait(60)

    holder = keras.callbacks.LambdaCallback(on_epoch_begin=hold)
    other, found = small(), []
    thread = threading.Thread(
        target=lambda: found.append(fit(tmp_path, callbacks=holder))
    )
    thread.start()
    try:
        assert training_now.wait(60)
        with pytest.raises(ValueError, match=f"this process {os.getpid()}"):
            fit(tmp_path, model=other)
    finally:
        go_on.set()
        thread.join()
    assert found and names(tmp_path) == LEFT


def test_a_folder_can_be_waited_for(tmp_path):
    order = []

    def late():
        with _files.locked(tmp_path, wait=True):
            order.append("second")

    with _files.locked(tmp_path):
        thread = threading.Thread(target=late)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"] and names(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is open")
@pytest.mark.parametrize("ended", [True, False])
def test_a_run_writes_nothing_into_another_that_has_taken_its_folder(tmp_path, ended):
    folder = tmp_path / "run"

    def replace(epoch, logs):
        shutil.rmtree(folder)
        if ended:
            fit(folder, seed=1)
        else:
            stack.enter_context(_files.locked(folder))

    with contextlib.ExitStack() as stack:
        callback = keras.callbacks.LambdaCallback(on_epoch_end=replace)
        with pytest.raises(OSError, match="was deleted or moved"):
            fit(folder, callbacks=callback)
        assert names(folder) == (LEFT if ended else ["checkpoint.lock"])
    if ended:
        fit(folder, seed=1)  # the other run's files are as it has left them


@pytest.mark.skipif(os.name == "nt", reason="locks of Unix")
def test_where_no_file_can_be_locked_a_warning_says_so(tmp_path, monkeypatch):
    import fcntl

    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.warns(RuntimeWarning, match="cannot be locked"):
        fit(tmp_path)
    assert names(tmp_path) == LEFT


# what belongs to a run


def other_weights(seed):
    model = small()
    rng = np.random.default_rng(seed)
    model.set_weights([rng.random(w.shape) for w in model.get_weights()])
    return model


def test_the_initial_weights_belong_to_the_run(tmp_path):
    """In one folder, a study of seeds gave the first run's weights again and again."""
    first, _ = fit(tmp_path, model=other_weights(1))
    untouched = other_weights(2)
    before = untouched.get_weights()
    with pytest.raises(
        ValueError, match=r"differs in: initial weights\. Before .*set_random_seed"
    ):
        fit(tmp_path, model=untouched)
    for one, other in zip(before, untouched.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    again, _ = fit(tmp_path, model=other_weights(1))
    assert_same(first, again)
    with pytest.raises(ValueError, match=r"differs in: seed\.$"):
        fit(tmp_path, model=other_weights(1), seed=1)


def test_a_setting_that_is_left_out_is_another_run(tmp_path):
    def resume(**settings):
        model = small()
        model.compile("sgd", NegativeLogLikelihood(Bernoulli()))
        train = functools.partial(model.fit, X, X, epochs=1, verbose=0)
        checkpoints.resume(train, model, tmp_path, {"epochs": 1} | settings, [])

    resume(noise=0.5)
    resume(noise=0.5)
    with pytest.raises(ValueError, match="differs in: noise"):
        resume()


def test_a_model_without_weights_is_refused_before_it_trains(tmp_path):
    """Before, Keras said that a variable is unknown."""
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Expected model to have weights"):
        checkpoints.resume(model.fit, model, tmp_path / "run", {"epochs": 1}, [])
    assert not (tmp_path / "run").exists()


def test_the_model_that_a_run_has_left_may_go_on(tmp_path):
    whole, _ = fit(tmp_path / "whole", model=other_weights(1))
    model = other_weights(1)
    stop = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "cut", model=model, callbacks=stop)
    half_trained = model.get_weights()
    fit(tmp_path / "cut", model=model)
    assert_same(model, whole)
    fit(tmp_path / "cut", model=model)  # it has the weights of the run's end
    for others in (half_trained, other_weights(2).get_weights()):
        model.set_weights(others)
        with pytest.raises(ValueError, match="initial weights"):
            fit(tmp_path / "cut", model=model)


def test_a_run_that_begins_with_trained_weights_is_another_run(tmp_path):
    model, _ = fit(tmp_path / "one", model=other_weights(1))
    fit(tmp_path / "two", model=model)
    with pytest.raises(ValueError, match="initial weights"):
        fit(tmp_path / "two", model=other_weights(1))
    assert_same(fit(tmp_path / "one", model=other_weights(1))[0], loaded(tmp_path))


def loaded(folder):
    """The model as the run in ``folder / "one"`` has left it on disk."""
    model = other_weights(1)
    with np.load(folder / "one" / "checkpoint.npz") as file:
        model.set_weights(
            [file[f"variable_{i}"] for i in range(len(model.get_weights()))]
        )
    return model


def test_an_optimizer_that_has_changed_since_is_told_by_what_has_changed(tmp_path):
    optimizer = keras.optimizers.SGD(0.1)
    model, _ = fit(tmp_path, optimizer=optimizer)
    fit(tmp_path, model=model, optimizer=optimizer)
    optimizer.learning_rate = 0.05
    with pytest.raises(ValueError, match=r"differs in: optimizer \(learning_rate\)"):
        fit(tmp_path, model=model, optimizer=optimizer)
    with pytest.raises(ValueError, match=r"differs in: optimizer \(class\)"):
        fit(tmp_path, optimizer=keras.optimizers.Adam(0.1))


def test_a_callback_may_have_changed_the_learning_rate(tmp_path):
    def halved(folder, *more, **arguments):
        rate = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        return fit(tmp_path / folder, callbacks=[rate, *more], epochs=3, **arguments)

    whole, _ = halved("whole", model=small())
    model, optimizer = small(), keras.optimizers.SGD(0.1, momentum=0.5)
    for _ in range(2):  # the second time, the rate of an epoch that is not done
        stop = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: epoch and interrupt(1, logs)
        )
        with pytest.raises(KeyboardInterrupt):
            halved("cut", stop, model=model, optimizer=optimizer)
    for _ in range(3):  # two of them find a run that has ended
        halved("cut", model=model, optimizer=optimizer)
        assert_same(model, whole)
    optimizer = keras.optimizers.SGD(0.1 / 8, momentum=0.5)  # the rate of the end
    with pytest.raises(ValueError, match=r"differs in: optimizer \(learning_rate\)"):
        halved("cut", model=small(), optimizer=optimizer)


def test_an_optimizer_of_another_model_is_named():
    _, history = fit(optimizer=(optimizer := keras.optimizers.Adam()))
    with pytest.raises(ValueError, match="Expected optimizer to be a new Keras"):
        fit(optimizer=optimizer)
    with pytest.raises(ValueError, match="Expected optimizer to be a new Keras"):
        fit(optimizer=keras.optimizers.LossScaleOptimizer(optimizer))
    fit(model=history.model, optimizer=optimizer)


@pytest.mark.parametrize("mean", [True, False])
def test_a_running_mean_belongs_to_the_variables_that_it_was_made_for(mean):
    optimizer = keras.optimizers.SGD(0.1, use_ema=mean)
    how = {"model": small(labels=True), "optimizer": optimizer}
    how["labels"] = np.arange(len(X)) % 2
    fit(**how)
    fit(**how)
    [embedding] = [one for one in how["model"].layers if one.name[:5] == "embed"]
    embedding.trainable = False
    before = how["model"].get_weights()
    if mean:  # Keras would take the means of other layers for the last ones
        with pytest.raises(ValueError, match="Expected optimizer to be a new Keras"):
            fit(**how)
    else:
        fit(**how)
    pairs = zip(before, how["model"].get_weights(), strict=True)
    moved = [not np.array_equal(*pair) for pair in pairs]
    assert moved == ([False] * 3 if mean else [False, True, True])


def test_a_rate_that_is_not_used_does_not_belong_to_the_run(tmp_path):
    one, _ = fit(tmp_path, learning_rate=0.1)
    assert_same(fit(tmp_path, learning_rate=0.2)[0], one)
    fit(tmp_path / "nadam", learning_rate=0.1, optimizer="nadam")
    with pytest.raises(ValueError, match="differs in: learning_rate"):
        fit(tmp_path / "nadam", learning_rate=0.2, optimizer="nadam")


def test_a_run_goes_on_when_its_folder_has_another_spelling(tmp_path):
    whole, _ = fit(tmp_path / "whole", model=other_weights(1))
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run", target_is_directory=True)
    stop = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    for spelled in ("link", "whole/../run"):
        (tmp_path / "run" / "checkpoint.npz").unlink(missing_ok=True)
        model = other_weights(1)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "run", model=model, callbacks=stop)
        fit(tmp_path / spelled, model=model)
        assert_same(model, whole)


def test_a_run_goes_on_after_an_interruption_while_its_state_is_loaded(
    tmp_path, monkeypatch
):
    whole, _ = fit(tmp_path, model=other_weights(1))
    model, assigned = other_weights(1), []
    kind = type(model.weights[0])

    def assign(variable, value, assign=kind.assign):
        assigned.append(value)
        return interrupt(1, {}) if len(assigned) == 2 else assign(variable, value)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        compiled = keras.optimizers.SGD(0.1, momentum=0.5)
        compiled.build(model.trainable_variables)  # this assigns too
        patch.setattr(kind, "assign", assign)
        fit(tmp_path, model=model, optimizer=compiled)
    assert len(assigned) == 2
    fit(tmp_path, model=model)
    assert_same(model, whole)


@pytest.mark.parametrize("name", ["stopped", "settings", "history", "after_training"])
def test_a_checkpoint_of_another_version_is_named(ended, name):
    path = ended / "checkpoint.npz"
    arrays = dict(np.load(path))
    about = json.loads(str(arrays["about"]))
    del about[name]
    np.savez(path, **{**arrays, "about": np.array(json.dumps(about))})
    with pytest.raises(ValueError, match=f"of this version. Received: .*out {name}"):
        fit(ended)


class Scaled(keras.layers.Layer):
    """A layer with a number that a callback may change."""

    factor = 1.0

    def call(self, inputs):
        return inputs * self.factor


def test_what_a_callback_changes_in_a_layer_does_not_make_another_run(tmp_path):
    def scaled():
        keras.utils.set_random_seed(0)
        image = keras.Input((4, 4, 1))
        outputs = Scaled()(MaskedConv2D(1, 3, "A")(image))
        return ImageModel(image, outputs, likelihood=Bernoulli())

    def change(epoch, logs):
        model.layers[-1].factor = 1.0 + epoch
        if epoch:
            raise KeyboardInterrupt

    model = scaled()
    with pytest.raises(KeyboardInterrupt):
        stop = keras.callbacks.LambdaCallback(on_epoch_begin=change)
        fit(tmp_path, model=model, callbacks=stop)
    fit(tmp_path, model=model)  # the layer was changed by this run
    assert fit(tmp_path, model=scaled())[1].epoch == [0, 1]
    model.layers[-1].factor = 3.0
    with pytest.raises(
        ValueError, match=r"differs in: network \(.*prediction, training"
    ):
        fit(tmp_path, model=model)


def test_a_second_interrupt_does_not_lose_the_note(tmp_path, monkeypatch):
    """A reader presses the button twice."""
    whole, _ = fit(tmp_path / "whole", model=other_weights(1))
    model = other_weights(1)
    calls = []

    def again(model, inputs, compute=checkpoints.fingerprint):
        calls.append(1)
        return compute(model, inputs) if len(calls) == 1 else interrupt(1, {})

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "fingerprint", again)
        fit(tmp_path / "cut", model=model, callbacks=Interrupt(1))
    assert len(calls) == 2
    fit(tmp_path / "cut", model=model)
    assert_same(model, whole)


def test_the_precision_of_each_layer_belongs_to_the_run(tmp_path):
    class Block(keras.layers.Layer):
        def __init__(self, dtype):
            super().__init__()
            self.inner = MaskedConv2D(1, 3, "A", dtype=dtype)

        def call(self, x):
            return keras.ops.cast(self.inner(x), "float32")

    def run(*policies):
        keras.utils.set_random_seed(0)
        image = keras.Input((4, 4, 1))
        x = Block(policies[0])(image)
        logits = keras.ops.cast(keras.layers.Dense(1, dtype=policies[1])(x), "float32")
        fit(tmp_path, model=ImageModel(image, logits, likelihood=Bernoulli()))

    run("mixed_bfloat16", "float32")
    run("mixed_bfloat16", "float32")
    for others in (["float32", "mixed_bfloat16"], ["mixed_float16", "float32"]):
        with pytest.raises(ValueError, match="differs in: precision"):
            run(*others)


def test_a_loaded_network_of_half_precision_goes_on(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small()
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "start.keras")
    fit(tmp_path / "run", model=model)
    loaded = keras.models.load_model(tmp_path / "start.keras")
    assert loaded.dtype_policy != model.dtype_policy
    assert_same(fit(tmp_path / "run", model=loaded)[0], model)


def test_a_network_of_open_sizes_is_compared_in_the_size_of_the_images(tmp_path):
    def run(factor):
        keras.utils.set_random_seed(0)
        image = keras.Input((None, None, 1))
        places = np.arange(4.0, dtype="float32").reshape(1, 4, 1, 1)  # only for 4 rows
        logits = keras.layers.Lambda(lambda x: x + factor * places)(
            MaskedConv2D(1, 3, "A")(image)
        )
        return fit(tmp_path, model=ImageModel(image, logits, likelihood=Bernoulli()))

    run(1.0)
    run(1.0)
    with pytest.raises(
        ValueError, match=r"network \(prediction, training, penalties\)"
    ):
        run(2.0)


class Held:
    """What holds a variable that its configuration does not tell."""

    def __init__(self, factor):
        self.factor = factor

    def get_config(self):
        return {}


class HeldRate(Held, keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return self.factor * 0.02


class HeldPenalty(Held, keras.regularizers.Regularizer):
    def __call__(self, weights):
        return self.factor * keras.ops.sum(weights**2)


class HeldLimit(Held, keras.constraints.Constraint):
    def __call__(self, weights):
        return keras.ops.clip(weights, -self.factor, self.factor)


def test_variables_of_a_schedule_and_of_rules_for_weights_are_kept(tmp_path):
    def run(folder, ends=9):
        keras.utils.set_random_seed(0)
        kept = [keras.Variable(float(one), trainable=False) for one in (1, 0, 1)]
        rate, penalty, limit = kept
        rules = {
            "kernel_regularizer": HeldPenalty(penalty),
            "kernel_constraint": HeldLimit(limit),
        }
        image = keras.Input((4, 4, 1))
        x = MaskedConv2D(3, 3, "A", **rules)(image)
        model = ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())

        def change(epoch, logs):
            for variable, factor in zip(kept, (0.5, 1.0, 0.7), strict=True):
                variable.assign(variable * factor)
            penalty.assign(penalty + 0.1)

        def stop(epoch, logs):
            if epoch == ends:
                raise KeyboardInterrupt

        call = keras.callbacks.LambdaCallback(on_epoch_begin=stop, on_epoch_end=change)
        optimizer = keras.optimizers.SGD(HeldRate(rate))
        images = np.random.default_rng(0).random((8, 4, 4, 1))
        with contextlib.suppress(KeyboardInterrupt):
            training.fit(
                model, images, epochs=4, folder=folder, callbacks=call, verbose=0,
                optimizer=optimizer, batch_size=4,
            )  # fmt: skip
        return model.get_weights()

    whole, _, again = run(None), run(tmp_path, 2), run(tmp_path)
    assert all(map(np.array_equal, whole, again))


class Drawing:
    """What draws random numbers with a generator of its own."""

    def __init__(self, *args):
        super().__init__(*args)
        self.generator = keras.random.SeedGenerator(1)

    def draw(self):
        return keras.random.uniform((), seed=self.generator)


class Inside(Held, keras.optimizers.schedules.LearningRateSchedule):
    """A schedule inside a schedule."""

    def __call__(self, step):
        return self.factor(step)


class DrawnStep(Drawing, keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient * self.draw(), variable, learning_rate)


class DrawnRate(Drawing, HeldRate):
    def __call__(self, step):
        return super().__call__(step) * self.draw()


class DrawnPenalty(Drawing, HeldPenalty):
    def __call__(self, weights):
        return super().__call__(weights) * self.draw()


@pytest.mark.parametrize("where", ["optimizer", "schedule", "inside", "regularizer"])
def test_generators_of_an_optimizer_and_of_rules_are_kept(where, tmp_path):
    def run(folder, ends=9):
        keras.utils.set_random_seed(0)
        penalty = DrawnPenalty(1.0) if where == "regularizer" else None
        image = keras.Input((4, 4, 1))
        logits = MaskedConv2D(1, 3, "A", kernel_regularizer=penalty)(image)
        model = ImageModel(image, logits, likelihood=Bernoulli())
        rates = {"schedule": DrawnRate(1.0), "inside": Inside(DrawnRate(1.0))}
        rate = rates.get(where, 0.1)
        optimizer = (DrawnStep if where == "optimizer" else keras.optimizers.SGD)(rate)
        stop = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: epoch == ends and interrupt(1, logs)
        )
        with contextlib.suppress(KeyboardInterrupt):
            fit(folder, model=model, optimizer=optimizer, callbacks=stop)
        return model

    whole, _, again = run(None), run(tmp_path, 1), run(tmp_path)
    assert_same(again, whole)


@pytest.mark.parametrize("limit", ["max_epochs", "max_steps_per_epoch"])
def test_a_run_that_keras_cuts_short_is_not_kept_as_a_whole_one(limit, tmp_path):
    setter = getattr(keras.config, f"set_{limit}")
    setter(1)
    try:
        with pytest.raises(ValueError, match=rf"no folder while.*{limit}\(\) = 1"):
            fit(tmp_path)
    finally:
        setter(None)
    assert not any(tmp_path.iterdir())


def test_a_mask_that_was_changed_is_another_network(tmp_path):
    def masked():
        keras.utils.set_random_seed(0)
        image = keras.Input((4, 4, 1))
        logits = MaskedConv2D(1, 3, "A")(image)
        return ImageModel(image, logits, likelihood=Bernoulli())

    fit(tmp_path, model=masked())
    fit(tmp_path, model=masked())
    changed = masked()
    next(one for one in changed.layers if hasattr(one, "mask")).mask[:] = 0
    with pytest.raises(ValueError, match="differs in: network"):
        fit(tmp_path, model=changed)


class Private(Bernoulli):
    """A likelihood of a user with an argument of a private name."""

    def __init__(self, _scale):
        self._scale = _scale


def test_the_setting_of_a_likelihood_is_its_configuration():
    settings = _checksums.through_json({"likelihood": Private(2.0)})
    expected = {"class": "Private", "_scale": 2.0}
    assert settings == {"likelihood": expected}


def test_held_out_images_and_labels_belong_to_the_run(tmp_path):
    fit(tmp_path / "one", validation_images=X[:4])
    for images in (X[4:], X, None):
        with pytest.raises(ValueError, match="differs in: validation_images"):
            fit(tmp_path / "one", validation_images=images)
    fit(tmp_path / "none")
    with pytest.raises(ValueError, match="differs in: validation_images"):
        fit(tmp_path / "none", validation_images=X)

    def labeled(validation_labels):
        more = {"validation_images": X, "validation_labels": validation_labels}
        fit(tmp_path / "labels", labels=np.arange(8) % 2, **more)

    labeled(np.zeros(8, int))
    with pytest.raises(ValueError, match="differs in: validation_labels"):
        labeled(np.ones(8, int))


def test_the_likelihood_belongs_to_the_run(tmp_path):
    inputs = keras.Input((4, 4, 1))
    logits = keras.layers.Dense(1)(inputs)

    class Other(Bernoulli):
        """Another likelihood that reads the same logits."""

        def __init__(self, name):
            super().__init__()
            self.name = name

        def get_config(self):
            return {**super().get_config(), "name": self.name}

    def run(folder, likelihood):
        plain = keras.Model(inputs, logits)
        fit(tmp_path / folder, model=plain, likelihood=likelihood)

    run("one", Bernoulli())
    run("one", Bernoulli())
    run("other", Other("link_1"))
    for folder, another in (("one", Other("link_1")), ("other", Other("link_2"))):
        with pytest.raises(ValueError, match="differs in: likelihood"):
            run(folder, another)


def test_settings_in_numpy_s_numbers_are_kept_and_found_again(tmp_path):
    def run(folder, number):
        schedule = keras.optimizers.schedules.ExponentialDecay(
            number(0.5), decay_steps=np.int64(4), decay_rate=number(0.25)
        )
        optimizer = keras.optimizers.SGD(
            schedule, weight_decay=number(0.5), clipvalue=number(1)
        )
        kinds = {"epochs": np.int64(2), "batch_size": np.array(4), "seed": np.uint8(3)}
        more = {**kinds, "learning_rate": number(0.25), "soft_targets": np.True_}
        count = Count()
        fit(folder, optimizer=optimizer, callbacks=count, **more)
        return count.count

    assert run(tmp_path, np.float32) == 4
    assert run(tmp_path, np.float64) == 0
    assert run(tmp_path, float) == 0


def test_an_optimizer_that_json_cannot_hold_is_named_before_the_first_batch(tmp_path):
    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1

    class Odd(keras.optimizers.SGD):
        def get_config(self):
            return {**super().get_config(), "odd": object()}

    count = Count()
    for optimizer in (Odd(0.1), keras.optimizers.SGD(Schedule())):
        with pytest.raises(ValueError, match="Expected optimizer"):
            fit(tmp_path, optimizer=optimizer, callbacks=count)
    assert count.count == 0


def test_a_setting_that_json_changes_is_the_same_setting(tmp_path):
    class Odd(keras.optimizers.SGD):
        def get_config(self):
            return {**super().get_config(), "pair": (1, 2), "table": np.arange(3)}

    first, _ = fit(tmp_path, optimizer=Odd(0.1))
    second, _ = fit(tmp_path, optimizer=Odd(0.1))
    assert_same(first, second)


def test_a_label_may_have_a_row_of_its_own(tmp_path):
    def run():
        keras.utils.set_random_seed(0)
        image, label = keras.Input((4, 4, 1)), keras.Input((1,), dtype="int32")
        features = MaskedConv2D(1, 3, "A")(image)
        features += keras.layers.Embedding(5, 1)(label)[:, :, None]
        model = ImageModel([image, label], features, likelihood=Bernoulli())
        return fit(tmp_path, model=model, labels=np.arange(8) % 5)

    assert_same(run()[0], run()[0])


def labeled_run(way, folder):
    """Train on images and labels that ``way`` lays into memory; return the model."""
    labels = np.arange(8, dtype="int32") % 2
    more = {"labels": way(labels), "validation_labels": way(labels)}
    return fit(folder, way(X), validation_images=way(X), **more)[0]


@pytest.fixture(scope="module")
def plainly_laid():
    return labeled_run(lambda x: x, None)


@pytest.mark.parametrize("kept", ["F", "transposed", "reversed", "float64"])
def test_images_and_labels_may_lie_in_memory_in_any_way(tmp_path, kept, plainly_laid):
    ways = {
        "F": lambda x: np.asfortranarray(x),
        "transposed": lambda x: np.ascontiguousarray(x.T).T,
        "reversed": lambda x: np.ascontiguousarray(x[::-1])[::-1],
        "float64": lambda x: x.astype("float64" if x.ndim > 1 else "int64"),
    }

    first = labeled_run(ways[kept], tmp_path)
    assert_same(first, labeled_run(lambda x: x, tmp_path))  # the same run
    assert_same(first, plainly_laid)


def test_images_of_another_shape_with_the_same_bytes_are_other_images(tmp_path):
    def run(images):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((None, None, 1))
        logits = keras.layers.Dense(1)(inputs)
        fit(tmp_path, images, ImageModel(inputs, logits, likelihood=Bernoulli()))

    run(X.reshape(8, 2, 8, 1))
    run(X.reshape(8, 2, 8, 1))
    with pytest.raises(ValueError, match="differs in: images"):
        run(X.reshape(8, 8, 2, 1))


def test_a_single_weight_that_is_frozen_belongs_to_the_network(tmp_path):
    def run(frozen):
        model = small()
        model.layers[-1].kernel.trainable = not frozen
        return fit(tmp_path, model=model, optimizer=keras.optimizers.SGD(0.1))

    run(frozen=True)
    run(frozen=True)
    with pytest.raises(ValueError, match="differs in: network"):
        run(frozen=False)


@keras.saving.register_keras_serializable(package="test_runs")
class Noisy(keras.layers.Layer):
    """A layer of a user with a generator, as Keras's own layers have one."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(7)

    def call(self, inputs, training=False):
        if not training:
            return inputs
        return inputs + keras.random.normal(
            keras.ops.shape(inputs), seed=self.generator
        )


def test_a_run_with_a_generator_goes_on_although_keras_numbers_its_name(tmp_path):
    def run():
        keras.utils.set_random_seed(0)
        image = keras.Input((4, 4, 1))
        logits = keras.layers.Dense(1)(Noisy()(image))
        model = ImageModel(image, logits, likelihood=Bernoulli())
        names.append(model.layers[1].generator.name)
        return fit(tmp_path, model=model)

    names = []
    run()
    run()
    assert names[0] != names[1]


@pytest.mark.parametrize("rule", ["regularizer", "constraint"])
def test_a_rule_of_a_weight_is_a_setting_of_the_run(tmp_path, rule):
    def model(strength):
        keras.utils.set_random_seed(0)
        made = models.pixelcnn((4, 4, 1), filters=4, depth=1)
        kinds = {
            "regularizer": keras.regularizers.L2,
            "constraint": keras.constraints.MaxNorm,
        }
        setattr(made.layers[1].kernel, rule, kinds[rule](strength))
        return made

    fit(tmp_path, model=model(0.1))
    fit(tmp_path, model=model(0.1))
    with pytest.raises(ValueError, match="differs in: network"):
        fit(tmp_path, model=model(0.2))


class Same(keras.layers.Layer):
    """A user's layer, which Keras cannot describe with a regularizer."""

    def __init__(self, **how):
        super().__init__(**how)

    def call(self, x):
        return x


@pytest.mark.parametrize("kind", [Same, keras.layers.Identity])
def test_an_activity_regularizer_is_a_setting_of_the_run(tmp_path, kind):
    def model(strength):
        keras.utils.set_random_seed(0)
        image = keras.Input((4, 4, 1))
        x = kind(activity_regularizer=keras.regularizers.L2(strength))(image)
        return ImageModel(image, MaskedConv2D(1, 3, "A")(x), likelihood=Bernoulli())

    fit(tmp_path, model=model(0.1))
    fit(tmp_path, model=model(0.1))
    with pytest.raises(ValueError, match="differs in: network"):
        fit(tmp_path, model=model(0.2))


def test_a_layer_named_after_its_activation_does_not_hide_it(tmp_path):
    def run(activation, nested=False):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((4, 4, 1))
        features = keras.layers.Dense(2)(inputs)
        features = keras.layers.Activation(activation, name=activation)(features)
        features = keras.ops.add(features, 1.0)
        inner = [keras.layers.Dense(1)]
        if nested:
            inner = [keras.Sequential([keras.Input((4, 4, 2)), *inner])]
        logits = inner[0](features)
        return ImageModel(inputs, logits, likelihood=Bernoulli())

    fit(tmp_path, model=run("relu"))
    fit(tmp_path, model=run("relu"))
    with pytest.raises(ValueError, match="differs in: network"):
        fit(tmp_path, model=run("tanh"))
    fit(tmp_path, model=run("relu", nested=True))  # it computes the same


class Doubled(keras.Sequential):
    """A user's model whose ``get_config`` is that of Keras."""

    def call(self, *arguments, **more):
        return self.factor * super().call(*arguments, **more)


class Smoothed(ImageModel):
    """A model whose loss has a setting."""

    def compute_loss(self, x=None, y=None, *arguments, **more):
        smooth = y * (1 - self.factor) + self.factor / 2
        return super().compute_loss(x, smooth, *arguments, **more)


@pytest.mark.parametrize("kind", [Doubled, Smoothed])
def test_a_number_in_a_user_s_model_belongs_to_the_run(kind, tmp_path):
    def made(factor):
        plain = small()
        if kind is Doubled:
            model = Doubled([keras.Input((4, 4, 1)), keras.layers.Dense(1)])
            model.likelihood = Bernoulli()
        else:
            model = Smoothed(plain.inputs, plain.outputs, likelihood=Bernoulli())
        model.factor = factor
        return model

    fit(tmp_path, model=made(0.5))
    fit(tmp_path, model=made(0.5))
    with pytest.raises(ValueError, match=r"differs in: .*network"):
        fit(tmp_path, model=made(0.25))


class Slow(keras.optimizers.SGD):
    """A user's optimizer without ``get_config``."""

    def __init__(self, factor, learning_rate=0.1, **arguments):
        super().__init__(learning_rate, momentum=0.5, **arguments)
        self.factor = factor

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient * self.factor, variable, learning_rate)


class Around(keras.optimizers.Optimizer):
    """A user's optimizer. Keras does not list the variables of the one that it holds."""

    def __init__(self, inner):
        super().__init__(learning_rate=0.0)
        self.inner = inner

    def build(self, variables):
        self.inner.build(variables)
        super().build(variables)

    def apply(self, grads, trainable_variables=None):
        self.inner.apply(grads, trainable_variables)
        self.iterations.assign_add(1)

    def get_config(self):
        return {"inner": keras.saving.serialize_keras_object(self.inner)}


def test_an_optimizer_inside_a_user_s_optimizer_goes_on_too(tmp_path):
    def run(folder, *callbacks):
        inner = keras.optimizers.Adam(0.1, name="inner")
        return fit(folder, optimizer=Around(inner), callbacks=callbacks)[0]

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Interrupt(1))
    assert_same(run(tmp_path), run(None))


def test_the_optimizer_in_a_loss_scale_optimizer_may_have_another_name(tmp_path):
    def run(rate):
        inner = keras.optimizers.SGD(rate)  # its name is numbered
        return fit(tmp_path, optimizer=keras.optimizers.LossScaleOptimizer(inner))

    assert_same(run(0.1)[0], run(0.1)[0])
    with pytest.raises(ValueError, match="differs in: optimizer"):
        run(0.2)


def test_a_run_with_the_same_loss_scale_optimizer_goes_on(tmp_path):
    inner = keras.optimizers.SGD(0.1)
    optimizer = keras.optimizers.LossScaleOptimizer(inner)
    model, _ = fit(tmp_path, optimizer=optimizer)
    _, history = fit(tmp_path, model=model, optimizer=optimizer)
    assert history.epoch == [0, 1]


@pytest.mark.parametrize("kind", [keras.optimizers.AdamW, Slow])
def test_weights_excluded_from_weight_decay_are_a_setting(kind, tmp_path):
    def run(**excluded):
        optimizer = kind(0.1, weight_decay=0.1)
        if excluded:
            optimizer.exclude_from_weight_decay(**excluded)
        return fit(tmp_path, optimizer=optimizer)

    run(var_names=["bias"])
    run(var_names=["bias"])
    for other in ({}, {"var_names": ["kernel"]}):
        with pytest.raises(ValueError, match="differs in: excluded from weight decay"):
            run(**other)


# what is no damage


@pytest.mark.parametrize("name", [*LEFT, PARTIAL, "checkpoint.lock"])
@pytest.mark.parametrize("content", ["npz", "text"])
def test_a_file_of_another_kind_with_a_name_of_ours_stays(tmp_path, name, content):
    path, count = tmp_path / name, Count()
    if content == "text":
        path.write_text("process the images of Monday", "utf-8")
    else:
        with open(path, "wb") as file:
            np.savez(file, mine=np.arange(3))
    raw = path.read_bytes()
    if (name, content) == ("checkpoint.npz", "text"):  # as good as damaged: it is kept
        with pytest.warns(RuntimeWarning, match="checkpoint.npz is damaged"):
            fit(tmp_path)
        path = tmp_path / "checkpoint.damaged"
    else:
        with pytest.raises(ValueError, match=f"{re.escape(name)} .*another file"):
            fit(tmp_path, callbacks=count)
        assert names(tmp_path) == [name]
    assert path.read_bytes() == raw and count.count == 0


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.3, 1.0])
def test_what_a_killed_process_has_left_of_a_file_is_overwritten(
    whole, tmp_path, share
):
    raw = (whole[0] / "checkpoint.npz").read_bytes()
    (tmp_path / PARTIAL).write_bytes(raw[: round(share * len(raw))])
    fit(tmp_path)
    assert names(tmp_path) == LEFT


@pytest.mark.parametrize("name", LEFT)
def test_a_file_that_cannot_be_read_now_is_not_damaged(
    ended, tmp_path, monkeypatch, name
):
    if name == LEFT[1]:
        (tmp_path / LEFT[0]).unlink()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    read, count = Path.read_bytes, Count()

    def stutter(path):
        if path.name == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", stutter)
        with pytest.raises(OSError, match="Input/output"):
            fit(tmp_path, callbacks=count)
    with monkeypatch.context() as patch:
        patch.setattr(np, "load", lambda *_, **__: bytearray(2**62))
        with pytest.raises(MemoryError):
            fit(tmp_path, callbacks=count)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert count.count == 0


def test_a_size_that_damage_made_huge_is_damage(ended):
    newest = ended / "checkpoint.npz"
    raw = newest.read_bytes()
    huge = raw.replace(b"(1,), }" + b" " * 14, b"(" + b"9" * 15 + b",), }")
    assert len(huge) == len(raw) and huge != raw
    newest.write_bytes(huge)
    with pytest.warns(RuntimeWarning, match="damaged"):
        fit(ended)


def test_a_second_damaged_file_leaves_the_first(ended):
    for i in range(3):
        (ended / "checkpoint.npz").write_bytes(b"%d" % i)
        with pytest.warns(RuntimeWarning, match="damaged"):
            fit(ended)
    kept = sorted(ended.glob("*.damaged*"))
    assert [path.read_bytes() for path in kept] == [b"0", b"1", b"2"]


# how a run ends


class Interrupt(keras.callbacks.Callback):
    """Ends the process, as it were, at a moment of the training."""

    def __init__(self, moment):
        super().__init__()
        self.moment = moment

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.moment:
            raise KeyboardInterrupt

    def on_train_end(self, logs=None):
        if self.moment == "end":
            raise KeyboardInterrupt


def stopping(folder, moment=None, **arguments):
    """Train until a loss gets worse. A high learning rate soon makes it worse."""
    early = keras.callbacks.EarlyStopping(
        "val_loss", patience=2, restore_best_weights=True
    )
    optimizer = keras.optimizers.SGD(0.3, momentum=0.95, **arguments)
    callbacks = [early, *([] if moment is None else [Interrupt(moment)])]
    more = {"optimizer": optimizer, "validation_images": X[:2], "epochs": 12}
    with contextlib.suppress(KeyboardInterrupt):
        return fit(folder, callbacks=callbacks, **more)


@pytest.mark.parametrize("mean", [{}, {"use_ema": True, "ema_momentum": 0.5}])
def test_a_run_that_was_stopped_has_ended_wherever_it_was_interrupted(tmp_path, mean):
    expected, history = stopping(None, **mean)
    epochs = history.epoch
    assert 3 <= len(epochs) < 12 and epochs == list(range(len(epochs)))
    best = np.argmin(history.history["val_loss"])
    assert best < len(epochs) - 1  # so that restored weights are not the last ones
    for moment in (None, "end", 2 if mean else len(epochs) - 1):
        folder = tmp_path / f"{moment}"
        if moment is not None:
            assert stopping(folder, moment, **mean) is None
        for _ in range(2 if moment is None else 1):  # the same call again
            model, again = stopping(folder, **mean)
            assert again.epoch == epochs
            assert again.model is model
            for name, values in history.history.items():
                assert again.history[name] == values
            assert_same(model, expected)
    count = Count()
    more = {"optimizer": keras.optimizers.SGD(0.3, momentum=0.95, **mean)}
    more |= {"validation_images": X[:2], "epochs": 12}
    assert_same(fit(tmp_path / "None", callbacks=count, **more)[0], expected)
    assert count.count == 0


def test_what_other_callbacks_remember_goes_on_too(tmp_path):
    def run(folder, moment=None):
        keep = keras.callbacks.ModelCheckpoint(
            folder / "best.weights.h5", save_best_only=True, save_weights_only=True
        )
        slow = keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.5)
        optimizer = keras.optimizers.SGD(0.3, momentum=0.95)
        callbacks = [keep, slow, *([] if moment is None else [Interrupt(moment)])]
        more = {"optimizer": optimizer, "validation_images": X[:2], "epochs": 6}
        with contextlib.suppress(KeyboardInterrupt):
            model, history = fit(folder, callbacks=callbacks, **more)
            best = small()
            best.load_weights(folder / "best.weights.h5")
            return model, history.history, best

    whole, history, best = run(tmp_path / "whole")
    assert len(set(history["learning_rate"])) > 1
    assert np.argmin(history["val_loss"]) == 1
    assert run(tmp_path / "broken", 4) is None
    model, again, same_best = run(tmp_path / "broken")
    for name in ("val_loss", "learning_rate"):
        assert again[name] == history[name]
    assert_same(model, whole)
    assert_same(same_best, best)


def test_what_callbacks_do_before_training_is_done_once(tmp_path):
    class Warm(keras.callbacks.Callback):
        """Begins with given weights and a given rate, which falls."""

        def on_train_begin(self, logs=None):
            self.model.set_weights(given)
            self.model.optimizer.learning_rate = 0.2

        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate *= 0.5

    given = [weight + 1 for weight in small().get_weights()]
    whole, history = fit(tmp_path / "whole", callbacks=Warm(), epochs=3)
    for moment in (0, 2):
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / f"{moment}", callbacks=[Warm(), Interrupt(moment)], epochs=3)
        model, again = fit(tmp_path / f"{moment}", callbacks=Warm(), epochs=3)
        assert again.history["loss"] == history.history["loss"]
        assert_same(model, whole)
        assert float(model.optimizer.learning_rate) == pytest.approx(0.025)


def test_a_model_is_saved_after_the_same_batches_in_a_resumed_run(tmp_path):
    """A checkpoint without this count, of an earlier version, goes on too."""

    class Keep(keras.callbacks.ModelCheckpoint):
        def _save_model(self, epoch, batch, logs):
            steps.append(int(self.model.optimizer.iterations))
            super()._save_model(epoch, batch, logs)

    def run(folder, moment=None):
        how = {"save_freq": 3, "save_weights_only": True}
        keep = Keep(tmp_path / "last.weights.h5", **how)
        callbacks = [keep, *([] if moment is None else [Interrupt(moment)])]
        with contextlib.suppress(KeyboardInterrupt):
            fit(folder, callbacks=callbacks, epochs=4)
        found = steps.copy()
        steps.clear()
        return found

    steps = []
    assert run(tmp_path / "whole") == [3, 6]
    for moment in (1, 2):
        before = run(tmp_path / f"{moment}", moment)
        shutil.copytree(tmp_path / f"{moment}", tmp_path / f"{moment} earlier")
        assert before + run(tmp_path / f"{moment}") == [3, 6]
        path = tmp_path / f"{moment} earlier" / "checkpoint.npz"
        with np.load(path) as file:
            arrays = dict(file)
        about = json.loads(str(arrays["about"]))
        about["callbacks"] = [[who, {"best": None}] for who, _ in about["callbacks"]]
        np.savez(path, **{**arrays, "about": np.array(json.dumps(about))})
        assert run(path.parent) == [*range(2 * moment + 3, 9, 3)]


@pytest.mark.parametrize("append", [False, True])
def test_a_resumed_run_keeps_the_lines_of_a_csv_file(tmp_path, append):
    def run(folder, moment=None, logger=None):
        logger = logger or keras.callbacks.CSVLogger(log, append=append)
        callbacks = [logger, *([] if moment is None else [Interrupt(moment)])]
        with contextlib.suppress(KeyboardInterrupt):
            fit(folder, callbacks=callbacks, epochs=3)
        if logger.csv_file:
            logger.csv_file.close()
        return logger, log.read_text("utf-8")

    log = tmp_path / "log.csv"
    logger, whole = run(tmp_path / "whole")
    assert len(whole.split()) == 4 and "epoch" in whole
    for moment, same in [(2, False), (1, True), ("end", False)]:
        log.unlink()
        folder = tmp_path / f"{moment} {same}"
        logger, part = run(folder, moment)
        assert whole.startswith(part) and (part == whole) == (moment == "end")
        logger, again = run(folder, logger=logger if same else None)
        assert again == whole
    if not append:  # the logger overwrites its file in a new run, as before
        assert run(tmp_path / "new", logger=logger)[1] == whole


@pytest.mark.parametrize("append", [False, True])
def test_an_epoch_that_is_done_again_stands_once_in_a_csv_file(tmp_path, append):
    """The row is written before the checkpoint, and Ctrl-C comes in between."""
    log = tmp_path / "log.csv"
    for more in ([interrupt_before_the_checkpoint(1)], []):
        logger = keras.callbacks.CSVLogger(log, append=append, separator=";")
        with contextlib.suppress(KeyboardInterrupt):
            fit(tmp_path / "run", callbacks=[logger, *more], epochs=3)
        logger.csv_file.close()
    assert rows_of(log, ";") == ["epoch", "0", "1", "2"]


def rows_of(log, separator=","):
    return [row.split(separator)[0] for row in log.read_text("utf-8").splitlines()]


def interrupt_before_the_checkpoint(moment):
    """Come between the row of an epoch and its checkpoint, as Ctrl-C may."""

    def interrupt(epoch, logs):
        if epoch == moment:
            raise KeyboardInterrupt

    return keras.callbacks.LambdaCallback(on_epoch_end=interrupt)


@pytest.mark.parametrize("moment", [0, 1])
@pytest.mark.parametrize("other", [3, 2])
def test_a_resumed_run_keeps_the_rows_of_another_run(tmp_path, moment, other):
    """Also if the other run goes on in the same epoch, with one row."""

    def run(name, *more, seed=0):
        logger = keras.callbacks.CSVLogger(log, append=True)
        with contextlib.suppress(KeyboardInterrupt):
            fit(tmp_path / name, callbacks=[logger, *more], epochs=3, seed=seed)
        logger.csv_file.close()

    log = tmp_path / "log.csv"
    if other == 2:  # of its three epochs
        run("other", Interrupt(2), seed=1)
    run("one", interrupt_before_the_checkpoint(moment))
    run("other", seed=1)
    before = log.read_text("utf-8")
    run("one")
    assert log.read_text("utf-8").startswith(before)
    assert sorted(rows_of(log)) == sorted(["epoch", *"012", *"012"])


def test_an_interrupted_run_keeps_a_row_that_another_has_just_written(tmp_path):
    """Between this run's row and its checkpoint: then the epoch stands twice."""

    def write(epoch, logs):
        if epoch == 1:
            with log.open("a", encoding="utf-8") as file:
                file.write("1,another run\n")

    log = tmp_path / "log.csv"
    for more in (
        [
            keras.callbacks.LambdaCallback(on_epoch_end=write),
            interrupt_before_the_checkpoint(1),
        ],
        [],
    ):
        logger = keras.callbacks.CSVLogger(log)
        with contextlib.suppress(KeyboardInterrupt):
            fit(tmp_path / "run", callbacks=[logger, *more], epochs=2)
        logger.csv_file.close()
    assert log.read_text("utf-8").count("1,another run\n") == 1
    assert rows_of(log) == ["epoch", "0", "1", "1", "1"]


def test_an_interrupted_run_keeps_the_row_of_an_epoch_that_is_saved(
    tmp_path, monkeypatch
):
    """Ctrl-C comes after the checkpoint, before the next epoch."""
    on_epoch_end = Checkpoint.on_epoch_end

    def interrupted(self, epoch, logs=None):
        on_epoch_end(self, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    log = tmp_path / "log.csv"
    for function in (interrupted, on_epoch_end):
        monkeypatch.setattr(Checkpoint, "on_epoch_end", function)
        logger = keras.callbacks.CSVLogger(log)
        with contextlib.suppress(KeyboardInterrupt):
            fit(tmp_path / "run", callbacks=logger, epochs=3)
        logger.csv_file.close()
    assert rows_of(log) == ["epoch", "0", "1", "2"]


@pytest.mark.parametrize("moment", [1, None])
def test_a_logger_that_counts_from_one_keeps_its_rows(tmp_path, moment):
    class FromOne(keras.callbacks.CSVLogger):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch + 1, logs)

    log = tmp_path / "log.csv"
    stop = Interrupt(2) if moment is None else interrupt_before_the_checkpoint(moment)
    for more in ([stop], []):
        logger = FromOne(log)
        with contextlib.suppress(KeyboardInterrupt):
            fit(tmp_path / "run", callbacks=[logger, *more], epochs=3)
        logger.csv_file.close()
    assert rows_of(log) == ["epoch", "1", "2", "3"]


def test_a_logger_that_joins_a_resumed_run_keeps_an_older_log(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss\n0,3\n1,2\n2,1\n", "utf-8")
    before = log.read_text("utf-8")
    with contextlib.suppress(KeyboardInterrupt):
        fit(tmp_path / "run", callbacks=Interrupt(1), epochs=3)
    fit(tmp_path / "run", callbacks=keras.callbacks.CSVLogger(log), epochs=3)
    assert log.read_text("utf-8").startswith(before)
    assert rows_of(log) == ["epoch", *"012", *"12"]


def test_an_ended_run_tells_callbacks_what_they_knew(tmp_path):
    def early():
        return keras.callbacks.EarlyStopping("val_loss", patience=2)

    first, again = early(), early()
    for one in (first, again):
        optimizer = keras.optimizers.SGD(0.3, momentum=0.95)
        more = {"optimizer": optimizer, "validation_images": X[:2], "epochs": 12}
        fit(tmp_path, callbacks=one, **more)
    assert 0 < first.stopped_epoch == again.stopped_epoch
    assert (first.best, first.wait) == (again.best, again.wait)


def test_what_callbacks_remember_is_told_apart_by_what_they_monitor(tmp_path):
    def early(monitor, mode="auto", **arguments):
        arguments = {"patience": 9, **arguments}
        return keras.callbacks.EarlyStopping(monitor, mode=mode, **arguments)

    def run(*callbacks):
        fit(tmp_path, callbacks=callbacks, epochs=4, validation_images=X[:2])
        return [one.best for one in callbacks]

    train, held_out = early("loss"), early("val_loss")
    with contextlib.suppress(KeyboardInterrupt):
        run(train, held_out, Interrupt(2))
    known = []

    class Look(keras.callbacks.Callback):
        def __init__(self, *others):
            super().__init__()
            self.others = others

        def on_epoch_begin(self, epoch, logs=None):
            known.append([one.best for one in self.others])

        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    for others, expected in (
        ([early("val_loss"), early("loss")], [held_out.best, train.best]),
        ([early("loss")], [train.best]),
        ([early("val_loss", "max"), early("loss")], [None, train.best]),
        ([early("loss"), early("loss")], [train.best, None]),
    ):
        with contextlib.suppress(KeyboardInterrupt):
            run(*others, Look(*others))
        assert known.pop() == expected


# callbacks


def test_callbacks_are_given_as_keras_takes_them():
    for many in (lambda one: one, lambda one: (one, [keras.callbacks.Callback()])):
        count = Count()
        fit(callbacks=many(count))
        assert count.count == 4
    count = Count()
    fit(callbacks=keras.callbacks.CallbackList([count], add_history=True))
    assert count.count == 4
    fit(callbacks=None)
    fit(callbacks=())
    for wrong in (Count, [None], "early", [Count(), 3], print):
        with pytest.raises(ValueError, match="callbacks"):
            fit(callbacks=wrong)


def test_callbacks_that_do_what_fit_does_are_refused(tmp_path):
    count, swap = Count(), keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    for optimizer in ("nadam", keras.optimizers.SGD(0.1, use_ema=True)):
        with pytest.raises(
            ValueError, match=r"without SwapEMAWeights.*Received: <keras"
        ):
            fit(callbacks=[count, swap], optimizer=optimizer)
    folder, backup = tmp_path / "run", keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(
        ValueError, match=r"without BackupAndRestore beside folder=.*<ke"
    ):
        fit(folder, callbacks=[count, [backup]])
    mean = keras.optimizers.SGD(0.1, use_ema=True)
    with pytest.raises(ValueError, match=r"\(use_ema\).*folder=.*Received: <keras"):
        fit(callbacks=[count, backup], optimizer=mean)
    assert not count.count and not folder.exists()
    fit(callbacks=[count, backup])
    assert count.count == 4


# memory


def arrays_of(monkeypatch):
    """Return a list that gets a reference to each array which `fit` makes of images."""
    found, check = [], training.check_images

    def watched(*args, **kwargs):
        images = check(*args, **kwargs)
        found.append(weakref.ref(images))
        return images

    monkeypatch.setattr(training, "check_images", watched)
    return found


def test_images_leave_the_memory_when_training_ends_and_the_model_stays(
    tmp_path, monkeypatch
):
    found = arrays_of(monkeypatch)
    early = keras.callbacks.EarlyStopping("val_loss")
    kept = [
        fit(validation_images=X, callbacks=early),
        fit(tmp_path, validation_images=X),
        fit(optimizer="nadam"),
    ]
    model = small()
    with contextlib.suppress(KeyboardInterrupt):
        stop = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
        fit(model=model, validation_images=X, callbacks=stop)
    gc.collect()
    assert len(found) == 7 and kept
    assert all(reference() is None for reference in found)


def interrupt(batch, logs):
    raise KeyboardInterrupt


def test_memory_does_not_grow_by_images_with_each_training():
    images = np.zeros((4000, 16, 16, 1), "float32")  # 4 MB
    inputs = keras.Input((16, 16, 1))
    model = ImageModel(inputs, keras.layers.Dense(1)(inputs), likelihood=Bernoulli())
    arguments = {"epochs": 1, "batch_size": 4000, "model": model}
    fit(images=images, **arguments)
    tracemalloc.start()
    try:
        sizes = []
        for _ in range(2):
            fit(images=images, **arguments)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < images.nbytes


def test_a_dataset_keeps_its_images_as_long_as_it_is_read():
    images = np.arange(6, dtype="float32").reshape(6, 1, 1, 1)
    iterator = iter(
        batches.pipeline(batches.Batches(images, 2, binarize=False, shuffle=False))
    )
    got = np.concatenate([inputs for inputs, _ in iterator])
    np.testing.assert_array_equal(got, images)


# paths


def written(path):
    with _files.atomic_write(path) as temporary:
        temporary.write_text("here", "utf-8")


def locked_once(folder):
    with _files.locked(folder) as found:
        assert found.is_dir()


def locked_by_first(folder):
    with _ranks.locked_by_first(folder) as found:
        assert found.is_dir() and found == Path(folder).expanduser().absolute()


def kept_in(read):
    """Return a function that saves a model in a folder and reads it from there."""
    arguments = {"image_shape": [4, 4, 1], "filters": 2, "depth": 1}
    arguments["likelihood"] = {"name": "Bernoulli"}
    build = {"builder": "pixelcnn", "arguments": arguments}

    def function(folder):
        model = models.pixelcnn((4, 4, 1), filters=2, depth=1)
        pretrained.save(folder, "mine", model, {"build": build})
        read(folder)

    return function


def with_pictures(read):
    """Return a function that writes two pictures into a folder and reads the folder."""

    def function(folder):
        at = Path(folder).expanduser()
        at.mkdir()
        for name in ("a.png", "b.png"):
            Image.new("L", (4, 4)).save(at / name)
        read(folder)

    return function


def test_two_writers_of_one_file_wait_for_each_other(tmp_path):
    path, together = tmp_path / "file.txt", threading.Barrier(2)
    path.write_text("older", "utf-8")
    errors = []

    def write(letter):
        try:
            together.wait()
            with _files.atomic_write(path) as temporary:
                for _ in range(20):
                    with open(temporary, "a", encoding="utf-8") as file:
                        file.write(letter)
        except Exception as error:
            errors.append(error)

    for _ in range(10):
        threads = [threading.Thread(target=write, args=letter) for letter in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert path.read_text("utf-8") in ("a" * 20, "b" * 20)
    assert [one.name for one in tmp_path.iterdir()] == ["file.txt"]


# Each public function that takes a path, and where it looks in the user's home folder.
def masked():
    return models.pixelcnn((4, 4, 1), filters=2, depth=1)


TAKE_PATHS = {
    "_checks.check_path": (lambda at: written(check_path("path", at)), "checked"),
    "checkpoints.Checkpoint": (lambda at: written(Checkpoint(at, {}).folder), "made"),
    "_files.locked": (locked_once, "locked"),
    "checkpoints.resume": (lambda at: fit(at), "resumed"),
    "_files.atomic_write": (written, "file"),
    "_ranks.locked_by_first": (locked_by_first, "first"),
    "presets.digits_from": (presets.digits_from, "mnist.npz"),
    "presets.name_of": (presets.name_of, "mnist.npz"),
    "data.folder_classes": (with_pictures(data.folder_classes), "pictures"),
    "data.load_folder": (with_pictures(data.load_folder), "pictures"),
    "data.load_mnist": (data.load_mnist, "mnist.npz"),
    "pretrained.card": (kept_in(lambda at: pretrained.card("mine", at)), "kept"),
    "pretrained.load": (kept_in(lambda at: pretrained.load("mine", at)), "kept"),
    "pretrained.names": (kept_in(pretrained.names), "kept"),
    "pretrained.refuse_foreign": (
        kept_in(lambda at: pretrained.refuse_foreign("mine", at)),
        "kept",
    ),
    "pretrained.save": (kept_in(str), "kept"),
    "training.fit": (lambda at: fit(at), "run"),
    "export.page": (lambda at: export.page(masked(), at), "page.html"),
}


def functions_with_paths():
    for found in pkgutil.walk_packages(pixelcnn_edu.__path__, "pixelcnn_edu."):
        # the shell does it for `one_file`, a program; `checkpoints` and `data` for theirs
        if found.name.endswith(
            ("one_file", "_checkpoint_file", "_digit_files", "_pictures")
        ):
            continue
        module = importlib.import_module(found.name)
        for name, function in vars(module).items():
            own = getattr(function, "__module__", None) == found.name
            if inspect.isclass(function):
                function = vars(function).get("__init__")
            function = inspect.unwrap(function) if callable(function) else None
            if name[0] != "_" and own and inspect.isfunction(function):
                names = inspect.signature(function).parameters
                if names.keys() & {"path", "folder", "source", "file", "filename"}:
                    yield f"{found.name.removeprefix('pixelcnn_edu.')}.{name}"


def test_every_function_that_takes_a_path_is_tried():
    assert set(functions_with_paths()) == TAKE_PATHS.keys()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder with a file of digits; the working directory is an empty folder."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    digits = {
        name: np.zeros((40, 28, 28) if name[0] == "x" else 40, "uint8")
        for name in _digit_files.ARRAYS
    }
    np.savez(tmp_path / "home" / "mnist.npz", **digits)
    return tmp_path / "home"


@pytest.mark.parametrize("name", TAKE_PATHS)
def test_a_tilde_is_the_home_folder_in_every_path(home, name):
    function, at = TAKE_PATHS[name]
    function(f"~/{at}")
    assert (home / at).exists()
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("data_is", ["~/mnist.npz", "../home/full"])
def test_the_command_line_says_which_digits_it_read(home, monkeypatch, data_is):
    tiny = presets.Preset("a test", 2, 1, 1, 4000, 1e-3)
    monkeypatch.setitem(presets.PRESETS, "tiny", tiny)
    (home / "full").write_bytes((home / "mnist.npz").read_bytes())
    __main__.main(
        [
            "train",
            "--preset",
            "tiny",
            "--data",
            data_is,
            "--out",
            "~/out",
            "--verbose",
            "0",
        ]
    )
    assert not list(Path.cwd().iterdir())
    assert names(home / "out") == [
        "checkpoint.npz",
        "checkpoint.previous.npz",
        "tiny.json",
        "tiny.npz",
    ]
    text = (home / "out" / "tiny.json").read_text("utf-8")
    assert "home" not in text
    rebuild = __main__.parser().parse_args(shlex.split(json.loads(text)["rebuild"])[3:])
    monkeypatch.chdir(home)  # the file of that name, from where it lies
    assert Path(rebuild.digits).samefile(data_is.replace("~", str(home)))
    assert rebuild.digits not in ("full", "bundled")


def test_a_callback_may_note_down_anything_and_hold_other_callbacks(tmp_path):
    class Both(keras.callbacks.Callback):
        callbacks, epochs = (keras.callbacks.Callback(),), 0

        def on_epoch_end(self, epoch, logs=None):
            logs["confusion"], self.epochs = np.arange(3), self.epochs + 1

    both = Both()
    _, history = fit(tmp_path, callbacks=both)
    assert both.epochs == 2 and len(history.history["loss"]) == 2
    assert "confusion" not in history.history


def test_variables_that_a_file_cannot_hold_are_refused_before_training(tmp_path):
    """The run was written, and could never be read."""
    image = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 3, padding="same", dtype="bfloat16")(image)
    model = keras.Model(image, keras.layers.Conv2D(1, 1, dtype="float32")(x))
    with pytest.raises(ValueError, match="bfloat16"):
        training.fit(
            model,
            np.zeros((4, 4, 4, 1), "float32"),
            likelihood=Bernoulli(),
            optimizer=keras.optimizers.SGD(0.1),
            folder=tmp_path,
            verbose=0,
        )


def test_a_run_interrupted_in_its_first_epoch_begins_again_with_the_same_weights(
    tmp_path,
):
    """Ctrl-C, and the cell is run again: it went on from half-trained weights."""

    ends, arguments = [], {"epochs": 2, "batch_size": 4, "verbose": 0}
    for interrupted in (False, True):
        keras.utils.set_random_seed(0)
        image = keras.Input((4, 4, 1))
        x = keras.layers.Dropout(0.5)(MaskedConv2D(4, 3, "A", activation="relu")(image))
        model = ImageModel(image, MaskedConv2D(1, 1)(x), likelihood=Bernoulli())
        where = {"folder": tmp_path / str(interrupted)}
        if interrupted:
            stop = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
            with pytest.raises(KeyboardInterrupt):
                training.fit(model, X, callbacks=stop, **where, **arguments)
        training.fit(model, X, **where, **arguments)
        ends.append(model.get_weights())
    for whole, again in zip(*ends, strict=True):
        np.testing.assert_array_equal(whole, again)
