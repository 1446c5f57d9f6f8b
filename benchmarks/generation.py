"""How long drawing takes with the weights `coffee`: loops of whole passes, and the package.

    python benchmarks/generation.py            about 10 minutes on 2 cores
    python benchmarks/generation.py --quick    about 1: one round, fewer images and sizes
    python benchmarks/generation.py --first    about 2: the first digits alone, no files

Prints a table and writes it as generation.csv and generation.png beside this file (or
into --out). Compare times of one run only. The contenders:

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

With ``--first`` the package's first digits are measured: for each count, in a process of
its own, the seconds of loading the network and of the first, second and later calls of
`generation.generate`; ``wall``, and ``cpu`` on all cores, which other work on the machine
disturbs less. The import of the package is not counted.

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
    _first_call,
    generation,
    layers,
    models,
    pixel_graph,
    plots,  # noqa: F401  (sets the style)
    pretrained,
)

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

NETWORK = "coffee"
MOST_PER_SLICE = 32  # images of one compiled loop of whole passes
COLUMNS = ["network", "contender", "side", "images", "passes"]
COLUMNS += ["cold_seconds", "warm_seconds", "cold_over_cached", "warm_over_cached"]
COLUMNS += ["differ", "compared", "largest_gap", "note"]


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
    _first_call.MOST_IN_FIRST_CALL = 0  # of this process, which measures one contender

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


# ------------------------------------------------------------------ the first digits


def first_child(count):
    """Print (wall, cpu) seconds of loading and of three calls, in this new process."""

    def both(function):
        began = time.perf_counter(), time.process_time()
        result = function()
        ended = time.perf_counter(), time.process_time()
        return result, [b - a for a, b in zip(began, ended, strict=True)]

    model, load = both(lambda: pretrained.load(NETWORK))
    images, times = [], {"load": load}
    for name in ("first", "second", *["later"] * 9):
        drawn, seconds_of_call = both(lambda: generation.generate(model, count, seed=0))
        images.append(drawn)
        times.setdefault(name, []).append(seconds_of_call)
    for name in ("first", "second", "later"):
        times[name] = np.median(times[name], axis=0).tolist()
    if any((drawn != images[0]).any() for drawn in images):
        raise AssertionError("Expected the same images at each call")
    print(json.dumps(times))


def measure_first(counts, rounds):
    """Print medians over the rounds, in which the counts take turns."""
    measured = {count: [] for count in counts}
    for _ in range(rounds):
        for count in counts:
            own = [sys.executable, __file__, "--first-child", str(count)]
            done = subprocess.run(own, stdout=subprocess.PIPE, check=True, text=True)
            measured[count].append(json.loads(done.stdout.splitlines()[-1]))
    print("count,clock,load,first,load_and_first,second,later")
    for count, results in measured.items():
        for i, clock in enumerate(("wall", "cpu")):
            row = {
                name: statistics.median(result[name][i] for result in results)
                for name in ("load", "first", "second", "later")
            }
            both = row["load"] + row["first"]
            print(
                f"{count},{clock},{row['load']:.2f},{row['first']:.2f},{both:.2f},"
                f"{row['second']:.2f},{row['later']:.4f}"
            )


# ------------------------------------------------------------------ limits and sizes


def matmul_rate(size=2048, runs=9):
    """Multiply-adds per second of one float32 matrix product, TensorFlow's own."""
    a = tf.random.normal((size, size), seed=0)
    product = tf.function(lambda: tf.reduce_sum(a @ a))
    product()
    return size**3 / median_seconds(lambda: product().numpy(), runs)


def copy_rate(size, runs=9):
    """Bytes per second, read and written, of copying so much: from a cache, if it fits."""
    source, times = np.ones(size, np.uint8), 2**30 // size
    target = np.empty_like(source)

    def copies():
        for _ in range(times):
            np.copyto(target, source)

    return 2 * size * times / median_seconds(copies, runs)


def products(model):
    """The matrix products of one pixel: [(inputs, outputs)] of every convolution."""
    _, tensors, _ = pixel_graph.read_graph(model)
    found = []
    for tensor in tensors:
        if tensor.is_convolution:
            kernel, *_ = pixel_graph.kernel_of(tensor.operation)
            kernel = np.asarray(kernel)
            live = kernel.any(axis=(2, 3)).sum()
            found.append((int(live) * kernel.shape[2], kernel.shape[3]))
    return found


def products_alone(shapes, count, pixels, runs):
    """Seconds of the same products in a compiled loop, with nearly nothing between them."""
    rng = np.random.default_rng(0)
    weights = [tf.constant(rng.normal(size=s).astype("float32") / 9) for s in shapes]
    inputs = [tf.constant(rng.random((count, k)).astype("float32")) for k, _ in shapes]

    @tf.function(jit_compile=True, autograph=False)
    def loop():
        def body(i, xs):
            # each product feeds one number back, so that none can be left out
            ys = [x @ w for x, w in zip(xs, weights, strict=True)]
            return i + 1, [x + 1e-6 * y[:1, :1] for x, y in zip(xs, ys, strict=True)]

        return tf.while_loop(lambda i, _: i < pixels, body, (0, inputs))[1]

    loop()
    return median_seconds(lambda: loop()[0].numpy(), runs)


