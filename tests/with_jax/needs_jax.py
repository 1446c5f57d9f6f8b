"""Imported before the package: skips a module of tests where Keras does not run on JAX."""

import os

import pytest

jax = pytest.importorskip(
    "jax", reason="JAX is not installed: make test-jax installs it"
)
if os.environ.get("KERAS_BACKEND") != "jax":
    pytest.skip(
        "KERAS_BACKEND is not jax: make test-jax sets it", allow_module_level=True
    )
