"""Build pixelcnn_edu/bundled/clothes.npz from Fashion-MNIST.

    python tools/build_clothes.py FILE

FILE is an .npz with the arrays x_train, y_train, x_test and y_test of
`keras.datasets.fashion_mnist`. Of the ten kinds, the first of the training images and the
first ten of the test images are kept. The file is the same, byte for byte, whenever it is
built with the same library zlib.
"""

import sys
from pathlib import Path

from pixelcnn_edu.data import load_mnist

import numpy as np
import stable_npz

OUT = Path(__file__).parents[1] / "pixelcnn_edu" / "bundled" / "clothes.npz"
PER_KIND = {"train": 1, "test": 10}


def main(source):
    arrays = {}
    for part, (images, kinds) in zip(PER_KIND, load_mnist(source), strict=True):
        chosen = [np.flatnonzero(kinds == kind)[: PER_KIND[part]] for kind in range(10)]
        chosen = np.concatenate(chosen)
        pixels = np.round(images[chosen, ..., 0] * 255).astype("uint8")
        arrays[f"x_{part}"] = pixels
        arrays[f"y_{part}"] = kinds[chosen].astype("uint8")
    stable_npz.write(OUT, arrays)


if __name__ == "__main__":
    main(sys.argv[1])
