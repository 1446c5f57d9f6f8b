"""What holds for all tests: no window opens, no figure stays, no example is random.

`make trust` sets PIXELCNN_EDU_TRUST to a file: tests then run their long form and tally
there, line by line, what they have tried.
"""

import os
import sys

import hypothesis
import matplotlib
import pytest

TALLY = os.environ.get("PIXELCNN_EDU_TRUST")
LONG = TALLY is not None

matplotlib.use("Agg")  # not by MPLBACKEND: the notebooks' kernels would inherit it
steady = hypothesis.settings(deadline=None, derandomize=True)
hypothesis.settings.register_profile("steady", steady)
hypothesis.settings.register_profile("long", steady, derandomize=False, database=None)
hypothesis.settings.load_profile("long" if LONG else "steady")


def examples(short: int, long: int) -> int:
    """How many examples a property is tried on."""
    return long if LONG else short


def tally(what: str, count: int = 1) -> None:
    """Note that ``count`` cases of ``what`` were tried and held."""
    if LONG and count:
        with open(TALLY, "a") as file:
            file.write(f"{int(count)} {what}\n")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
