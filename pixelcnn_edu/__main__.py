"""The command line: train a preset, draw digits, write a page, or check the machine.

Taught by notebook 14.

    python -m pixelcnn_edu train --preset coffee --data full --out runs/coffee
    python -m pixelcnn_edu draw --model coffee --out digits.png
    python -m pixelcnn_edu export --model coffee --out coffee.html
    python -m pixelcnn_edu check
"""

import argparse
import contextlib
import datetime
import io
import math
import platform
import shlex
import sys
import time
from pathlib import Path

from pixelcnn_edu import (
    _device,
    data,
    evaluation,
    generation,
    machines,
    models,
    plots,
    presets,
    pretrained,
    training,
)
from pixelcnn_edu._checks import check_seed
from pixelcnn_edu._files import atomic_write
from pixelcnn_edu.export import page

import keras
import numpy as np
import psutil
import tensorflow as tf


class Progress(keras.callbacks.Callback):
    """After each epoch, print the nats and the minutes left."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs, self.first = epochs, None

    def on_epoch_begin(self, epoch, logs=None):
        if self.first is None:
            self.first, self.began = epoch, time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        minutes = (time.perf_counter() - self.began) / 60
        left = minutes / (epoch + 1 - self.first) * (self.epochs - epoch - 1)
        print(
            f"epoch {epoch + 1} of {self.epochs}: {logs['val_loss']:.2f} nats held out, "
            f"{logs['loss']:.2f} in training; about {left:.0f} minutes left",
            flush=True,
        )


def train(preset, *, digits, out, seed, precision, verbose, **processes):
    """Train a preset, and write its weights and its card into the folder ``out``.

    Args:
        preset: its name.
        digits: as the source of `presets.digits_from`.
        out, seed, verbose: as for `training.fit`; ``seed`` also draws the weights.
        precision: ``"auto"``, or a dtype policy of Keras.
        processes: coordinator, processes and rank as for `machines.joined`, where several
            processes train; ``processes="auto"`` if a launcher knows all three.
    """
    name, preset = preset, presets.PRESETS[preset]
    seed = check_seed(seed, optional=False)
    with _together(**processes) as rank:
        (x, y), (x_val, y_val), about_digits = presets.digits_from(digits)
        if precision == "auto":
            precision = machines.from_first(_device.fastest_precision)
        keras.utils.set_random_seed(seed)
        with _device.in_precision(precision):
            model = preset.model()
        held_out = preset.images(x_val, seed=0)
        y, y_val = (y, y_val) if preset.num_classes else (None, None)
        two_levels = preset.likelihood.levels == 2  # `fit` itself binarizes
        history = training.fit(
            model,
            x if two_levels else preset.images(x, seed=1),
            labels=y,
            validation_images=held_out,
            validation_labels=y_val,
            seed=seed,
            folder=out,
            callbacks=[Progress(preset.epochs)] if rank == 0 else [],
            verbose=verbose,
            **preset.recipe(),
        ).history
        count = machines.count()
    if rank > 0:
        return
    bare = preset.model()  # in float32, without the optimizer's state
    bare.set_weights(model.get_weights())
    nats = evaluation.nats_per_image(bare, held_out, labels=y_val)
    mean, error = evaluation.mean_and_standard_error(nats)
    backend, cores = keras.config.backend(), _device.cores()
    command = ["--preset", name, "--data", presets.name_of(digits), "--seed", str(seed)]
    command += ["--precision", precision, "--out", f"runs/{name}"]
    command += ["--processes", "1"] * (processes["processes"] is not None)
    card = {
        "digits": about_digits,
        "recipe": preset.as_data(),
        "seed": seed,
        "precision": precision,
        **({} if backend == "tensorflow" else {"backend": backend}),
        "training_images": len(x),
        "validation_images": len(x_val),
        "protocol": preset.protocol,
        "nats_per_image": round(mean, 2),
        "standard_error": round(error, 2),
        "bits_per_dim": round(mean / held_out[0].size / math.log(2), 4),
        "weights": models.live_weights(model),
        "build": preset.build(),
        "minutes": round(sum(history["seconds"]) / 60, 1),
        "machine": f"{f'{count} × ' * (count > 1)}{cores} core{'s' * (cores > 1)}, "
        f"{platform.machine()}",
        "date": datetime.date.today().isoformat(),
        "history": {key: np.round(v, 2).tolist() for key, v in history.items()},
        "rebuild": f"KERAS_BACKEND={backend} " * (backend != "tensorflow")
        + f"python -m pixelcnn_edu train {shlex.join(command)}",
    }
    pretrained.save(out, name, bare, card)
    print(f"{mean:.2f} ± {error:.2f} nats per image; written to {out / name}.npz")


def _together(coordinator, processes, rank):
    """Return the context in which a preset trains; it yields the rank of this process."""
    if processes is not None:
        known = None if processes == "auto" else int(processes)
        return machines.joined(coordinator, known, rank)
    if coordinator is not None or rank is not None:
        raise ValueError(
            "Expected --processes beside --coordinator and --rank. Received: no --processes"
        )
    return contextlib.nullcontext(0)


def draw(model, *, count, seed, temperature, labels, method, out):
    """Draw images as `generation.generate` does, and write them as one picture.

    Args:
        model: as for `_model_called`.
        count, seed, temperature, method: as for `generation.generate`.
        labels: a list of one label for all images or of ``count`` labels; None for a model
            without labels.
        out: the file to write.
    """
    model = _model_called(model)
    images = generation.generate(
        model,
        count,
        seed=seed,
        temperature=temperature,
        method=method,
        labels=labels[0] if labels and len(labels) == 1 else labels,
    )
    columns = math.ceil(math.sqrt(count))
    figure = plots.plt.figure(figsize=(columns, -(-count // columns)), layout="none")
    plots.image_grid(images, columns=columns, ax=figure.add_axes((0, 0, 1, 1)))
    with atomic_write(out) as temporary:
        figure.savefig(temporary, dpi=150)
    print(f"{count} image{'s' * (count > 1)} drawn; written to {out}")


def export(model, *, out, title):
    """Write one HTML file in which a model runs, see `export.page`."""
    page(_model_called(model), out, **({} if title is None else {"title": title}))
    print(f"{out.stat().st_size / 1e6:.1f} MB written to {out}")


def _model_called(name):
    """Load a pretrained model, a card that `train` has written, or one of Keras's files."""
    if name in pretrained.names():
        return pretrained.load(name)
    path = Path(name)
    if not path.is_file():
        raise ValueError(
            f"Expected --model to be one of {', '.join(pretrained.names())}, a card "
            f"that `train` has written, or a file of Keras. Received: {name!r}"
        )
    if path.suffix == ".json":
        return pretrained.load(path.stem, path.parent)
    return keras.models.load_model(path)


