"""Names that other modules take until they call `_device` itself."""

from pixelcnn_edu._device import cores as cores_of_process  # noqa: F401
from pixelcnn_edu._device import (  # noqa: F401
    fastest_precision,
    in_precision,
    on_gpu,
)

import keras
import tensorflow as tf


def strategy_called(name: str) -> tf.distribute.Strategy:
    """Return the strategy for ``"one"`` device, or for all of them: ``"mirrored"``."""
    if name == "one":
        return tf.distribute.get_strategy()
    if keras.config.backend() != "tensorflow":
        raise ValueError(f"Expected the strategy 'one'. Received: {name!r}")
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])
