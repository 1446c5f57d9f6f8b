"""The checks of notebook 07: right answers accepted, classic mistakes named."""

import math

from pixelcnn_edu import data, evaluation
from pixelcnn_edu.exercises import training as checks

import keras
import numpy as np
import pytest


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def nats_of(model, images):
    return evaluation.nats_per_image(model, images)


def drawn(images):
    return data.binarize(images)


def summary(nats):
    return nats.mean(), nats.std() / math.sqrt(len(nats))


@pytest.mark.parametrize(
    "answer",
    [
        lambda logit, x, rate: logit - rate * (sigmoid(logit) - x),
        lambda logit, x, rate: np.float32(logit + rate * (x - sigmoid(logit))),
        lambda logit, x, rate: keras.ops.convert_to_tensor(
            logit - rate * (keras.ops.sigmoid(logit) - x)
        ),
    ],
)
def test_a_right_gradient_step_is_accepted(answer):
    assert checks.gradient_step(answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, x, rate: w + rate * (sigmoid(w) - x), "sign"),
        (lambda w, x, rate: w - (sigmoid(w) - x), "learning rate is missing"),
        (lambda w, x, rate: sigmoid(w) - x, "the slope, not the logit"),
        (lambda w, x, rate: w - rate * sigmoid(w), "toward paper"),
        (lambda w, x, rate: w - rate * (w - x), "as if it were the probability"),
        (
            lambda w, x, rate: (
                w - rate * (-1 / sigmoid(w) if x else 1 / (1 - sigmoid(w)))
            ),
            "with respect to p",
        ),
        (
            lambda w, x, rate: w + rate * math.log(sigmoid(w if x else -w)),
            "the loss, not its slope",
        ),
        (
            lambda w, x, rate: w - rate * (sigmoid(w) - x) * sigmoid(w) * sigmoid(-w),
            "squared error",
        ),
        (lambda w, x, rate: 0.0, "another one"),
        (lambda w, x, rate: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_wrong_gradient_step_is_named(answer, words):
    verdict = checks.gradient_step(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def by_hand(model, images):
    x = drawn(images)
    logits = model.predict(x, verbose=0)
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    nats = -np.log(np.where(x == 1, p, 1 - p)).sum(axis=(1, 2, 3))
    return np.array([nats.mean(), nats.std(ddof=1) / len(nats) ** 0.5])


def fixed_draw(model, images):
    nats = nats_of(model, data.binarize(images, seed=3))
    return evaluation.mean_and_standard_error(nats)


@pytest.mark.parametrize(
    "answer",
    [lambda m, x: summary(nats_of(m, drawn(x))), by_hand, fixed_draw],
)
def test_a_right_evaluation_is_accepted(answer):
    assert checks.evaluate(answer).passed


def gray_targets(model, images):
    logits = np.asarray(model(images))
    nats = np.logaddexp(0, logits) - images * logits
    return summary(nats.sum(axis=(1, 2, 3)))


def gray_context(model, images):
    logits, x = np.asarray(model(images)), drawn(images)
    return summary((np.logaddexp(0, logits) - x * logits).sum(axis=(1, 2, 3)))


def no_root(model, images):
    nats = nats_of(model, drawn(images))
    return nats.mean(), nats.std()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda m, x: summary(nats_of(m, drawn(x)) / 784), "per pixel"),
        (lambda m, x: summary(nats_of(m, drawn(x)) / math.log(2)), "bits"),
        (lambda m, x: summary(evaluation.bits_per_dim(m, drawn(x))), "per dimension"),
        (lambda m, x: summary(-nats_of(m, drawn(x))), "sign"),
        (lambda m, x: (nats_of(m, drawn(x)).sum(), 0.0), "sum over the images"),
        (no_root, "not the standard error"),
        (
            lambda m, x: summary(nats_of(m, data.binarize(x, threshold=0.5))),
            "thresholded",
        ),
        (gray_targets, "gray values were scored"),
        (gray_context, "shown the gray image"),
        (lambda m, x: nats_of(m, drawn(x)).mean(), "two numbers"),
        (lambda m, x: nats_of(m, x), "two numbers"),
        (lambda m, x: summary(nats_of(m, x)), "ValueError"),
    ],
)
def test_a_wrong_evaluation_is_named(answer, words):
    verdict = checks.evaluate(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def adam(gradients, rate, beta_1, beta_2, *, correct=(True, True), root=True, own=0):
    m = v = weight = 0.0
    path = []
    for t, g in enumerate(gradients, 1):
        m = beta_1 * m + (own or 1 - beta_1) * g
        v = beta_2 * v + (own or 1 - beta_2) * g * g
        m_hat = m / (1 - beta_1**t) if correct[0] else m
        v_hat = v / (1 - beta_2**t) if correct[1] else v
        weight -= rate * m_hat / ((v_hat**0.5 if root else v_hat) + 1e-7)
        path.append(weight)
    return path


def adam_from_0(gradients, rate, beta_1, beta_2):
    m = v = 0.0
    for t, g in enumerate(gradients):
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g * g
        m, v = m / (1 - beta_1**t), v / (1 - beta_2**t)
    return [m]


def keras_adam(gradients, rate, beta_1, beta_2):
    weight, path = keras.Variable(0.0), []
    optimizer = keras.optimizers.Adam(rate, beta_1=beta_1, beta_2=beta_2)
    for g in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g)], [weight])
        path.append(weight.numpy())
    return path


@pytest.mark.parametrize("answer", [adam, keras_adam])
def test_a_right_adam_is_accepted(answer):
    assert checks.adam(answer).passed


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *a: adam(*a, correct=(False, False)), "bias is not corrected"),
        (lambda *a: adam(*a, correct=(True, False)), "v is not corrected"),
        (lambda *a: adam(*a, correct=(False, True)), "m is not corrected"),
        (lambda *a: adam(*a, root=False), "square root"),
        (lambda *a: adam(*a, own=1.0), "1 - beta is missing"),
        (lambda *a: [-w for w in adam(*a)], "climbs"),
        (lambda *a: np.diff(adam(*a), prepend=0), "adds them up"),
        (lambda g, rate, b1, b2: -rate * np.cumsum(g), "plain gradient descent"),
        (lambda *a: [0.0, *adam(*a)], "starting value"),
        (adam_from_0, "t counts from 1"),
        (lambda *a: adam(*a)[-1:], "values for 6 steps"),
        (lambda g, rate, b1, b2: adam(g, rate, 0.9, 0.95), "other values of beta_1"),
    ],
)
def test_a_wrong_adam_is_named(answer, words):
    verdict = checks.adam(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


@pytest.mark.parametrize("check", [checks.gradient_step, checks.evaluate, checks.adam])
@pytest.mark.parametrize("blank", [..., lambda *a: ..., lambda *a: None])
def test_a_blank_is_not_yet_right(check, blank):
    assert check(blank).status == "not yet"


def test_blanks_inside_a_result_are_blanks_too():
    assert checks.evaluate(lambda m, x: (..., ...)).status == "not yet"
    assert checks.adam(lambda g, *a: [...] * len(g)).status == "not yet"
