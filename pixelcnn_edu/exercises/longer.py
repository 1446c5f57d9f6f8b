"""Exercises of notebook 08: when to stop, and which model is better."""

import math

from pixelcnn_edu.exercises._answers import first_wrong_row, pair, plus_minus
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np


def _stop_epoch(
    val_loss, patience, *, better=np.less, against_previous=False, in_a_row=True
):
    """The last epoch that is trained.

    ``val_loss`` is a list of floats, one per epoch; epochs count from 1. Training stops
    after the epoch that is the ``patience``-th in a row without a new lowest loss; a
    run in which that never happens goes on to the last value.
    """
    lowest, wait = math.inf, 0
    for epoch, value in enumerate(val_loss, 1):
        if better(value, lowest):
            wait = 0 if in_a_row else wait
        else:
            wait += 1
        lowest = value if against_previous else min(lowest, value)
        if wait >= patience:
            return epoch
    return len(val_loss)


def _best_epoch(val_loss, patience):
    return 1 + int(np.argmin(val_loss[: _stop_epoch(val_loss, patience)]))


def _runs():
    rng = np.random.default_rng(0)
    runs = [([93.0, 91.0, 90.0, 90.5, 90.2, 90.3, 89.0], 3)]
    for _ in range(30):
        count = int(rng.integers(5, 15))
        x = np.arange(count)
        valley = (
            88 + 0.05 * (x - rng.uniform(2, count)) ** 2 + rng.normal(0, 0.3, count)
        )
        runs.append((valley.round(2).tolist(), int(rng.integers(1, 5))))
    runs.append(([90.0, 89.0, 89.0, 89.5, 88.0], 2))  # with a tie
    runs.append(([90.0, 89.0, 88.0], 2))
    runs.append(([90.0, 89.9999, 89.9998, 89.9997], 2))  # a little lower is lower
    runs.append(([90.0, 99.0, 98.0, 97.0, 96.0, 95.0, 94.0], 5))
    runs.append(([90.0], 2))
    runs.append(([3e12, 2e12, 1e12, 90.0], 2))  # a start that nearly failed
    return [(runs,)]


stop_epoch = Exercise(
    _stop_epoch,
    cases=_runs,
    run=lambda answer, runs: [answer(*each) for each in runs],
    describe=lambda runs: f"{len(runs)} runs",
    mistakes={
        "epochs count from 1.": then(lambda right: right - 1),
        "that is the best epoch; training learns of it only patience epochs later.": (
            _best_epoch
        ),
        "an epoch is held against the one before it, not against the lowest so far.": but(
            against_previous=True
        ),
        "epochs without progress are counted even if they are not in a row.": Mistake(
            but(in_a_row=False), hint=2
        ),
        "a tie is not a new lowest: < rather than <=.": Mistake(
            but(better=np.less_equal), hint=2
        ),
    },
    hints=(
        "Remember the lowest loss so far and how many epochs ago it was.",
        "An epoch that is not lower than the *lowest* so far adds 1 to the wait; a lower "
        "one sets it to 0. Stop when the wait reaches patience.",
    ),
    shape="one number is asked for, the last epoch.",
    otherwise="it stops at another epoch.",
    praise="keras.callbacks.EarlyStopping stops there too.",
    show=first_wrong_row(
        lambda row, runs: "val_loss {}, patience {}".format(*runs[row])
    ),
)


def _error_of_pairs(a, b):
    return (a - b).std(ddof=1) / math.sqrt(len(a))


def _error_of_separate_images(a, b):
    return math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a))


def _paired_difference(nats_a, nats_b, *, error=_error_of_pairs):
    """The mean of a - b, and its standard error, in nats per image.

    ``nats_a`` and ``nats_b`` are (N,) nats of the same N images under two models.
    """
    return (nats_a - nats_b).mean(), error(nats_a, nats_b)


def _two_models():
    rng = np.random.default_rng(0)
    for count, more in ((50, 0.5), (200, 0.5), (50, -1.5)):
        easy_or_hard = rng.normal(90, 20, count)
        a = easy_or_hard + rng.normal(more, 1.5, count)
        yield a, easy_or_hard + rng.normal(0, 1.5, count)


_A, _B = list(_two_models())[1]

paired_difference = Exercise(
    _paired_difference,
    cases=_two_models,
    describe=lambda a, b: f"two models on {len(a)} images, nats near 90, spread 20",
    read=pair("two numbers are asked for: the mean difference and its error.", ()),
    mistakes={
        "the sign is turned: a - b is above 0 if a costs more.": Mistake(
            lambda a, b: _paired_difference(b, a), hint=0
        ),
        "gains and losses must cancel: no absolute values.": (
            lambda a, b: (abs(a - b).mean(), 0.1)
        ),
        "that is the error for two *separate* sets of images. These are the same images, "
        "and what makes an image expensive for both cancels.": but(
            error=_error_of_separate_images
        ),
        "that is the spread of the differences; divide by √N.": but(
            error=lambda a, b: (a - b).std()
        ),
    },
    hints=(
        "Both models scored the same images: subtract image by image, then average.",
        "The standard error is that of the N differences: their standard deviation / √N.",
    ),
    otherwise=(
        "the mean difference is another one.",
        "the standard error is another one.",
    ),
    praise="On 200 images the error of the paired difference is "
    f"{_error_of_pairs(_A, _B):.2f} nats; for separate images it would be "
    f"{_error_of_separate_images(_A, _B):.1f}.",
    rtol=(0, 0.02),
    atol=(1e-3, 0),
    show=plus_minus(3),
)
