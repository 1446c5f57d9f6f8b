"""The checks of notebook 03: right answers accepted, classic mistakes named."""

from pixelcnn_edu.exercises import convolution as checks

import numpy as np
import pytest


def output_side(side, kernel_size, stride, padding):
    if padding == "same":
        return -(-side // stride)
    return (side - kernel_size) // stride + 1


def by_counting(side, kernel_size, stride, padding):
    last = side if padding == "same" else side - kernel_size + 1
    return np.int64(len(range(0, last, stride)))


@pytest.mark.parametrize("answer", [output_side, by_counting])
def test_a_right_output_side_is_accepted(answer):
    assert checks.output_side(answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda s, k, t, p: s // t if p == "same" else (s - k) // t + 1,
            "Rounded down",
        ),
        (lambda s, k, t, p: s if p == "same" else (s - k) // t + 1, "at stride 1"),
        (lambda s, k, t, p: (s - k) // t + 1, "hang over the edge"),
        (lambda s, k, t, p: -(-s // t) if p == "same" else (s - k) // t, "One short"),
        (lambda s, k, t, p: -(-s // t), "That is 'same'"),
        (lambda s, k, t, p: s / t if p == "same" else (s - k) // t + 1, "whole number"),
        (lambda s, k, t, p: 17, "another size"),
        (lambda s, k, t, p: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_wrong_output_side_is_named(answer, words):
    verdict = checks.output_side(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def first_leak(f, shape, *, image=None, same=np.equal, own=0):
    height, width = shape
    rng = np.random.default_rng(0)
    if image is None:
        image = rng.random((1, height, width, 1))
    before = f(image).ravel()
    size = height * width
    after = np.tile(image.reshape(1, size), (size, 1))
    after[np.arange(size), np.arange(size)] = rng.random(size)
    after = f(after.reshape(size, height, width, 1)).reshape(size, size)
    for output in range(size):
        for source in range(output + own, size):
            if not same(after[source, output], before[output]):
                return output, source
    return None


def by_nan(f, shape):
    size = shape[0] * shape[1]
    image = np.random.default_rng(1).normal(size=size)
    reached = np.zeros((size, size), bool)
    for j in range(size):
        poisoned = image.copy()
        poisoned[j] = np.nan
        reached[:, j] = np.isnan(f(poisoned.reshape(1, *shape, 1))).ravel()
    leaks = np.argwhere(np.triu(reached))
    return leaks[0] if len(leaks) else None


def by_inputs(f, shape):
    """All leaks, sorted by input first."""
    height, width = shape
    size = height * width
    found = []
    image = np.random.default_rng(0).random((1, size))
    for source in range(size):
        other = image.copy()
        other[0, source] += 1
        pair = np.stack([image, other]).reshape(2, height, width, 1)
        a, b = f(pair).reshape(2, size)
        found += [(o, source) for o in range(source + 1) if a[o] != b[o]]
    return found[0] if found else None


@pytest.mark.parametrize(
    "answer",
    [
        first_leak,
        by_nan,
        lambda f, shape: (
            [np.int64(k) for k in p] if (p := first_leak(f, shape)) else None
        ),
    ],
)
def test_a_right_first_leak_is_accepted(answer):
    assert checks.first_leak(answer).passed, checks.first_leak(answer).text


def zeros(f, shape):
    return first_leak(f, shape, image=np.zeros((1, *shape, 1)))


def ones(f, shape):
    return first_leak(f, shape, image=np.ones((1, *shape, 1)))


def reversed_pair(f, shape):
    pair = first_leak(f, shape)
    return pair[::-1] if pair and pair[0] != pair[1] else pair


def any_dependence(f, shape):
    size = shape[0] * shape[1]
    image = np.random.default_rng(0).random((1, *shape, 1))
    for source in range(size):
        other = image.copy()
        other.reshape(-1)[source] += 1
        moved = (f(other) != f(image)).ravel()
        if moved.any():
            return int(moved.argmax()), source
    return None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda f, shape: first_leak(f, shape, same=np.isclose), "leak of 1e-6"),
        (zeros, "page of zeros"),
        (ones, "page of ones"),
        (lambda f, shape: first_leak(f, shape, own=1), "own pixel"),
        (reversed_pair, "reversed"),
        (any_dependence, "Reading the past is allowed"),
        (by_inputs, "not the first"),
        (lambda f, shape: (0, 0), "Nothing leaks here"),
        (lambda f, shape: 0, "pair of whole numbers"),
        (lambda f, shape: "none", "pair of whole numbers"),
        (lambda f, shape: f(np.zeros(shape)), "ValueError"),
    ],
)
def test_a_wrong_first_leak_is_named(answer, words):
    verdict = checks.first_leak(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def live_taps_only(images, kernel, bias, *, taps=None, pad="constant"):
    _, height, width, _ = images.shape
    kh, kw = kernel.shape[:2]
    sides = ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0))
    padded = np.pad(images, sides, mode=pad)
    out = np.zeros((*images.shape[:3], len(bias))) + bias
    center = kh // 2 * kw + kw // 2
    for u, v in taps or list(np.ndindex(kh, kw))[:center]:
        out += padded[:, u : u + height, v : v + width] @ kernel[u, v]
    return out


def pixel_by_pixel(images, kernel, bias):
    count, height, width, _ = images.shape
    kh, kw = kernel.shape[:2]
    out = np.tile(bias, (count, height, width, 1)).astype("float32")
    for row, col in np.ndindex(height, width):
        for u, v in np.ndindex(kh, kw):
            y, x = row + u - kh // 2, col + v - kw // 2
            if (y, x) < (row, col) and y >= 0 and 0 <= x < width:
                out[:, row, col] += images[:, y, x] @ kernel[u, v]
    return out


def by_mask(images, kernel, bias):
    kh, kw = kernel.shape[:2]
    live = np.arange(kh * kw).reshape(kh, kw) < kh // 2 * kw + kw // 2
    masked = kernel * live[:, :, None, None]
    return live_taps_only(images, masked, bias, taps=list(np.ndindex(kh, kw)))


def unpadded(images, kernel, bias):
    kh, kw = kernel.shape[:2]
    full = live_taps_only(images, kernel, bias)
    height, width = images.shape[1] - kh + 1, images.shape[2] - kw + 1
    return full[:, kh // 2 : kh // 2 + height, kw // 2 : kw // 2 + width]


def through_center(images, kernel, bias):
    kh, kw = kernel.shape[:2]
    taps = list(np.ndindex(kh, kw))[: kh // 2 * kw + kw // 2 + 1]
    return live_taps_only(images, kernel, bias, taps=taps)


def whole_kernel(images, kernel, bias):
    taps = list(np.ndindex(kernel.shape[:2]))
    return live_taps_only(images, kernel, bias, taps=taps)


@pytest.mark.parametrize("answer", [live_taps_only, pixel_by_pixel])
def test_a_right_convolution_is_accepted(answer):
    assert checks.live_taps_only(answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (by_mask, "0 · NaN is NaN"),
        (through_center, "type B"),
        (whole_kernel, "without a mask"),
        (lambda x, w, b: live_taps_only(x, w[::-1, ::-1], b), "turned around"),
        (lambda x, w, b: live_taps_only(x, w, 0 * b), "bias is missing"),
        (lambda x, w, b: live_taps_only(x, w, b, pad="wrap"), "wraps around"),
        (unpadded, "shrank"),
        (
            lambda x, w, b: live_taps_only(
                x, w, b, taps=list(np.ndindex(w.shape[0] // 2, w.shape[1]))
            ),
            "not the same row",
        ),
        (lambda x, w, b: live_taps_only(x, w, b)[0], "another shape"),
        (lambda x, w, b: live_taps_only(x, w, b) + 1, "another one"),
        (lambda x, w, b: x @ w, "ValueError"),
    ],
)
def test_a_wrong_convolution_is_named(answer, words):
    verdict = checks.live_taps_only(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


@pytest.mark.parametrize(
    "judge", [checks.output_side, checks.first_leak, checks.live_taps_only]
)
@pytest.mark.parametrize("blank", [..., lambda *args: ..., lambda *args: None])
def test_a_blank_is_not_yet(judge, blank):
    verdict = judge(blank)
    assert verdict.status == "not yet"
    assert "Not yet" in verdict.text
