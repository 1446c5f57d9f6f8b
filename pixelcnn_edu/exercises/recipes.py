"""Exercise of notebook 14: how the learning rate rises and falls."""

import math

from pixelcnn_edu.exercises._declared import Exercise, but


def _cosine_rate(step, steps, peak, warmup, *, turn=1, fall_from=None, rise_from=0.1):
    """The learning rate at a step.

    Steps count from 0. The rate rises in a straight line from ``peak / 10`` at step 0
    to ``peak`` at step ``warmup``, and falls along half a cosine to 0 at step
    ``steps``. With a warmup of 0 it starts at the peak.
    """
    if step < warmup:
        return peak * (rise_from + (1 - rise_from) * step / warmup)
    fall_from = warmup if fall_from is None else fall_from
    done = (step - fall_from) / (steps - fall_from)
    return peak * (1 + math.cos(turn * math.pi * done)) / 2


def _schedules():
    for steps, peak, warmup in ((1000, 0.004, 100), (90, 0.02, 9), (50, 0.1, 0)):
        thirds = {warmup + (steps - warmup) * k // 3 for k in range(4)}
        about = {0, warmup // 2, max(warmup - 1, 0), warmup * 3 // 2, steps - 1}
        yield sorted(about | thirds), steps, peak, warmup


def _with_four_digits(expected, actual, *case):
    words = {"expected": expected, "actual": actual}
    if actual.shape != expected.shape:
        return {}
    return {w: " ".join(f"{rate:.4g}" for rate in rates) for w, rates in words.items()}


cosine_rate = Exercise(
    _cosine_rate,
    cases=_schedules,
    run=lambda answer, at, *settings: [answer(step, *settings) for step in at],
    describe="steps {1}, peak {2}, warmup {3}, at steps {0}",
    mistakes={
        "the cosine runs a whole turn: at the end the rate is back at its peak. Half a "
        "turn is pi, not 2 pi.": but(turn=2),
        "the cosine is counted from step 0, so the rate jumps where the rise ends.": but(
            fall_from=0
        ),
        "there is no rise at the start.": (
            lambda step, steps, peak, warmup: _cosine_rate(step, steps, peak, 0)
        ),
        "the rise starts at 0; it is to start at peak / 10.": but(rise_from=0),
    },
    hints=(
        "While step < warmup: a straight line from peak / 10 to peak. After that let "
        "done = (step - warmup) / (steps - warmup) run from 0 to 1.",
        "Half a cosine: peak * (1 + cos(pi * done)) / 2.",
    ),
    shape="the rate is one number.",
    otherwise="the rate is another one.",
    praise="It is the schedule of training.compile_model: Keras's CosineDecay.",
    rtol=1e-5,
    atol=1e-8,
    show=_with_four_digits,
)
