"""Lossless compression: the probabilities of a model, spent as bits.

Taught by notebook 16. An arithmetic coder (here the range coder of the library
`constriction`) writes a value of probability p in -log2 p bits, so an image takes
-log2 p(image), and a model with fewer nats makes shorter files.

Both sides need the *same* probabilities, to the last bit. So both run one function,
`walk`: the one-pixel form of notebook 10, at a fixed batch size, which asks at each value
what comes next. The encoder answers with the value it knows, and writes it down; the
decoder reads the answer from the data. Probabilities become integers (`quantize`) before
the coder sees them.

What is guaranteed: with the same model, on the same machine, with the same versions and
settings (`TF_ENABLE_ONEDNN_OPTS=0` is enough to change the last bit), the images come
back equal. Elsewhere the last bit of a probability may differ, and then what is decoded
does, too; a checksum tells, and nothing is returned.
"""

import functools
import itertools
import math
import struct
import threading
import weakref
import zlib

from pixelcnn_edu._checks import (
    check_images,
    check_labels,
    check_positive_int,
    check_shape_of,
)
from pixelcnn_edu.models import likelihood_of, logits_function
from pixelcnn_edu.one_pixel import OnePixelModel, one_pixel_model

import numpy as np
from keras import ops

METHODS = ("cached", "naive")
TOTAL = 2**16  # a probability is one of 1/TOTAL … 1
_MAGIC, _VERSION = b"PXCN", 1
_START = struct.Struct("<4sBII")  # magic, version, words of code, checksum of the rest
_FIELDS = struct.Struct("<IHHBHBIII")  # count, H, W, C, levels, method, three checksums
_LARGEST = {  # what fits into these fields
    "images": 2**32 - 1,
    "rows": 2**16 - 1,
    "columns": 2**16 - 1,
    "channels": 2**8 - 1,
    "levels": 2**16 - 1,
    "words of code": 2**32 - 1,
}


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
        37 bytes that say what this is, then the code, in units of 4 bytes: about
        ``code_length(...).sum() / 8`` bytes.

    Raises:
        ValueError: an argument is out of its range, or a layer cannot be cached, or the
            header has no room for so many images, rows, columns, channels or levels.
        ImportError: `constriction` is not installed.
    """
    likelihood = likelihood_of(model, likelihood)
    images = _checked(model, images, likelihood)
    _check_that_header_holds(*images.shape, likelihood.levels)
    encoder = _constriction().queue.RangeEncoder()
    known = _in_order(images, likelihood.levels)
    sums = _checksums(model, labels, likelihood, len(images))

    def write(counts):
        _, values = next(known)
        encoder.encode(values, _family(), counts / TOTAL)
        return values

    how = {"labels": labels, "method": method, "likelihood": likelihood}
    walk(model, len(images), write, image_shape=images.shape[1:], **how)
    code = encoder.get_compressed().astype("<u4").tobytes()
    if sums != _checksums(model, labels, likelihood, len(images)):
        raise ValueError(
            "Expected a model whose weights stay as they are while images are compressed. "
            "Received: weights that changed. Does it train in another thread?"
        )
    method = METHODS.index(method)
    shape = (*images.shape, likelihood.levels, method)
    rest = _FIELDS.pack(*shape, *sums, _checksum(images)) + code
    return _START.pack(_MAGIC, _VERSION, len(code) // 4, zlib.crc32(rest)) + rest


def decompress(model, data, *, labels=None, likelihood=None) -> np.ndarray:
    """Decode what `compress` wrote with the same model (and the same labels).

    Args:
        model, labels, likelihood: as for `compress`.
        data: the bytes.

    Returns:
        float32 (N, H, W, C), equal to the images that were compressed, on their levels.

    Raises:
        ValueError: the data is damaged or something else, the model or the labels are
            not those of `compress`, or rounding differed from the encoder's. (Weights
            are compared beforehand; another architecture shows in the images only.)
        ImportError: `constriction` is not installed.
    """
    likelihood = likelihood_of(model, likelihood)
    (count, *shape, levels), method, sums, code = _parse(data)
    expected = (*model.inputs[0].shape[1:], likelihood.levels)
    if any(a not in (None, b) for a, b in zip(expected, (*shape, levels), strict=True)):
        raise ValueError(
            f"Expected data of the model's images, (H, W, C, levels) = {expected}. "
            f"Received: {(*shape, levels)}"
        )
    most = 33 * len(code)  # bits: 32 a word, and what the coder rounds
    values = math.prod((count, *shape))
    if values * -math.log2((TOTAL - levels + 1) / TOTAL) > most:
        raise ValueError(
            f"Expected at most as many values as {len(code):,} words of code can hold. "
            f"Received: count={count:,} images of {values // count:,} values"
        )
    ours = _checksums(model, labels, likelihood, count)
    for name, want, got in zip(("model", "labels"), sums[:2], ours, strict=True):
        if want != got:
            raise ValueError(
                f"Expected the {name} that the data was compressed with, of checksum "
                f"{want:08x}. Received: {got:08x}"
            )
    decoder, bits = _constriction().queue.RangeDecoder(code), 0

    def read(counts):
        nonlocal bits
        values = decoder.decode(_family(), counts / TOTAL)
        bits += _bits(counts, values).sum()
        if bits > most:
            raise AssertionError("the code has ended, and what follows is made up")
        return values

    how = {"labels": labels, "method": method, "likelihood": likelihood}
    try:
        images = walk(model, count, read, image_shape=tuple(shape), **how)
        received = f"{_checksum(images):08x}"
    except AssertionError:  # constriction: no encoder with these probabilities wrote it
        received = "data that does not decode"
    if received != f"{sums[2]:08x}":
        raise ValueError(
            f"Expected images of checksum {sums[2]:08x}. Received: {received}. Data, "
            "weights and labels are the right ones. So the architecture is another, or "
            "the probabilities were rounded in another way: decode on the machine and "
            "with the versions and settings of the encoder."
        )
    return images


def code_length(model, images, *, labels=None, method="cached", likelihood=None):
    """Return the bits that an ideal coder spends on each image: Σ -log2(count/TOTAL).

    Arguments as for `compress`. Returns float64 (N,). Close to nats / ln 2, and a little
    above it on average, since counts are rounded.
    """
    likelihood = likelihood_of(model, likelihood)
    images = _checked(model, images, likelihood)
    known, bits = _in_order(images, likelihood.levels), np.zeros(len(images))

    def add(counts):
        rows, values = next(known)
        bits[rows] += _bits(counts, values)
        return values

    how = {"labels": labels, "method": method, "likelihood": likelihood}
    walk(model, len(images), add, image_shape=images.shape[1:], **how)
    return bits


def walk(
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
    """Run the model value by value, and ask for each value from outside.

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
    """
    count = check_positive_int("count", count)
    if method not in METHODS:
        raise ValueError(
            f"Expected method to be one of {METHODS}. Received: {method!r}"
        )
    likelihood = likelihood_of(model, likelihood)
    shape = check_shape_of(model, image_shape)
    if check_positive_int("total", total) < likelihood.levels:
        raise ValueError(
            f"Expected total >= {likelihood.levels} levels. Received: {total}"
        )
    labels = _labels(model, labels, count)
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
        total: an integer, at least K.

    Returns:
        int64 (…, K).

    Example:
        >>> quantize([0.5, 0.499, 0.001, 0.0], total=16)
        array([8, 6, 1, 1])
    """
    p = np.asarray(probabilities, "float64")
    if not p.ndim or not np.isfinite(p).all() or (p < 0).any() or not p.sum(-1).all():
        raise ValueError(
            "Expected probabilities (…, K), finite, not negative, not all 0. "
            f"Received: {probabilities!r}"
        )
    total = check_positive_int("total", total)
    if total < p.shape[-1]:
        raise ValueError(f"Expected total >= {p.shape[-1]} levels. Received: {total}")
    p = p / p.sum(axis=-1, keepdims=True)
    counts = 1 + np.floor(p * (total - p.shape[-1])).astype("int64")
    left_over = total - counts.sum(axis=-1)
    most_likely = p.argmax(axis=-1)[..., None]
    return counts + left_over[..., None] * (np.arange(p.shape[-1]) == most_likely)


