"""Exercises of notebook 08: when to stop, and which model is better."""

import math

from pixelcnn_edu.exercises._answers import first_wrong_row, pair, plus_minus
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then

import numpy as np


def _stop_epoch(
    val_loss, patience, *, better=None, against_previous=False, in_a_row=True
):
    """The last epoch that is trained.

    ``val_loss`` is a list of floats, one per epoch; epochs count from 1. Training stops
    after the epoch that is the ``patience``-th in a row without a new lowest loss; a
    run in which that never happens goes on to the last value.
    """
    lowest, wait = math.inf, 0
    for epoch, value in enumerate(val_loss, 1):
        if better(value, lowest) if better else value < lowest:
            wait = 0 if in_a_row else wait
        else:
            wait += 1
        lowest = value if against_previous else min(lowest, value)
        if wait >= patience:
            return epoch
    return len(val_loss)


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
    runs.append(([543.4, 300.0, 200.0, 150.0, 120.0], 3))  # as of a first epoch
    runs.append(([3e12, 2e12, 1e12, 90.0], 2))  # a start that nearly failed
    return [(runs,)]


def _epochs(results):
    """The results as numbers; what is none of them is NaN."""

    def number(result):
        try:
            return float(result)
        except (TypeError, ValueError):
            return np.nan

    return np.array([number(result) for result in results])


def _wrong_above_100(actual, expected, runs):
    above = np.array([val_loss[0] > 100 for val_loss, _ in runs])
    return actual[-1] == runs[-1][1] and (actual == expected)[~above].all()


def _ended(actual, expected, runs):
    """Whether the epochs are right but for runs that go on to their last value."""
    return all(
        a == e or e == len(val_loss)
        for a, e, (val_loss, _) in zip(actual, expected, runs, strict=True)
    )


stop_epoch = Exercise(
    _stop_epoch,
    cases=_runs,
    run=lambda answer, runs: [answer(*each) for each in runs],
    read=_epochs,
    describe=lambda runs: f"{len(runs)} runs",
    mistakes={
        "epochs count from 1.": then(lambda right: right - 1),
        "that is the best epoch; training learns of it only patience epochs later.": (
            lambda val_loss, patience: (
                1 + int(np.argmin(val_loss[: _stop_epoch(val_loss, patience)]))
            )
        ),
        "that is the epoch after the last one.": Mistake(
            then(lambda right: right + 1), hint=2
        ),
        "an epoch is held against the one before it, not against the lowest so far.": but(
            against_previous=True
        ),
        "epochs without progress are counted even if they are not in a row.": Mistake(
            but(in_a_row=False), hint=2
        ),
        "a tie is not a new lowest: < rather than <=.": Mistake(
            but(better=lambda new, low: new <= low), hint=2
        ),
        "the comparison is turned: a new lowest loss is *below* the lowest so far.": but(
            better=lambda new, low: new > low
        ),
        "the lowest so far begins with a number such as 100. The first loss may be larger: "
        "begin with infinity.": Mistake(
            lambda val_loss, patience: _stop_epoch([100.0, *val_loss], patience) - 1,
            fits=_wrong_above_100,
            hint=0,
        ),
        "a run that never runs out of patience ends with its last epoch.": Mistake(
            lambda val_loss, patience: (
                "never"
                if _stop_epoch(val_loss, patience) == len(val_loss)
                else _stop_epoch(val_loss, patience)
            ),
            fits=_ended,
            hint=0,
        ),
    },
    hints=(
        "Remember the lowest loss so far and how many epochs ago it was.",
        "An epoch that is not lower than the *lowest* so far adds 1 to the wait; a lower "
        "one sets it to 0. Stop when the wait reaches patience.",
    ),
    otherwise="it stops at another epoch.",
    praise="keras.callbacks.EarlyStopping stops there too.",
    show=first_wrong_row(
        lambda row, runs: "val_loss {}, patience {}".format(*runs[row])
    ),
)


def _paired_difference(nats_a, nats_b):
    """The mean of a - b, and its standard error, in nats per image.

    ``nats_a`` and ``nats_b`` are (N,) nats of the same N images under two models.
    """
    difference = nats_a - nats_b
    return difference.mean(), difference.std(ddof=1) / math.sqrt(len(difference))


def _two_models():
    rng = np.random.default_rng(0)
    for count, more in ((50, 0.5), (200, 0.5), (50, -1.5)):
        easy_or_hard = rng.normal(90, 20, count)
        a = easy_or_hard + rng.normal(more, 1.5, count)
        yield a, easy_or_hard + rng.normal(0, 1.5, count)


def _with_error(error):
    return lambda a, b: ((a - b).mean(), error(a, b))


_A, _B = list(_two_models())[1]

paired_difference = Exercise(
    _paired_difference,
    cases=_two_models,
    describe=lambda a, b: f"two models on {len(a)} images, nats near 90, spread 20",
    read=pair("two numbers are asked for: the mean difference and its error."),
    mistakes={
        "the mean is below 0 if a costs less: keep its sign.": Mistake(
            lambda a, b: (abs((a - b).mean()), _paired_difference(a, b)[1]), hint=0
        ),
        "the sign is turned: a - b is above 0 if a costs more.": Mistake(
            lambda a, b: _paired_difference(b, a), hint=0
        ),
        "gains and losses must cancel: no absolute values.": (
            lambda a, b: (abs(a - b).mean(), 0.1)
        ),
        "that is the error for two *separate* sets of images. These are the same images, "
        "and what makes an image expensive for both cancels.": _with_error(
            lambda a, b: math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a))
        ),
        "the two standard errors were added.": Mistake(
            _with_error(lambda a, b: (a.std() + b.std()) / math.sqrt(len(a))), hint=2
        ),
        "that is the spread of the differences; divide by √N.": _with_error(
            lambda a, b: (a - b).std()
        ),
        "divided by N, where √N belongs.": Mistake(
            _with_error(lambda a, b: (a - b).std() / len(a)), hint=2
        ),
        "that is the error of model a alone.": Mistake(
            _with_error(lambda a, b: a.std() / math.sqrt(len(a))), hint=2
        ),
    },
    hints=(
        "Both models scored the same images: subtract image by image, then average.",
        "The standard error is that of the N differences: their standard deviation / √N.",
    ),
    shape="two numbers are asked for: the mean difference and its error.",
    otherwise=(
        "the mean difference is another one.",
        "the standard error is another one.",
    ),
    praise="On 200 images the error of the paired difference is "
    f"{_paired_difference(_A, _B)[1]:.2f} nats; for separate images it would be "
    f"{math.sqrt((_A.var(ddof=1) + _B.var(ddof=1)) / len(_A)):.1f}.",
    rtol=(0, 0.02),
    atol=(1e-3, 0),
    show=plus_minus(3),
)
