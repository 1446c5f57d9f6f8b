"""How long drawing takes with the weights `coffee`: loops of whole passes, and the package.

    python benchmarks/generation.py            about 10 minutes on 2 cores
    python benchmarks/generation.py --quick    about 1: one round, fewer images and sizes

Prints a table and writes it as generation.csv beside this file (or into --out). Compare
times of one run only. The contenders:

- ``tutorial's loop``: as in the tutorial that the series grew from, repaired. A Python loop
  over the pixels calls ``predict_on_batch``; the layers mask whole kernels.
- ``whole passes, compiled``: as many passes of the whole network, but of the package's
  layers, in one loop over the pixels that XLA compiles. Each core draws its own share of
  the images, at most 32 at a time, which is the fastest form that was found.
- ``fixed point`` and ``cached``: two methods of `generation.generate`. Here ``cached``
  compiles in its first call. (`generate` answers a small first call by the fixed point.)

All draw the same images from the same uniform numbers. Each measurement has a process of
its own, which loads the network and then draws. ``cold_seconds`` is its first call, with
compilation; ``warm_seconds`` is a later call. Both are medians over rounds in which the
contenders take turns. A loop's first call is one pass; the other passes of its cold time
are warm ones. For 256 images the loops draw only the middle row of pixels, and their times
are scaled up to all passes; ``passes`` is how many were run.

``differ`` counts the values, out of ``compared``, that ``method="fixed_point"`` does not
draw. Rounding decides where a uniform number lies very near to a probability:
``largest_gap`` is the largest such distance at the first differing value of an image.
"""

import argparse
import concurrent.futures
import csv
import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pixelcnn_edu  # noqa: F401  (first, so that TensorFlow starts quietly)
from pixelcnn_edu import (
    _drawing,
    generation,
    layers,
    pretrained,
)

import keras
import numpy as np
import tensorflow as tf

NETWORK = "coffee"
MOST_PER_SLICE = 32  # images of one compiled loop of whole passes
COLUMNS = ["network", "contender", "side", "images", "passes"]
COLUMNS += ["cold_seconds", "warm_seconds", "cold_over_cached", "warm_over_cached"]
COLUMNS += ["differ", "compared", "largest_gap"]


# ------------------------------------------------------------------ contenders
# Each is a function of the network. It returns a function that draws: images of which
# all values before `first` are given, uniform numbers, `first`, `last` -> images.


class WholeMaskedConv2D(keras.layers.Conv2D):
    """The tutorial's layer: the whole kernel is masked, dead taps are multiplied too."""

    def __init__(self, filters, kernel_size, mask_type, **kwargs):
        super().__init__(filters, kernel_size, padding="same", **kwargs)
        self.mask_type = mask_type

    def build(self, input_shape):
        super().build(input_shape)
        mask = np.zeros(self.kernel.shape, "float32")
        row, col = (size // 2 for size in self.kernel_size)
        mask[:row] = 1
        mask[row, : col + (self.mask_type == "B")] = 1
        self.mask = mask

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel * self.mask)


