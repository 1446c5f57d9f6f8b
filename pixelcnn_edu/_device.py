"""What Keras computes on: its device, the cores of this process, and its precision."""

import contextlib
import os
from pathlib import Path

import keras
import tensorflow as tf


def on_gpu() -> bool:
    """Return whether Keras computes on a GPU; one that is hidden from it does not count."""
    if keras.config.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    return bool(tf.config.list_logical_devices("GPU"))


def cores() -> int:
    """Return how many processor cores this process may use (``taskset`` gives it fewer)."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


@contextlib.contextmanager
def in_precision(policy):
    """Build layers with a Keras dtype policy; afterwards the one before holds again."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def fastest_precision() -> str:
    """Return ``"mixed_bfloat16"`` where the machine is built for it, else ``"float32"``.

    Weights stay float32 in both. On a processor with instructions for bfloat16, 64 filters
    and 6 blocks train 1.3 times as fast with TensorFlow (``benchmarks/training.py``); JAX
    was not measured. Other processors emulate bfloat16.
    """
    if gpus := tf.config.list_physical_devices("GPU"):
        about = map(tf.config.experimental.get_device_details, gpus)
        new = all(one.get("compute_capability", (0, 0)) >= (8, 0) for one in about)
    else:
        info = Path("/proc/cpuinfo")
        new = info.exists() and "avx512_bf16" in info.read_text("utf-8")
    return "mixed_bfloat16" if new else "float32"
