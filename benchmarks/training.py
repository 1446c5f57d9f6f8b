"""How fast a PixelCNN trains: the package, the tutorial's way, and PyTorch.

    python benchmarks/training.py            about 25 minutes on 2 cores
    python benchmarks/training.py --quick    about 8: fewer rounds, one size

Prints a table and writes it as training.csv beside this file (or into --out). Each
contender has a process of its own; they take turns, an epoch each, and medians are given,
so that only ratios within one run should be compared. bfloat16 is left out where the
processor has no instructions for it.

PyTorch, which nothing else here needs, may be installed in another environment
(``--torch-python PATH``: the Python that has it), and is left out if there is none; its
process never imports TensorFlow, and torch.compile needs a C++ compiler. It trains in
three ways: as usually written (each step run eagerly, whole kernels multiplied by their
masks); with ``cropped`` kernels, which leave out the same zero rows as the package; and
with these and ``compiled``, as the package is. The last one does the package's work.

The network is the plain one with ReLU and 6 blocks, on bundled digits. A rate
counts all that a step needs: the input pipeline, the loss, its gradient, clipping (but not
in the tutorial) and the optimizer.
"""

import argparse
import contextlib
import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

DEPTH, IMAGES = 6, 2048
DIGITS = Path(__file__).parents[1] / "pixelcnn_edu" / "bundled" / "digits.npz"
COLUMNS = ["contender", "filters", "batch", "images_per_second"]
COLUMNS += ["parallel", "peak_mb", "grown_mb"]  # cores at work; memory, and its growth


def turn():
    """Wait until it is this process's turn; return a function that ends the turn."""
    if not sys.stdin.readline():  # the benchmark has ended
        sys.exit()
    began, used = time.perf_counter(), time.process_time()

    def end():
        seconds = time.perf_counter() - began
        cores = (time.process_time() - used) / seconds
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print("turn", seconds, cores, peak, flush=True)

    return end


# ------------------------------------------------------------------ contenders
# Each trains for ever, an epoch a turn, and imports what it needs: it is its process.


