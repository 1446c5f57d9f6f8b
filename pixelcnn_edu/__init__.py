"""PixelCNN, explained and built: the package behind the notebooks.

Each module holds one idea and is taught by one notebook or two; ``CONTRIBUTING.md``
has the map. Import the modules, not names out of them::

    from pixelcnn_edu import data, generation, models, pretrained

The backend of Keras is TensorFlow, or JAX if the environment variable ``KERAS_BACKEND``
says so. What ``keras.json`` says about the backend does not count.
"""

# `_start` comes first; `load_model` needs the classes in the others
from pixelcnn_edu import _start, models, optimizers  # noqa: F401

__version__ = "0.2.0"
