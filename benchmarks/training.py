"""How fast a PixelCNN trains: the package, the tutorial's way, and PyTorch.

    python benchmarks/training.py            about 20 minutes on 2 cores
    python benchmarks/training.py --quick    about 7: fewer rounds, one size

Prints a table and writes it as training.csv and training.png beside this file (or into
--out). Each contender has a process of its own; they take turns, an epoch each, and medians
are given, so that only ratios within one run should be compared. PyTorch, which nothing
else here needs, is left out if it is not installed (pip install torch), and bfloat16 where
the processor has no instructions for it.

The network is the plain one with ReLU and 6 blocks, on bundled digits of 0 and 1. A rate
counts all that a step needs: the input pipeline, the loss, its gradient, clipping (but not
in the tutorial) and the optimizer. "matrix product" is how many images the same cores would
train if a step were one large float32 product of so many operations, and nothing else; a
rate is also given as a share of that.
"""

import argparse
import csv
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

DEPTH, IMAGES = 6, 2048
COLUMNS = ["contender", "filters", "batch", "images_per_second", "share"]
COLUMNS += ["parallel", "peak_mb", "grown_mb"]  # cores at work; memory, and its growth


def turn():
    """Wait until it is this process's turn; return a function that ends the turn."""
    sys.stdin.readline()
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


def package(filters, batch_size, precision="float32"):
    from pixelcnn_edu import data, models, training

    import keras

    keras.config.set_dtype_policy(precision)
    (images, _), _ = data.load_mnist()
    training.fit(
        models.pixelcnn(filters=filters, depth=DEPTH, activation="relu"),
        images[:IMAGES],
        epochs=10_000,
        batch_size=batch_size,
        callbacks=[turns()],
        verbose=0,
    )


