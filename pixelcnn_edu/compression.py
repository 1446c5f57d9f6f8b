"""Lossless compression: the probabilities of a model, turned into bits.

Taught by notebook 19. An arithmetic coder (here the range coder of the library
`constriction`) writes a value of probability p in -log2 p bits. So an image takes
-log2 p(image) bits, and a model with a lower loss makes shorter files.

The encoder and the decoder need the *same* probabilities, to the last bit. So both run
one function, `choose_values`: the pixel loop of notebook 10, at a fixed batch size,
which calls a function for each value. The encoder's function returns the value that it
knows, and writes it down; the decoder's function reads the value from the data. `quantize`
turns the probabilities into integers before the coder sees them. `code_file` has the
format of the file.

The guarantee: with the same model, on the same machine, with the same versions and
settings, the images come back equal. Elsewhere the last bit of a probability may differ
(`TF_ENABLE_ONEDNN_OPTS=0` is enough). Then the decoded images may differ too; a checksum
detects this, and `decompress` raises an error. If ``TF_XLA_FLAGS`` turns on
auto-clustering, nothing is guaranteed, even on the same machine: two calls of the model
may then round differently.
"""

import contextlib
import functools
import math

from pixelcnn_edu._checks import (
    check_finite,
    check_image_shape_of,
    check_images,
    check_labels,
    check_one_of,
    check_positive_int,
)
from pixelcnn_edu._code_checksums import (
    check_no_adapters,
    checksum_of_images,
    checksums_of_model,
)
from pixelcnn_edu._coding_loop import CodingLoop
from pixelcnn_edu._logits import check_repeatable, present_logits
from pixelcnn_edu._pixel_loop import pixel_loop
from pixelcnn_edu.code_file import METHODS, CodeFile, check_that_header_holds, unpack
from pixelcnn_edu.models import likelihood_of

import numpy as np

