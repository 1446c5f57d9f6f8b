"""What the command line does: train, draw digits, write a page, check the machine."""

import contextlib
import datetime
import importlib.metadata
import math
import platform
import shlex
import time

from pixelcnn_edu import (
    _ranks,
    data,
    evaluation,
    generation,
    machine,
    machines,
    models,
    plots,
    presets,
    pretrained,
    training,
)
from pixelcnn_edu._checks import check_image_shape_of, check_path, check_positive_int
from pixelcnn_edu._files import atomic_write, locked
from pixelcnn_edu.export import page

import keras
import numpy as np
from packaging.requirements import Requirement

LEAST_MEMORY = 2.5  # GB, of one notebook and JupyterLab
LONGEST = 60  # minutes that `coffee` may train: four times as long as on its card


class Progress(keras.callbacks.Callback):
    """After each epoch, print the nats and the minutes left.

    ``refuse`` is called before the first batch of a run that begins with the first epoch.
    """

    def __init__(self, epochs, refuse):
        super().__init__()
        self.epochs = epochs
        self.refuse = refuse
        self.first = None  # the first epoch of this call, if there is one to train

    def on_train_begin(self, logs=None):
        self.began = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self.first = epoch if self.first is None else self.first
        if epoch == 0:
            self.refuse()

    def on_epoch_end(self, epoch, logs=None):
        minutes = (time.perf_counter() - self.began) / 60
        left = minutes / (epoch + 1 - self.first) * (self.epochs - epoch - 1)
        print(
            f"epoch {epoch + 1} of {self.epochs}: {logs['val_loss']:.2f} nats held out, "
            f"{logs['loss']:.2f} in training; about {left:.0f} minutes left",
            flush=True,
        )


def train(
    name,
    *,
    digits,
    out,
    seed,
    strategy,
    precision,
    verbose,
    coordinator=None,
    processes=None,
    rank=None,
):
    """Train a preset, and write its weights and its card.

    Args:
        name: of the preset.
        digits: which ones, as the source of `presets.digits_from`.
        out: folder for the run, the weights and the card.
        seed: of the weights, and as for `training.fit`.
        strategy: as for `machine.strategy_called`.
        precision: ``"auto"``, or a dtype policy of Keras.
        verbose: as for `training.fit`.
        coordinator, processes, rank: as for `machines.joined`, where several processes
            train; ``processes="auto"`` if a launcher knows all three.

    Raises:
        ValueError: an argument cannot be used, or ``out`` holds another run or its result.
        OSError: ``out`` cannot be written, or another process is gone.
    """
    preset = presets.PRESETS[name]
    strategy = machine.strategy_called(strategy)
    path, card_path = (out / f"{name}{kind}" for kind in (".npz", ".json"))

    def try_to_write():  # what cannot be written is noticed now, not after the training
        with locked(out):
            for target in (path, card_path):
                with atomic_write(target, trial=True) as temporary:
                    temporary.touch()
            pretrained.refuse_foreign(name, out)
        return None, []

    def refuse_a_second_run():  # the card does not identify its images
        if name in pretrained.names(out):
            raise _another_result(name, out, "whose checkpoint is gone or damaged")

    progress = Progress(preset.epochs, refuse_a_second_run)
    with _together(coordinator, processes, rank) as rank:
        _ranks.from_first(try_to_write)
        (x, y), (x_val, y_val), about_digits = presets.digits_from(digits)
        recipe = preset.as_data()
        made_from = {"digits": about_digits, "recipe": recipe, "seed": seed}
        if precision == "auto":
            precision, _ = _ranks.from_first(lambda: (machine.fastest_precision(), []))
        made_from["precision"] = precision
        backend = keras.config.backend()
        if backend != "tensorflow":  # another one draws other initial weights
            made_from["backend"] = backend
        _ranks.from_first(lambda: (_refuse_another(name, out, made_from), []))
        keras.utils.set_random_seed(seed)
        with machine.in_precision(precision), strategy.scope():
            model = preset.model()
        two_levels = preset.likelihood.levels == 2
        held_out = preset.images(x_val, seed=0)
        y, y_val = (y, y_val) if preset.num_classes else (None, None)
        history = training.fit(
            model,
            x if two_levels else preset.images(x, seed=1),  # `fit` itself binarizes
            labels=y,
            validation_images=held_out,
            validation_labels=y_val,
            seed=seed,
            folder=out,
            callbacks=[progress] if rank == 0 else [],
            verbose=verbose,
            **preset.recipe(),
        ).history
        count = machines.count()
    if rank > 0:
        return
    bare = preset.model()  # in float32, without the optimizer's state
    bare.set_weights(model.get_weights())
    if progress.first is None and name in pretrained.names(out):
        _keep(path, bare, pretrained.load(name, out))
        return
    nats = evaluation.nats_per_image(bare, held_out, labels=y_val)
    mean, error = evaluation.mean_and_standard_error(nats)
    cores = machine.cores_of_process()
    card = {
        **made_from,
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
        + "python -m pixelcnn_edu train "
        + shlex.join(
            ["--preset", name, "--data", presets.name_of(digits)]
            + ["--seed", str(seed), "--precision", precision]
            + ["--out", f"runs/{name}"]
            + ([] if processes is None else ["--processes", "1"])
        ),
    }
    with locked(out, wait=True):
        pretrained.save(out, name, bare, card)
    print(f"{mean:.2f} ± {error:.2f} nats per image; written to {path}")


