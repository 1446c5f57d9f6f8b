"""What helps a PixelCNN to learn: one change at a time, at the same number of images.

    python benchmarks/ablation.py      about 2.5 hours of one core

Each row of `CHANGES` trains the same small network with one change, or a few, for 2 passes
over 49,000 digits, and is scored on the same draw of the same 10,000 validation digits. The
rows of "4,000 digits" make 24 passes over the bundled digits. (With other --data, they use
4,000 of its training images, or all if there are fewer.) A change within CLOSE nats of its
base is trained with two more seeds, and so are the bases. Finished runs are kept in --runs,
and a script that was killed goes on from there. (A run is known by its name and its digits:
delete --runs after a change of a recipe.) There are three bases: the plain network, the
same on the bundled digits, and the gated one with skips, a higher rate and Muon. The table
of all runs is `presets.ablation()`, which notebook 14 draws. `cpu_minutes` are those of one
core; those of the third base and its rows come from another machine, a faster one.

All runs are in `_device.fastest_precision()`, but for the row that says otherwise.
"""

import argparse
import json
import time
import zlib
from pathlib import Path

from pixelcnn_edu import (
    _device,
    data,
    evaluation,
    models,
    optimizers,
    presets,
    training,
)
from pixelcnn_edu._files import atomic_write
from pixelcnn_edu.layers import MaskedConv2D, PositionBias, residual_block

import keras
import numpy as np

SEEDS = (0, 1, 2)
CLOSE = 0.3  # nats
FILTERS, DEPTH = 32, 8
NETWORK = {"filters": FILTERS, "depth": DEPTH, "activation": "relu", "position": True}
GATED = {"filters": 16, "position": True}


def plain(**change):
    return lambda: models.pixelcnn(**{**NETWORK, **change})


def normalized():
    """The plain network with its stream normalized, pixel by pixel, before each block."""
    image = keras.Input((28, 28, 1))
    x = PositionBias()(MaskedConv2D(FILTERS, 7, "A")(image))
    for _ in range(DEPTH):
        x = keras.layers.LayerNormalization()(x)
        x = residual_block(x, FILTERS, activation="relu")
    for _ in range(2):
        x = MaskedConv2D(FILTERS, 1)(keras.layers.Activation("relu")(x))
    x = keras.layers.Activation("relu")(x)
    logits = keras.layers.Conv2D(1, 1, dtype="float32")(x)
    return models.ImageModel(image, logits, "n", likelihood=models.Bernoulli())


def gated(**change):
    return lambda: models.gated_pixelcnn(**{**GATED, **change})


def nadam(**settings):
    return lambda steps: optimizers.nadam(steps, 3e-3, **settings)


def gated_with_muon(**change):
    """The third base: the gated network with skips, and Muon at its rate."""
    return {
        "network": gated(**{"depth": 4, "skip": True, **change}),
        "learning_rate": 1e-2,
        "optimizer": "muon",
    }


DILATED = {"dilations": (1, 2, 4, 8)}
MEAN = {"use_ema": True, "ema_momentum": 0.99}
# name: (the base it is compared with, what is changed)
CHANGES = {
    "base": ("base", {}),
    "no position bias": ("base", {"network": plain(position=False)}),
    "24 filters, 14 blocks": ("base", {"network": plain(filters=24, depth=14)}),
    "48 filters, 3 blocks": ("base", {"network": plain(filters=48, depth=3)}),
    "layer normalization": ("base", {"network": normalized}),
    "gated, 16 filters, 4 blocks": ("base", {"network": gated(depth=4)}),
    "gated, with skips": ("base", {"network": gated(depth=4, skip=True)}),
    "gated, with skips, rate 0.01": (
        "base",
        {"network": gated(depth=4, skip=True), "learning_rate": 1e-2},
    ),
    "gated, with skips, rate 0.01, Muon": ("base", gated_with_muon()),
    "constant learning rate": (
        "base",
        {"optimizer": lambda steps: keras.optimizers.Nadam(3e-3, global_clipnorm=1.0)},
    ),
    "RMSprop at 0.001": (
        "base",
        {"optimizer": lambda steps: keras.optimizers.RMSprop(1e-3)},
    ),
    "learning rate 0.01": ("base", {"learning_rate": 1e-2}),
    "Muon, learning rate 0.01": (
        "base",
        {"learning_rate": 1e-2, "optimizer": "muon"},
    ),
    "soft targets": ("base", {"soft_targets": True}),
    "batches of 16": ("base", {"batch_size": 16}),
    "running mean of the weights": ("base", {"optimizer": nadam(**MEAN)}),
    "running mean, constant rate": (
        "base",
        {
            "optimizer": lambda steps: keras.optimizers.Nadam(
                3e-3, global_clipnorm=1.0, **MEAN
            )
        },
    ),
    "weight decay 0.01": ("base", {"optimizer": nadam(weight_decay=0.01)}),
    "one static draw": ("base", {"digits": "static"}),
    "numbers of 32 bits": ("base", {"precision": "float32"}),
    "4,000 digits": ("4,000 digits", {"few": True}),
    "4,000 digits, dropout 0.1": (
        "4,000 digits",
        {"few": True, "network": plain(dropout=0.1)},
    ),
    "4,000 digits, dropout 0.3": (
        "4,000 digits",
        {"few": True, "network": plain(dropout=0.3)},
    ),
    "gated with Muon": ("gated with Muon", gated_with_muon()),
    "gated with Muon, 8 blocks": ("gated with Muon", gated_with_muon(depth=8)),
    "gated with Muon, dilated": ("gated with Muon", gated_with_muon(**DILATED)),
    "gated with Muon, dilated, 8 blocks": (
        "gated with Muon",
        gated_with_muon(depth=8, **DILATED),
    ),
}


