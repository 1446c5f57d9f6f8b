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


@pytest.fixture
def without_xla(monkeypatch):
    """Compile loops without XLA, in half the time, where XLA is not the subject."""
    try:
        from pixelcnn_edu.cache import compiled_loop
    except ImportError:
        from pixelcnn_edu._pixel_loop import PixelLoop

        monkeypatch.setattr(PixelLoop, "xla", False)
    else:
        monkeypatch.setattr(compiled_loop, "XLA", False)


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
