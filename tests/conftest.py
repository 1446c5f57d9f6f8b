"""What holds for all tests: no window opens, no figure stays, no example is random."""

import gc
import signal
import sys

import hypothesis
import matplotlib
import pytest

matplotlib.use("Agg")  # not by MPLBACKEND: the notebooks' kernels would inherit it
# Some tests send Ctrl-C, which a job in the background of a shell ignores.
signal.signal(signal.SIGINT, signal.default_int_handler)
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")


@pytest.fixture(autouse=True, scope="module")
def little_memory():
    """Forget at the end of a file what its networks have compiled."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()  # collects garbage, too
    gc.collect()


@pytest.fixture(autouse=True)
def same_weights():
    """A network of a test that sets no seed has the same weights in every run."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True)
def without_xla(monkeypatch):
    """Compile loops without XLA, in half the time; `test_with_xla_too` has it."""
    if "pixelcnn_edu" in sys.modules:
        monkeypatch.setattr("pixelcnn_edu.cache.compiled_loop.XLA", False)


@pytest.fixture
def step_by_step(monkeypatch):
    """Let Keras run each step as it stands: to compile it takes a second."""
    import keras

    eager = property(lambda self: True, lambda self, value: None)
    monkeypatch.setattr(keras.Model, "run_eagerly", eager)
