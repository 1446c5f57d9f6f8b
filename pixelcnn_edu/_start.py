"""The start of Keras's backend: one sentence if it cannot work, and no lines on stderr."""

import contextlib
import importlib.util
import os
import sys
import tempfile


def _check_backend():
    """Raise an ImportError unless Keras's backend is TensorFlow, or JAX and installed."""
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "keras" in sys.modules:
        backend = sys.modules["keras"].config.backend()
    if backend == "jax" and importlib.util.find_spec("jax") is None:
        wrong = "The backend of Keras is jax, but JAX is not installed"
    elif backend not in ("jax", "tensorflow"):  # PyTorch beside it ends the process
        wrong = "Expected the backend of Keras to be tensorflow or jax"
        wrong += f". Received: {backend!r}"
    else:
        return
    raise ImportError(
        f"{wrong}. Set the environment variable KERAS_BACKEND to tensorflow, and start "
        "Python again."
    )


@contextlib.contextmanager
def _stderr_held_back():
    """Drop what is written to file descriptor 2 during a block, unless the block fails.

    TensorFlow's C++ code writes there during the import, before any setting of TensorFlow
    can silence it. What other threads write there meanwhile is lost.
    """
    with tempfile.TemporaryFile() as held, os.fdopen(os.dup(2), "wb") as stderr:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            stderr.write(held.read())
            raise
        finally:
            os.dup2(stderr.fileno(), 2)


_check_backend()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # no INFO lines; warnings stay
# The matrix products of one pixel are too small to be shared among cores. `generation`
# runs a slice of the images on each core instead (16 images: 20 ms instead of 32).
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
with _stderr_held_back():
    import tensorflow

    tensorflow.config.list_physical_devices()
    # Remapping fails on a residual sum that two layers read, and says so on stderr; it
    # brought no speed on these networks (716 images/s with it, 717 without).
    # The arithmetic optimizer adds up the skips in whatever order they are ready, so that
    # one image twice in a batch could get two likelihoods, apart in the last bit.
    tensorflow.config.optimizer.set_experimental_options(
        {"remapping": False, "arithmetic_optimization": False}
    )