def turns():
    """The turns as a Keras callback."""
    import keras

    class Turns(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.end = turn()

        def on_epoch_end(self, epoch, logs=None):
            self.end()

    return Turns()


def digits():
    """Gray digits (N, 28, 28, 1), read without the package, which imports TensorFlow."""
    import numpy as np

    with np.load(DIGITS) as arrays:
        return arrays["x_train"][:IMAGES, :, :, None] / np.float32(255)


def package(filters, batch_size, precision="float32"):
    from pixelcnn_edu import models, training

    import keras

    keras.config.set_dtype_policy(precision)
    training.fit(
        models.pixelcnn(filters=filters, depth=DEPTH, activation="relu"),
        digits(),
        epochs=10_000,
        batch_size=batch_size,
        callbacks=[turns()],
        verbose=0,
    )


def package_bfloat16(filters, batch_size):
    package(filters, batch_size, "mixed_bfloat16")


def tutorial(filters, batch_size):
    """The whole kernel is masked and Keras's defaults are kept (XLA on "auto")."""
    import keras
    from generation import tutorial_network

    model = tutorial_network(filters, DEPTH)
    model.compile(optimizer=keras.optimizers.Nadam(), loss="binary_crossentropy")
    ink = (digits() > 0.5).astype("float32")
    recipe = {"epochs": 10_000, "batch_size": batch_size, "verbose": 0}
    model.fit(ink, ink, callbacks=[turns()], **recipe)


def pytorch_network(filters, cropped):
    """The network in PyTorch; with ``cropped`` the zero rows of kernels are left out."""
    import torch
    from torch import nn

    class Masked(nn.Conv2d):
        def __init__(self, inputs, outputs, size, mask_type):
            super().__init__(inputs, outputs, size, padding=size // 2)
            mask = torch.ones(1, 1, size, size)
            mask[:, :, size // 2, size // 2 + (mask_type == "B") :] = 0
            mask[:, :, size // 2 + 1 :] = 0
            self.register_buffer("mask", mask)

        def forward(self, x):
            weight, half = self.weight * self.mask, self.kernel_size[0] // 2
            if not cropped:
                return nn.functional.conv2d(x, weight, self.bias, padding=half)
            x = nn.functional.pad(x, (half, half, half, 0))
            return nn.functional.conv2d(x, weight[:, :, : half + 1], self.bias)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            half = filters // 2
            self.inside = nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(filters, half, 1),
                nn.ReLU(inplace=True),
                Masked(half, half, 3, "B"),
                nn.ReLU(inplace=True),
                nn.Conv2d(half, filters, 1),
            )

        def forward(self, x):
            return x + self.inside(x)

    return nn.Sequential(
        Masked(1, filters, 7, "A"),
        *[Block() for _ in range(DEPTH)],
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, filters, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, filters, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, 1, 1),
    ).to(memory_format=torch.channels_last)


def pytorch(filters, batch_size, cropped=False, compiled=False, bfloat16=False):
    gray = digits()

    import torch
    from torch import nn

    if hasattr(os, "sched_getaffinity"):  # not on macOS
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    gray = torch.from_numpy(gray).permute(0, 3, 1, 2)
    model = pytorch_network(filters, cropped)
    parameters = list(model.parameters())
    optimizer = torch.optim.NAdam(parameters, 2e-3)

    def loss_of(batch):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            logits = model(batch)
        loss = nn.functional.binary_cross_entropy_with_logits
        return loss(logits.float(), batch, reduction="sum") / len(batch)

    if compiled:
        loss_of = torch.compile(loss_of)
    while True:
        end = turn()
        for some in torch.randperm(len(gray)).split(batch_size):
            ink = torch.bernoulli(gray[some])  # drawn afresh, as by the package
            optimizer.zero_grad()
            loss_of(ink.to(memory_format=torch.channels_last)).backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        end()


CONTENDERS = {
    "package": package,
    "tutorial": tutorial,
    "pytorch, as usually written": pytorch,
    "pytorch, cropped": partial(pytorch, cropped=True),
    "pytorch, cropped, compiled": partial(pytorch, cropped=True, compiled=True),
    "package, bfloat16": package_bfloat16,
    "pytorch, cropped, bfloat16": partial(pytorch, cropped=True, bfloat16=True),
    "pytorch, cropped, compiled, bfloat16": partial(
        pytorch, cropped=True, compiled=True, bfloat16=True
    ),
}


# ------------------------------------------------------------------ measurement


class Contender:
    """One contender in its process."""

    def __init__(self, name, filters, batch, python=sys.executable):
        self.about = {"contender": name, "filters": filters, "batch": batch}
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [python, __file__, "--child", name, str(filters), str(batch)],
            stdin=pipe,
            stdout=pipe,
            stderr=self.errors,
            text=True,
            env={**os.environ, "XLA_FLAGS": ""},  # the package's own would slow others
        )
        self.turns = []

    def take_turn(self):
        with contextlib.suppress(BrokenPipeError):  # it has ended, as is said below
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("turn"):
                self.turns.append([float(value) for value in line.split()[1:]])
                return
        code = self.process.wait()
        self.errors.seek(0)
        raise RuntimeError(
            f"{self.about} ended early, with exit code {code}. It wrote to stderr:\n"
            f"{self.errors.read()}"
        )

    def row(self):
        """Medians, the first two turns (compilation) left out."""
        seconds, cores, peaks = zip(*self.turns[2:], strict=True)
        rate = IMAGES / statistics.median(seconds)
        measured = {
            "images_per_second": round(rate, 1),
            "parallel": round(statistics.median(cores), 2),
            "peak_mb": round(peaks[-1]),
            "grown_mb": round(peaks[-1] - peaks[0]),
        }
        return {**self.about, **measured}

    def end(self):
        self.process.kill()
        self.process.communicate()  # closes its pipes and waits
        self.errors.close()


def measure(filters, batch, names, rounds, torch_python):
    """Let the contenders take turns; return a row of each."""
    contenders = []
    try:
        for name in names:
            python = torch_python if "pytorch" in name else sys.executable
            contenders.append(Contender(name, filters, batch, python))
        for _ in range(2 + rounds):
            for contender in contenders:
                contender.take_turn()
        rows = [contender.row() for contender in contenders]
    finally:
        for contender in contenders:
            contender.end()
    return rows


def can_import_torch(python):
    found = subprocess.run([python, "-c", "import torch"], capture_output=True)
    return found.returncode == 0


def has_bfloat16():
    # asked in a process of its own: TensorFlow would hold threads in this one
    ask = "from pixelcnn_edu import _device; print(_device.fastest_precision())"
    answer = subprocess.run(
        [sys.executable, "-c", ask], stdout=subprocess.PIPE, check=True, text=True
    )
    return answer.stdout.split()[-1] == "mixed_bfloat16"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--torch-python", help="a Python that can import torch")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        name, filters, batch = args.child
        CONTENDERS[name](int(filters), int(batch))
        return
    rounds = 3 if args.quick else 11
    torch_python = args.torch_python or sys.executable
    names = list(CONTENDERS)
    if not can_import_torch(torch_python):
        if args.torch_python:
            parser.error(f"{torch_python} cannot import torch")
        print(f"PyTorch is left out: {torch_python} cannot import torch")
        names = [name for name in names if "pytorch" not in name]
    if not has_bfloat16():
        names = [name for name in names if "bfloat16" not in name]
    try:
        rows = measure(64, 64, names, rounds, torch_python)
        if not args.quick:
            rows += measure(32, 64, names, rounds, torch_python)
            for batch in (16, 256):
                rows += measure(64, batch, ["package"], 5, torch_python)
    except RuntimeError as error:
        sys.exit(str(error))

    print(" | ".join(COLUMNS))
    for row in rows:
        print(" | ".join(map(str, row.values())))
    args.out.mkdir(parents=True, exist_ok=True)
    with open(args.out / "training.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
