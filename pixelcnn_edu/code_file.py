"""The file format of `compression`: a header of 37 bytes, then the code.

| bytes | field |
|---|---|
| 4 | ``PXCN`` |
| 1 | version of the format |
| 4 | words of code; a word has 4 bytes |
| 4 | checksum (CRC-32) of all bytes that follow |
| 4, 2, 2, 1, 2 | number of images, rows, columns, channels, levels |
| 1 | method: 0 for ``"cached"``, 1 for ``"naive"`` |
| 4, 4, 4 | checksums of the model, of the labels and of the images |
| rest | the code |

All numbers are little-endian.
"""

import dataclasses
import math
import struct
import zlib

import numpy as np

METHODS = ("cached", "naive")
LARGEST = {  # what fits into the fields
    "images": 2**32 - 1,
    "rows": 2**16 - 1,
    "columns": 2**16 - 1,
    "channels": 2**8 - 1,
    "levels": 2**16 - 1,
    "words of code": 2**32 - 1,
}
_MAGIC, _VERSION = b"PXCN", 1
_START = struct.Struct("<4sBII")
FIELDS = struct.Struct("<IHHBHBIII")


@dataclasses.dataclass(frozen=True)
class CodeFile:
    """The content of a file.

    Attributes:
        shape: (N, H, W, C) of the images.
        levels: the number of levels of a value.
        method: ``"cached"`` or ``"naive"``.
        checksums: of the model, of the labels, and of the images.
        code: uint32, the words of code.
    """

    shape: tuple
    levels: int
    method: str
    checksums: tuple
    code: np.ndarray

    def pack(self) -> bytes:
        """Return the bytes of the file."""
        code = self.code.astype("<u4").tobytes()
        method = METHODS.index(self.method)
        rest = FIELDS.pack(*self.shape, self.levels, method, *self.checksums) + code
        return _START.pack(_MAGIC, _VERSION, len(self.code), zlib.crc32(rest)) + rest


def unpack(data) -> CodeFile:
    """Read the bytes of a file.

    Raises:
        ValueError: the data is damaged, or something else.

    Example:
        >>> code = np.array([7], "uint32")
        >>> data = CodeFile((1, 28, 28, 1), 2, "cached", (0, 0, 0), code).pack()
        >>> len(data), unpack(data).shape
        (41, (1, 28, 28, 1))
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ValueError(f"Expected data to be bytes. Received: {type(data).__name__}")
    data = bytes(data)
    if data[:4] != _MAGIC:
        raise ValueError(
            f"Expected data from `compress`, which begins with {_MAGIC}. "
            f"Received: {data[:4]}"
        )
    if data[4:5] != bytes([_VERSION]):
        raise ValueError(f"Expected data of version {_VERSION}. Received: {data[4:5]}")
    header = _START.size + FIELDS.size
    words = _START.unpack_from(data)[2] if len(data) >= header else 0
    if len(data) != header + 4 * words:
        raise ValueError(
            f"Expected {header + 4 * words:,} bytes of data. Received: {len(data):,}; "
            "it was cut, or something was added."
        )
    checksum, rest = _START.unpack_from(data)[3], data[_START.size :]
    if zlib.crc32(rest) != checksum:
        raise ValueError(
            f"Expected data of checksum {checksum:08x}. Received: {zlib.crc32(rest):08x}; "
            "it is damaged."
        )
    *shape, levels, method, model, labels, images = FIELDS.unpack_from(rest)
    if 0 in (*shape, levels) or method >= len(METHODS):
        raise ValueError(
            "Expected data with (N, H, W, C, levels) all positive and a method from 0 to "
            f"{len(METHODS) - 1}. Received: {(*shape, levels)} and {method}"
        )
    code = np.frombuffer(rest[FIELDS.size :], "<u4").astype("uint32")
    return CodeFile(
        tuple(shape), levels, METHODS[method], (model, labels, images), code
    )


def check_that_header_holds(*shape_and_levels):
    """Raise ``ValueError`` if a field is too small, before any work is done."""
    *shape, _ = shape_and_levels
    words = 1 + math.prod(shape) // 2  # a value takes at most 16 bits: see `TOTAL`
    fields = zip(LARGEST.items(), (*shape_and_levels, words), strict=True)
    for (name, largest), value in fields:
        if value > largest:
            raise ValueError(
                f"Expected at most {largest:,} {name}, which is what the header of a "
                f"file can say. Received: {value:,}"
            )
