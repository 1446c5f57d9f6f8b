"""The checks of notebook 08: right answers accepted, classic mistakes named."""

import math

from pixelcnn_edu.exercises import longer as checks

import keras
import numpy as np
import pytest


def stop(val_loss, patience):
    best, wait = float("inf"), 0
    for epoch, value in enumerate(val_loss, 1):
        wait = 0 if value < best else wait + 1
        best = min(best, value)
        if wait == patience:
            return epoch
    return len(val_loss)


def stop_by_slices(val_loss, patience):
    for epoch in range(patience + 1, len(val_loss) + 1):
        if min(val_loss[epoch - patience : epoch]) >= min(val_loss[: epoch - patience]):
            return np.int64(epoch)
    return len(val_loss)


def stop_like_keras(val_loss, patience):
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=patience)
    stopping.set_model(keras.Sequential())
    stopping.model.optimizer = None
    stopping.model.compile("sgd", "mse")
    stopping.on_train_begin()
    for epoch, value in enumerate(val_loss):
        stopping.on_epoch_end(epoch, {"val_loss": value})
        if stopping.model.stop_training:
            return epoch + 1
    return len(val_loss)


@pytest.mark.parametrize("answer", [stop, stop_by_slices, stop_like_keras])
def test_a_right_epoch_to_stop_is_accepted(answer):
    assert checks.stop_epoch(answer).passed


def stop_against_previous(val_loss, patience):
    wait = 0
    for epoch in range(2, len(val_loss) + 1):
        wait = 0 if val_loss[epoch - 1] < val_loss[epoch - 2] else wait + 1
        if wait == patience:
            return epoch
    return len(val_loss)


def stop_never_forgets(val_loss, patience):
    best, wait = float("inf"), 0
    for epoch, value in enumerate(val_loss, 1):
        wait += value >= best
        best = min(best, value)
        if wait == patience:
            return epoch
    return len(val_loss)


def stop_by(new_lowest):
    def stop(val_loss, patience):
        lowest, wait = float("inf"), 0
        for epoch, value in enumerate(val_loss, 1):
            wait = 0 if new_lowest(value, lowest) else wait + 1
            lowest = min(lowest, value)
            if wait == patience:
                return epoch
        return len(val_loss)

    return stop


def stop_or_nothing(val_loss, patience):
    epoch = stop(val_loss, patience)
    return "never" if epoch == len(val_loss) else epoch


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda v, p: stop(v, p) - 1, "count from 1"),
        (lambda v, p: int(np.argmin(v[: stop(v, p)])) + 1, "the best epoch"),
        (lambda v, p: stop(v, p) + 1, "after the last one"),
        (stop_against_previous, "against the one before it"),
        (stop_never_forgets, "not in a row"),
        (stop_by(lambda value, lowest: value <= lowest), "a tie is not"),
        (stop_by(lambda value, lowest: value > lowest), "comparison is turned"),
        (stop_or_nothing, "ends with its last epoch"),
        (lambda v, p: 1000, "another epoch"),
    ],
)
def test_a_wrong_epoch_to_stop_is_named(answer, words):
    verdict = checks.stop_epoch(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def rate(step, steps, peak, warmup, *, turn=1.0, offset=None, span=None, start=0.1):
    if step < warmup:
        return peak * (start + (1 - start) * step / warmup)
    offset = warmup if offset is None else offset
    done = (step - offset) / (span or steps - warmup)
    return peak * (1 + math.cos(turn * math.pi * done)) / 2


def rate_like_keras(step, steps, peak, warmup):
    schedule = keras.optimizers.schedules.CosineDecay(
        peak / 10 if warmup else peak,
        steps - warmup,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    return schedule(step)


def test_a_straight_line_shows_other_numbers_than_the_cosine():
    expected, actual = checks.cosine_rate(straight).text.splitlines()[2:4]
    assert expected.split(":")[1].split() != actual.split(":")[1].split()
    assert "0.003414" in expected  # at step 325: four significant digits


@pytest.mark.parametrize("answer", [rate, rate_like_keras])
def test_a_right_schedule_is_accepted(answer):
    assert checks.cosine_rate(answer).passed


def straight(step, steps, peak, warmup):
    if step < warmup:
        return rate(step, steps, peak, warmup)
    return peak * (1 - (step - warmup) / (steps - warmup))


def quarter(step, steps, peak, warmup):
    if step < warmup:
        return rate(step, steps, peak, warmup)
    return peak * math.cos(math.pi / 2 * (step - warmup) / (steps - warmup))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *a: rate(*a, turn=2), "a whole turn"),
        (lambda s, n, p, w: rate(s, n, p, w, offset=0, span=n), "from step 0"),
        (lambda s, n, p, w: rate(s, n, p, w, span=n), "does not end at 0"),
        (lambda *a: rate(*a, turn=1 / 180), "radians"),
        (lambda *a: rate(*a, start=0.0), "starts at 0"),
        (lambda s, n, p, w: rate(s, n, p, 0), "no rise"),
        (straight, "straight line down"),
        (quarter, "quarter of a turn"),
        (lambda s, n, p, w: p, "another one"),
    ],
)
def test_a_wrong_schedule_is_named(answer, words):
    verdict = checks.cosine_rate(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def paired(a, b):
    return np.mean(a - b), np.std(a - b, ddof=1) / math.sqrt(len(a))


def paired_by_hand(a, b):
    differences = [x - y for x, y in zip(a, b, strict=True)]
    mean = sum(differences) / len(differences)
    variance = sum((d - mean) ** 2 for d in differences) / len(differences)
    return [mean, (variance / len(differences)) ** 0.5]


@pytest.mark.parametrize("answer", [paired, paired_by_hand])
def test_a_right_paired_difference_is_accepted(answer):
    assert checks.paired_difference(answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda a, b: ((a - b).mean(), ((a.var() + b.var()) / len(a)) ** 0.5),
            "*separate* sets",
        ),
        (lambda a, b: ((a - b).mean(), (a - b).std()), "divide by √N"),
        (lambda a, b: ((a - b).mean(), (a - b).std() / len(a)), "divided by N"),
        (lambda a, b: ((a - b).mean(), a.std() / len(a) ** 0.5), "model a alone"),
        (
            lambda a, b: ((a - b).mean(), (a.std() + b.std()) / len(a) ** 0.5),
            "were added",
        ),
        (lambda a, b: paired(b, a), "sign"),
        (lambda a, b: (abs(a - b).mean(), 0.1), "absolute"),
        (lambda a, b: (a - b).mean(), "two numbers"),
        (lambda a, b: (0.0, 0.0), "another one"),
    ],
)
def test_a_wrong_paired_difference_is_named(answer, words):
    verdict = checks.paired_difference(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


@pytest.mark.parametrize(
    "check", [checks.stop_epoch, checks.cosine_rate, checks.paired_difference]
)
@pytest.mark.parametrize("blank", [..., lambda *a: ..., lambda *a: None])
def test_a_blank_is_not_yet_right(check, blank):
    assert check(blank).status == "not yet"


def test_blanks_inside_a_pair_are_blanks_too():
    assert checks.paired_difference(lambda a, b: (..., ...)).status == "not yet"