class _Asker:
    """Stands in for a likelihood in a `OnePixelModel`: asks where that would draw.

    Several threads may use it at the same time. What belongs to one run is kept in a
    `_Run`, and the graph passes on the number of its run.
    """

    def __init__(self, model, likelihood):
        self.likelihood = likelihood
        self.form = OnePixelModel(model, likelihood)
        self.form.likelihood = self
        self.compiled, self.runs, self.numbers = {}, {}, itertools.count()
        self.lock = threading.Lock()

    def sample(self, logits, places, number):
        """Return the values of a pixel, (N, C); called while TensorFlow traces.

        The number of the run comes where other likelihoods get the temperature.
        """
        import tensorflow as tf

        asker = weakref.ref(self)  # TensorFlow keeps a numpy_function for ever

        def ask(values, channels):
            p = self.likelihood.probabilities(logits, values)[:, channels]
            inputs = [number, places[0, channels], p]
            answer = tf.numpy_function(
                lambda *inputs: asker().ask(*inputs), inputs, tf.float32
            )
            return ops.reshape(answer, (places.shape[0], 1))

        values = ops.zeros(places.shape)
        if len(self.form.passes) > 1:  # a pass per channel, and an answer per pass
            return values + ask(values, slice(None))
        channels = np.arange(places.shape[-1])
        for channel in channels:  # all channels in one pass
            value = ask(values, slice(channel, channel + 1))
            values = ops.where(channels == channel, value, values)
        return values

    def ask(self, number, places, p):
        return self.runs[int(number)].ask(places, p)

    def run(self, shape, answer, *labels):
        import tensorflow as tf

        size, *page = shape
        places = np.arange(math.prod(page), dtype="int32").reshape(*page[:2], 1, -1)
        places = np.repeat(places, size, axis=2)
        nothing_given = np.zeros(places.shape, "float32"), np.zeros(page[:2], bool)
        number = next(self.numbers)
        run = self.runs[number] = _Run(answer)
        inputs = [places, *nothing_given, np.int32(number), *labels]
        inputs = [tf.constant(value) for value in inputs]
        try:
            with self.lock:
                if shape not in self.compiled:
                    # not by XLA, which cannot call Python
                    function = functools.partial(self.form._draw, False)
                    function = tf.function(function, autograph=False)
                    self.compiled[shape] = function.get_concrete_function(*inputs)
            images = self.compiled[shape](*inputs)
        finally:
            del self.runs[number]
        if run.error is not None:
            raise run.error
        return np.transpose(images.numpy(), (2, 0, 1, 3))