def check():
    """Print versions, memory, cores and speed."""
    print(f"Python {platform.python_version()}, {platform.platform()}")
    print(
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}, NumPy {np.__version__}"
    )
    free = psutil.virtual_memory().available / 1e9
    print(f"memory: {free:.1f} GB free; a notebook needs 2.5")
    print(f"processor cores: {_device.cores()}", flush=True)
    preset, precision = presets.PRESETS["coffee"], _device.fastest_precision()
    steps, times = 10, []
    images = data.load_mnist()[0][0][: steps * preset.batch_size]
    with _device.in_precision(precision):
        model = preset.model()
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: times.append(time.perf_counter()),
        on_epoch_end=lambda *_: times.append(time.perf_counter()),
    )
    recipe = {**preset.recipe(), "epochs": 2}  # the first one compiles
    training.fit(model, images, callbacks=[clock], verbose=0, **recipe)
    step = (times[-1] - times[-2]) / steps
    all_steps = preset.epochs * pretrained.card("coffee")["training_images"]
    minutes = step * all_steps / preset.batch_size / 60
    print(
        f"one training step: {step:.2f} s ({precision}); `coffee` trains in about "
        f"{minutes:.0f} minutes",
        flush=True,
    )
    model = pretrained.load("coffee")
    for _ in range(3):  # the first two calls compile
        began = time.perf_counter()
        generation.generate(model, 16, seed=0)
    print(f"one digit of 16: {(time.perf_counter() - began) / 16:.4f} s")


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments of all commands."""
    everything = argparse.ArgumentParser(
        prog="python -m pixelcnn_edu",
        description="Train a preset, draw digits, write a page, or check the machine.",
    )
    commands = everything.add_subparsers(required=True)

    def command(function, help_):
        one = commands.add_parser(function.__name__, help=help_, description=help_)
        one.set_defaults(run=function, command=one)
        return one.add_argument

    add = command(train, "train a preset; if interrupted, the same command goes on")
    add("--preset", choices=presets.PRESETS, required=True)
    of_data = "bundled (the default), full, or a path, as for data.load_mnist"
    add("--data", dest="digits", default="bundled", help=of_data)
    add("--out", type=Path, required=True, help="folder for the run and its results")
    add("--seed", type=int, default=0, help="of weights, order and draws (default: 0)")
    add(
        "--precision",
        choices=["auto", "float32", "mixed_bfloat16"],
        default="auto",
        help="auto (the default): mixed_bfloat16 where the machine is built for it",
    )
    add(
        "--processes",
        metavar="N",
        help="train in N processes, on one or several machines, with the backend JAX; the "
        "same command in each. auto: SLURM or Open MPI knows all three values",
    )
    add("--rank", type=int, help="number of this process, 0 to N - 1")
    add("--coordinator", metavar="HOST:PORT", help="address of the process of rank 0")
    add("--verbose", type=int, choices=[0, 1, 2], default=1, help="as Keras's")

    of_model = "pretrained, a card, or a saved file"
    add = command(draw, "draw images from a model, and write them as one picture")
    add("--model", default="coffee", help=of_model)
    add("--count", type=int, default=16, help="how many images (default: 16)")
    add("--seed", type=int, help="the same seed draws the same images")
    add("--temperature", type=float, default=1.0, help="0: the likeliest values")
    add("--labels", type=int, nargs="+", help="one for all images, or one per image")
    add("--method", choices=generation.METHODS, default="cached")
    add("--out", type=Path, required=True, help="PNG file")

    add = command(export, "write one HTML file in which a model runs, without Python")
    add("--model", required=True, help=of_model)
    add("--out", type=Path, required=True, help="HTML file")
    add("--title", help="stands at the top of the page")

    command(check, "print versions, memory, cores and speed, in less than a minute")
    return everything


def main(argv=None):
    """Run the command line. What a user can correct becomes one line and exit code 2."""
    arguments = vars(parser().parse_args(argv))
    run, command = arguments.pop("run"), arguments.pop("command")
    if isinstance(sys.stdout, io.TextIOWrapper):  # "±" has no place in ASCII
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        run(**arguments)
    except (ValueError, OSError) as error:
        command.error(str(error))


if __name__ == "__main__":
    main()
