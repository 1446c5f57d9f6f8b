"""How long drawing takes: the loop of the tutorial, and the three methods of the package.

    python benchmarks/generation.py            about 10 minutes on 2 cores
    python benchmarks/generation.py --quick    about 2: fewer runs, fewer sizes

Prints a table and writes it as generation.csv and generation.png beside this file (or
into --out). All contenders run in one process, alternating, and medians are given, so
that only ratios within one run should be compared.

The network has 64 filters and 6 blocks, as in the tutorial that the series grew from.
"""

import argparse
import csv
import functools
import statistics
import time
from pathlib import Path

import pixelcnn_edu  # noqa: F401  (first, so that TensorFlow starts quietly)
from pixelcnn_edu import generation, models, pixel_graph, plots  # noqa: F401  (plots sets the style)

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

FILTERS, DEPTH = 64, 6


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


def tutorial_network(side=28):
    """The plain network, written out here so that it never gets faster."""
    slopes = {"shared_axes": [1, 2]}
    image = keras.Input((side, side, 1))
    x = WholeMaskedConv2D(FILTERS, 7, "A")(image)
    for _ in range(DEPTH):
        y = keras.layers.PReLU(**slopes)(x)
        y = keras.layers.Conv2D(FILTERS // 2, 1)(y)
        y = keras.layers.PReLU(**slopes)(y)
        y = WholeMaskedConv2D(FILTERS // 2, 3, "B")(y)
        y = keras.layers.PReLU(**slopes)(y)
        y = keras.layers.Conv2D(FILTERS, 1)(y)
        x = keras.layers.add([x, y])
    for _ in range(2):
        x = keras.layers.PReLU(**slopes)(x)
        x = WholeMaskedConv2D(FILTERS, 1, "B")(x)
    x = keras.layers.PReLU(**slopes)(x)
    return keras.Model(image, keras.layers.Conv2D(1, 1, activation="sigmoid")(x))


def tutorial_loop(model, uniforms, passes=None):
    """Draw as the tutorial does: ``predict_on_batch`` for each pixel."""
    images = np.zeros_like(uniforms)
    height, width = uniforms.shape[1:3]
    for index in range(passes or height * width):
        row, col = divmod(index, width)
        p = model.predict_on_batch(images)[:, row, col]
        images[:, row, col] = uniforms[:, row, col] < p
    return images


def seconds(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def median_ms(function, runs):
    return 1000 * statistics.median(seconds(function) for _ in range(runs))


def matmul_rate(size=2048, runs=9):
    """Multiply-adds per second of one float32 matrix product, TensorFlow's own."""
    a = tf.random.normal((size, size), seed=0)
    product = tf.function(lambda: tf.reduce_sum(a @ a))
    product()
    return size**3 / (median_ms(lambda: product().numpy(), runs) / 1000)


def copy_rate(size, runs=9):
    """Bytes per second, read and written, of copying so much: from a cache, if it fits."""
    source, times = np.ones(size, np.uint8), 2**30 // size
    target = np.empty_like(source)

    def copies():
        for _ in range(times):
            np.copyto(target, source)

    return 2 * size * times / (median_ms(copies, runs) / 1000)


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


def products_alone_ms(shapes, count, pixels, runs):
    """The same products in a compiled loop, with next to nothing between them."""
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
    return median_ms(lambda: loop()[0].numpy(), runs)


def measure(quick):
    runs = 3 if quick else 9
    counts = [1, 16, 256]
    tutorial = tutorial_network()
    network = models.pixelcnn(filters=FILTERS, depth=DEPTH)
    network.set_weights(tutorial.get_weights())
    rows = []

    def add(contender, side, count, ms, note=""):
        rows.append({"contender": contender, "side": side, "images": count})
        rows[-1].update({"milliseconds": round(ms, 2), "note": note})
        print(
            f"{contender:28}{side:4}²{count:5} images {ms:12.1f} ms  {note}", flush=True
        )
        return ms

    for count in counts:
        first = functools.partial(generation.generate, network, count, seed=0)
        add("cached, first call", 28, count, 1000 * seconds(first), "with compilation")
    slow = {}
    for count in counts:
        u = np.random.default_rng(0).random((count, 28, 28, 1), dtype="float32")
        tutorial_loop(tutorial, u, 3)
        methods = {
            method: [] for method in ("tutorial's loop", "fixed point", "cached")
        }
        passes = 784 if count < 256 and not quick else 40
        for _ in range(3):
            took = seconds(lambda u=u, n=passes: tutorial_loop(tutorial, u, n))
            methods["tutorial's loop"].append(1000 * took * 784 / passes)
            for method in ("fixed point", "cached"):
                arguments = {"uniforms": u, "method": method.replace(" ", "_")}
                draw = functools.partial(
                    generation.generate, network, count, **arguments
                )
                times = runs if method == "cached" else 1
                methods[method].append(median_ms(draw, times))
        slow[count] = statistics.median(methods["tutorial's loop"])
        same = ""
        if passes == 784:
            differ = tutorial_loop(tutorial, u) != draw()
            same = f"; {differ.sum()} of {differ.size:,} values differ"
        for method, times in methods.items():
            ms = statistics.median(times)
            note = f"{slow[count] / ms:.0f} times the tutorial's speed"
            note += same if method == "cached" else ""
            if method == "tutorial's loop":
                note = "" if passes == 784 else f"from {passes} of 784 passes"
            add(method, 28, count, ms, note)
    open_size = models.pixelcnn((None, None, 1), filters=FILTERS, depth=DEPTH)
    for side in (14, 28, 56) if quick else (14, 28, 56, 112):
        draw = functools.partial(
            generation.generate, open_size, 4, seed=0, image_shape=(side, side, 1)
        )
        draw()
        add("cached", side, 4, median_ms(draw, runs))
    limits(network, rows, runs, add)
    return rows


def limits(network, rows, runs, add):
    """Print operations and bytes, the two limits, and where the rest goes."""
    shapes = products(network)
    operations = sum(k * f for k, f in shapes)
    weight_bytes = 4 * operations  # each live weight is used once per pixel
    matmul, copy = matmul_rate(), copy_rate(weight_bytes)
    print(f"\none matrix product: {matmul / 1e9:.0f} G multiply-adds/s on all cores")
    print(f"copying so many bytes as the weights: {copy / 1e9:.0f} GB/s on one core")
    print(f"per pixel and image: {operations:,} multiply-adds, ", end="")
    print(f"on {weight_bytes / 1024:.0f} KiB of weights\n")
    ms_of = {
        row["images"]: row["milliseconds"]
        for row in rows
        if row["contender"] == "cached" and row["side"] == 28 and row["images"] != 4
    }
    cores = generation._cores()
    for count, ms in ms_of.items():
        per_core = max(1, count // cores)
        by_products = 1000 * 784 * count * operations / matmul
        by_bytes = 1000 * 784 * weight_bytes / copy
        slices = max(1, per_core // generation._MOST_PER_SLICE)
        alone = slices * products_alone_ms(shapes, per_core // slices, 784, runs)
        share = 784 * count * operations / (ms / 1000) / matmul
        add("limit: matrix products", 28, count, by_products, "at the large one's rate")
        add("limit: reading the weights", 28, count, by_bytes, "at the copy's rate")
        add("products of this size alone", 28, count, alone, "same loop, on one core")
        print(
            f"  {count} images: {share:.0%} of the large product's rate; of {ms:.1f} ms "
            f"the products alone take {alone / ms:.0%}, and the rest is what lies "
            "between them: biases, activations, windows, caches, the loop\n"
        )


def draw_figure(rows, path):
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for contender in ("tutorial's loop", "fixed point", "cached"):
        points = [
            (row["images"], row["milliseconds"] / 1000)
            for row in rows
            if row["contender"] == contender and row["images"] != 4
        ]
        axes[0].plot(*zip(*points, strict=True), marker="o", label=contender)
    points = [
        (row["side"], row["milliseconds"] / 1000)
        for row in rows
        if row["contender"] == "cached" and row["images"] == 4
    ]
    axes[1].plot(*zip(*points, strict=True), "o-", color="C2", label="cached, 4 images")
    sides = np.array([side for side, _ in points])
    fit = points[-1][1] * (sides / sides[-1]) ** 2
    axes[1].plot(sides, fit, "--", color="gray", label="proportional to the pixels")
    axes[0].set(
        xlabel="images of 28 × 28", ylabel="seconds", xscale="log", yscale="log"
    )
    axes[1].set(xlabel="side of the image, pixels", xscale="log", yscale="log")
    for ax, ticks in ((axes[0], [1, 16, 256]), (axes[1], sides)):
        ax.set_xticks(ticks, labels=ticks)
        ax.minorticks_off()
        ax.grid(alpha=0.3)
        ax.legend()
    figure.savefig(path, dpi=120, metadata={"Software": None})


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args(argv)
    rows = measure(args.quick)
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "generation.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw_figure(rows, args.out / "generation.png")


if __name__ == "__main__":
    main()
