"""Checks for notebook 10: rounds of the fixed point, a cache, weights of particles."""

import functools

from pixelcnn_edu.exercises._check import Blank, Wrong, called, check, close

import numpy as np


@check(
    "Round 1 settles the first `back` values: they read nothing that is drawn. Round 2 "
    "settles the next `back` of them, and so on.",
    "How many groups of `back` values make n values, the last one perhaps incomplete? "
    "math.ceil rounds up.",
)
def most_rounds(answer):
    """Judge ``most_rounds(n, back)``: rounds until all n values are final, at most.

    Value i is drawn from value i - ``back`` alone (and from its uniform number); the
    first ``back`` values are drawn from nothing. Returns ceil(n / back).
    """
    for n, back in ((784, 49), (10, 3), (784, 1), (12, 12), (7, 20), (9, 2)):
        expected = -(-n // back)
        actual = float(np.squeeze(called(answer, n, back)))
        if actual == expected:
            continue
        mistakes = {
            "That is the bound for a value that may read all earlier ones. Here one "
            "round settles `back` values at once.": n,
            "The values that are left over after whole groups need a round too.": (
                n // back
            ),
            "Rounds are whole: round up.": n / back,
            "One too many: only a left-over part needs a round of its own, and the round "
            "that finds nothing to change settles nothing.": expected + 1,
            "That is how many values one round settles.": back,
            "Not a difference: every round settles `back` more values.": n - back,
        }
        named = (text for text, wrong in mistakes.items() if actual == wrong)
        raise Wrong(
            next(named, "That is not how many rounds it takes."),
            case=f"n = {n}, back = {back}",
            expected=expected,
            actual=actual,
        )
    return (
        "What counts is the longest chain of values that wait for each other, not their "
        "number. A pixel that read only the one above it would need 28 rounds of 784."
    )


@check(
    "The kernel reads its window, oldest value first, and then the value of the pixel "
    "itself: max(0, value).",
    "inputs = np.append(window, max(0, value)). The next pixel needs all of it but the "
    "oldest: inputs[1:]. And value = inputs @ kernel.",
)
def next_output(answer):
    """Judge ``next_output(kernels, windows)``: one pixel of a stack, from its caches.

    ``kernels``: a list of (k,) arrays. The first is of mask A: it reads the k pixels
    before. The others are of mask B: they read k - 1 values before the pixel and the
    pixel's own, after a ReLU. ``windows``: what each of them keeps, oldest first: the
    last k pixels, then k - 1 inputs for each other layer. Returns the last layer's
    output at this pixel, and the windows for the next one (the first as it came).
    """
    rng = np.random.default_rng(4)
    for sizes in ((3, 3), (2, 2, 4), (4, 1, 3), (3, 2, 2, 2), (2,)):
        kernels = [rng.choice([-3, -2, -1, 1, 2, 3], k).astype(float) for k in sizes]
        row = rng.integers(0, 2, 9).astype(float)
        expected = _whole_row(kernels, row)
        shown = [kernel.astype(int).tolist() for kernel in kernels]
        seen = {"case": f"kernels {shown}, row {row.astype(int).tolist()}"}
        actual = _pixel_by_pixel(answer, kernels, row, seen)
        if close(actual, expected):
            continue
        seen.update(expected=expected, actual=actual)
        for mistake, diagnosis in _MISTAKES.items():
            wrong = functools.partial(_step, mistake=mistake)
            if close(actual, _pixel_by_pixel(wrong, kernels, row, seen)):
                raise Wrong(diagnosis, **seen)
        raise Wrong("Those are not the outputs of the stack.", **seen)
    return (
        "A pixel costs the same however many were drawn before it. That is what the "
        "windows buy."
    )


_MISTAKES = {
    "stale": "The windows stay as they were. At each step the oldest value goes and the "
    "pixel's own comes: inputs[1:], not inputs[:-1].",
    "own first": "The pixel's own value stands first. A kernel is read from left to "
    "right, so it belongs last.",
    "reversed": "The order is reversed: newest first. Kernels are read from left to "
    "right, the oldest value first.",
    "ReLU after": "The ReLU stands after the kernels: the first layer's value reaches the "
    "second without one, and the output, a logit, went through one. It belongs before "
    "each later kernel.",
    "no ReLU": "The ReLU between the layers is missing.",
    "ReLU at the end": "The output went through a ReLU too. It is a logit and may be "
    "negative; the ReLU stands before a later layer.",
}


def _step(kernels, windows, mistake=None):
    """A right answer, or one with a classic mistake."""
    value, kept = windows[0] @ kernels[0], [windows[0]]
    for kernel, window in zip(kernels[1:], windows[1:], strict=True):
        own = value if mistake in ("no ReLU", "ReLU after") else max(0, value)
        first = mistake in ("own first", "reversed")
        inputs = np.append(own, window) if first else np.append(window, own)
        drop_last = mistake in ("stale", "reversed")
        kept.append(inputs[:-1] if drop_last else inputs[1:])
        value = inputs @ kernel
        if mistake == "ReLU after":
            value = max(0, value)
    return max(0, value) if mistake == "ReLU at the end" else value, kept


def _pixel_by_pixel(step, kernels, row, seen):
    """Feed a row through a step, with the windows that it returns; its outputs."""
    sizes = [len(kernels[0])] + [len(kernel) - 1 for kernel in kernels[1:]]
    windows = [np.zeros(size) for size in sizes]
    outputs = []
    for pixel in row:
        result = called(step, [kernel.copy() for kernel in kernels], windows)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Wrong("Return a pair: the output, and the list of windows.", **seen)
        output, windows = result
        if output is ... or windows is ... or any(window is ... for window in windows):
            raise Blank
        windows = [np.atleast_1d(np.asarray(w, float)) for w in windows]
        given = [window.size for window in windows]
        if given != sizes:
            raise Wrong(
                "A window has the wrong length. Mask A keeps k pixels; a later kernel "
                "of k taps keeps k - 1 inputs, since the pixel's own comes on top.",
                case=seen["case"],
                expected=f"lengths {sizes}",
                actual=f"lengths {given}",
            )
        outputs.append(float(np.squeeze(output)))
        windows[0] = np.append(windows[0], pixel)[1:]
    return np.array(outputs)


def _whole_row(kernels, row):
    """The outputs at all pixels at once, by convolutions of the whole row."""
    x = _convolve(np.append(0, row[:-1]), kernels[0])  # mask A: moved right by one
    for kernel in kernels[1:]:
        x = _convolve(np.maximum(0, x), kernel)
    return x


def _convolve(x, kernel):
    padded = np.append(np.zeros(len(kernel) - 1), x)
    return np.array([padded[i : i + len(kernel)] @ kernel for i in range(len(x))])


@check(
    "One pass gives p(ink) of every pixel of every image. A known pixel's factor is p if "
    "it is ink and 1 - p if it is paper. Clamping drew with the other factors already.",
    "Sum np.log(factor) over the known pixels, subtract the largest sum, np.exp, divide "
    "by the total. The effective number is 1 / (weights ** 2).sum().",
)
def particle_weights(answer):
    """Judge ``particle_weights(probs, images, known)``: what clamping left out.

    ``probs(images)``: from (n, H, W, 1) of 0 and 1 to the probability of ink of each
    pixel given those before it, same shape. ``images``: n drawings, the pixels of
    ``known``, boolean (H, W), clamped. Returns the weights (n,), which sum to 1, each
    in proportion to Π p(known pixel | its past); and the effective number of particles.
    """
    rng = np.random.default_rng(6)
    for about, probs, images, known in _particle_cases(rng):
        weights = _weights(probs, images, known)
        result = called(answer, probs, images.copy(), known.copy())
        seen = {"case": f"{about}; {len(images)} particles", "expected": weights}
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Wrong("Return a pair: the weights, and the effective number.", **seen)
        if any(part is ... for part in result):
            raise Blank
        actual, ess = (np.asarray(part, float) for part in result)
        if actual.shape != weights.shape:
            raise Wrong("The answer needs one weight per image.", **seen, actual=actual)
        if not close(actual, weights, 1e-3):
            named = _wrong_weights(probs, images, known, actual)
            raise Wrong(next(named, "Not these weights."), **seen, actual=actual)
        expected = 1 / (weights**2).sum()
        if not close(ess, expected, 1e-3):
            raise Wrong(
                "The weights are right, the effective number is not. If all n weights "
                "are 1/n it is n; if one of them is 1, it is 1.",
                case=f"weights {weights.round(3).tolist()}",
                expected=float(expected),
                actual=ess,
            )
    return "The more there is to explain, the fewer particles compete."


def _particle_cases(rng):
    ink, paper = [[[1.0], [1.0]]], [[[0.0], [1.0]]]
    second = np.array([[False, True]])
    yield (
        "first pixel ink with p = 0.5, the second copies it with p = 0.9 and is ink",
        _second_copies_first,
        np.array([ink, paper, paper]),
        second,
    )
    bottom, middle, nothing = np.zeros((3, 3, 3), bool)
    bottom[2], middle[1, 1] = True, True
    for about, known in (
        ("the bottom row is known, 3 × 3 pixels", bottom),
        ("the middle pixel is known, 3 × 3 pixels", middle),
        ("nothing is known", nothing),
    ):
        images = (rng.random((5, 3, 3, 1)) < 0.5).astype(float)
        images[:, known] = rng.integers(0, 2, (known.sum(), 1))
        yield about, _random_world(rng), images, known
    page = np.zeros((28, 28), bool)
    page[14:] = True
    images = (rng.random((4, 28, 28, 1)) < 0.1).astype(float)
    images[:, page] = np.arange(392)[:, None] % 2  # far from what is expected
    yield "the lower half is known, 28 × 28 pixels", _ink_by_share, images, page


def _factors(probs, images):
    p = np.asarray(probs(images), float)
    return np.where(images == 1, p, 1 - p)[..., 0]


def _normalized(log_weights):
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _weights(probs, images, known):
    return _normalized(np.log(_factors(probs, images))[:, known].sum(axis=1))


def _wrong_weights(probs, images, known, actual):
    """The diagnoses that fit the weights, the most special first."""
    log_factors = np.log(_factors(probs, images))
    p = np.asarray(probs(images), float)[..., 0]
    of_known = log_factors[:, known].sum(axis=1)
    mistakes = {
        "Those are the probabilities of whole images, divided. Clamping drew with the "
        "factors of the unknown pixels: they must not count twice.": (
            _normalized(log_factors.sum(axis=(1, 2)))
        ),
        "Those are the factors of the unknown pixels. Clamping used them already; the "
        "known ones are missing.": _normalized(log_factors[:, ~known].sum(axis=1)),
        "A known pixel of paper has the factor 1 - p, not p.": (
            _normalized(np.log(p[:, known]).sum(axis=1))
        ),
        "Those do not sum to 1: divide by their total.": np.exp(of_known),
        "The largest is 1, but they do not sum to 1: divide by their total.": (
            np.exp(of_known - of_known.max())
        ),
        "Those are logarithms. Take np.exp, then divide by the total.": of_known,
        "Factors multiply; you have added them.": _normalized(
            np.log(np.maximum(np.exp(log_factors)[:, known].sum(axis=1), 1e-300))
        ),
        "Reversed: a drawing that makes the known pixels likely weighs more.": (
            _normalized(-of_known)
        ),
    }
    if not np.isfinite(actual).all() or (len(actual) and not actual.any()):
        yield (
            "A product of hundreds of probabilities can be 0 in floating point, and 0 / 0 "
            "is no weight. Sum logarithms, and subtract the largest before np.exp."
        )
    for diagnosis, wrong in mistakes.items():
        if close(actual, wrong, 1e-5):
            yield diagnosis


def _second_copies_first(images):
    p = np.full(np.shape(images), 0.5)
    p[:, 0, 1] = 0.1 + 0.8 * np.asarray(images)[:, 0, 0]
    return p


def _random_world(rng):
    matrix = np.tril(rng.normal(0, 1.5, (9, 9)), -1)
    bias = rng.normal(0, 1, 9)

    def probs(images):
        logits = np.reshape(images, (-1, 9)) @ matrix.T + bias
        return (1 / (1 + np.exp(-logits))).reshape(np.shape(images))

    return probs


def _ink_by_share(images):
    """The more ink in the upper half, the likelier is a pixel of the lower one."""
    images = np.asarray(images)
    p = np.full(images.shape, 0.1)
    p[:, 14:] = 0.015 + 0.02 * images[:, :14].mean(axis=(1, 2, 3), keepdims=True)
    return p
