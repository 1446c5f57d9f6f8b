"""The package starts quietly, warnings and crashes still come through."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import faulthandler, os, tempfile, threading
done = threading.Event()
def write():
    i = 0
    while not done.is_set():
        os.write(2, b"line %d\\n" % i)
        i += 1
        done.wait(0.02)
    print(i)
thread = threading.Thread(target=write, daemon=True)
thread.start()
import pixelcnn_edu
done.set()
thread.join()
assert threading.active_count() == 1 and not faulthandler.is_enabled()
assert os.listdir(tempfile.gettempdir()) == []
import keras, numpy as np, warnings
assert keras.config.backend() == "tensorflow"
from pixelcnn_edu import generation, models, training
model = models.pixelcnn((6, 6, 1), filters=4, depth=1)
training.fit(model, np.zeros((8, 6, 6, 1)), epochs=1, verbose=0)
generation.generate(model, 1, seed=0)
warnings.warn("python warns")
os.write(2, b"native warns")
"""


def python(script, folder, *options, path=()):
    """Run a script in a new process whose temporary folder is ``folder``."""
    env = {
        **{name: v for name, v in os.environ.items() if name != "KERAS_BACKEND"},
        "KERAS_HOME": str(folder.parent),
        "PYTHONPATH": os.pathsep.join([*map(str, path), *sys.path]),
        "PYTHONFAULTHANDLER": "",
        "TMPDIR": str(folder),
        "TEMP": str(folder),
    }
    command = [sys.executable, "-W", "ignore::DeprecationWarning", *options]
    return subprocess.run(
        [*command, "-c", script],
        env=env,
        cwd=folder.parent,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_import_training_and_generation_write_nothing_to_stderr_but_warnings_do(folder):
    """What another thread writes during the import is not lost.

    Keras's file of settings is damaged; a test of `test_start_backend` has others.
    """
    (folder.parent / "keras.json").write_text("damaged", "utf-8")
    done = python(SCRIPT, folder)
    assert done.returncode == 0, done.stderr
    assert "python warns" in done.stderr
    assert done.stderr.endswith("native warns")
    quiet = done.stderr.replace("native warns", "").splitlines()
    count = int(done.stdout)
    assert count > 5
    lines = {f"line {i}" for i in range(count)}
    assert sorted(line for line in quiet if "python warns" not in line) == sorted(lines)


# `test_platforms` imports the package without stderr.
def test_the_import_works_without_a_temporary_folder(folder):
    pytest.importorskip("resource")  # not on Windows
    before = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    done = python(f"{before}\nimport pixelcnn_edu\nprint('imported')", folder)
    assert (done.returncode, done.stdout) == (0, "imported\n"), done.stderr


# Deeper than the 100 frames that a crash prints, as TensorFlow's own import is.
FAILS = """
import ctypes, os
os.write(2, b"the reason")
def down(steps):
    down(steps - 1) if steps else {end}
down(150)
"""


@pytest.fixture
def import_that_ends(folder):
    """Run an import of the package with a TensorFlow that writes a line and fails."""

    def run(end, *options, before=""):
        package = folder.parent / "fake" / "tensorflow"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(FAILS.format(end=end), "utf-8")
        script = f"{before}\nimport pixelcnn_edu"
        return python(script, folder, *options, path=[package.parent])

    return run


def test_an_import_that_fails_shows_what_it_wrote(import_that_ends, folder):
    done = import_that_ends("os.no_such_name")
    assert done.returncode == 1
    assert done.stderr.startswith("the reason")
    assert "AttributeError" in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("end", ["os.abort()", "ctypes.string_at(0)"])
def test_an_import_that_crashes_names_the_file_of_what_it_wrote(
    import_that_ends, folder, end
):
    done = import_that_ends(end)
    assert done.returncode not in (0, 1)
    assert "Fatal Python error" in done.stderr and "in down" in done.stderr
    path = Path(re.search(r'"what TensorFlow wrote is in (.+)", ', done.stderr)[1])
    assert path.parent == folder
    assert path.read_text("utf-8") == "the reason"


@pytest.mark.parametrize(
    ("options", "before"),
    [
        ([], "import tempfile; tempfile.tempdir = '/no/such/folder'"),
        (["-X", "faulthandler"], ""),
    ],
)
def test_without_a_folder_or_with_faulthandler_nothing_is_held_back(
    import_that_ends, folder, options, before
):
    done = import_that_ends("os.abort()", *options, before=before)
    assert done.returncode not in (0, 1)
    assert done.stderr.startswith("the reason")
    assert ("Fatal Python error" in done.stderr) == bool(options)
    assert list(folder.iterdir()) == []
