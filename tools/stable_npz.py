"""Write arrays as an .npz file that is the same, byte for byte, whenever it is built.

With another library than zlib (zlib-ng in Fedora's Python, say) the bytes may differ.
"""

import io
import zipfile

import numpy as np


def write(out, arrays):
    """Write a dict of arrays to ``out``, and print the file's size."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            # a fixed date: np.savez would write the time of day into the file
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, buffer.getvalue())
    print(f"{out.name}: {out.stat().st_size:,} bytes")
