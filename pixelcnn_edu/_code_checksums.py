"""The three checksums in a file of `compression`: of the model, the labels, the images.

A decoder with another model or other labels would read other images without an error.
"""

import enum
import zlib

from pixelcnn_edu._checks import check_labels, plain

import numpy as np


def check_no_adapters(model):
    """Raise ValueError if the model's file has other weights: Keras adds LoRA's there."""
    for weight in model.weights:
        if weight.name.startswith("lora_") and np.any(np.asarray(weight)):
            raise ValueError(
                "Expected a model without LoRA adapters, because a saved model has other "
                "weights: Keras adds the adapters to the kernels. Save the model, load "
                f"it, and compress with the loaded one. Received: {weight.path}"
            )


def checksum_of_images(images) -> int:
    """Return the checksum of images on their levels, float32 (N, H, W, C)."""
    return zlib.crc32(np.ascontiguousarray(images, "<f4").tobytes())


def checksums_of_model(model, labels, likelihood, count) -> tuple[int, int]:
    """Return two: of weights and likelihood, and of the labels of ``count`` images."""
    arguments = likelihood._arguments().items()
    words = ", ".join(f"{name}={_words(value)}" for name, value in arguments)
    of_model = zlib.crc32(f"{type(likelihood).__name__}({words})".encode())
    for weight in model.get_weights():
        of_model = zlib.crc32(np.ascontiguousarray(weight).tobytes(), of_model)
    of_labels, size = 0, 2**16
    for label in check_labels(model, labels, count):
        for at in range(0, count, size):
            part = label[at : at + size].astype("<i8").tobytes()
            of_labels = zlib.crc32(part, of_labels)
    return of_model, of_labels


def _words(value) -> str:
    """Return what is the same in every process for an argument of a likelihood."""
    value = plain(value.value if isinstance(value, enum.Enum) else value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_words, value))}]"
    if isinstance(value, np.ndarray):
        value = value.astype(value.dtype.newbyteorder("="))
        return f"{value.dtype}{value.shape}{zlib.crc32(np.ascontiguousarray(value))}"
    known = isinstance(value, int | float | complex | str | bytes | None)
    return repr(value) if known else type(value).__name__