def _refuse_another(name, out, made_from):
    """Refuse a folder whose card of this name says something other than `made_from`."""
    if name not in pretrained.names(out):
        return
    card = pretrained.card(name, out)
    if isinstance(card.get("recipe"), dict):  # its description does not count
        card["recipe"]["about"] = made_from["recipe"]["about"]
    keys = [*made_from, *({"backend"} - made_from.keys())]
    differ = [key for key in keys if card.get(key) != made_from.get(key)]
    if differ:
        raise _another_result(name, out, f"which differs in: {', '.join(differ)}")


def _another_result(name, out, why):
    return ValueError(
        "Expected --out to be a folder without the result of another run. Received: "
        f"{out / name}.json, {why}. Choose another folder, or move {name}.json and "
        f"{name}.npz."
    )


def _together(coordinator, processes, rank):
    """Return the context in which a preset trains; it yields the rank of this process."""
    if processes is not None:
        known = None if processes == "auto" else processes
        return machines.joined(coordinator, known, rank)
    if coordinator is not None or rank is not None:
        raise ValueError(
            "Expected --processes beside --coordinator and --rank. Received: neither a "
            "number nor auto"
        )
    return contextlib.nullcontext(0)


def _keep(path, model, kept):
    """Say that a run had ended and its result is there, or refuse another model there."""
    pairs = zip(model.get_weights(), kept.get_weights(), strict=True)
    if not all(np.array_equal(*pair) for pair in pairs):
        raise ValueError(
            f"Expected {path} to hold the result of this run, which has ended. Received: "
            "other weights. Move both files to another folder: then the same command "
            "writes the result again."
        )
    print(f"The run had ended before; {path} holds its result.")


