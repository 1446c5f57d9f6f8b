"""Lossless compression: the probabilities of a model, turned into bits.

Taught by notebook 19. An arithmetic coder (here the range coder of the library
`constriction`) writes a value of probability p in -log2 p bits. So an image takes
-log2 p(image) bits, and a model with a lower loss makes shorter files.

The encoder and the decoder need the *same* probabilities, to the last bit. So both run
one function, `choose_values`: the pixel loop of notebook 10, at a fixed batch size,
which calls a function for each value. The encoder's function returns the value that it
knows, and writes it down; the decoder's function reads the value from the data. `quantize`
turns the probabilities into integers before the coder sees them.

The guarantee: with the same model, on the same machine, with the same versions and
settings, the images come back equal. Elsewhere the last bit of a probability may differ
(`TF_ENABLE_ONEDNN_OPTS=0` is enough). Then the decoded images may differ too; a checksum
detects this, and `decompress` raises an error. Not supported are models that draw random
numbers at inference, and models that train meanwhile in another thread.

The file is a header of 21 bytes, then the code in words of 4 bytes, all little-endian:

| bytes | field |
|---|---|
| 4, 1 | ``PXCN``, the version of the format |
| 4, 2, 2, 1, 2 | number of images, rows, columns, channels, levels |
| 1 | method: 0 for ``"cached"``, 1 for ``"naive"`` |
| 4 | checksum (CRC-32) of the images |
"""

import functools
import struct
import zlib

from pixelcnn_edu._checks import (
    check_image_shape_of,
    check_images,
    check_labels,
    check_one_of,
    check_positive_int,
)
from pixelcnn_edu._compiled import logits_function
from pixelcnn_edu.cache.coder import CodingLoop
from pixelcnn_edu.cache.compiled_loop import pixel_loop
from pixelcnn_edu.models import likelihood_of

import numpy as np

METHODS = ("cached", "naive")
TOTAL = 2**16  # a probability is one of 1/TOTAL … 1
MOST_TOTAL = 2**53  # up to here float64 has all integers
_MAGIC, _VERSION = b"PXCN", 2
_HEADER = struct.Struct("<4sBIHHBHBI")


def compress(model, images, *, labels=None, method="cached", likelihood=None) -> bytes:
    """Encode images with the model's probabilities.

    Args:
        model: a causal Keras model from images (and labels) to logits.
        images: (N, H, W, C) on the likelihood's levels, or within a thousandth of a step.
            What is encoded is the nearest level.
        labels: a class for all images, or (N,), for a model that takes labels. They are
            not stored: the decoder must have them too.
        method: ``"cached"``, or ``"naive"`` (a pass per value) for any causal model.
        likelihood: for a model that carries none.

    Returns:
        21 bytes that say what this is, then the code, in units of 4 bytes: about
        ``code_length(...).sum() / 8`` bytes.

    Raises:
        ValueError: an argument is out of its range.
        UnknownLayer: a layer cannot be cached.
        ImportError: `constriction` is not installed.
    """
    likelihood = likelihood_of(model, likelihood)
    images = _checked(model, images, likelihood)
    encoder = _constriction().queue.RangeEncoder()

    def write(rows, values, counts):
        encoder.encode(values, _family(), counts / TOTAL)

    _visit(model, images, write, labels, method, likelihood)
    numbers = *images.shape, likelihood.levels, METHODS.index(method)
    header = _HEADER.pack(_MAGIC, _VERSION, *numbers, _checksum(images))
    return header + encoder.get_compressed().astype("<u4").tobytes()


def decompress(model, data, *, labels=None, likelihood=None) -> np.ndarray:
    """Decode what `compress` wrote with the same model (and the same labels).

    Args:
        model, labels, likelihood: as for `compress`.
        data: the bytes.

    Returns:
        float32 (N, H, W, C), equal to the images that were compressed, on their levels.

    Raises:
        ValueError: the data is damaged or something else, the model or the labels are
            not those of `compress`, or rounding differed from the encoder's.
        ImportError: `constriction` is not installed.
    """
    likelihood = likelihood_of(model, likelihood)
    shape, levels, method, checksum, code = _unpacked(data)
    expected = (*model.inputs[0].shape[1:], likelihood.levels)
    received = (*shape[1:], levels)
    if any(a not in (None, b) for a, b in zip(expected, received, strict=True)):
        raise ValueError(
            f"Expected data of the model's images, (H, W, C, levels) = {expected}. "
            f"Received: {received}"
        )
    decoder = _constriction().queue.RangeDecoder(code)
    try:
        images = choose_values(
            model,
            shape[0],
            lambda counts: decoder.decode(_family(), counts / TOTAL),
            labels=labels,
            method=method,
            image_shape=shape[1:],
            likelihood=likelihood,
        )
        received = f"{_checksum(images):08x}"
    except AssertionError:  # constriction: no encoder with these probabilities wrote it
        received = "data that does not decode"
    if received != f"{checksum:08x}":
        raise ValueError(
            f"Expected images of checksum {checksum:08x}. Received: {received}. The model "
            "or the labels are others, the data is damaged, or the probabilities were "
            "rounded in another way: decode on the machine and with the versions and "
            "settings of the encoder."
        )
    return images


