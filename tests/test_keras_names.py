"""The one list of the private names of Keras and TensorFlow that the code reads.

A name is private if it begins with one underscore. It belongs to another project if no
file of this one defines it. A new version of Keras may rename it, so a test asks Keras.
"""

import ast
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[1]
READ = {  # file: {name: why no public name does}
    "pixelcnn_edu/training.py": {
        "_initial_epoch": "a Ctrl-C leaves it set, and the next `fit` would begin there",
        "_trainable_variables": "whether an optimizer was built for these weights",
    },
    "tests/browser/test_inside.py": {
        "_keras_history": "the layer that made a tensor; a layer has no public way back",
    },
    "tests/test_data.py": {
        "keras.src.utils": "stands for a download, which a test must not make",
    },
    "tests/test_optimizers.py": {
        "_learning_rate": "the schedule; the public name gives its present value",
    },
    "tests/test_training.py": {
        "_tf_swap_variables": "a planted bug stops in the middle of an exchange",
        "_trainable_variables": "a planted bug exchanges variables of the optimizer",
    },
}
STANDARD_LIBRARY = {"_exit", "_thread"}
ASKS = ("getattr", "hasattr", "setattr", "monkeypatch.setattr", "patch.setattr")


def trees():
    """Return the syntax tree of each Python file, by its path."""
    folders = ("pixelcnn_edu", "tests", "benchmarks", "tools")
    paths = sorted(path for name in folders for path in (ROOT / name).rglob("*.py"))
    return {path: ast.parse(path.read_text("utf-8")) for path in paths}


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name.isidentifier()


def defined(tree):
    """Return the names that a file defines: functions, classes, variables, attributes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            own = ast.unparse(node.value) in ("self", "cls")
            names |= {node.attr} if own else set()
    return names


def read(tree):
    """Return the private names that a file reads, and private modules that it imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ASKS:
            names |= {one.value for one in node.args if isinstance(one, ast.Constant)}
        elif isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    modules = ("keras.src", "tensorflow.python")
    return {
        name for name in map(str, names) if is_private(name) or name.startswith(modules)
    }


def test_no_other_private_name_is_read():
    every = trees()
    own = set().union(*map(defined, every.values())) | {path.stem for path in every}
    found = {
        path.relative_to(ROOT).as_posix(): read(tree) - own - STANDARD_LIBRARY
        for path, tree in every.items()
        if path != Path(__file__)
    }
    others = {
        path: left
        for path, names in found.items()
        if (left := names - set(READ.get(path, ())))
    }
    assert others == {}


@pytest.mark.parametrize(
    "source",
    ["model._nodes", "getattr(model, '_nodes')", "from keras.src import layers"],
)
def test_a_private_name_would_be_found(source):
    assert len(read(ast.parse(source))) == 1
    assert not read(ast.parse("model.layers, model.__class__, getattr(a, 'layers')"))


def test_keras_has_the_private_names_that_are_read():
    image = keras.Input((1,))
    model = keras.Model(image, keras.layers.Dense(1)(image))
    model.compile(keras.optimizers.SGD())
    assert hasattr(model, "_initial_epoch") and hasattr(image, "_keras_history")
    for name in ("_learning_rate", "_trainable_variables"):
        assert hasattr(model.optimizer, name)
    assert hasattr(keras.callbacks.SwapEMAWeights, "_tf_swap_variables")
