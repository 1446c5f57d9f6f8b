"""A backend that cannot work here is named in one sentence, before Keras is imported."""

import json
import os
import subprocess
import sys

import pytest


def start(folder, then="", **environment):
    """Import the package in a new process with these settings of Keras."""
    env = {name: v for name, v in os.environ.items() if name != "KERAS_BACKEND"}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path), "KERAS_HOME": str(folder)}
    script = "import sys; sys.modules['jax'] = None; import pixelcnn_edu; print('ok')"
    return subprocess.run(
        [sys.executable, "-c", f"{script}; {then}"],
        env=env | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("backend", "sentence"),
    [
        ("jax", "ImportError: The backend of Keras is jax, but JAX is not installed. "),
        (
            "torch",
            "ImportError: Expected the backend of Keras to be tensorflow or jax. ",
        ),
        (
            "numpy",
            "ImportError: Expected the backend of Keras to be tensorflow or jax. ",
        ),
    ],
)
def test_a_backend_that_cannot_work_is_named_in_one_sentence(
    backend, sentence, tmp_path
):
    by_variable = start(tmp_path, KERAS_BACKEND=backend)
    (tmp_path / "keras.json").write_text(json.dumps({"backend": backend}), "utf-8")
    by_file = start(tmp_path)
    for done in (by_variable, by_file):
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith(sentence)
        assert "KERAS_BACKEND to tensorflow" in last
        assert done.stderr.count("  File ") <= 3


# `test_start` trains with a damaged file: TensorFlow is the default.
def test_tensorflow_by_variable_wins_over_the_file(tmp_path):
    file = {"backend": "torch", "floatx": "float64"}
    (tmp_path / "keras.json").write_text(json.dumps(file), "utf-8")
    build = "from pixelcnn_edu import models; models.pixelcnn(filters=4, depth=1)"
    done = start(tmp_path, then=build, KERAS_BACKEND="tensorflow")
    assert done.stdout == "ok\n"
    # the other settings of the file are named in one sentence
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError: Expected variables in float32")