def few_of(source, images):
    """Return the bundled digits, or at most 4,000 of the training images of a source."""
    if source == "full":
        return data.load_mnist()[0][0]
    return images[np.random.default_rng(0).permutation(len(images))[:4000]]


def run(change, seed, images, held_out):
    """Train one network; return its nats and what it took."""
    keras.utils.clear_session()
    epochs = change.get("epochs", 24 if change.get("few") else 2)
    if change.get("digits") == "static":
        images = data.binarize(images, seed=1)
    batch_size = change.get("batch_size", 64)
    precision = change.get("precision", _device.fastest_precision())
    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(seed)
    build = change.get("network", plain())
    model = build()
    optimizer = change.get("optimizer", "nadam")
    if not isinstance(optimizer, str):
        optimizer = optimizer(epochs * -(-len(images) // batch_size))
    began = time.process_time()
    training.fit(
        model,
        images,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=change.get("learning_rate", 3e-3),
        optimizer=optimizer,
        soft_targets=change.get("soft_targets", False),
        seed=seed,
        verbose=0,
    )
    cpu_minutes = (time.process_time() - began) / 60
    keras.config.set_dtype_policy("float32")
    bare = build()
    bare.set_weights(model.get_weights())
    nats = evaluation.nats_per_image(bare, held_out)
    mean, error = evaluation.mean_and_standard_error(nats)
    return {
        "nats_per_image": round(mean, 3),
        "standard_error": round(error, 3),
        "weights": models.live_weights(model),
        "cpu_minutes": round(cpu_minutes, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="full", help="as load_mnist's source")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation.jsonl"))
    parser.add_argument("--out", type=Path, help="needed with other --data")
    args = parser.parse_args()
    if args.out is None and args.data != "full":
        parser.error(f"Expected --out with --data {args.data}. Received: no --out")
    out = args.out or presets.ABLATION
    (full, _), (x_val, _), _ = presets.digits_from(args.data)
    held_out, few = data.binarize(x_val, seed=0), few_of(args.data, full)
    checksum = 0
    for images in (full, few, x_val):
        checksum = zlib.crc32(images.tobytes(), checksum)
    args.runs.parent.mkdir(parents=True, exist_ok=True)
    lines = args.runs.read_text("utf-8").splitlines() if args.runs.exists() else []
    done = {
        (row["change"], row["seed"]): row
        for row in map(json.loads, lines)
        if row.pop("data", None) == checksum
    }

    def need(name, seed):
        if (name, seed) not in done:
            row = {"change": name, "base": CHANGES[name][0], "seed": seed}
            change = CHANGES[name][1]
            images = few if change.get("few") else full
            row.update(run(change, seed, images, held_out))
            done[name, seed] = row
            with open(args.runs, "a", encoding="utf-8") as file:
                file.write(json.dumps({**row, "data": checksum}) + "\n")
            print(row, flush=True)
        return done[name, seed]["nats_per_image"]

    for name in CHANGES:
        need(name, SEEDS[0])
    gaps = {name: need(name, 0) - need(base, 0) for name, (base, _) in CHANGES.items()}
    for seed in SEEDS[1:]:
        for name, gap in gaps.items():
            if abs(gap) < CLOSE:
                need(name, seed)
    rows = [done[key] for name in CHANGES for key in sorted(done) if key[0] == name]
    with atomic_write(out) as path:
        path.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main()