def _checksum(images):
    return zlib.crc32(np.ascontiguousarray(images))


def _unpacked(data):
    """Return (shape, levels, method, checksum, code) of the bytes of a file."""
    if not isinstance(data, bytes) or data[:4] != _MAGIC:
        received = data[:4] if isinstance(data, bytes) else type(data).__name__
        raise ValueError(
            f"Expected data to be bytes that begin with {_MAGIC}. Received: {received}"
        )
    code = data[_HEADER.size :]
    if data[4:5] != bytes([_VERSION]) or len(data) < _HEADER.size or len(code) % 4:
        raise ValueError(
            f"Expected data of version {_VERSION}, whole. Received: version {data[4:5]}, "
            f"{len(data)} bytes"
        )
    *shape, levels, method, checksum = _HEADER.unpack_from(data)[2:]
    code = np.frombuffer(code, "<u4").astype("uint32")
    return tuple(shape), levels, METHODS[method], checksum, code


def code_length(model, images, *, labels=None, method="cached", likelihood=None):
    """Return the bits that an ideal coder spends on each image: Σ -log2(count/TOTAL).

    Arguments as for `compress`. Returns float64 (N,). Close to nats / ln 2, and a little
    above it on average, since counts are rounded. (Each level takes one of the TOTAL
    counts: 4,096 levels cost 0.1 bits a value more, and 65,535 leave nothing to compress.)
    No value costs more than log2(TOTAL) = 16 bits. So for a model that fits badly, the
    result may be far below nats / ln 2.
    """
    likelihood = likelihood_of(model, likelihood)
    images = _checked(model, images, likelihood)
    bits = np.zeros(len(images))

    def add(rows, values, counts):
        bits[rows] += _bits(counts, values)

    _visit(model, images, add, labels, method, likelihood)
    return bits


def _visit(model, images, visit, labels, method, likelihood):
    """Call ``visit(rows, values, counts)`` for each value of known images, in order."""
    known = _in_order(images, likelihood.levels)

    def choose(counts):
        rows, values = next(known)
        visit(rows, values, counts)
        return values

    choose_values(
        model,
        len(images),
        choose,
        labels=labels,
        method=method,
        image_shape=images.shape[1:],
        likelihood=likelihood,
    )


def choose_values(
    model,
    count,
    choose,
    *,
    labels=None,
    method="cached",
    image_shape=None,
    likelihood=None,
    total=TOTAL,
) -> np.ndarray:
    """Run the model value by value; a function chooses each value.

    Args:
        model: a causal Keras model from images (and labels) to logits.
        count: how many images, N.
        choose: a function from counts, int64 (n, levels), to levels, integers (n,). It is
            called for each value in reading order, channel after channel, with n images
            at a time: all of them up to 16, else slices of 128. Row i of the counts sums
            to ``total``: what the model expects in image i, given the answers so far.
        labels, method, likelihood: as for `compress`.
        image_shape: (H, W, C), for a model that leaves its size open.
        total: what counts sum to, as for `quantize`.

    Returns:
        float32 (N, H, W, C), the values chosen, k/(levels-1).

    Raises:
        ValueError: an argument is out of its range, or an answer is no level.
    """
    count = check_positive_int("count", count)
    check_one_of("method", method, METHODS)
    likelihood = likelihood_of(model, likelihood)
    shape = check_image_shape_of(model, image_shape)
    _check_total(total, likelihood.levels)
    labels = check_labels(model, labels, count)
    run = _run_cached if method == "cached" else _run_naive
    size, images = _batch_size(count), []
    for at in range(0, count, size):
        n = min(size, count - at)
        # always the same batch size: the last images of a slice repeat its first one
        rows = np.append(np.arange(at, at + n), np.full(size - n, at))
        answer = functools.partial(_answer, choose, total, n, size)
        inputs = [label[rows] for label in labels]
        images.append(run(model, likelihood, (size, *shape), answer, *inputs)[:n])
    return np.concatenate(images)


