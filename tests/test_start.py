"""The package starts quietly, and later warnings still come through."""

import subprocess
import sys

SCRIPT = """
import pixelcnn_edu
import keras, numpy as np, os, warnings
from pixelcnn_edu import generation, models, training
model = models.pixelcnn((6, 6, 1), filters=4, depth=1)
training.fit(model, np.zeros((8, 6, 6, 1)), epochs=1, verbose=0)
generation.generate(model, 1, seed=0)
{more}
"""


def stderr_of(more=""):
    script = SCRIPT.format(more=more)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_import_training_and_generation_write_nothing_to_stderr_but_warnings_do():
    loud = stderr_of("warnings.warn('python warns'); os.write(2, b'native warns')")
    assert "python warns" in loud
    assert loud.endswith("native warns")
    quiet = loud.replace("native warns", "")
    assert [line for line in quiet.splitlines() if "python warns" not in line] == []


def test_an_import_that_fails_shows_what_it_wrote():
    script = """
import sys, types
class Broken(types.ModuleType):
    pass
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            import os
            os.write(2, b"the reason")
            raise ImportError("no tensorflow")
sys.meta_path.insert(0, Finder())
import pixelcnn_edu
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "the reason" in done.stderr
    assert "no tensorflow" in done.stderr
