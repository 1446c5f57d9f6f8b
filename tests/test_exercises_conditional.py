"""The checks of notebook 13: right answers pass, classic wrong ones are named."""

from pixelcnn_edu.exercises.conditional import mixture_nats, posterior, reading

import keras
import numpy as np
import pytest


def by_the_book(log_p, prior):
    joint = log_p + np.log(prior)
    joint = joint - joint.max(axis=1, keepdims=True)
    p = np.exp(joint)
    return p / p.sum(axis=1, keepdims=True)


def by_softmax(log_p, prior):
    return np.asarray(keras.ops.softmax(log_p + np.log(prior), axis=1))


def by_ratios(log_p, prior):
    """1 / Σ of the ratios to each label, without a logarithm of a sum."""
    joint = log_p + np.log(prior)
    return [[1 / sum(np.exp(row - one)) for one in row] for row in joint]


@pytest.mark.parametrize("answer", [by_the_book, by_softmax, by_ratios])
def test_posterior_accepts_right_answers(answer):
    verdict = posterior(answer)
    assert verdict.passed, verdict.text


def softmax(joint, axis=1):
    p = np.exp(joint - joint.max(axis=axis, keepdims=True))
    return p / p.sum(axis=axis, keepdims=True)


def without_the_maximum(log_p, prior):
    p = np.exp(log_p) * prior
    return p / p.sum(axis=1, keepdims=True)


