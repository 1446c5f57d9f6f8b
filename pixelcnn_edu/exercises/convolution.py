"""Exercises of notebook 03: output sizes, a causality test, a convolution of live taps."""

from pixelcnn_edu.exercises._answers import NoReturn, asking, numbers
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


def _output_side(side, kernel_size, stride, padding, *, same=_same):
    """How many pixels lie along one side of the output.

    All sizes are in pixels; ``padding`` is ``"same"`` or ``"valid"``, as in Keras. The
    result is a whole number: the output's height for an input of height ``side``.
    """
    return (same if padding == "same" else _valid)(side, kernel_size, stride)


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


class _Box:
    """A function of images that reads the past, and what else it is told to read.

    ``leaks``: pairs (output, input), each with this ``weight``. ``off_on``: a page near
    which the leaks do not show, of this value; ``"gray"``: of any one value.
    """

    def __init__(self, name, shape, leaks, weight=1.0, off_on=None):
        self.name, self.shape, self.leaks, self.off_on = name, shape, leaks, off_on
        size = shape[0] * shape[1]
        rng = np.random.default_rng(0)
        self.weights = np.tril(rng.uniform(0.5, 1.5, (size, size)), -1)
        if off_on is None:
            for pair in leaks:
                self.weights[pair] = weight

    def __call__(self, images):
        height, width = self.shape
        if np.shape(images)[1:] != (height, width, 1):
            raise ValueError(
                f"Expected images of shape (N, {height}, {width}, 1). "
                f"Received: {np.shape(images)}"
            )
        flat = np.reshape(images, (len(images), 1, -1)).astype("float64")
        # not a matrix product: a zero weight must stop a NaN, and sums must not depend
        # on how many images there are
        out = np.where(self.weights != 0, self.weights * flat, 0).sum(-1)
        if self.off_on is not None:
            ((output, source),) = self.leaks
            # a ReLU that is off until more than one pixel differs from the page
            read = flat[:, 0, source:]
            page = (
                read.mean(-1, keepdims=True) if self.off_on == "gray" else self.off_on
            )
            out[:, output] += np.maximum(0, np.abs(read - page).sum(-1) - 2)
        return out.reshape(-1, height, width, 1)


def _boxes():
    itself = [(k, k) for k in range(12)]
    dead = "a ReLU that is dead"
    return [
        (_Box("mask B, every output reads itself", (3, 4), itself),),
        (_Box("a clean box", (4, 5), []),),
        (_Box("three leaks", (3, 5), [(9, 10), (4, 13), (4, 11)]),),
        (_Box("one leak of 1e-12", (4, 5), [(7, 12)], weight=1e-12),),
        (_Box(f"{dead} at zero input", (4, 5), [(2, 4)], off_on=0),),
        (_Box(f"{dead} on a page of ones", (4, 5), [(2, 4)], off_on=1),),
        (_Box(f"{dead} on a page of one gray", (4, 5), [(2, 4)], off_on="gray"),),
        (_Box("one leak, from the last pixel", (5, 4), [(3, 19)]),),
        (_Box("the last output reads itself", (4, 5), [(19, 19)]),),
    ]


def _leak_in(answer, box):
    """The pair, or an empty one."""
    try:
        pair = answer(box, box.shape)
    except NoReturn:
        return ()
    return () if pair is None else pair


def _judge_first_leak(answer):
    silent = 0
    for (box,) in _boxes():
        try:
            asking(answer)(box, box.shape)
        except NoReturn:
            silent += 1
    if silent == len(_boxes()):  # some of them leak
        raise NoReturn(
            "Or is `changed` equal to `image`? `changed = image` makes no copy, and "
            "`x.flatten()[i] = v` changes only a copy."
        )
    first_leak.judge_by_cases(answer)


def _pairs(expected, actual, box):
    words = {"expected": expected, "actual": actual}
    return {
        word: str(tuple(pair.ravel().tolist()) if pair.size else None)
        for word, pair in words.items()
    }


first_leak = Exercise(
    _first_leak,
    judge=_judge_first_leak,
    cases=_boxes,
    run=_leak_in,
    read=numbers("A pair of whole numbers is asked for, (output, input), or None."),
    describe=lambda box: f"{box.name}, {box.shape[0]} × {box.shape[1]} pixels",
    mistakes={
        "Nothing leaks here: that output comes after that input. Reading the past is "
        "allowed.": Mistake(
            _any_dependence,
            fits=lambda actual, expected, box: (
                not box.leaks and actual.size == 2 and actual[0] > actual[1]
            ),
            any_shape=True,
        ),
        "It missed a ReLU that is off on and near a page of zeros. Start from random "
        "images, and change the pixel to another random value.": but(image=0),
        "It missed a leak of 1e-12. A causal output does not change at all, so change the "
        "pixel by a lot and compare exactly: a tolerance hides small leaks.": but(
            same=np.isclose
        ),
        "It missed that an output must not read its own pixel either.": Mistake(
            but(own=1), hint=2
        ),
        "The pair is reversed: the output comes first, then the input.": Mistake(
            then(lambda right: right and right[::-1]), hint=2
        ),
    },
    hints=(
        "Take two random images that differ in one pixel. Which outputs differ? Compare "
        "with !=, not with a tolerance.",
        "Loop over the outputs first, then over the inputs from that output on; return "
        "the first pair for which f(changed) != f(image) at the output. None at the end.",
    ),
    otherwise="That is not the first leak: the smallest output, then the smallest input.",
    show=_pairs,
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


def _sizes(images, kernel, bias):
    height, width, channels = images.shape[1:]
    kh, kw = kernel.shape[:2]
    words = "1 channel" if channels == 1 else f"{channels} channels"
    return f"{height} × {width} pixels, {words}, kernel {kh} × {kw}"


def _reached(actual, images):
    """The outputs that are NaN up to the place of the NaN in the images: (N, H·W)."""
    height, width = images.shape[1:3]
    after = height // 2 * width + width // 2 + 1
    poisoned = np.isnan(images).any()
    nan = np.isnan(actual).any(axis=-1).reshape(len(actual), -1)
    return nan[:, : after if poisoned else 0]


def _first_output(expected, actual, images, kernel, bias):
    case, (height, width) = _sizes(images, kernel, bias), images.shape[1:3]
    if actual.shape != expected.shape:
        return {}
    if (reached := _reached(actual, images)).any():
        at, hit = (height // 2, width // 2), divmod(int(reached[0].argmax()), width)
        return {
            "case": f"{case}; NaN at {at}",
            "expected": f"no NaN up to output {at}",
            "actual": f"NaN at output {hit}",
        }
    first = {"expected": expected[0, ..., 0], "actual": actual[0, ..., 0]}
    return {"case": f"{case}; output of image 0, filter 0"} | first


live_taps_only = Exercise(
    _live_taps_only,
    cases=_images_and_kernels,
    describe=_sizes,
    mistakes={
        "The bias is missing.": (
            lambda images, kernel, bias: _live_taps_only(images, kernel, 0 * bias)
        ),
        "The center is used: that is type B, and each pixel reads itself.": but(
            taps=lambda kh, kw: _up_to_the_center(kh, kw, also=1)
        ),
        "The page wraps around: what falls off one edge came back at the other (as "
        "np.roll does). Outside the page there are zeros.": but(mode="wrap"),
        "Right on numbers, but a NaN in one pixel reached its own output or an earlier "
        "one: 0 · NaN is NaN. A masked tap must be left out, not multiplied by 0.": Mistake(
            _masked,
            fits=lambda actual, _, images, *more: _reached(actual, images).any(),
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
