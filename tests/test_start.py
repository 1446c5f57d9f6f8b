"""The package starts quietly; errors of the start are seen, or said in one sentence."""

import os
import subprocess
import sys

import pytest


def python(script, folder, **environment):
    """Run a script in a new process."""
    env = {name: v for name, v in os.environ.items() if name != "KERAS_BACKEND"}
    env |= {"KERAS_HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    return subprocess.run(
        command, env=env | environment, cwd=folder, capture_output=True, text=True
    )


QUIET = """
import pixelcnn_edu
import keras, numpy as np, os, warnings
assert keras.config.backend() == "tensorflow"
from pixelcnn_edu import generation, models, training
model = models.pixelcnn((6, 6, 1), filters=4, depth=1)
training.fit(model, np.zeros((8, 6, 6, 1)), epochs=1, verbose=0)
generation.generate(model, 1, seed=0)
os.write(2, b"native warns ")
warnings.warn("python warns")
"""


def test_import_training_and_generation_write_nothing_to_stderr_but_warnings_do(
    tmp_path,
):
    """TensorFlow is the backend, whatever Keras's file of settings says."""
    (tmp_path / "keras.json").write_text('{"backend": "torch"}', "utf-8")
    done = python(QUIET, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("native warns ")
    assert "python warns" in done.stderr


def test_an_import_that_fails_shows_what_it_wrote(tmp_path):
    package = tmp_path / "tensorflow"
    package.mkdir()
    fails = "import os\nos.write(2, b'the reason\\n')\nos.no_such_name\n"
    (package / "__init__.py").write_text(fails, "utf-8")
    done = python("import sys; sys.path[:0] = ['.']; import pixelcnn_edu", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("the reason\n") and "AttributeError" in done.stderr


@pytest.mark.parametrize(
    ("backend", "sentence"),
    [
        ("jax", "The backend of Keras is jax, but JAX is not installed. "),
        ("torch", "Expected the backend of Keras to be tensorflow or jax. "),
    ],
)
def test_a_backend_that_cannot_work_is_named_in_one_sentence(
    backend, sentence, tmp_path
):
    script = "import sys; sys.modules['jax'] = None; import pixelcnn_edu"
    done = python(script, tmp_path, KERAS_BACKEND=backend)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and last.startswith(f"ImportError: {sentence}")
    assert "KERAS_BACKEND to tensorflow" in last