def draw(name, *, count, seed, temperature, labels, method, out):
    """Draw images from a model, and write them as one PNG picture.

    Args:
        name: of a pretrained model; or the path of a card that `train` has written, or
            of a model that Keras has saved.
        count, seed, temperature, method: as for `generation.generate`.
        labels: a list of one label for all images or of ``count`` labels; None for a model
            without labels.
        out: the file to write.

    Raises:
        ValueError: an argument cannot be used.
        OSError: ``out`` cannot be written.
    """
    with atomic_write(out, trial=True) as temporary:
        temporary.touch()
    count = check_positive_int("count", count)
    model, columns = _model_called(name), math.ceil(math.sqrt(count))
    height, width, channels = check_image_shape_of(model, None)
    if channels not in (1, 3):
        raise ValueError(
            f"Expected a model of images with 1 or 3 channels. Received: {channels}"
        )
    height, width = plots._grid_size(count, height, width, columns)[0]
    # five dots for a pixel, or fewer: the figure takes 34 bytes of memory for a dot
    dots = min(5, math.isqrt(2**26 // (height * width)), 65_535 // max(height, width))
    if not dots:
        raise ValueError(
            "Expected a picture of at most 2**26 pixels, and of at most 65,535 in a row or "
            f"column. Received: count={count}, which gives {width:,} times {height:,}. "
            "Draw fewer images"
        )
    images = generation.generate(
        model,
        count,
        seed=seed,
        temperature=temperature,
        method=method,
        labels=labels[0] if labels and len(labels) == 1 else labels,
    )
    figure = plots.plt.figure(figsize=(width / 20, height / 20), layout="none")
    plots.image_grid(images, columns=columns, ax=figure.add_axes((0, 0, 1, 1)))
    with atomic_write(out) as temporary:
        figure.savefig(temporary, format="png", dpi=20 * dots)
    plots.plt.close(figure)
    print(f"{count} image{'s' * (count > 1)} drawn; written to {out}")


def export(name, *, out, title):
    """Write one HTML file in which a model runs.

    Args:
        name: as for `draw`.
        out: the file to write.
        title: of the page; None for that of `export.page`.

    Raises:
        ValueError: an argument cannot be used, or the model cannot run in a page.
        OSError: ``out`` cannot be written.
    """
    with atomic_write(out, trial=True) as temporary:
        temporary.touch()
    page(_model_called(name), out, **({} if title is None else {"title": title}))
    print(f"{out.stat().st_size / 1e6:.1f} MB written to {out}")


def _model_called(name):
    """Load a pretrained model, one that `train` has written, or one of Keras's files."""
    if name in pretrained.names():
        return pretrained.load(name)
    path = check_path("--model", name)
    if not path.is_file():
        raise ValueError(
            f"Expected --model to be one of {', '.join(pretrained.names())}, a card "
            f"that `train` has written, or a file of Keras. Received: {name!r}"
        )
    if path.suffix == ".json":
        return pretrained.load(path.stem, path.parent)
    try:
        return keras.models.load_model(path)
    except Exception as error:  # a damaged file leads to any error
        why = str(error).partition("\n")[0]  # a whole network may follow
        raise ValueError(
            f"Expected --model to be a file of Keras. Received: {path} "
            f"({type(error).__name__}: {why}). If the model has a class of your own, "
            "load and draw it in Python."
        ) from error


def check() -> int:
    """Print what is installed, what the machine has, and how fast it is.

    Each line ends with "fine" or with what to do.

    Returns:
        0, or 1 if there is something to do.
    """
    print(f"Python {platform.python_version()}, {platform.platform()}")
    to_do = 0
    for found in (_versions, _room, _seconds):
        for what, advice in found():
            print(f"{what}: {advice or 'fine'}", flush=True)
            to_do += advice is not None
    return min(to_do, 1)


def _versions():
    """For each required package, yield its version, and what to do if it does not fit."""
    try:
        needs = importlib.metadata.requires("pixelcnn-edu")
    except importlib.metadata.PackageNotFoundError:
        yield "pixelcnn-edu is not installed", "run python -m pip install -e ."
        return
    for need in map(Requirement, needs):
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(need.name)
        except importlib.metadata.PackageNotFoundError:
            version = "is missing"
        fits = version[0].isdigit() and need.specifier.contains(version, True)
        install = f'run python -m pip install "{need.name}{need.specifier}"'
        yield f"{need.name} {version}", None if fits else install


def _room():
    """Yield the memory and the cores, and what to do if they are few."""
    free, cores = machine.free_memory() / 1e9, machine.cores_of_process()
    few = "close other programs" if free < LEAST_MEMORY else None
    yield f"memory: {free:.1f} GB free, {LEAST_MEMORY} needed", few
    slow = "everything works, but slowly; Google Colab has 2" if cores < 2 else None
    yield f"processor cores: {cores}", slow


def _seconds():
    """Yield the seconds of a training step and of a digit, and what to do if slow."""
    preset, precision = presets.PRESETS["coffee"], machine.fastest_precision()
    steps = 10
    (images, _), _ = data.load_mnist()
    with machine.in_precision(precision):
        model = preset.model()
    images = images[: steps * preset.batch_size]
    times = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: times.append(time.perf_counter()),
        on_epoch_end=lambda *_: times.append(time.perf_counter()),
    )
    recipe = {**preset.recipe(), "epochs": 2}
    training.fit(model, images, seed=0, callbacks=[clock], verbose=0, **recipe)
    step = (times[-1] - times[-2]) / steps  # the first epoch compiles
    all_steps = preset.epochs * pretrained.card("coffee")["training_images"]
    minutes = step * all_steps / preset.batch_size / 60
    slow = "close other programs, or train the preset `minutes`"
    yield (
        f"one training step: {step:.2f} s ({precision}); "
        f"`coffee` trains in about {minutes:.0f} minutes",
        slow if minutes > LONGEST else None,
    )
    model = pretrained.load("coffee")
    for _ in range(3):  # the second call compiles
        began = time.perf_counter()
        generation.generate(model, 16, seed=0)
        seconds = (time.perf_counter() - began) / 16
    slow = "close other programs"
    yield f"one digit of 16: {seconds:.4f} s", slow if seconds > 1 else None
