"""Whether Keras's backend can work here, said in one sentence before Keras is imported.

A missing JAX would end the import with a long traceback. PyTorch beside TensorFlow ends the
whole process without a word.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

CHANGE = (
    "Set the environment variable KERAS_BACKEND to tensorflow, and start Python again"
)


def check_backend():
    """Raise an ImportError unless Keras's backend is TensorFlow, or JAX and installed."""
    backend = _backend()
    if backend not in ("tensorflow", "jax"):
        raise ImportError(
            "Expected the backend of Keras to be tensorflow or jax. "
            f"Received: {backend!r}. {CHANGE}."
        )
    if backend == "jax" and importlib.util.find_spec("jax") is None:
        raise ImportError(
            f"The backend of Keras is jax, but JAX is not installed. {CHANGE}, "
            "or install JAX: python -m pip install jax"
        )


def _backend():
    """Return the name of the backend that Keras has or will have."""
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend()
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    try:
        settings = json.loads(Path(keras_home(), "keras.json").read_text("utf-8"))
        return settings.get("backend", "tensorflow")
    except (OSError, ValueError):  # Keras takes its defaults too
        return "tensorflow"


def keras_home():
    """Return the folder in which Keras keeps its settings and its cache."""
    return os.environ.get("KERAS_HOME", Path.home() / ".keras")
