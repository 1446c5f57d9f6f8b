"""What holds for all tests: no window opens, no figure stays, no example is random."""

import sys

import hypothesis
import matplotlib
import pytest
from effort import LONG, tally

matplotlib.use("Agg")  # not by MPLBACKEND: the notebooks' kernels would inherit it
steady = hypothesis.settings(deadline=None, derandomize=True)
hypothesis.settings.register_profile("steady", steady)
hypothesis.settings.register_profile("long", steady, derandomize=False, database=None)
hypothesis.settings.load_profile("long" if LONG else "steady")


def pytest_runtest_logreport(report):
    """Tally the tables of bad input and of planted bugs, a case a test."""
    tables = {
        "test_bad_input.py": "calls with bad input, refused by name",
        "test_planted_bugs.py": "oracles held against right models and planted bugs",
        "test_runs.py": "misuse of runs and caches: right, or refused",
        "test_cache.py": "misuse of runs and caches: right, or refused",
    }
    if report.when == "call" and report.passed:
        for file, what in tables.items():
            if file in report.nodeid:
                tally(what)


@pytest.fixture(autouse=True)
def same_weights():
    """A network of a test that sets no seed has the same weights in every run."""
    if "keras" in sys.modules and not LONG:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="module")
def always_compiled():
    """Let the compiled loop answer the first small call of ``method="cached"`` too."""
    from pixelcnn_edu import generation

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "MOST_IN_FIRST_CALL", 0)
        yield
