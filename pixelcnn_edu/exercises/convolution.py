"""Exercises of notebook 03: output sizes, a causality test, a convolution of live taps."""

from operator import index

from pixelcnn_edu.exercises._answers import NoReturn, Wrong, asking
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np


def _same(side, kernel_size, stride):
    return -(-side // stride)


def _valid(side, kernel_size, stride):
    return (side - kernel_size) // stride + 1


def _both_sides_alike(less, side, kernel_size, stride):
    """The same number of zeros on both sides; ``less``: 0 or 1."""
    zeros = (kernel_size - less) // 2
    return _valid(side + 2 * zeros, kernel_size, stride)


def _output_side(side, kernel_size, stride, padding, *, same=_same, valid=_valid):
    """How many pixels lie along one side of the output.

    All sizes are in pixels; ``padding`` is ``"same"`` or ``"valid"``, as in Keras. The
    result is a whole number: the output's height for an input of height ``side``.
    """
    return (same if padding == "same" else valid)(side, kernel_size, stride)


output_side = Exercise(
    _output_side,
    cases=[
        (*sizes, padding)
        for sizes in (
            (28, 7, 1),
            (28, 7, 7),
            (4, 3, 3),
            (28, 3, 2),
            (29, 7, 7),
            (30, 5, 4),
            (28, 4, 1),
            (29, 4, 3),
            (3, 2, 5),
            (7, 1, 3),
            (27, 3, 1),
        )
        for padding in ("same", "valid")
    ],
    describe="side {}, kernel {}, stride {}, '{}'",
    mistakes={
        "That is not a whole number of pixels.": Mistake(
            but(same=lambda side, _, stride: side / stride),
            fits=lambda actual, *_: actual != np.floor(actual),
        ),
        "Rounded down: the last, incomplete step gets an output too, for which 'same' "
        "adds zeros.": but(same=lambda side, _, stride: side // stride),
        "'same' keeps the size only at stride 1: with a larger stride the kernel skips "
        "places, and each place gives one output.": but(
            same=lambda side, _, stride: side
        ),
        "At stride 1, the same number of zeros on both sides is right only for an odd "
        "kernel. For an even one, Keras's 'same' adds one more on the right.": Mistake(
            but(same=lambda *sizes: _both_sides_alike(0, *sizes)),
            but(same=lambda *sizes: _both_sides_alike(1, *sizes)),
        ),
        "That is 'valid': 'same' lets the kernel hang over the edge.": but(same=_valid),
        "One short: the first place counts as well as the steps.": Mistake(
            but(valid=lambda *sizes: _valid(*sizes) - 1), hint=2
        ),
        "That is 'same': under 'valid' the kernel stays on the page.": Mistake(
            but(valid=_same), hint=2
        ),
    },
    hints=(
        "Padding 'same' adds zeros so that each step of `stride` pixels gives one output, "
        "an incomplete last step too: divide, and round up.",
        "Rounding up without floats: -(-side // stride). For 'valid': the kernel fits at "
        "(side - kernel_size) // stride + 1 places.",
    ),
    otherwise="The output has another size.",
    praise="At stride 1 with 'same', every pixel keeps its own output.",
)


def _first_leak(f, shape, *, image=None, same=np.equal, own=0):
    """The first pair (output, input) that breaks causality, or None.

    ``f`` maps images, float64 (N, H, W, 1), to outputs of the same shape; ``shape`` is
    (H, W). Pixels are numbered in reading order, 0 … H·W - 1. An output leaks if it
    changes with the input of its own number or of a later one. The result is a pair of
    whole numbers: the smallest output that leaks, and the smallest input that leaks
    into it. A causal ``f`` gives None.
    """
    size = shape[0] * shape[1]
    random = np.random.default_rng(0).random((2, size))
    image = random[0] if image is None else np.full(size, float(image))
    changed = np.where(np.eye(size), random[1], image)
    outputs = np.reshape(f(np.reshape([image, *changed], (-1, *shape, 1))), (-1, size))
    for output in range(size):
        for source in range(output + own, size):
            if not same(outputs[1 + source, output], outputs[0, output]):
                return output, source
    return None


def _any_dependence(f, shape):
    """The first input that any output depends on, were it an earlier one."""
    size = shape[0] * shape[1]
    image = np.random.default_rng(0).random((1, *shape, 1))
    for source in range(size):
        other = image.copy()
        other.reshape(-1)[source] += 1
        moved = (f(other) != f(image)).ravel()
        if moved.any():
            return int(moved.argmax()), source
    return None


def _inputs_first(f, shape):
    """The leak with the smallest input."""
    size = shape[0] * shape[1]
    leaks = []
    for source in range(size):
        image, other = np.random.default_rng(0).random((2, 1, *shape, 1))
        other = np.where(np.arange(size).reshape(image.shape) == source, other, image)
        moved = (f(other) != f(image)).ravel()
        leaks += [(output, source) for output in range(source + 1) if moved[output]]
    return leaks[0] if leaks else None


def _reversed(f, shape):
    pair = _first_leak(f, shape)
    return pair and pair[::-1]


class _Box:
    """A function of images that reads the past, and what else it is told to read."""

    def __init__(self, name, shape, *, leaks=None, sleeper=None, page=0, seed=0):
        self.name = name
        self.shape = shape
        self.sleeper = sleeper
        self.page = page  # None: a page of any one value
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
            # a ReLU that is off until the page differs from a page of zeros (of ones, of
            # one gray) by more than one pixel can
            read = flat[:, 0, source:]
            page = read.mean(-1, keepdims=True) if self.page is None else self.page
            out[:, output] += np.maximum(0, np.abs(read - page).sum(-1) - 2)
        return out.reshape(-1, height, width, 1)

    def all_leaks(self):
        found = {(int(o), int(i)) for o, i in np.argwhere(np.triu(self.weights))}
        if self.sleeper:
            output, source = self.sleeper
            found |= {(output, i) for i in range(source, len(self.weights))}
        return found


def _boxes():
    itself = {(k, k): 0.5 for k in range(12)}
    three = {(9, 10): 1.0, (4, 13): 1.0, (4, 11): 1.0}
    dead = "a ReLU that is dead at zero input"
    dead_on_ones = "a ReLU that is dead on a page of ones"
    dead_on_one = "a ReLU that is dead on a page of one gray"
    return (
        _Box("mask B, every output reads itself", (3, 4), leaks=itself),
        _Box("a clean box", (4, 5), seed=1),
        _Box("three leaks", (3, 5), leaks=three, seed=3),
        _Box("one leak of 1e-12", (4, 5), leaks={(7, 12): 1e-12}, seed=2),
        _Box(dead, (4, 5), sleeper=(2, 4), seed=4),
        _Box(dead_on_ones, (4, 5), sleeper=(2, 4), page=1, seed=6),
        _Box(dead_on_one, (4, 5), sleeper=(2, 4), page=None, seed=7),
        _Box("one leak, from the last pixel", (5, 4), leaks={(3, 19): 0.3}, seed=5),
        _Box("the last output reads itself", (4, 5), leaks={(19, 19): 0.5}, seed=8),
    )


def _judge_first_leak(answer):
    boxes, results = _boxes(), []
    for box in boxes:
        try:
            results.append(asking(answer)(box, box.shape))
        except NoReturn:
            results.append(None)
    if all(result is None for result in results):
        raise NoReturn(  # some boxes leak
            "Or is `changed` equal to `image`? `changed = image` makes no copy, and "
            "`x.flatten()[i] = v` changes only a copy."
        )
    for box, result in zip(boxes, results, strict=True):
        try:
            given = None if result is None else tuple(map(_whole, np.ravel(result)))
        except (TypeError, ValueError, OverflowError):
            given = ()
        if given != box.leak:
            raise Wrong(
                _what_is_wrong(box, given),
                case=f"{box.name}, {box.shape[0]} × {box.shape[1]} pixels",
                expected=str(box.leak),
                actual=str(result),
            )


def _whole(number):
    is_float = isinstance(number, float) and number.is_integer()
    return int(number) if is_float else index(number)


def _what_is_wrong(box, given):
    """A few words of the diagnosis."""
    if box.leak is None:
        past = given and len(given) == 2 and given[1] < given[0]
        return "Nothing leaks here: that" if past else "Nothing leaks here: every"
    if given is None:
        if box.sleeper:
            return {0: "page of zeros", 1: "page of ones"}.get(box.page, "one gray")
        known = {"one leak of 1e-12": "a leak of 1e-12", "mask B": "its own pixel"}
        return next((w for n, w in known.items() if n in box.name), "It missed a leak.")
    if len(given) != 2:
        return "A pair of whole numbers"
    if given == box.leak[::-1]:
        return "The pair is reversed"
    if given[1] < given[0]:
        return "That output comes after"
    return "not the first" if given in box.all_leaks() else "does not depend"


first_leak = Exercise(
    _first_leak,
    judge=_judge_first_leak,
    mistakes={
        "Nothing leaks here: that output comes after that input. Reading the past is "
        "allowed.": Mistake(
            lambda f, shape: _first_leak(f, shape) or _any_dependence(f, shape)
        ),
        "Nothing leaks here: every output reads earlier pixels alone.": then(
            lambda right: right or (0, 0)
        ),
        "It missed a ReLU that is off on and near a page of zeros. Start from random "
        "images, and change the pixel to another random value.": but(image=0),
        "It missed a ReLU that is off on and near a page of ones. Start from random "
        "images, and change the pixel to another random value.": but(image=1),
        "It missed a ReLU that is off on and near a page of one gray. Start from random "
        "images, and change the pixel to another random value.": but(image=0.5),
        "It missed a leak of 1e-12. A causal output does not change at all, so change the "
        "pixel by a lot and compare exactly: a tolerance hides small leaks.": but(
            same=np.isclose
        ),
        "It missed that an output must not read its own pixel either.": Mistake(
            but(own=1), hint=2
        ),
        "It missed a leak.": Mistake(
            lambda f, shape: None if shape == (3, 5) else _first_leak(f, shape), hint=2
        ),
        "A pair of whole numbers is asked for, (output, input), or None.": Mistake(
            lambda f, shape: 0, lambda f, shape: "none", hint=2
        ),
        "The pair is reversed: the output comes first, then the input.": Mistake(
            _reversed, hint=2
        ),
        "That output comes after that input. Reading the past is allowed.": Mistake(
            lambda f, shape: _first_leak(f, shape) and _any_dependence(f, shape), hint=2
        ),
        "That one leaks, but it is not the first: smallest output, then input.": Mistake(
            _inputs_first, hint=2
        ),
        "That output does not depend on that input.": lambda f, shape: (0, 1),
    },
    hints=(
        "Take two random images that differ in one pixel. Which outputs differ? Compare "
        "with !=, not with a tolerance.",
        "Loop over the outputs first, then over the inputs from that output on; return "
        "the first pair for which f(changed) != f(image) at the output. None at the end.",
    ),
    praise="It finds a leak of 1e-12, and leaks that do not show on a page of only 0, of "
    "only 1, or of equal pixels.",
)


def _up_to_the_center(kh, kw, also=0):
    return list(np.ndindex(kh, kw))[: kh // 2 * kw + kw // 2 + also]


def _live_taps_only(images, kernel, bias, *, taps=_up_to_the_center, mode="constant"):
    """A convolution of type A in NumPy, in which no tap is multiplied by 0.

    ``images``: float (N, H, W, C); ``kernel``: (kh, kw, C, filters), odd sizes, all of
    its weights different from 0; ``bias``: (filters,). The result is
    (N, H, W, filters): what a masked convolution of type A puts out, zero-padded to the
    same size. A NaN in one pixel must not reach that output or an earlier one.
    """
    _, height, width, _ = images.shape
    kh, kw = kernel.shape[:2]
    sides = ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0))
    padded = np.pad(images, sides, mode=mode)
    out = np.zeros((*images.shape[:3], len(bias))) + bias
    for u, v in taps(kh, kw):
        out += padded[:, u : u + height, v : v + width] @ kernel[u, v]
    return out


def _masked(images, kernel, bias):
    kh, kw = kernel.shape[:2]
    live = np.arange(kh * kw).reshape(kh, kw) < kh // 2 * kw + kw // 2
    return _live_taps_only(
        images, kernel * live[..., None, None], bias, taps=np.ndindex
    )


def _without_nan(images, kernel, bias):
    return _masked(np.nan_to_num(images), kernel, bias)


def _shrunk(images, kernel, bias):
    kh, kw = kernel.shape[:2]
    height, width = images.shape[1] - kh + 1, images.shape[2] - kw + 1
    out = _live_taps_only(images, kernel, bias)
    return out[:, kh // 2 : kh // 2 + height, kw // 2 : kw // 2 + width]


def _images_and_kernels():
    """Each pair twice, the second time with a NaN in the middle of the images."""
    rng = np.random.default_rng(0)
    for count, size, shape, filters in (
        (2, (3, 3), (4, 5, 1), 1),
        (2, (7, 9), (9, 8, 1), 2),
        (2, (3, 5), (6, 6, 2), 3),
        (1, (5, 1), (5, 3, 2), 2),
    ):
        images = rng.normal(size=(count, *shape))
        kernel = rng.uniform(0.5, 1.5, (*size, shape[-1], filters))
        kernel *= rng.choice([-1, 1], kernel.shape)
        bias = rng.uniform(0.5, 1, filters)
        yield images, kernel, bias
        poisoned = images.copy()
        poisoned[:, shape[0] // 2, shape[1] // 2] = np.nan
        yield poisoned, kernel, bias


def _where_a_nan_counts(answer, images, kernel, bias):
    """The outputs; after the place of a NaN 0, but where a live tap reads the NaN."""
    out = answer(images, kernel, bias)
    poisoned = np.isnan(images).any(axis=(0, 3))
    if poisoned.any() and np.shape(out)[:3] == images.shape[:3]:
        later = np.cumsum(poisoned).reshape(poisoned.shape) - poisoned > 0
        reads = np.isnan(_live_taps_only(images, kernel, bias)).any(axis=(0, 3))
        out = np.where((later & ~reads)[..., None], 0, out)
    return out


def _sizes(images, kernel, bias):
    height, width, channels = images.shape[1:]
    kh, kw = kernel.shape[:2]
    words = "1 channel" if channels == 1 else f"{channels} channels"
    return f"{height} × {width} pixels, {words}, kernel {kh} × {kw}"


def _first_output(expected, actual, images, kernel, bias):
    case, (height, width) = _sizes(images, kernel, bias), images.shape[1:3]
    if actual.shape != expected.shape:
        return {"expected": str(expected.shape), "actual": str(actual.shape)}
    reached, gone = _nan_reached(actual, expected), _nan_reached(expected, actual)
    if not (reached | gone).any():
        first = {"expected": expected[0, ..., 0], "actual": actual[0, ..., 0]}
        return {"case": f"{case}; output of image 0, filter 0"} | first
    wrong, at = reached if reached.any() else gone, (height // 2, width // 2)
    hit = divmod(int(wrong.any(axis=(0, 3)).argmax()), width)
    told = f"NaN at output {hit}", "a number there"
    if reached.any():
        told = f"no NaN up to output {at}", f"NaN at output {hit}"
    return {"case": f"{case}; NaN at {at}", "expected": told[0], "actual": told[1]}


def _nan_reached(actual, expected, *case):
    return np.isnan(actual) & ~np.isnan(expected)


live_taps_only = Exercise(
    _live_taps_only,
    cases=_images_and_kernels,
    run=_where_a_nan_counts,
    describe=_sizes,
    mistakes={
        "The output shrank: pad the page with zeros, so that every pixel keeps its own "
        "output.": Mistake(
            _shrunk,
            fits=lambda actual, expected, images, kernel, bias: (
                actual.shape[1:] == _shrunk(images, kernel, bias).shape[1:]
                and actual.shape != expected.shape
            ),
            any_shape=True,
            hint=2,
        ),
        "The bias is missing.": (
            lambda images, kernel, bias: _live_taps_only(images, kernel, 0 * bias)
        ),
        "The center is used: that is type B, and each pixel reads itself.": but(
            taps=lambda kh, kw: _up_to_the_center(kh, kw, also=1)
        ),
        "No tap is left out: this is the convolution without a mask.": Mistake(
            but(taps=np.ndindex), hint=2
        ),
        "The kernel is turned around. Deep learning's convolution is a correlation: weight "
        "(0, 0) belongs to the pixel up left.": Mistake(
            lambda images, kernel, bias: _live_taps_only(
                images, kernel[::-1, ::-1], bias
            ),
            hint=2,
        ),
        "The rows above are used, but not the same row to the left.": but(
            taps=lambda kh, kw: np.ndindex(kh // 2, kw)
        ),
        "The page wraps around: what falls off one edge came back at the other (as "
        "np.roll does). Outside the page there are zeros.": but(mode="wrap"),
        "Right on numbers, but a NaN in one pixel reached its own output or an earlier "
        "one: 0 · NaN is NaN. A masked tap must be left out, not multiplied by 0.": Mistake(
            _masked, fits=lambda *case: _nan_reached(*case).any()
        ),
        "Right on numbers, but a NaN in one pixel did not reach an output that reads this "
        "pixel. Leave masked taps out, and leave the images as they are.": Mistake(
            _without_nan,
            fits=lambda actual, expected, *_: _nan_reached(expected, actual).any(),
        ),
    },
    hints=(
        "Start from the bias, spread over an array (N, H, W, filters). For each live tap "
        "add a shifted copy of the images, times its weights.",
        "Pad the images with zeros, kh // 2 and kw // 2 on each side. The copy for tap "
        "(u, v) is padded[:, u : u + H, v : v + W], times kernel[u, v] by the matrix "
        "product @. Skip the taps whose mask is 0; never multiply by it.",
    ),
    shape="The output has another shape.",
    otherwise="The output is another one.",
    praise="The same function as the masked kernel, with 24 of 49 products at 7×7.",
    atol=1e-4,
    show=_first_output,
)