def tutorial(filters, batch_size):
    """The whole kernel is masked and Keras's defaults are kept (XLA on "auto")."""
    from pixelcnn_edu import data

    import keras
    from generation import WholeMaskedConv2D

    relu = keras.layers.Activation("relu")
    image = keras.Input((28, 28, 1))
    x = WholeMaskedConv2D(filters, 7, "A")(image)
    for _ in range(DEPTH):
        y = keras.layers.Conv2D(filters // 2, 1)(relu(x))
        y = WholeMaskedConv2D(filters // 2, 3, "B")(relu(y))
        x = keras.layers.add([x, keras.layers.Conv2D(filters, 1)(relu(y))])
    for _ in range(2):
        x = WholeMaskedConv2D(filters, 1, "B")(relu(x))
    outputs = keras.layers.Conv2D(1, 1, activation="sigmoid")(relu(x))
    model = keras.Model(image, outputs)
    model.compile(optimizer=keras.optimizers.Nadam(), loss="binary_crossentropy")
    (images, _), _ = data.load_mnist()
    ink = (images[:IMAGES] > 0.5).astype("float32")
    recipe = {"epochs": 10_000, "batch_size": batch_size, "verbose": 0}
    model.fit(ink, ink, callbacks=[turns()], **recipe)


def package_bfloat16(filters, batch_size):
    package(filters, batch_size, "mixed_bfloat16")


def pytorch(filters, batch_size, half=False):
    """Channels last, the whole kernel masked."""
    from pixelcnn_edu import data

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
            weight = self.weight * self.mask
            return nn.functional.conv2d(x, weight, self.bias, padding=self.padding)

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

    torch.set_num_threads(os.cpu_count())
    model = nn.Sequential(
        Masked(1, filters, 7, "A"),
        *[Block() for _ in range(DEPTH)],
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, filters, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, filters, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(filters, 1, 1),
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.NAdam(model.parameters(), 2e-3)
    loss_of = nn.BCEWithLogitsLoss(reduction="sum")
    (images, _), _ = data.load_mnist()
    ink = torch.from_numpy((images[:IMAGES] > 0.5).astype("float32"))
    ink = ink.permute(0, 3, 1, 2)
    while True:
        end = turn()
        for batch in ink[torch.randperm(len(ink))].split(batch_size):
            batch = batch.to(memory_format=torch.channels_last)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                logits = model(batch)
            loss = loss_of(logits.float(), batch) / len(batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        end()


def pytorch_bfloat16(filters, batch_size):
    pytorch(filters, batch_size, half=True)


def matrix_product(filters, batch_size):
    """No training: products of 2048 columns, with as many operations as an epoch has."""
    import tensorflow as tf

    size = 2048
    rows = round(IMAGES * flops(filters) / (2 * size**2))
    matrix = tf.random.normal((size, size), seed=0)
    product = tf.function(lambda a: tf.reduce_sum(a @ matrix))
    while True:
        end = turn()
        for start in range(0, rows, size):
            product(matrix[: rows - start]).numpy()
        end()


CONTENDERS = {
    "matrix product": matrix_product,
    "package": package,
    "tutorial": tutorial,
    "pytorch": pytorch,
    "package, bfloat16": package_bfloat16,
    "pytorch, bfloat16": pytorch_bfloat16,
}


# ------------------------------------------------------------------ measurement


class Contender:
    """One contender in its process."""

    def __init__(self, name, filters, batch):
        self.about = {"contender": name, "filters": filters, "batch": batch}
        own = [sys.executable, __file__, "--child", name, str(filters), str(batch)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            own,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "XLA_FLAGS": ""},  # the package's own would slow others
        )
        self.turns = []

    def take_turn(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("turn"):
                self.turns.append([float(value) for value in line.split()[1:]])
                return
        raise RuntimeError(f"{self.about} ended early")

    def row(self):
        """Medians, the first two turns (compilation) left out."""
        seconds, cores, peaks = zip(*self.turns[2:], strict=True)
        rate = IMAGES / statistics.median(seconds)
        measured = {
            "images_per_second": round(rate, 1),
            "share": None,  # known when all have been measured
            "parallel": round(statistics.median(cores), 2),
            "peak_mb": round(peaks[-1]),
            "grown_mb": round(peaks[-1] - peaks[0]),
        }
        return {**self.about, **measured}

    def end(self):
        with self.process:  # closes its pipes and waits
            self.process.kill()


def measure(filters, batch, names, rounds):
    """Let the contenders take turns; return a row of each, the matrix product's first."""
    names = ["matrix product", *names]
    contenders = [Contender(name, filters, batch) for name in names]
    try:
        for _ in range(2 + rounds):
            for contender in contenders:
                contender.take_turn()
        rows = [contender.row() for contender in contenders]
    finally:
        for contender in contenders:
            contender.end()
    product = rows[0]["images_per_second"]
    for row in rows:
        row["share"] = round(row["images_per_second"] / product, 2)
    return rows


def flops(filters):
    """Operations of one training image: twice the live products, forward and back."""
    from pixelcnn_edu import models

    from generation import products

    model = models.pixelcnn(filters=filters, depth=DEPTH, activation="relu")
    return 3 * 2 * 784 * sum(inputs * outputs for inputs, outputs in products(model))


def plot(rows, path):
    import matplotlib.pyplot as plt

    batch = 64
    rows = [row for row in rows if row["batch"] == batch]
    sizes = sorted({row["filters"] for row in rows})
    fig, axes = plt.subplots(1, len(sizes), figsize=(4.5 * len(sizes), 3.2))
    for ax, size in zip(axes if len(sizes) > 1 else [axes], sizes, strict=True):
        of_size = [row for row in rows if row["filters"] == size]
        names = [row["contender"] for row in of_size]
        colors = ["0.7" if name == "matrix product" else "C0" for name in names]
        rates = [row["images_per_second"] for row in of_size]
        bars = ax.barh(names, rates, color=colors)
        ax.bar_label(bars, fmt="%.0f", padding=3)
        ax.set(title=f"{size} filters", xlabel="images per second")
        ax.margins(x=0.2)
        ax.invert_yaxis()
    fig.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        name, filters, batch = args.child
        CONTENDERS[name](int(filters), int(batch))
        return
    skipped = set()
    if not importlib.util.find_spec("torch"):
        skipped |= {"pytorch", "pytorch, bfloat16"}
    # asked in a process of its own: TensorFlow would hold threads in this one
    ask = "from pixelcnn_edu import command; print(command.fastest_precision())"
    answer = subprocess.run(
        [sys.executable, "-c", ask], capture_output=True, check=True
    )
    if answer.stdout.split()[-1] == b"float32":
        skipped |= {"package, bfloat16", "pytorch, bfloat16"}
    skipped.add("matrix product")  # `measure` adds it
    names = [name for name in CONTENDERS if name not in skipped]
    rounds = 5 if args.quick else 11
    rows = measure(64, 64, names, rounds)
    if not args.quick:
        rows += measure(32, 64, names, rounds)
        for batch in (16, 256):
            rows += measure(64, batch, ["package"], 5)[1:]

    from pixelcnn_edu import plots  # noqa: F401  (sets the style)

    print(" | ".join(COLUMNS))
    for row in rows:
        print(" | ".join(map(str, row.values())))
    with open(args.out / "training.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    plot(rows, args.out / "training.png")


if __name__ == "__main__":
    main()
