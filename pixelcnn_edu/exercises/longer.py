"""Exercises of notebook 08: when to stop, how the rate falls, which model is better."""

import math

from pixelcnn_edu.exercises._check import Blank, Wrong, called, check

import numpy as np


@check(
    "Remember the lowest loss so far and how many epochs ago it was.",
    "An epoch that is not lower than the *lowest* so far adds 1 to the wait; a lower one "
    "sets it to 0. Stop when the wait reaches patience.",
)
def stop_epoch(answer):
    """Judge ``answer(val_loss, patience)`` → the last epoch that is trained.

    ``val_loss`` is a list of floats, one per epoch; epochs count from 1. Training stops
    after the epoch that is the ``patience``-th in a row without a new lowest loss; a run
    in which that never happens goes on to the last value.
    """
    rng = np.random.default_rng(0)
    cases = [([93.0, 91.0, 90.0, 90.5, 90.2, 90.3, 89.0], 3)]
    for _ in range(30):
        count = int(rng.integers(5, 15))
        x = np.arange(count)
        values = (
            88 + 0.05 * (x - rng.uniform(2, count)) ** 2 + rng.normal(0, 0.3, count)
        )
        cases.append((values.round(2).tolist(), int(rng.integers(1, 5))))
    cases.append(([90.0, 89.0, 89.0, 89.5, 88.0], 2))  # with a tie
    cases.append(([90.0, 89.0, 88.0], 2))
    right = [_stop(*case) for case in cases]
    given = [called(answer, list(val_loss), patience) for val_loss, patience in cases]
    first = next((i for i, r in enumerate(right) if given[i] != r), None)
    if first is not None:
        mistakes = {
            "epochs count from 1.": [r - 1 for r in right],
            "that is the best epoch; training learns of it only patience epochs later.": [
                int(np.argmin(case[0][:r])) + 1
                for case, r in zip(cases, right, strict=True)
            ],
            "that is the epoch after the last one.": [r + 1 for r in right],
            "an epoch is held against the one before it, not against the lowest so far.": [
                _stop(*case, against_previous=True) for case in cases
            ],
            "epochs without progress are counted even if they are not in a row.": [
                _stop(*case, in_a_row=False) for case in cases
            ],
            "a tie is not a new lowest: < rather than <=.": [
                _stop(*case, ties=True) for case in cases
            ],
            "the comparison is turned: a new lowest loss is *below* the lowest so far.": [
                _stop(*case, turned=True) for case in cases
            ],
            "a run that never runs out of patience ends with its last epoch.": [
                r if r < len(case[0]) or g == r else g
                for case, r, g in zip(cases, right, given, strict=True)
            ],
        }
        named = (words for words, wrong in mistakes.items() if given == wrong)
        val_loss, patience = cases[first]
        raise Wrong(
            next(named, "it stops at another epoch."),
            case=f"val_loss {val_loss}, patience {patience}",
            expected=right[first],
            actual=given[first],
        )
    return "keras.callbacks.EarlyStopping stops there too."


def _stop(
    val_loss,
    patience,
    *,
    against_previous=False,
    in_a_row=True,
    ties=False,
    turned=False,
):
    lowest, wait = math.inf, 0
    for epoch, value in enumerate(val_loss, 1):
        better = value > lowest if turned else value < lowest
        if better or (ties and value == lowest):
            wait = wait if not in_a_row else 0
        else:
            wait += 1
        lowest = value if against_previous else min(lowest, value)
        if wait >= patience:
            return epoch
    return len(val_loss)


