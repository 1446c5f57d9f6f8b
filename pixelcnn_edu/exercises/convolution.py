"""Checks for notebook 03: output sizes, a causality test, a convolution of live taps."""

from pixelcnn_edu.exercises._check import Blank, NoReturn, Wrong, called, check, close

import numpy as np


@check(
    "Padding 'same' adds as many zeros as it takes to put one output on every "
    "stride-th pixel, the last one included: divide, and round up.",
    "Rounding up without floats: -(-side // stride). For 'valid': the kernel fits at "
    "(side - kernel_size) // stride + 1 places.",
)
def output_side(answer):
    """Judge ``output_side(side, kernel_size, stride, padding)``: pixels along one side.

    All sizes are in pixels; ``padding`` is ``"same"`` or ``"valid"``, as in Keras. The
    result is a whole number: the output's height for an input of height ``side``.
    """
    cases = [(28, 7, 1), (28, 7, 7), (4, 3, 3), (28, 3, 2), (29, 7, 7), (30, 5, 4)]
    for side, kernel_size, stride in cases:
        for padding in ("same", "valid"):
            if padding == "valid" and kernel_size > side:
                continue
            same = -(-side // stride)
            valid = (side - kernel_size) // stride + 1
            expected = same if padding == "same" else valid
            actual = np.asarray(called(answer, side, kernel_size, stride, padding))
            if actual.shape == () and actual == expected:
                continue
            if actual.shape == () and actual != np.floor(actual):
                diagnosis = "That is not a whole number of pixels."
            elif padding == "same" and actual.shape == () and actual == side // stride:
                diagnosis = (
                    "Rounded down: the last, incomplete step gets an output too, for "
                    "which 'same' adds zeros."
                )
            elif padding == "same" and actual.shape == () and actual == side:
                diagnosis = (
                    "'same' keeps the size only at stride 1: it puts one output on every "
                    "stride-th pixel."
                )
            elif padding == "same" and actual.shape == () and actual == valid:
                diagnosis = (
                    "That is 'valid': 'same' lets the kernel hang over the edge."
                )
            elif padding == "valid" and actual.shape == () and actual == expected - 1:
                diagnosis = "One short: the first place counts as well as the steps."
            elif padding == "valid" and actual.shape == () and actual == same:
                diagnosis = (
                    "That is 'same': under 'valid' the kernel stays on the page."
                )
            else:
                diagnosis = "The output has another size."
            raise Wrong(
                diagnosis,
                case=f"side {side}, kernel {kernel_size}, stride {stride}, '{padding}'",
                expected=expected,
                actual=actual,
            )
    return "At stride 1 with 'same', and only there, every pixel keeps its own output."


@check(
    "Two random images that differ in one pixel, or in all pixels from one on: which "
    "outputs differ? Compare with !=, not with a tolerance.",
    "Loop over the outputs first, then over the inputs from that output on; return the "
    "first pair for which f(changed) != f(image) at the output. None at the end.",
)
def first_leak(answer):
    """Judge ``first_leak(f, shape)``: the first pair that breaks causality, or None.

    ``f`` maps images, float64 (N, H, W, 1), to outputs of the same shape; ``shape`` is
    (H, W). Pixels are numbered in reading order, 0 … H·W - 1. An output leaks if it
    changes with the input of its own number or of a later one. The result is a pair of
    whole numbers ``(output, input)``: the smallest output that leaks, and the smallest
    input that leaks into it. A causal ``f`` gives None.
    """
    results = [(box, answer(box, box.shape)) for box in _boxes()]
    if any(result is ... for _, result in results):
        raise Blank
    if all(result is None for _, result in results):
        raise NoReturn  # some boxes leak
    for box, result in results:
        if result is None:
            given = None
        else:
            try:
                given = tuple(int(k) for k in np.ravel(np.asarray(result)))
            except (TypeError, ValueError):
                given = ()
        if given == box.leak:
            continue
        raise Wrong(
            _diagnosis_of_leak(box, given),
            case=f"{box.name}, {box.shape[0]} × {box.shape[1]} pixels",
            expected=str(box.leak),
            actual=str(result),
        )
    return (
        "A leak of 0.000001 is found, and so are two that sleep: one while the page is all "
        "0, one while it is all 1."
    )


class _Box:
    """A function of images that reads the past, and what else it is told to read."""

    def __init__(self, name, shape, *, leaks=None, sleeper=None, page=0, seed=0):
        self.name = name
        self.shape = shape
        self.sleeper = sleeper
        self.page = page
        size = shape[0] * shape[1]
        rng = np.random.default_rng(seed)
        self.weights = np.tril(rng.uniform(0.5, 1.5, (size, size)), -1)
        for pair, weight in (leaks or {}).items():
            self.weights[pair] = weight
        pairs = [*(leaks or {}), *([sleeper] if sleeper else [])]
        self.leak = min(pairs) if pairs else None

    def __call__(self, images):
        x = np.asarray(images, "float64")
        height, width = self.shape
        if x.ndim != 4 or x.shape[1:] != (height, width, 1):
            raise ValueError(
                f"Expected images of shape (N, {height}, {width}, 1). "
                f"Received: {x.shape}"
            )
        flat = x.reshape(len(x), 1, -1)
        # not a matrix product: a zero weight must stop a NaN, and sums must not depend
        # on how many images there are
        out = np.where(self.weights != 0, self.weights * flat, 0).sum(-1)
        if self.sleeper:
            output, source = self.sleeper
            # a ReLU that is off until the page differs from a page of zeros (of ones) by
            # more than one pixel can
            distance = np.abs(flat[:, 0, source:] - self.page).sum(-1)
            out[:, output] += np.maximum(0, distance - 1)
        return out.reshape(-1, height, width, 1)


def _boxes():
    last = 19  # of a 4 × 5 page
    return (
        _Box(
            "mask B, every output reads itself",
            (3, 4),
            leaks={(k, k): 0.5 for k in range(12)},
        ),
        _Box("a clean box", (4, 5), seed=1),
        _Box("one leak of 0.000001", (4, 5), leaks={(7, 12): 1e-6}, seed=2),
        _Box(
            "three leaks",
            (3, 5),
            leaks={(9, 10): 1.0, (4, 13): 1.0, (4, 11): 1.0},
            seed=3,
        ),
        _Box("a ReLU that is dead at zero input", (4, 5), sleeper=(2, 4), seed=4),
        _Box(
            "a ReLU that is dead on a page of ones",
            (4, 5),
            sleeper=(2, 4),
            page=1,
            seed=6,
        ),
        _Box("one leak, from the last pixel", (5, 4), leaks={(3, last): 0.3}, seed=5),
    )


def _diagnosis_of_leak(box, given):
    if box.leak is None:
        if given and len(given) == 2 and given[1] < given[0]:
            return (
                "Nothing leaks here: that output comes after that input. Reading the "
                "past is allowed."
            )
        return "Nothing leaks here: every output reads earlier pixels alone."
    if given is None:
        if "0.000001" in box.name:
            return (
                "It missed a leak of 1e-6. A causal output does not change at all, so "
                "compare exactly: a tolerance hides small leaks."
            )
        if box.sleeper:
            page = "ones" if box.page else "zeros"
            return (
                f"It missed the dead ReLU: on a page of {page} it is off, whatever one "
                "pixel does. Try random images."
            )
        if "itself" in box.name:
            return "It missed that an output must not read its own pixel either."
        return "It missed a leak."
    if len(given) != 2:
        return "A pair of whole numbers is asked for, (output, input), or None."
    if given == box.leak[::-1]:
        return "The pair is reversed: the output comes first, then the input."
    if given[1] < given[0]:
        return "That output comes after that input. Reading the past is allowed."
    if given in _all_leaks(box):
        return "That one leaks, but it is not the first: smallest output, then input."
    return "That output does not depend on that input."


def _all_leaks(box):
    found = {(int(o), int(i)) for o, i in np.argwhere(np.triu(box.weights))}
    if box.sleeper:
        found |= {
            (box.sleeper[0], i) for i in range(box.sleeper[1], box.weights.shape[0])
        }
    return found


@check(
    "Start from the bias, spread over an array (N, H, W, filters). For each live tap "
    "add a shifted copy of the images, times its weights.",
    "Pad the images with zeros, kh // 2 and kw // 2 on each side. The copy for tap "
    "(u, v) is padded[:, u : u + H, v : v + W], times kernel[u, v] by the matrix "
    "product @. Skip the taps whose mask is 0; never multiply by it.",
)
def live_taps_only(answer):
    """Judge ``live_taps_only(images, kernel, bias)``: type A, and no tap multiplied by 0.

    ``images``: float (N, H, W, C); ``kernel``: (kh, kw, C, filters), odd sizes, all of
    its weights different from 0; ``bias``: (filters,). The result is
    (N, H, W, filters): what a masked convolution of type A puts out, zero-padded to the
    same size, in NumPy. A NaN in one pixel must not reach that output or an earlier one.
    """
    rng = np.random.default_rng(0)
    for size, shape, filters in (
        ((3, 3), (4, 5, 1), 1),
        ((7, 7), (9, 8, 1), 2),
        ((3, 5), (6, 6, 2), 3),
        ((5, 1), (5, 3, 2), 2),
    ):
        images = rng.normal(size=(2, *shape))
        kernel = rng.uniform(0.5, 1.5, (*size, shape[-1], filters))
        kernel *= rng.choice([-1, 1], kernel.shape)
        bias = rng.uniform(0.5, 1, filters)
        _judge_live_taps(answer, images, kernel, bias)
    return "The same function as the masked kernel, with 24 of 49 products at 7×7."


def _judge_live_taps(answer, images, kernel, bias):
    count, height, width, channels = images.shape
    kh, kw = kernel.shape[:2]
    filters = len(bias)
    expected = _convolve(images, kernel, bias, _live(kh, kw))
    actual = np.asarray(called(answer, images.copy(), kernel.copy(), bias.copy()))
    case = f"{height} × {width} pixels, {channels} channels, kernel {kh} × {kw}"
    if actual.shape != expected.shape:
        valid = (count, height - kh + 1, width - kw + 1, filters)
        raise Wrong(
            "The output shrank: pad the page with zeros, so that every pixel keeps its "
            "own output."
            if actual.shape == valid
            else "The output has another shape.",
            case=case,
            expected=str(expected.shape),
            actual=str(actual.shape),
        )
    if not close(actual, expected, 1e-4):
        mistakes = (
            (
                "The bias is missing.",
                _convolve(images, kernel, 0 * bias, _live(kh, kw)),
            ),
            (
                "The center is used: that is type B, and each pixel reads itself.",
                _convolve(images, kernel, bias, [*_live(kh, kw), (kh // 2, kw // 2)]),
            ),
            (
                "No tap is left out: this is the convolution without a mask.",
                _convolve(images, kernel, bias, list(np.ndindex(kh, kw))),
            ),
            (
                "The kernel is turned around. Deep learning's convolution is a "
                "correlation: weight (0, 0) belongs to the pixel up left.",
                _convolve(images, kernel[::-1, ::-1], bias, _live(kh, kw)),
            ),
            (
                "The rows above are used, but not the same row to the left.",
                _convolve(
                    images, kernel, bias, [t for t in _live(kh, kw) if t[0] < kh // 2]
                ),
            ),
            (
                "The page wraps around: what falls off one edge came back at the other "
                "(as np.roll does). Outside the page there are zeros.",
                _convolve(images, kernel, bias, _live(kh, kw), mode="wrap"),
            ),
        )
        diagnosis = "The output is another one."
        for words, wrong in mistakes:
            if close(actual, wrong, 1e-4):
                diagnosis = words
                break
        raise Wrong(
            diagnosis,
            case=f"{case}; output of image 0, filter 0",
            expected=expected[0, ..., 0],
            actual=actual[0, ..., 0],
        )
    poisoned = images.copy()
    row, col = height // 2, width // 2
    poisoned[:, row, col] = np.nan
    with np.errstate(invalid="ignore"):
        out = np.asarray(answer(poisoned, kernel.copy(), bias.copy()))
    place = row * width + col
    hit = np.isnan(out).any(axis=(0, 3)).ravel()[: place + 1]
    if hit.any():
        at = divmod(int(hit.argmax()), width)
        raise Wrong(
            "Right on numbers, but a NaN in one pixel reached an earlier output: "
            "0 · NaN is NaN. A masked tap must be left out, not multiplied by 0.",
            case=f"{case}; NaN at ({row}, {col})",
            expected=f"no NaN up to output ({row}, {col})",
            actual=f"NaN at output {at}",
        )


def _live(kh, kw):
    """The taps of type A, in reading order."""
    return list(np.ndindex(kh, kw))[: kh // 2 * kw + kw // 2]


def _convolve(images, kernel, bias, taps, mode="constant"):
    _, height, width, _ = images.shape
    kh, kw = kernel.shape[:2]
    pad = ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0))
    padded = np.pad(images, pad, mode=mode)
    out = np.zeros((*images.shape[:3], len(bias))) + bias
    for u, v in taps:
        out += padded[:, u : u + height, v : v + width] @ kernel[u, v]
    return out
