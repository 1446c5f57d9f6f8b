"""What holds for all tests: no window opens, no figure stays, no example is random."""

import sys

import hypothesis
import matplotlib
import pytest

matplotlib.use("Agg")  # not by MPLBACKEND: the notebooks' kernels would inherit it
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