@check(
    "While step < warmup: a straight line from peak / 10 to peak. After that let "
    "done = (step - warmup) / (steps - warmup) run from 0 to 1.",
    "Half a cosine: peak * (1 + cos(pi * done)) / 2.",
)
def cosine_rate(answer):
    """Judge ``answer(step, steps, peak, warmup)`` → the learning rate at a step.

    Steps count from 0. The rate rises in a straight line from ``peak / 10`` at step 0
    to ``peak`` at step ``warmup``, and falls along half a cosine to 0 at step ``steps``.
    """
    for steps, peak, warmup in ((1000, 0.004, 100), (90, 0.02, 9), (50, 0.1, 0)):
        fall = steps - warmup
        quarters = {warmup + fall * k // 4 for k in range(5)}
        at = sorted({0, warmup // 2, steps - 1} | quarters)
        right = np.array([_cosine(step, steps, peak, warmup) for step in at])
        given = []
        for step in at:
            given.append(float(called(answer, step, steps, peak, warmup)))
        given = np.array(given)
        if np.allclose(given, right, rtol=0, atol=1e-4 * peak):
            continue
        wrongs = {
            "the cosine runs a whole turn: at the end the rate is back at its peak. Half "
            "a turn is pi, not 2 pi.": _cosine_like(at, steps, peak, warmup, turn=2),
            "the cosine is counted from step 0, so the rate jumps where the rise ends.": (
                _cosine_like(at, steps, peak, warmup, offset=0, span=steps)
            ),
            "the fall takes steps, not steps - warmup, so it does not end at 0.": (
                _cosine_like(at, steps, peak, warmup, span=steps)
            ),
            "cos takes radians.": _cosine_like(at, steps, peak, warmup, turn=1 / 180),
            "a quarter of a turn, cos from 0 to pi/2: the fall ends in a corner.": [
                peak * math.cos(math.pi / 2 * (s - warmup) / (steps - warmup))
                if s >= warmup
                else _cosine(s, steps, peak, warmup)
                for s in at
            ],
            "there is no rise at the start.": _cosine_like(
                at, steps, peak, warmup, rise="none"
            ),
            "the rise starts at 0; it is to start at peak / 10.": _cosine_like(
                at, steps, peak, warmup, rise="zero"
            ),
            "this is a straight line down, not a cosine.": [
                peak * (1 - (s - warmup) / (steps - warmup))
                if s >= warmup
                else _cosine(s, steps, peak, warmup)
                for s in at
            ],
        }
        diagnosis = "the rate is another one."
        for words, wrong in wrongs.items():
            if np.allclose(given, wrong, rtol=0, atol=1e-4 * peak):
                diagnosis = words
                break
        raise Wrong(
            diagnosis,
            case=f"steps {steps}, peak {peak}, warmup {warmup}, at steps {at}",
            expected=" ".join(f"{rate:.4g}" for rate in right),
            actual=" ".join(f"{rate:.4g}" for rate in given),
        )
    return "It is the schedule of training.compile_model: Keras's CosineDecay."


def _cosine(step, steps, peak, warmup):
    if step < warmup:
        return peak * (0.1 + 0.9 * step / warmup)
    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def _cosine_like(
    at, steps, peak, warmup, *, turn=1, offset=None, span=None, rise="tenth"
):
    offset = warmup if offset is None else offset
    span = steps - warmup if span is None else span
    rates = []
    for step in at:
        if step < warmup and rise == "tenth":
            rates.append(_cosine(step, steps, peak, warmup))
        elif step < warmup and rise == "zero":
            rates.append(peak * step / warmup)
        elif rise == "none":
            rates.append(peak * (1 + math.cos(math.pi * step / steps)) / 2)
        else:
            done = (step - offset) / span
            rates.append(peak * (1 + math.cos(turn * math.pi * done)) / 2)
    return rates


@check(
    "Both models scored the same images: subtract image by image, then average.",
    "The standard error is that of the N differences: their standard deviation / √N.",
)
def paired_difference(answer):
    """Judge ``answer(nats_a, nats_b)`` → (mean of a - b, its standard error).

    ``nats_a`` and ``nats_b`` are (N,) nats of the same N images under two models; both
    results are floats, in nats per image.
    """
    rng = np.random.default_rng(0)
    for count in (50, 200):
        easy_or_hard = rng.normal(90, 20, count)
        a = easy_or_hard + rng.normal(0.5, 1.5, count)
        b = easy_or_hard + rng.normal(0, 1.5, count)
        difference = a - b
        right = difference.mean(), difference.std(ddof=1) / math.sqrt(count)
        given = called(answer, a.copy(), b.copy())
        if isinstance(given, tuple | list) and any(part is ... for part in given):
            raise Blank
        if np.shape(given) != (2,):
            raise Wrong(
                "two numbers are asked for: the mean difference and its error.",
                expected="(mean, standard error)",
                actual=f"shape {np.shape(given)}",
            )
        mean, error = map(float, given)
        words = {"case": f"two models on {count} images, nats near 90, spread 20"}
        numbers = {
            "expected": f"{right[0]:.3f} ± {right[1]:.3f}",
            "actual": f"{mean:.3f} ± {error:.3f}",
        }
        if abs(mean - right[0]) > 1e-3:
            diagnosis = "the mean difference is another one."
            if abs(mean + right[0]) < 1e-3:
                diagnosis = "the sign is turned: a - b is above 0 if a costs more."
            elif abs(mean - np.abs(difference).mean()) < 1e-3:
                diagnosis = "gains and losses must cancel: no absolute values."
            raise Wrong(diagnosis, **words, **numbers)
        if abs(error - right[1]) > 0.02 * right[1]:
            separate = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / count)
            mistakes = {
                "that is the error for two *separate* sets of images. These are the same "
                "images, and what makes an image expensive for both cancels.": separate,
                "the two standard errors were added.": (a.std() + b.std())
                / math.sqrt(count),
                "that is the spread of the differences; divide by √N.": difference.std(),
                "divided by N, where √N belongs.": difference.std() / count,
                "that is the error of model a alone.": a.std() / math.sqrt(count),
            }
            diagnosis = "the standard error is another one."
            for text, wrong in mistakes.items():
                if abs(error - wrong) < 0.02 * wrong:
                    diagnosis = text
                    break
            raise Wrong(diagnosis, **words, **numbers)
    return (
        "On the last case the error of the paired difference is "
        f"{right[1]:.2f} nats; for separate images it would be "
        f"{math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / count):.1f}."
    )
