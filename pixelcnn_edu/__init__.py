"""PixelCNN, explained and built: the package behind the notebooks.

Each module holds one idea and is taught by one notebook or two; ``CONTRIBUTING.md``
has the map. Import the modules, not names out of them::

    from pixelcnn_edu import data, generation, models, pretrained
"""

import contextlib
import os
import tempfile

__version__ = "0.1.0"


@contextlib.contextmanager
def _stderr_held_back():
    """Hold back file descriptor 2, and let it out only if the block fails.

    TensorFlow's C++ code writes to the descriptor while it is imported, before any
    setting of its own can silence it. Python warnings and everything that is written
    after the import are untouched.
    """
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


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

from pixelcnn_edu import models, optimizers  # noqa: E402, F401  (what load_model needs)