def limits(model, cached, runs):
    """Return rows of what bounds ``cached``, and say where the rest of its time goes.

    ``cached`` is a dict from the count of images to seconds.
    """
    shapes = products(model)
    operations = sum(k * f for k, f in shapes)
    weight_bytes = 4 * operations  # each live weight is used once per pixel
    matmul, copy = matmul_rate(), copy_rate(weight_bytes)
    print(f"\none matrix product: {matmul / 1e9:.0f} G multiply-adds/s on all cores")
    print(f"copying so many bytes as the weights: {copy / 1e9:.0f} GB/s on one core")
    print(f"per pixel and image: {operations:,} multiply-adds, ", end="")
    print(f"on {weight_bytes / 1024:.0f} KiB of weights\n")
    rows, cores = [], _drawing.cores()
    for count, took in cached.items():
        per_core = max(1, count // cores)
        by_products = 784 * count * operations / matmul
        by_bytes = 784 * weight_bytes / copy
        slices = max(1, per_core // _drawing.MOST_PER_SLICE)
        alone = slices * products_alone(shapes, per_core // slices, 784, runs)
        for name, bound, note in (
            ("limit: matrix products", by_products, "at the large one's rate"),
            ("limit: reading the weights", by_bytes, "at the copy's rate"),
            ("products of this size alone", alone, "same loop, on one core"),
        ):
            row = {"network": NETWORK, "contender": name, "side": 28, "images": count}
            rows.append(row | {"warm_seconds": bound, "note": note})
        print(
            f"{count} images: {by_products / took:.0%} of the large product's rate; of "
            f"{took:.4f} s the products alone take {alone / took:.0%}, and the rest is "
            "what lies between them: biases, activations, windows, caches, the loop"
        )
    return rows


def measure_sides(model, sides, runs):
    """Return a row for each size of image, of 4 images."""
    weights = [
        weight
        for layer in model.layers
        if not isinstance(layer, layers.PositionBias)  # which fixes the size
        for weight in layer.get_weights()
    ]
    recipe = pretrained.card(NETWORK)["recipe"]
    size = {key: recipe[key] for key in ("filters", "depth")}
    any_size = models.pixelcnn((None, None, 1), activation="relu", **size)
    any_size.set_weights(weights)
    rows = []
    for side in sides:
        arguments = {"uniforms": some_uniforms(4, side), "image_shape": (side, side, 1)}
        draw = functools.partial(generation.generate, any_size, 4, **arguments)
        draw()
        row = {"network": f"{NETWORK} without position", "contender": "cached"}
        row |= {"side": side, "images": 4, "warm_seconds": median_seconds(draw, runs)}
        rows.append(row)
    return rows


def measure(quick):
    runs = 3 if quick else 9
    rows = measure_contenders(
        [1, 16] if quick else [1, 16, 256], 1 if quick else 3, quick
    )
    model = pretrained.load(NETWORK)
    cached = {
        row["images"]: row["warm_seconds"]
        for row in rows
        if row["contender"] == "cached"
    }
    rows += measure_sides(model, (14, 28, 56) if quick else (14, 28, 56, 112), runs)
    return rows + limits(model, cached, runs)


# ------------------------------------------------------------------ table and figure


def rounded(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


def draw_figure(rows, path):
    figure, axes = plt.subplots(1, 2, figsize=(10, 5), sharey=True)
    for color, contender in enumerate(CONTENDERS):
        own = [row for row in rows if row["contender"] == contender and "differ" in row]
        counts = [row["images"] for row in own]
        for key, style in (("warm", "o-"), ("cold", "o:")):
            times = [row[f"{key}_seconds"] for row in own]
            label = contender if key == "warm" else f"{contender}: first call"
            axes[0].plot(counts, times, style, color=f"C{color}", label=label)
    by_side = [row for row in rows if "without position" in row["network"]]
    sides = np.array([row["side"] for row in by_side])
    times = [row["warm_seconds"] for row in by_side]
    axes[1].plot(sides, times, "o-", color=f"C{color}", label="cached, 4 images")
    fit = times[-1] * (sides / sides[-1]) ** 2
    axes[1].plot(sides, fit, "--", color="gray", label="proportional to the pixels")
    axes[0].set(xlabel="images of 28 × 28", ylabel="seconds")
    axes[1].set(xlabel="side of the image, pixels")
    for ax, ticks in ((axes[0], counts), (axes[1], sides)):
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(ticks, labels=ticks)
        ax.minorticks_off()
        ax.grid(alpha=0.3)
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, ncols=4, fontsize=9, loc="outside lower center")
    axes[1].legend(fontsize=9)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--first-child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        child(*args.child)
        return
    if args.first_child:
        first_child(args.first_child)
        return
    if args.first:
        measure_first((1, 3, 7, 16), rounds=1 if args.quick else 3)
        return
    rows = measure(args.quick)
    rows = [{key: rounded(value) for key, value in row.items()} for row in rows]
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "generation.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print((args.out / "generation.csv").read_text("utf-8"))
    draw_figure(rows, args.out / "generation.png")


if __name__ == "__main__":
    main()
