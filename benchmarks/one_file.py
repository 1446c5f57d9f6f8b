"""How good the network in one file becomes in five minutes, on the bundled digits.

    python benchmarks/one_file.py        five minutes of training, and the scores

Trains `pixelcnn_edu/one_file.py` as it stands, for the largest number of epochs that five
minutes allow at the rate of the first two, and prints the nats per image of the bundled
test digits, binarized once with seed 0. Writes one_file.csv beside this file (or into
--out).
"""

import argparse
import csv
import time
from pathlib import Path

from pixelcnn_edu import data, one_file

import keras
import numpy as np

MINUTES, TRIED = 5, 2  # of training; epochs to time


def trained(images, epochs):
    """Return a network trained for some epochs, and the seconds that it took."""
    keras.utils.set_random_seed(0)
    model = one_file.pixelcnn()
    began = time.perf_counter()
    one_file.train(model, images, epochs)
    return model, time.perf_counter() - began


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    arguments = parser.parse_args(argv)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (x_train, _), (x_test, _) = data.load_mnist()
    test = one_file.binarize(x_test, seed=0)
    _, seconds = trained(x_train, TRIED)
    rows = []
    for minutes in (arguments.minutes / 5, arguments.minutes):
        epochs = max(1, int(60 * minutes / seconds * TRIED))
        model, took = trained(x_train, epochs)
        nats = one_file.nats_per_image(test, model.predict(test, verbose=0))
        rows.append([epochs, round(took / 60, 2), round(float(np.mean(nats)), 2)])
        print(f"{epochs} epochs, {took / 60:.1f} minutes: {rows[-1][2]} nats per image")
    with open(
        arguments.out / "one_file.csv", "w", newline="", encoding="utf-8"
    ) as file:
        csv.writer(file, lineterminator="\n").writerows(
            [["epochs", "minutes", "test_nats"], *rows]
        )


if __name__ == "__main__":
    main()
