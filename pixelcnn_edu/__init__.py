"""PixelCNN, explained and built: the package behind the notebooks.

Each module holds one idea and is taught by one notebook or two; ``CONTRIBUTING.md``
has the map. Import the modules, not names out of them::

    from pixelcnn_edu import data, generation, models, pretrained
"""

import os

from pixelcnn_edu._backend import check_backend
from pixelcnn_edu._quiet import stderr_held_back

__version__ = "0.2.0"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # no INFO lines; warnings stay
# The matrix products of one pixel are too small to be shared among cores. `generation`
# runs a slice of the images on each core instead (16 images: 20 ms instead of 32).
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
with stderr_held_back():
    check_backend()
    import tensorflow

    tensorflow.config.list_physical_devices()
    # Remapping fails on a residual sum that two layers read, and says so on stderr; it
    # brought no speed on these networks (716 images/s with it, 717 without).
    # The arithmetic optimizer adds up the skips in whatever order they are ready, so that
    # one image twice in a batch could get two likelihoods, apart in the last bit.
    tensorflow.config.optimizer.set_experimental_options(
        {"remapping": False, "arithmetic_optimization": False}
    )

from pixelcnn_edu import models, optimizers  # noqa: F401  (what load_model needs)