class _Run:
    """How far one run of an `_Asker` has come."""

    def __init__(self, answer):
        self.answer, self.place, self.error = answer, 0, None

    def ask(self, places, p):
        """Return the next value of each image; an error waits until the loop has ended.

        Args:
            places: (c,), the places of values of one pixel; the next value is among them.
            p: (N, c, levels), their probabilities.
        """
        try:
            if self.error is None:
                if self.place not in places:
                    raise RuntimeError(
                        f"Expected value {self.place}. Received: {places}"
                    )
                p = p[:, self.place == places][:, 0]
                self.place += 1
                return self.answer(p)
        except BaseException as error:  # through TensorFlow it would lose its type
            self.error = error
        return np.zeros(len(p), "float32")


def _run_cached(model, likelihood, shape, answer, *labels):
    try:
        asker = one_pixel_model(model, likelihood, _Asker)
    except ValueError as error:  # a layer that cannot run one pixel at a time
        raise ValueError(str(error).replace("fixed_point", "naive")) from None
    return asker.run(shape, answer, *labels)


def _run_naive(model, likelihood, shape, answer, *labels):
    logits, images = logits_function(model), np.zeros(shape, "float32")
    for row, col, channel in np.ndindex(*shape[1:]):
        out = logits(images, *labels)[:, row, col]
        p = likelihood.probabilities(out, images[:, row, col])
        images[:, row, col, channel] = answer(np.asarray(p)[:, channel])
    return images


def _answer(choose, total, n, size, p):
    """Ask for the values of n images, and fill up the batch; float32 (size,)."""
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
    """Yield (rows, levels of these images) for each value, as `walk` asks for them."""
    whole = np.round(images * (levels - 1)).astype("int32")
    size = _batch_size(len(images))
    for at in range(0, len(images), size):
        rows = slice(at, at + size)
        for values in np.moveaxis(whole[rows], 0, -1).reshape(-1, len(whole[rows])):
            yield rows, np.ascontiguousarray(values)


def _bits(counts, values):
    """Return the bits that these values cost: (n,)."""
    return -np.log2(counts[np.arange(len(values)), values] / TOTAL)


def _labels(model, labels, count):
    """Return [] or [labels], (count,); one label for all takes no more memory."""
    own = check_labels(model, labels, count if np.ndim(labels) else 1)
    return [np.broadcast_to(label, count) for label in own]


def _checked(model, images, likelihood):
    levels, shape = likelihood.levels, model.inputs[0].shape[1:]
    return check_images(images, levels=levels, image_shape=shape)


def _checksum(images):
    return zlib.crc32(np.ascontiguousarray(images, "<f4").tobytes())


def _checksums(model, labels, likelihood, count):
    """Return the checksums of the model's weights and likelihood, and of the labels."""
    of_model = zlib.crc32(repr(likelihood).encode())
    for weight in model.get_weights():
        of_model = zlib.crc32(np.ascontiguousarray(weight).tobytes(), of_model)
    of_labels, size = 0, 2**16
    for label in _labels(model, labels, count):
        for at in range(0, count, size):
            part = label[at : at + size].astype("<i8").tobytes()
            of_labels = zlib.crc32(part, of_labels)
    return of_model, of_labels


def _check_that_header_holds(*shape_and_levels):
    """Raise ``ValueError`` if a field is too small, before any work is done."""
    *shape, _ = shape_and_levels
    words = 1 + math.prod(shape) // 2  # a value takes at most log2(TOTAL) = 16 bits
    fields = zip(_LARGEST.items(), (*shape_and_levels, words), strict=True)
    for (name, largest), value in fields:
        if value > largest:
            raise ValueError(
                f"Expected at most {largest:,} {name}, which is what the header of a "
                f"file can say. Received: {value:,}"
            )


def _parse(data):
    """Return (N, H, W, C, levels), the method, three checksums, the code as words."""
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
    header = _START.size + _FIELDS.size
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
    *shape, method, model, labels, images = _FIELDS.unpack_from(rest)
    if 0 in shape or method >= len(METHODS):
        raise ValueError(
            "Expected data with (N, H, W, C, levels) all positive and a method from 0 to "
            f"{len(METHODS) - 1}. Received: {tuple(shape)} and {method}"
        )
    code = np.frombuffer(rest[_FIELDS.size :], "<u4").astype("uint32")
    return shape, METHODS[method], (model, labels, images), code


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
            "builds it, if Rust is installed (https://rustup.rs), or run notebook 16 on "
            "another machine."
        ) from None
    return constriction.stream
