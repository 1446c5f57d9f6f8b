"""Exercises of notebook 10: rounds of the fixed point, and a cache."""

from pixelcnn_edu.exercises._answers import Wrong
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but

import numpy as np


def _most_rounds(n, back):
    """Rounds until all n values are final, at most.

    Value i is drawn from value i - ``back`` alone (and from its uniform number); the
    first ``back`` values are drawn from nothing. The result is ceil(n / back).
    """
    return -(-n // back)


most_rounds = Exercise(
    _most_rounds,
    cases=[(784, 49), (10, 3), (784, 1), (12, 12), (7, 20), (9, 2), (785, 784)],
    mistakes={
        "That is the bound for a value that may read all earlier ones. Here one round "
        "settles `back` values at once.": lambda n, back: n,
        "The values that are left over after whole groups need a round too.": Mistake(
            lambda n, back: n // back, lambda n, back: round(n / back)
        ),
        "Rounds are whole: round up.": lambda n, back: n / back,
        "One too many: only a left-over part needs a round of its own, and the round that "
        "finds nothing to change settles nothing.": lambda n, back: -(-n // back) + 1,
    },
    hints=(
        "Round 1 settles the first `back` values: they read nothing that is drawn. Round 2 "
        "settles the next `back` of them, and so on.",
        "How many groups of `back` values make n values, the last one perhaps incomplete? "
        "math.ceil rounds up.",
    ),
    otherwise="That is not how many rounds it takes.",
    praise="What counts is the longest chain of values that wait for each other, not "
    "their number. A pixel that read only the one above it would need 28 rounds of 784.",
)


def _next_output(
    kernels,
    windows,
    *,
    own=lambda x: max(0, x),
    last=lambda x: x,
    first=False,
    keep=lambda inputs: inputs[1:],
):
    """One pixel of a stack, from its caches.

    ``kernels``: a list of (k,) arrays. The first is of mask A: it reads the k pixels
    before. The others are of mask B: they read k - 1 values before the pixel and the
    pixel's own, after a ReLU. ``windows``: what each of them keeps, oldest first: the
    last k pixels, then k - 1 inputs for each other layer. The result is the last layer's
    output at this pixel, and the windows for the next one (the first as it came).
    """
    value, kept = windows[0] @ kernels[0], [windows[0]]
    for kernel, window in zip(kernels[1:], windows[1:], strict=True):
        inputs = [own(value), *window] if first else [*window, own(value)]
        kept.append(keep(inputs))
        value = np.array(inputs) @ kernel
    return last(value), kept


def _rows():
    rng = np.random.default_rng(4)
    for sizes in ((3, 3), (2, 2, 4), (4, 1, 3), (3, 2, 2, 2), (2,)):
        kernels = [rng.choice([-3, -2, -1, 1, 2, 3], k).astype(float) for k in sizes]
        kernels = [-2 * abs(k) if len(k) == 1 else k for k in kernels]  # no identity
        yield kernels, rng.integers(0, 2, 9).astype(float)
    yield [np.array([0.5, -0.25]), np.array([1.5, 0.75])], np.tile([1.0, 0, 0], 3)


def _pixel_by_pixel(step, kernels, row):
    """Feed a row through a step, with the windows that it returns; its outputs."""
    sizes = [len(kernels[0])] + [len(kernel) - 1 for kernel in kernels[1:]]
    windows = [np.zeros(size) for size in sizes]
    outputs = []
    for pixel in row:
        result = step(kernels, windows)
        try:
            output, windows = result
            outputs.append(float(np.squeeze(output)))
            windows = [np.atleast_1d(np.asarray(w, float)) for w in windows]
        except (TypeError, ValueError):
            raise Wrong("Return a pair: the output, and the list of windows.") from None
        given = [window.size for window in windows]
        if given != sizes:
            shown = {"expected": f"lengths {sizes}", "actual": f"lengths {given}"}
            raise Wrong("wrong length", case=_kernels_and_row(kernels, row), **shown)
        windows[0] = np.append(windows[0], pixel)[1:]
    return outputs


def _kernels_and_row(kernels, row):
    shown = ", ".join(
        "[" + ", ".join(f"{weight:g}" for weight in kernel) + "]" for kernel in kernels
    )
    return f"kernels [{shown}], row {row.astype(int).tolist()}"


next_output = Exercise(
    _next_output,
    cases=_rows,
    run=_pixel_by_pixel,
    describe=_kernels_and_row,
    mistakes={
        "A window has the wrong length. Mask A keeps k pixels; a later kernel of k taps "
        "keeps k - 1 inputs, since the pixel's own comes on top.": but(
            keep=lambda inputs: inputs
        ),
        "The windows stay as they were. At each step the oldest value goes and the pixel's "
        "own comes: inputs[1:].": but(keep=lambda inputs: inputs[:-1]),
        "The order is reversed: newest first. Kernels are read from left to right, the "
        "oldest value first.": but(first=True, keep=lambda inputs: inputs[:-1]),
        "The ReLU between the layers is missing.": but(own=lambda x: x),
        "The output went through a ReLU too. It is a logit and may be negative; the ReLU "
        "stands before a later layer.": Mistake(but(last=lambda x: max(0, x)), hint=2),
    },
    hints=(
        "The kernel reads its window, oldest value first, and then the value of the pixel "
        "itself: max(0, value).",
        "inputs = np.append(window, max(0, value)). The next pixel needs all of it but the "
        "oldest: inputs[1:]. And value = inputs @ kernel.",
    ),
    otherwise="Those are not the outputs of the stack.",
    praise="A pixel costs the same however many were drawn before it. That is what the "
    "windows buy.",
)
