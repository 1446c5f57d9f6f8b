"""What holds for all tests: no window opens, no figure stays, no example is random."""

import signal
import sys

import hypothesis
import matplotlib
import pytest
from effort import LONG, tally

matplotlib.use("Agg")  # not by MPLBACKEND: the notebooks' kernels would inherit it
# Some tests send Ctrl-C, which a job in the background of a shell ignores.
signal.signal(signal.SIGINT, signal.default_int_handler)
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


@pytest.fixture
def without_xla(monkeypatch):
    """Compile loops without XLA, in half the time, where XLA is not the subject."""
    from pixelcnn_edu import _pixel_loop

    monkeypatch.setattr(_pixel_loop.PixelLoop, "xla", False)


@pytest.fixture(scope="module")
def always_compiled():
    """Let the compiled loop answer the first small call of ``method="cached"`` too."""
    from pixelcnn_edu import _first_call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_first_call, "MOST_IN_FIRST_CALL", 0)
        yield


@pytest.fixture
def step_by_step(monkeypatch):
    """Let Keras run each step as it stands: to compile it takes a second."""
    import keras

    eager = property(lambda self: True, lambda self, value: None)
    monkeypatch.setattr(keras.Model, "run_eagerly", eager)
