"""Tests run with one thread of TensorFlow, notebooks with all; the longest run first.

A notebook is compared with the alternative text of a figure, not with its pixels.
"""

import os
from pathlib import Path

import pytest

# Two processes at a time: the last files that run should be short ones.
LONGEST = """
    07_training 06_output_layers 05_stacking 04_residual_blocks test_training
    test_compression test_models 09_generation 10_fast_generation 08_training_longer
    19_compression 18_evaluation 16_conditional 14_recipes test_oracles test_faults
"""
THREADS = "TF_NUM_INTRAOP_THREADS"


def pytest_configure(config):
    """Sanitize what nbval compares, in whatever folder pytest is started."""
    if config.getoption("nbval_sanitize_with", None) is None:
        config.option.nbval_sanitize_with = Path(__file__).with_name("nbval.cfg")
    os.environ[THREADS] = "1"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Start the kernels of notebooks with all threads: their sums depend on them."""
    if item.path.suffix == ".ipynb":
        os.environ.pop(THREADS, None)
    else:
        os.environ[THREADS] = "1"


def pytest_collection_modifyitems(items):
    place = {name: i for i, name in enumerate(LONGEST.split())}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