def tutorial_network(filters, depth, side=28, position=False):
    """The plain network with ReLU, written out here so that it never gets faster."""
    relu = keras.layers.Activation("relu")
    image = keras.Input((side, side, 1))
    x = WholeMaskedConv2D(filters, 7, "A")(image)
    if position:
        x = layers.PositionBias()(x)
    for _ in range(depth):
        y = keras.layers.Conv2D(filters // 2, 1)(relu(x))
        y = WholeMaskedConv2D(filters // 2, 3, "B")(relu(y))
        x = keras.layers.add([x, keras.layers.Conv2D(filters, 1)(relu(y))])
    for _ in range(2):
        x = WholeMaskedConv2D(filters, 1, "B")(relu(x))
    outputs = keras.layers.Conv2D(1, 1, activation="sigmoid")(relu(x))
    return keras.Model(image, outputs)


def tutorial_loop(model):
    filters = model.layers[1].filters
    depth = sum(isinstance(layer, keras.layers.Add) for layer in model.layers)
    network = tutorial_network(filters, depth, model.input_shape[1], position=True)
    network.set_weights(model.get_weights())

    def draw(images, uniforms, first, last):
        images = images.copy()
        for index in range(first, last):
            row, col = divmod(index, images.shape[2])
            p = network.predict_on_batch(images)[:, row, col]
            images[:, row, col] = uniforms[:, row, col] < p
        return images

    return draw


def whole_passes(model):
    @tf.function(jit_compile=True, autograph=False)
    def loop(images, uniforms, first, last):
        width = images.shape[2]

        def body(index, images):
            row, col = index // width, index % width
            logits = model(images)[:, row, col]
            values = model.likelihood.sample(logits, uniforms[:, row, col])
            at = (0, row, col, 0)
            return index + 1, keras.ops.slice_update(images, at, values[:, None, None])

        return tf.while_loop(lambda index, _: index < last, body, (first, images))[1]

    def draw(images, uniforms, first, last):
        cores = _drawing.cores()
        size = min(MOST_PER_SLICE, -(-len(images) // cores))
        slices = [slice(at, at + size) for at in range(0, len(images), size)]

        def one_slice(rows):
            parts = images[rows], uniforms[rows], first, last
            return loop(*[tf.constant(part) for part in parts]).numpy()

        with concurrent.futures.ThreadPoolExecutor(cores) as pool:
            return np.concatenate(list(pool.map(one_slice, slices)))

    return draw


def of_package(method, model):
    generation.SOONER_BY_ROUNDS = 0  # of this process, which measures one contender

    def draw(images, uniforms, first, last):
        return generation.generate(
            model, len(uniforms), uniforms=uniforms, method=method, progress=False
        )

    return draw


LOOPS = {"tutorial's loop": tutorial_loop, "whole passes, compiled": whole_passes}
METHODS = {
    name: functools.partial(of_package, name.replace(" ", "_"))
    for name in ("fixed point", "cached")
}
CONTENDERS = LOOPS | METHODS


# ------------------------------------------------------------------ measurement


def seconds(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def median_seconds(function, runs):
    return statistics.median(seconds(function) for _ in range(runs))


def some_uniforms(count, side=28):
    """Image i has the same ones for every count."""
    return np.random.default_rng(0).random((count, side, side, 1), dtype="float32")


def differences(drawn, reference, uniforms, p):
    """Return how many values (N, pixels) differ, and `largest_gap`, as explained above."""
    differ = drawn != reference
    images = np.flatnonzero(differ.any(axis=1))
    first = differ[images].argmax(axis=1)  # later ones follow from it
    gaps = np.abs(uniforms - p)[images, first]
    return int(differ.sum()), float(gaps.max()) if len(images) else None


def measure_one(name, model, reference, p, whole=True):
    """Measure a contender in this process, which has not drawn before.

    A loop draws all pixels if ``whole``, otherwise those of the middle row. The reference
    holds the right images, and ``p`` the probability of ink that the model gives there.
    """
    count, height, width, _ = reference.shape
    pixels, passes = height * width, height * width if whole else width
    first = 0 if whole else height // 2 * width
    here = slice(first, first + passes)
    images = reference.copy()
    images.reshape(count, -1)[:, first:] = 0
    uniforms = some_uniforms(count, height)
    draw = functools.partial(CONTENDERS[name](model), images, uniforms, first)
    is_loop = name in LOOPS
    cold = seconds(lambda: draw(first + 1 if is_loop else here.stop))
    drawn = []
    runs = {"cached": 7, "fixed point": 2}.get(name, 1)
    warm = median_seconds(lambda: drawn.append(draw(here.stop)), runs)
    if is_loop:  # the first call was one pass: the others take as long as warm ones
        warm *= pixels / passes
        cold += warm * (pixels - 1) / pixels
    flat = [a.reshape(count, -1)[:, here] for a in (drawn[-1], reference, uniforms, p)]
    differ, gap = differences(*flat)
    return {
        "passes": passes if is_loop else None,
        "cold_seconds": cold,
        "warm_seconds": warm,
        "differ": differ,
        "compared": flat[0].size,
        "largest_gap": gap,
    }


def measure_in_child(name, path, count, whole):
    """Measure a contender in a process of its own; return what `measure_one` does."""
    env = dict(os.environ)
    if name == "tutorial's loop":  # the package keeps XLA to one core; Keras does not
        env["XLA_FLAGS"] = ""
    own = [sys.executable, __file__, "--child", name, str(path), str(count), str(whole)]
    done = subprocess.run(own, stdout=subprocess.PIPE, env=env, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def child(name, path, count, whole):
    reference, p = np.load(path)[:, : int(count)]
    model = pretrained.load(NETWORK)
    print(json.dumps(measure_one(name, model, reference, p, whole == "True")))


def measure_contenders(counts, rounds, quick):
    """Return a row for each contender and count, medians over the rounds."""
    model = pretrained.load(NETWORK)
    u = some_uniforms(max(counts))
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.npy"
        arguments = {"uniforms": u, "method": "fixed_point", "progress": False}
        reference = generation.generate(model, len(u), **arguments)
        p = keras.ops.sigmoid(model.predict_on_batch(reference))
        np.save(path, [reference, p])
        for _ in range(rounds):
            for count, name in itertools.product(counts, CONTENDERS):
                whole = name in METHODS or (count < 256 and not quick)
                result = measure_in_child(name, path, count, whole)
                measured.setdefault((count, name), []).append(result)
                print(f"{count:4} images, {name}: {result}", flush=True)
    rows = []
    for (count, name), results in measured.items():
        row = {"network": NETWORK, "contender": name, "side": 28, "images": count}
        row |= max(results, key=lambda result: result["differ"])
        for key in ("cold_seconds", "warm_seconds"):
            row[key] = statistics.median(result[key] for result in results)
        rows.append(row)
    of_cached = {row["images"]: row for row in rows if row["contender"] == "cached"}
    for row in rows:
        cached = of_cached[row["images"]]
        for key in ("cold", "warm"):
            ratio = row[f"{key}_seconds"] / cached[f"{key}_seconds"]
            row[f"{key}_over_cached"] = ratio
    return rows


# ------------------------------------------------------------------ the table


def rounded(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        child(*args.child)
        return
    counts, rounds = ([1, 16], 1) if args.quick else ([1, 16, 256], 3)
    rows = measure_contenders(counts, rounds, args.quick)
    rows = [{key: rounded(value) for key, value in row.items()} for row in rows]
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "generation.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print((args.out / "generation.csv").read_text("utf-8"))


if __name__ == "__main__":
    main()