def with_a_grain(log_p, prior):
    p = np.exp(log_p) * prior
    return p / (p.sum(axis=1, keepdims=True) + 1e-300)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda log_p, prior: softmax(log_p), "prior is left out"),
        (lambda log_p, prior: softmax(log_p + prior), "A logarithm is missing"),
        (lambda log_p, prior: softmax(log_p * prior), "cannot be multiplied"),
        (lambda log_p, prior: softmax(log_p) * prior, "comes too late"),
        (lambda log_p, prior: softmax(log_p - np.log(prior)), "divided by"),
        (lambda log_p, prior: softmax(-log_p + np.log(prior)), "sign is turned"),
        (lambda log_p, prior: softmax(log_p + np.log(prior), 0), "Each column"),
        (lambda log_p, prior: np.exp(log_p) * prior, "divide each row"),
        (
            lambda log_p, prior: np.exp(
                log_p + np.log(prior) - (log_p + np.log(prior)).max(1, keepdims=True)
            ),
            "Divide each row",
        ),
        (lambda log_p, prior: np.log(by_the_book(log_p, prior)), "Take np.exp"),
        (without_the_maximum, "Subtract each image's maximum"),
        (with_a_grain, "Subtract each image's maximum"),
        (lambda log_p, prior: by_the_book(log_p, prior)[0], "another shape"),
        (lambda log_p, prior: by_the_book(log_p, prior)[:, :2], "another shape"),
        (lambda log_p, prior: np.full((4, 3), 1 / 3), "not the right numbers"),
        (lambda log_p, prior: "even", "Return an array (N, K)"),
        (lambda log_p, prior: [[1], [2, 3]], "Return an array (N, K)"),
        (lambda log_p, prior: log_p / [], "raised"),
    ],
)
def test_posterior_names_the_mistake(answer, words):
    verdict = posterior(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def mixture(log_p, prior):
    joint = log_p + np.log(prior)
    highest = joint.max(axis=1)
    return -(highest + np.log(np.exp(joint - highest[:, None]).sum(axis=1)))


def mixture_by_pairs(log_p, prior):
    return -np.logaddexp.reduce(log_p + np.log(prior), axis=1)


def mixture_by_bayes(log_p, prior):
    """-log p(x) = -log p(x | y) - log p(y) + log p(y | x), for any label y."""
    first = by_the_book(log_p, prior)[:, 1]
    return -log_p[:, 1] - np.log(prior[1]) + np.log(first)


@pytest.mark.parametrize("answer", [mixture, mixture_by_pairs, mixture_by_bayes])
def test_mixture_nats_accepts_right_answers(answer):
    verdict = mixture_nats(answer)
    assert verdict.passed, verdict.text


def highest(log_p, prior):
    return (log_p + np.log(prior)).max(axis=1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda log_p, prior: -log_p @ prior, "averages the nats"),
        (lambda log_p, prior: mixture(log_p, np.ones(3)), "prior is left out"),
        (lambda log_p, prior: mixture(log_p, np.full(3, 1 / 3)), "as even"),
        (
            lambda log_p, prior: mixture(log_p, prior) + highest(log_p, prior),
            "not added again",
        ),
        (
            lambda log_p, prior: mixture(log_p, prior) + 2 * highest(log_p, prior),
            "off again",
        ),
        (lambda log_p, prior: -mixture(log_p, prior), "sign is turned"),
        (lambda log_p, prior: -highest(log_p, prior), "likeliest label alone"),
        (lambda log_p, prior: -log_p.max(axis=1), "lowest nats among the labels"),
        (lambda log_p, prior: mixture(log_p, prior) / np.log(2), "bits"),
        (lambda log_p, prior: -np.log(np.exp(log_p) @ prior), "Subtract each image's"),
        (lambda log_p, prior: mixture(log_p.T, np.full(4, 1)), "another shape"),
        (lambda log_p, prior: mixture(log_p, prior).mean(), "another shape"),
        (lambda log_p, prior: mixture(log_p, prior) + 1, "not the right numbers"),
        (lambda log_p, prior: "none", "Return an array (N,)"),
        (lambda log_p, prior: log_p / [], "raised"),
    ],
)
def test_mixture_nats_names_the_mistake(answer, words):
    verdict = mixture_nats(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


def read(log_p, prior):
    first = np.log(prior)[None]
    return softmax(np.concatenate([first, first + np.cumsum(log_p, axis=0)]))


def read_one_by_one(log_p, prior):
    """The posterior so far is the prior of the next pixel."""
    so_far = np.log(prior)
    rows = [so_far]
    for pixel in log_p:
        so_far = so_far + pixel
        so_far = so_far - np.logaddexp.reduce(so_far)
        rows.append(so_far)
    return np.exp(rows)


def prior_at_every_pixel(log_p, prior):
    first = np.log(prior)[None]
    return softmax(np.cumsum(np.concatenate([first, log_p + first]), axis=0))


def each_by_itself(log_p, prior):
    first = np.log(prior)[None]
    return softmax(np.concatenate([first, first + log_p]))


def without_a_maximum(log_p, prior):
    first = np.log(prior)[None]
    p = np.exp(np.concatenate([first, first + np.cumsum(log_p, axis=0)]))
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("answer", [read, read_one_by_one])
def test_reading_accepts_right_answers(answer):
    verdict = reading(answer)
    assert verdict.passed, verdict.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda log_p, prior: read(log_p, prior)[1:], "Row 0 is missing"),
        (lambda log_p, prior: read(log_p, prior)[:-1], "last row is missing"),
        (lambda log_p, prior: read(log_p, np.full(3, 1 / 3)), "prior is left out"),
        (each_by_itself, "forgotten"),
        (prior_at_every_pixel, "It counts once"),
        (lambda log_p, prior: read(log_p[::-1], prior), "from the last to the first"),
        (
            lambda log_p, prior: softmax(np.log(read_one_by_one(log_p, prior)), 0),
            "Each column",
        ),
        (without_a_maximum, "np.exp of that is 0"),
        (lambda log_p, prior: read(log_p, prior).T, "another shape"),
        (lambda log_p, prior: read(log_p, prior)[:, ::-1], "not the right numbers"),
        (lambda log_p, prior: "read", "Return an array (P + 1, K)"),
        (lambda log_p, prior: log_p / [], "raised"),
    ],
)
def test_reading_names_the_mistake(answer, words):
    verdict = reading(answer)
    assert verdict.status == "wrong"
    assert words in verdict.text


@pytest.mark.parametrize("judge", [posterior, mixture_nats, reading])
def test_a_blank_is_not_yet(judge):
    for blank in (..., lambda *arguments: ..., lambda *arguments: None):
        assert judge(blank).status == "not yet"
    assert judge(lambda *arguments: [[0.5, ...]]).status == "not yet"
    assert "Hint 2" in judge(..., hint=2).text