TOTAL = 2**16  # a probability is one of 1/TOTAL … 1
MOST_TOTAL = 2**53  # up to here float64 has all integers


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
        ValueError: an argument is out of its range, or a layer cannot be cached, draws
            random numbers at inference or has LoRA adapters, or the header has no room for
            so many images, rows, columns, channels or levels.
        ImportError: `constriction` is not installed.
    """
    likelihood = likelihood_of(model, likelihood)
    images = _checked(model, images, likelihood)
    check_that_header_holds(*images.shape, likelihood.levels)
    # random images: with blank ones, features may be 0, and hide a random factor
    some = np.random.default_rng(0).integers(likelihood.levels, size=images[:2].shape)
    classes = [label[:2] for label in check_labels(model, labels, len(images))]
    check_repeatable(model, some / (likelihood.levels - 1), *classes)
    encoder = _constriction().queue.RangeEncoder()
    check_no_adapters(model)
    sums = checksums_of_model(model, labels, likelihood, len(images))

    def write(rows, values, counts):
        encoder.encode(values, _family(), counts / TOTAL)

    _visit(model, images, write, labels, method, likelihood)
    if sums != checksums_of_model(model, labels, likelihood, len(images)):
        raise ValueError(
            "Expected a model whose weights stay as they are while images are compressed. "
            "Received: weights that changed. Does it train in another thread?"
        )
    sums = (*sums, checksum_of_images(images))
    code = encoder.get_compressed()
    return CodeFile(images.shape, likelihood.levels, method, sums, code).pack()


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
    file = unpack(data)
    count, *shape = file.shape
    expected = (*model.inputs[0].shape[1:], likelihood.levels)
    received = (*shape, file.levels)
    if any(a not in (None, b) for a, b in zip(expected, received, strict=True)):
        raise ValueError(
            f"Expected data of the model's images, (H, W, C, levels) = {expected}. "
            f"Received: {received}"
        )
    most = 33 * len(file.code)  # bits: 32 a word, and what the coder rounds
    values = math.prod(file.shape)
    if values * -math.log2((TOTAL - file.levels + 1) / TOTAL) > most:
        raise ValueError(
            f"Expected at most as many values as {len(file.code):,} words of code can "
            f"hold. Received: count={count:,} images of {values // count:,} values"
        )
    ours = checksums_of_model(model, labels, likelihood, count)
    for name, want, got in zip(("model", "labels"), file.checksums, ours, strict=False):
        if want != got:
            raise ValueError(
                f"Expected the {name} that the data was compressed with, of checksum "
                f"{want:08x}. Received: {got:08x}"
            )
    decoder, bits = _constriction().queue.RangeDecoder(file.code), 0

    def read(counts):
        nonlocal bits
        values = decoder.decode(_family(), counts / TOTAL)
        bits += _bits(counts, values).sum()
        if bits > most:
            raise AssertionError("the code has ended, so these values are not encoded")
        return values

    try:
        images = choose_values(
            model,
            count,
            read,
            labels=labels,
            method=file.method,
            image_shape=tuple(shape),
            likelihood=likelihood,
        )
        received = f"{checksum_of_images(images):08x}"
    except AssertionError:  # constriction: no encoder with these probabilities wrote it
        received = "data that does not decode"
    expected = f"{file.checksums[2]:08x}"
    if received != expected:
        raise ValueError(
            f"Expected images of checksum {expected}. Received: {received}. Data, "
            "weights and labels are the right ones. So the architecture is another, or "
            "the probabilities were rounded in another way: decode on the machine and "
            "with the versions and settings of the encoder."
        )
    return images


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
            to ``total``: what the model expects in image i, given the answers so far. If
            ``choose`` runs a model too, TensorFlow needs a second thread for graphs.
        labels, method, likelihood: as for `compress`.
        image_shape: (H, W, C), for a model that leaves its size open.
        total: what counts sum to, as for `quantize`.

    Returns:
        float32 (N, H, W, C), the values chosen, k/(levels-1).

    Raises:
        ValueError: an argument is out of its range, an answer is no level, or ``choose``
            runs a model and TensorFlow has no thread left for its graph.
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
    p = _real(probabilities)
    if not p.ndim or not np.isfinite(p).all() or (p < 0).any() or not p.any(-1).all():
        raise ValueError(
            "Expected probabilities (…, K), real, finite, not negative, not all 0. "
            f"Received: {probabilities!r}"
        )
    total = _check_total(total, p.shape[-1])
    with np.errstate(over="ignore"):
        overflows = np.isinf(p.sum(axis=-1, keepdims=True))
    p = p / np.where(overflows, p.max(axis=-1, keepdims=True), 1)
    p = p / p.sum(axis=-1, keepdims=True)
    counts = 1 + np.floor(p * (total - p.shape[-1])).astype("int64")
    left_over = total - counts.sum(axis=-1)
    most_likely = p.argmax(axis=-1)[..., None]
    return counts + left_over[..., None] * (np.arange(p.shape[-1]) == most_likely)


def _real(probabilities):
    """Return probabilities as float64; NaN if they are no real numbers."""
    with contextlib.suppress(TypeError, ValueError):
        values = np.asarray(probabilities)
        if values.dtype.kind != "c":
            return values.astype("float64")
    return np.array(np.nan)


def _check_total(total, levels):
    total = check_positive_int("total", total)
    if total < levels:
        raise ValueError(f"Expected total >= {levels} levels. Received: {total}")
    if total > MOST_TOTAL:
        raise ValueError(f"Expected total <= 2**53. Received: {total}")
    return total


def _run_cached(model, likelihood, shape, answer, *labels):
    advice = (
        "method='cached' needs this. Use method='naive', which runs any causal model."
    )
    check_finite(model)  # before such a weight reaches the coder
    loop = pixel_loop(model, likelihood, kind=CodingLoop, advice=advice)
    return loop.run_once(shape, answer, *labels)


def _run_naive(model, likelihood, shape, answer, *labels):
    logits, images = present_logits(model), np.zeros(shape, "float32")
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
