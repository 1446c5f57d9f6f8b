"""The command line: train a preset, draw digits, write a page, or check the machine.

Taught by notebook 14.

    python -m pixelcnn_edu train --preset coffee --data full --out runs/coffee
    python -m pixelcnn_edu draw --model coffee --out digits.png
    python -m pixelcnn_edu export --model coffee --out coffee.html
    python -m pixelcnn_edu check
"""

import argparse
import io
import sys

from pixelcnn_edu import _commands, generation
from pixelcnn_edu._checks import check_path, check_positive_int, check_temperature
from pixelcnn_edu.presets import PRESETS


def _argument(check, convert=str):
    """Return a type of argument for argparse, whose errors are those of ``check``."""

    def read(text):
        try:
            value = convert(text)
        except ValueError:
            value = text
        try:
            return check(value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _check_seed(seed):
    """Return a seed that NumPy, TensorFlow and Python take."""
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"Expected an integer from 0 to 2**32 - 1. Received: {seed!r}")
    return seed


def _check_processes(value):
    """Return a number of processes, or "auto"."""
    return value if value == "auto" else check_positive_int("--processes", value)


def _file(ending):
    """Return a type of argument: a file with this ending."""

    def check(path):
        path = check_path("--out", path)
        if path.suffix.lower() != ending:
            expected = f"Expected a file that ends in {ending}."
            raise ValueError(f"{expected} Received: {str(path)!r}")
        return path

    return _argument(check)


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments of all commands."""
    all_ = argparse.ArgumentParser(
        prog="python -m pixelcnn_edu",
        description="Train a preset, draw digits, write a page, or check the machine.",
    )
    names = "train | draw | export | check"
    commands = all_.add_subparsers(required=True, metavar=names)
    folder = _argument(lambda path: check_path("--out", path))
    seed = _argument(_check_seed, int)

    train = commands.add_parser(
        "train",
        usage="python -m pixelcnn_edu train --preset NAME --out FOLDER [options]",
        help="train a preset, and write its weights and its card",
        description="Train a preset. If the run is interrupted, the same command goes on.",
    )
    add = train.add_argument
    add("--preset", dest="name", choices=PRESETS, required=True)
    add(
        "--data",
        dest="digits",
        default="bundled",
        help="bundled (the default), full, or a path, as for data.load_mnist",
    )
    add("--out", type=folder, required=True, help="folder for the run and its results")
    add("--seed", type=seed, default=0, help="of weights, order and draws (default: 0)")
    add(
        "--strategy",
        choices=["one", "mirrored"],
        default="one",
        help="mirrored: share each batch among all GPUs, or all CPU devices",
    )
    add(
        "--precision",
        choices=["auto", "float32", "mixed_bfloat16"],
        default="auto",
        help="auto (the default): mixed_bfloat16 where the machine is built for it",
    )
    add(
        "--processes",
        metavar="N",
        type=_argument(_check_processes, int),
        help="train in N processes, on one or several machines, with the backend JAX; the "
        "same command in each. auto: SLURM or Open MPI knows all three values",
    )
    add("--rank", metavar="R", type=int, help="number of this process, 0 to N - 1")
    add("--coordinator", metavar="HOST:PORT", help="address of the process of rank 0")
    add(
        "--verbose",
        type=int,
        choices=[0, 1, 2],
        default=1,
        help="what Keras shows beside the line per epoch: 0 nothing, 1 a progress bar, "
        "2 its own line",
    )
    train.set_defaults(run=_commands.train, command=train)

    draw = commands.add_parser(
        "draw",
        usage="python -m pixelcnn_edu draw --out FILE.png [--model NAME] [options]",
        help="draw digits from a model, and write them as a PNG file",
        description="Draw images from a model, and write them as one PNG picture. A gray "
        "value of 1 is black ink.",
    )
    add = draw.add_argument
    add(
        "--model",
        dest="name",
        default="coffee",
        help="pretrained, a card, or a saved file",
    )
    count = _argument(lambda value: check_positive_int("--count", value), int)
    add("--count", type=count, default=16, help="how many images (default: 16)")
    add("--seed", type=seed, help="the same seed draws the same images")
    temperature = _argument(check_temperature, float)
    add("--temperature", type=temperature, default=1.0, help="0: the likeliest values")
    add("--labels", type=int, nargs="+", help="one for all images, or one per image")
    add(
        "--method",
        choices=generation.METHODS,
        default="cached",
        help="all draw the same images",
    )
    add("--out", type=_file(".png"), required=True, help="PNG file")
    draw.set_defaults(run=_commands.draw, command=draw)

    export = commands.add_parser(
        "export",
        usage="python -m pixelcnn_edu export --model NAME --out FILE.html [--title TEXT]",
        help="write one HTML file in which a model runs",
        description="Write one HTML file in which a model runs, without Python.",
    )
    add = export.add_argument
    add(
        "--model",
        dest="name",
        required=True,
        help="pretrained, a card, or a saved file",
    )
    add("--out", type=_file(".html"), required=True, help="HTML file")
    add("--title", help="stands at the top of the page")
    export.set_defaults(run=_commands.export, command=export)

    check = commands.add_parser(
        "check",
        usage="python -m pixelcnn_edu check",
        help="print versions, memory, cores and speed, and what to do",
        description="Print what is installed and how fast this machine is, in less than "
        "a minute. The exit code is 1 if there is something to do.",
    )
    check.set_defaults(run=_commands.check, command=check)
    return all_


def main(argv=None) -> int | None:
    """Run the command line; return the exit code.

    What a user can correct becomes one line and exit code 2.
    """
    arguments = vars(parser().parse_args(argv))
    run, command = arguments.pop("run"), arguments.pop("command")
    if isinstance(sys.stdout, io.TextIOWrapper):  # "±" has no place in ASCII
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return run(**arguments)
    except (ValueError, OSError) as error:
        command.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