def quantize(probabilities, total=TOTAL) -> np.ndarray:
    """Turn probabilities into integers that sum to ``total``, each at least 1.

    A level of count 0 could not be written at all. Each level gets 1 and its share, rounded
    down, of the rest; what is left over goes to the most likely level.

    Args:
        probabilities: (…, K), not negative; each row is divided by its sum.
        total: an integer from K to 2**53.

    Returns:
        int64 (…, K).

    Raises:
        ValueError: an argument is out of its range.

    Example:
        >>> quantize([0.5, 0.499, 0.001, 0.0], total=16)
        array([8, 6, 1, 1])
    """
    p = np.asarray(probabilities, "float64")
    if not p.ndim or not np.isfinite(p).all() or (p < 0).any() or not p.any(-1).all():
        raise ValueError(
            "Expected probabilities (…, K), finite, not negative, not all 0. "
            f"Received: {probabilities!r}"
        )
    total = _check_total(total, p.shape[-1])
    p = p / p.sum(axis=-1, keepdims=True)
    counts = 1 + np.floor(p * (total - p.shape[-1])).astype("int64")
    left_over = total - counts.sum(axis=-1)
    most_likely = p.argmax(axis=-1)[..., None]
    return counts + left_over[..., None] * (np.arange(p.shape[-1]) == most_likely)


def _check_total(total, levels):
    total = check_positive_int("total", total)
    if total < levels:
        raise ValueError(f"Expected total >= {levels} levels. Received: {total}")
    if total > MOST_TOTAL:
        raise ValueError(f"Expected total <= 2**53. Received: {total}")
    return total


def _run_cached(model, likelihood, shape, answer, *labels):
    loop = pixel_loop(model, likelihood, kind=CodingLoop)
    return loop.run_once(shape, answer, *labels)


def _run_naive(model, likelihood, shape, answer, *labels):
    logits, images = logits_function(model), np.zeros(shape, "float32")
    for row, col, channel in np.ndindex(*shape[1:]):
        out = logits(images, *labels)[:, row, col]
        p = likelihood.probabilities(out, images[:, row, col])
        images[:, row, col, channel] = answer(np.asarray(p)[:, channel])
    return images


def _answer(choose, total, n, size, p):
    """Call ``choose`` for n images, and fill up the batch; return float32 (size,)."""
    levels = p.shape[-1]
    chosen = np.asarray(choose(quantize(p[:n], total)))
    whole = np.issubdtype(chosen.dtype, np.integer) and chosen.shape == (n,)
    if not whole or not ((0 <= chosen) & (chosen < levels)).all():
        raise ValueError(
            f"Expected choose to return integers of shape {(n,)}, from 0 to {levels - 1}."
            f" Received: {chosen.dtype} {chosen.shape}"
        )
    chosen = np.append(chosen, np.repeat(chosen[:1], size - n))
    return chosen.astype("float32") / np.float32(levels - 1)


def _batch_size(count):
    return 16 if count <= 16 else 128


def _in_order(images, levels):
    """Yield (rows, levels of these images) for each value, in reading order."""
    whole = np.round(images * (levels - 1)).astype("int32")
    size = _batch_size(len(images))
    for at in range(0, len(images), size):
        rows = slice(at, at + size)
        for values in np.moveaxis(whole[rows], 0, -1).reshape(-1, len(whole[rows])):
            yield rows, np.ascontiguousarray(values)


def _bits(counts, values):
    """Return the bits that these values cost: (n,)."""
    return -np.log2(counts[np.arange(len(values)), values] / TOTAL)


def _checked(model, images, likelihood):
    levels, shape = likelihood.levels, model.inputs[0].shape[1:]
    return check_images(images, levels=levels, image_shape=shape)


@functools.cache
def _family():
    return _constriction().model.Categorical(perfect=False)


def _constriction():
    """Return ``constriction.stream``, or say how to get it."""
    try:
        import constriction
    except ImportError:
        raise ImportError(
            "pixelcnn_edu.compression needs the package constriction: "
            "pip install constriction. There is no wheel for Linux on ARM: there pip "
            "builds it, if Rust is installed (https://rustup.rs), or run notebook 19 on "
            "another machine."
        ) from None
    return constriction.stream
