"""The names of Keras that the package uses: a new version may rename them."""

import ast
import re
import types
from pathlib import Path

import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def things():
    image = keras.Input((1,))
    model = keras.Model(image, keras.layers.Dense(1)(image) + 1)
    model.compile(keras.optimizers.SGD(), loss="mse")
    model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.fit(np.zeros((1, 1)), np.zeros((1, 1)), verbose=0)
    return {
        "model": model,
        "layer": model.layers[1],
        "sequential model": keras.Sequential([keras.Input((1,))]),
        "optimizer": model.optimizer,
        "Muon": keras.optimizers.Muon(),
        "checkpoint": keras.callbacks.ModelCheckpoint("best.keras"),
    }


@pytest.mark.parametrize(
    ("thing", "names"),
    [
        ("model", "_flatten_layers _nodes_by_depth _operations _run_through_graph"),
        ("model", "_compile_config _compiled_trainable_state _eval_epoch_iterator"),
        ("model", "_initial_epoch _inputs_struct _outputs_struct"),
        ("layer", "_dtype_policy _inbound_nodes _layers _trainable"),
        ("layer", "_flatten_layers _trainable_variables"),
        ("sequential model", "_functional"),
        ("optimizer", "_exclude_from_weight_decay _trainable_variables"),
        ("optimizer", "_use_weight_decay"),
        ("Muon", "_muon_update_step _should_use_adamw"),
        ("checkpoint", "_batches_seen_since_last_saving"),
    ],
)
def test_keras_has_the_private_names_that_the_package_uses(things, thing, names):
    assert [name for name in names.split() if not hasattr(things[thing], name)] == []


def test_what_keras_defines_lies_in_its_private_modules(things):
    """The package tells Keras's own functions and operations by their modules."""
    assert keras.activations.relu.__module__.startswith("keras.src.activations")
    assert type(things["model"].operations[-1]).__module__.startswith("keras.src.ops")


MODULES = {"keras": keras, "ops": keras.ops, "np": np}
PUBLIC = rf"({'|'.join(MODULES)})(\.\w+)+"


def exists(dotted):
    """Whether there is what a dotted name says, as far as it names modules."""
    first, *rest = dotted.split(".")
    thing = MODULES[first]
    for name in rest:
        if not isinstance(thing, types.ModuleType):
            return True
        if not hasattr(thing, name):
            return False
        thing = getattr(thing, name)
    return True


def test_keras_and_numpy_have_the_public_names_that_the_scripts_use():
    root, found = Path(__file__).parents[1], set()
    for folder in ("pixelcnn_edu", "benchmarks", "tools"):
        for path in (root / folder).rglob("*.py"):
            nodes = ast.walk(ast.parse(path.read_text("utf-8")))
            names = (ast.unparse(n) for n in nodes if isinstance(n, ast.Attribute))
            found |= {n for n in names if re.fullmatch(PUBLIC, n)}
    assert len(found) > 200 and {"keras.config.floatx", "np.zeros"} < found
    assert [name for name in sorted(found) if not exists(name)] == []
    assert not exists("keras.config.keras_home")  # private in Keras
