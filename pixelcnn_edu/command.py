"""The command line: train a preset, and write its weights and its card.

Taught by notebook 08.

    python -m pixelcnn_edu.training --preset coffee --data full --out runs/coffee
"""

import argparse
import datetime
import math
import os
import platform
import shlex
import time
from pathlib import Path

from pixelcnn_edu import data, evaluation, models, pretrained, training
from pixelcnn_edu._checks import check_path
from pixelcnn_edu.checkpoints import locked, whole_file
from pixelcnn_edu.presets import PRESETS

import keras
import numpy as np
import tensorflow as tf


class Progress(keras.callbacks.Callback):
    """After each epoch, print the nats and the minutes left."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_train_begin(self, logs=None):
        self.first, self.began = None, time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self.first = epoch if self.first is None else self.first

    def on_epoch_end(self, epoch, logs=None):
        minutes = (time.perf_counter() - self.began) / 60
        left = minutes / (epoch + 1 - self.first) * (self.epochs - epoch - 1)
        print(
            f"epoch {epoch + 1} of {self.epochs}: {logs['val_loss']:.2f} nats held out, "
            f"{logs['loss']:.2f} in training; about {left:.0f} minutes left",
            flush=True,
        )


def strategy_called(name) -> tf.distribute.Strategy:
    """Return ``"one"`` device's strategy, or one that is ``"mirrored"`` over all."""
    if name == "one":
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def fastest_precision() -> str:
    """Return ``"mixed_bfloat16"`` where the machine is built for it, else ``"float32"``.

    Weights stay float32 in both. On a processor with its units, 64 filters and 6 blocks
    train 1.5 times as fast (``benchmarks/training.py``); without them, it is emulated.
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


def cores_of_process() -> int:
    """Return how many processor cores this process may use (``taskset`` gives it fewer)."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def name_of(source) -> str:
    """Return ``"bundled"``, ``"full"``, or a path's last part: no path of this machine."""
    if source in ("bundled", "full"):
        return source
    return f"./{Path(os.path.abspath(check_path('source', source))).name}"


def digits_from(source):
    """Load MNIST to train on, and to validate.

    Args:
        source: as for `data.load_mnist`. ``"bundled"``: a tenth of the training digits
            validates. 60,000 training images: the last 10,000 validate. In both cases the
            test images are left for the test. Any other number: the second set of the
            file validates, so let it hold no test images. Of any but the bundled ones,
            bundled test digits are left out.

    Returns:
        ((x, y), (x_val, y_val), which they are in words).
    """
    (x, y), (x_val, y_val) = data.load_mnist(source)
    if source == "bundled":
        train, validation = data.hold_out(x, y, len(x) // 10)
        return train, validation, f"{len(train[0]):,} of the bundled training digits"
    if len(x) == 60_000:  # keep the official test digits apart
        x, y, x_val, y_val = x[:50_000], y[:50_000], x[50_000:], y[50_000:]
    named = "MNIST" if source == "full" else name_of(source).removeprefix("./")
    digits = f"{named}: the first {len(x):,} training images"
    x, y = training.without(x, y, data.load_mnist()[1][0])
    return (x, y), (x_val, y_val), f"{digits}, without the bundled test digits"


def arguments(argv=None) -> argparse.Namespace:
    """Read the arguments of the command line, or those given."""
    parser = argparse.ArgumentParser(
        prog="python -m pixelcnn_edu.training",
        description="Train a preset; a killed run is resumed by the same call.",
    )
    parser.add_argument("--preset", choices=PRESETS, required=True)
    parser.add_argument(
        "--data",
        default="bundled",
        help="as load_mnist's source: bundled, full, a path",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--strategy",
        choices=["one", "mirrored"],
        default="one",
        help="mirrored: share each batch among all GPUs, or all CPU devices",
    )
    parser.add_argument(
        "--precision",
        choices=["auto", "float32", "mixed_bfloat16"],
        default="auto",
        help="auto: mixed_bfloat16 where the machine is built for it",
    )
    parser.add_argument("--verbose", type=int, default=1)
    return parser.parse_args(argv)


def main(argv=None):
    """Train a preset, and write its weights and its card."""
    args = arguments(argv)
    preset = PRESETS[args.preset]
    out = check_path("--out", args.out)
    path, card_path = (out / f"{args.preset}{kind}" for kind in (".npz", ".json"))
    with locked(out):  # what cannot be written is noticed now, not after the training
        for target in (path, card_path):
            with whole_file(target, trial=True) as temporary:
                temporary.touch()
    (x, y), (x_val, y_val), digits = digits_from(args.data)
    if args.precision == "auto":
        args.precision = fastest_precision()
    keras.utils.set_random_seed(args.seed)
    keras.config.set_dtype_policy(args.precision)
    with strategy_called(args.strategy).scope():
        model = preset.model()
    keras.config.set_dtype_policy("float32")
    cores = cores_of_process()
    two_levels = preset.likelihood.levels == 2
    held_out = preset.images(x_val, seed=0)
    takes_labels = preset.num_classes is not None
    history = training.fit(
        model,
        x if two_levels else preset.images(x, seed=1),  # `fit` itself binarizes
        labels=y if takes_labels else None,
        validation_images=held_out,
        validation_labels=y_val if takes_labels else None,
        seed=args.seed,
        folder=out,
        callbacks=[Progress(preset.epochs)],
        verbose=args.verbose,
        **preset.recipe(),
    )
    minutes = sum(history.history["seconds"]) / 60
    labels = y_val if takes_labels else None
    bare = preset.model()  # in float32, without the optimizer's state
    bare.set_weights(model.get_weights())
    nats = evaluation.nats_per_image(bare, held_out, labels=labels)
    mean, error = evaluation.mean_and_standard_error(nats)
    card = {
        "digits": digits,
        "training_images": len(x),
        "validation_images": len(x_val),
        "protocol": preset.protocol,
        "nats_per_image": round(mean, 2),
        "standard_error": round(error, 2),
        "bits_per_dim": round(mean / held_out[0].size / math.log(2), 4),
        "weights": models.live_weights(model),
        "build": preset.build(),
        "recipe": preset.as_data(),
        "seed": args.seed,
        "precision": args.precision,
        "minutes": round(minutes, 1),
        "machine": f"{cores} core{'s' * (cores > 1)}, {platform.machine()}",
        "date": datetime.date.today().isoformat(),
        "history": {k: np.round(v, 2).tolist() for k, v in history.history.items()},
        "rebuild": "python -m pixelcnn_edu.training "
        + shlex.join(
            ["--preset", args.preset, "--data", name_of(args.data)]
            + ["--seed", str(args.seed), "--precision", args.precision]
            + ["--out", f"runs/{args.preset}"]
        ),
    }
    with locked(out, wait=True):
        pretrained.save(out, args.preset, bare, card)
    print(f"{mean:.2f} ± {error:.2f} nats per image; written to {path}")
