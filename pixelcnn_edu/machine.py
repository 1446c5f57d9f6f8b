"""The machine that trains: its precision, its devices, its cores and its memory.

Taught by notebook 14.
"""

import contextlib
import math
import os
from pathlib import Path

import keras
import psutil
import tensorflow as tf


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
    for gpu in tf.config.list_physical_devices("GPU"):
        about = tf.config.experimental.get_device_details(gpu)
        if about.get("compute_capability", (0, 0)) < (8, 0):
            return "float32"
    if tf.config.list_physical_devices("GPU"):
        return "mixed_bfloat16"
    try:
        about = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return "float32"
    return "mixed_bfloat16" if "avx512_bf16" in about else "float32"


def on_gpu() -> bool:
    """Return whether Keras computes on a GPU; one that is hidden from it does not count."""
    if keras.config.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    return bool(tf.config.list_logical_devices("GPU"))


def strategy_called(name: str) -> tf.distribute.Strategy:
    """Return the strategy for ``"one"`` device, or for all of them: ``"mirrored"``."""
    if name == "one":
        return tf.distribute.get_strategy()
    if keras.config.backend() != "tensorflow":
        raise ValueError(
            f"Expected the strategy 'one' with the backend {keras.config.backend()} of "
            f"Keras: several devices need tensorflow. Received: {name!r}"
        )
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def cores_of_process() -> int:
    """Return how many processor cores this process may use (``taskset`` gives it fewer)."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def free_memory() -> int:
    """Return how many bytes of memory this process can still take without swapping.

    A container or a unit of systemd (a JupyterHub's, for example) may have less than its
    machine. (Limits of control groups are seen in their version 2, which Linux has today.)
    """
    root = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    own = next((line[3:] for line in lines if line.startswith("0::")), "")
    groups = [root]  # then those below it, as far as the group of the process
    for name in own.split("/"):
        groups.append(groups[-1] / name)
    return min(psutil.virtual_memory().available, *map(_left_in_group, groups))


def _left_in_group(group):
    """Return how many bytes a control group may still take: infinite without a limit."""
    try:
        limit, used = (
            int((group / f"memory.{name}").read_text("utf-8"))
            for name in ("max", "current")
        )
        lines = (group / "memory.stat").read_text("utf-8").splitlines()
        used -= int(dict(map(str.split, lines))["inactive_file"])  # freed when needed
    except (OSError, ValueError, KeyError):  # no such group; "max"
        return math.inf
    return max(limit - used, 0)
