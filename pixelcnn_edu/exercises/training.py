"""Exercises of notebook 07: a step of gradient descent, honest evaluation, Adam."""

import functools
import math

from pixelcnn_edu.exercises._check import Blank, Wrong, called, check, close
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli
from pixelcnn_edu.models import ImageModel

import keras
import numpy as np

LN2 = math.log(2)
_COUNT = 64  # images of a case: two batches of model.predict


@check(
    "The slope of the nats with respect to the logit is sigmoid(logit) - pixel.",
    "Gradient descent goes against the slope: logit - learning_rate * slope.",
)
def gradient_step(answer):
    """Judge ``answer(logit, pixel, learning_rate)`` → the logit after one step.

    The loss is -log p(pixel) in nats under p(ink) = sigmoid(logit); pixel is 0 or 1;
    all arguments and the result are floats.
    """
    rng = np.random.default_rng(0)
    for _ in range(20):
        logit, rate = float(rng.normal(0, 2)), float(rng.uniform(0.1, 2))
        pixel = int(rng.integers(2))
        p = 1 / (1 + math.exp(-logit))
        right = logit - rate * (p - pixel)
        given = float(called(answer, logit, pixel, rate))
        if abs(given - right) <= 1e-5:
            continue
        of_p = -1 / p if pixel else 1 / (1 - p)
        loss = -math.log(p if pixel else 1 - p)
        mistakes = {
            "the sign is turned, so the step makes the pixel less likely.": logit
            + rate * (p - pixel),
            "the learning rate is missing.": logit - (p - pixel),
            "this is the slope, not the logit after the step.": p - pixel,
            "the pixel does not enter: every step goes toward paper.": logit - rate * p,
            "this is the slope with respect to p; the step is taken on the logit, "
            "so it still has to be multiplied by p(1 - p).": logit - rate * of_p,
            "that is the loss, not its slope.": logit - rate * loss,
            "that is squared error's slope: under -log p the factor p(1 - p) cancels.": (
                logit - rate * (p - pixel) * p * (1 - p)
            ),
            "the logit was used as if it were the probability.": logit
            - rate * (logit - pixel),
        }
        named = (w for w, wrong in mistakes.items() if abs(given - wrong) <= 1e-5)
        raise Wrong(
            next(named, "the logit after the step is another one."),
            case=f"logit {logit:.3f}, pixel {pixel}, learning rate {rate:.3f}",
            expected=right,
            actual=given,
        )
    return (
        "The slope is p - pixel, never larger than 1: one pixel cannot push a logit by "
        "more than the learning rate."
    )


@check(
    "Draw the pixels first: data.binarize(images). Then nats of each image, then two "
    "numbers: their mean, and their standard deviation over the square root of N.",
    "evaluation.nats_per_image(model, data.binarize(images, seed=0)) returns (N,) nats.",
)
def evaluate(answer):
    """Judge ``answer(model, images)`` → (mean nats per image, standard error).

    ``model`` is a model of this package with two levels; ``images`` are gray, float32
    (N, 28, 28, 1) in [0, 1], and are to be drawn as ink or paper, not thresholded.
    """
    _evaluates_binary_images(answer)
    _evaluates_drawn_images(answer)
    _shows_the_model_drawn_images(answer)
    return "A fair coin per pixel costs 784 ln 2 = 543.4 nats, with standard error 0."


def _evaluates_binary_images(answer):
    """Without gray there is nothing to draw: mean and error are known exactly."""
    rng = np.random.default_rng(1)
    ink = rng.uniform(0.05, 0.6, (_COUNT, 1, 1, 1))
    images = (rng.random((_COUNT, 28, 28, 1)) < ink).astype("float32")
    for logit in (0.0, -1.5):
        nats = _coin_nats(logit, images)
        mean, spread = nats.mean(), nats.std(ddof=1)
        given, error = _pair(answer, _coin(logit), images)
        case = (
            f"{_COUNT} images under one coin for all pixels, p(ink) = {_p(logit):.2f}"
        )
        words = {"case": case, "expected": f"{mean:.4g}", "actual": f"{given:.4g}"}
        if abs(given - mean) > 1e-3 * mean:
            mistakes = {
                "that is nats per pixel; an image has 784.": mean / 784,
                "those are bits; nats are natural logarithms.": mean / LN2,
                "those are bits per dimension, not nats per image.": mean / 784 / LN2,
                "that is the sum over the images, not their mean.": nats.sum(),
                "the sign is turned: nats are minus the log-probability.": -mean,
            }
            raise Wrong(_named(given, mistakes, "the mean is another one."), **words)
        right = spread / math.sqrt(_COUNT)
        if abs(error - right) > 0.02 * right + 1e-3:
            mistakes = {
                "that is the spread of single images, not the standard error of their "
                "mean: divide by √N.": spread,
                "that is the variance.": spread**2,
                "divided by N, where √N belongs.": spread / _COUNT,
                "the standard error of nats per pixel.": right / 784,
                "the standard error is in bits, the mean in nats.": right / LN2,
            }
            words |= {"expected": f"± {right:.4g}", "actual": f"± {error:.4g}"}
            raise Wrong(_named(error, mistakes, "the error is another one."), **words)


def _evaluates_drawn_images(answer):
    """Gray 0.3 everywhere: drawn, thresholded and gray pixels give three means."""
    gray, logit = 0.3, 2.0
    images = np.full((_COUNT, 28, 28, 1), gray, "float32")
    mean, error = _pair(answer, _coin(logit), images)
    paper = 784 * math.log1p(math.exp(logit))
    expected = paper - logit * 784 * gray
    spread = abs(logit) * math.sqrt(784 * gray * (1 - gray) / _COUNT)
    case = f"{_COUNT} images that are gray {gray} all over"
    words = {"case": case, "expected": f"{expected:.0f}", "actual": f"{mean:.0f}"}
    if abs(mean - paper) < 1e-3 * paper:
        raise Wrong(
            "the images were thresholded: no pixel of gray 0.3 became ink. Under a "
            "threshold the task is another one.",
            **words,
        )
    if error < 0.05 * spread:
        raise Wrong(
            "every image got the same nats: gray values were scored as if they were "
            "pixels, or one draw was used for all images.",
            case=case,
            expected=f"± {spread:.2f}",
            actual=f"± {error:.2f}",
        )
    if abs(mean - expected) > 6 * spread:
        raise Wrong(
            "the share of ink drawn is not the gray value.",
            **words,
        )


def _shows_the_model_drawn_images(answer):
    """A model that reads its left neighbor tells whether it was shown gray."""
    gray, weight = 0.3, 4.0
    images = np.full((_COUNT, 28, 28, 1), gray, "float32")
    mean, error = _pair(answer, _left_neighbor(weight), images)

    def cost(left):  # of a pixel drawn with p(ink) = gray
        logit = weight * left
        return math.log1p(math.exp(logit)) - gray * logit

    inside = gray * cost(1) + (1 - gray) * cost(0)
    expected = 756 * inside + 28 * cost(0)
    shown_gray = 756 * cost(gray) + 28 * cost(0)
    words = {
        "case": "a model that reads the left neighbor",
        "expected": f"{expected:.0f}",
        "actual": f"{mean:.0f}",
    }
    if abs(mean - shown_gray) < 8:
        raise Wrong(
            "the model was shown the gray image, and its output scored against the drawn "
            "one: it must read the pixels that were drawn.",
            **words,
        )
    if abs(mean - expected) > 8 * max(error, 1.5):
        raise Wrong("the model was not shown the images that were scored.", **words)


@check(
    "Keep two running means: m of the gradient, v of its square, both from 0.",
    "After t steps m is too small by the factor 1 - beta_1**t, v by 1 - beta_2**t: "
    "divide before the step of learning_rate * m / (sqrt(v) + 1e-7).",
)
def adam(answer):
    """Judge ``answer(gradients, learning_rate, beta_1, beta_2)`` → a weight's path.

    ``gradients`` is a list of T floats, the slope seen at each step; the weight starts
    at 0. The result is T floats: the weight after each step of Adam (arXiv 1412.6980,
    algorithm 1, with epsilon 1e-7).
    """
    rng = np.random.default_rng(2)
    for steps in (1, 6, 12):
        gradients = rng.normal(0.5, 1, steps).tolist()
        rate, beta_1, beta_2 = 0.1, 0.9, 0.95
        right = _adam(gradients, rate, beta_1, beta_2)
        try:
            given = called(answer, list(gradients), rate, beta_1, beta_2)
        except ZeroDivisionError:
            raise Wrong(
                "it divides by 0. t counts from 1: at t = 0, 1 - beta**t is 0."
            ) from None
        if any(value is ... for value in given):
            raise Blank
        given = np.array([float(value) for value in given])
        shown = np.round(gradients, 2).tolist()
        words = {
            "case": f"gradients {shown}, learning rate 0.1, betas 0.9 and 0.95",
            "expected": right,
            "actual": given,
        }
        if given.shape != right.shape:
            starts = given.shape == (steps + 1,) and given[0] == 0
            raise Wrong(
                "the starting value 0 is in the path; return the T values after it."
                if starts
                else f"the path has {given.size} values for {steps} steps.",
                **words,
            )
        if close(given, right, 1e-4):
            continue
        variants = functools.partial(_adam, gradients, rate, beta_1, beta_2)
        mistakes = {
            "the sign is turned: it climbs.": -right,
            "the bias is not corrected: m and v start at 0 and need to be divided by "
            "1 - beta**t.": variants(correct_m=False, correct_v=False),
            "v is not corrected for its start at 0.": variants(correct_v=False),
            "m is not corrected for its start at 0.": variants(correct_m=False),
            "v is not under a square root.": variants(power=1.0),
            "the factor 1 - beta is missing in the running means.": variants(new=1.0),
            "these are the steps; the path adds them up.": np.diff(right, prepend=0),
            "this is plain gradient descent.": -rate * np.cumsum(gradients),
        }
        raise Wrong(_named(given, mistakes, "the path is another one."), **words)
    _as_keras(answer)
    return (
        "Equal to keras.optimizers.Adam. The first step always has the length of the "
        "learning rate, whatever the gradient."
    )


def _as_keras(answer):
    gradients = [3.0, -0.5, 0.25]
    weight = keras.Variable(0.0)
    optimizer = keras.optimizers.Adam(0.1, 0.8, 0.95)
    path = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        path.append(float(weight))
    given = np.array([float(v) for v in answer(gradients, 0.1, 0.8, 0.95)])
    if not close(given, path, 1e-4):
        raise Wrong(
            "other values of beta_1 and beta_2 are not used.",
            case="beta_1 0.8, beta_2 0.95",
            expected=np.array(path),
            actual=given,
        )


def _adam(
    gradients, rate, beta_1, beta_2, correct_m=True, correct_v=True, power=0.5, new=None
):
    m = v = weight = 0.0
    path = []
    for t, gradient in enumerate(gradients, 1):
        m = beta_1 * m + (new or 1 - beta_1) * gradient
        v = beta_2 * v + (new or 1 - beta_2) * gradient**2
        m_hat = m / (1 - beta_1**t) if correct_m else m
        v_hat = v / (1 - beta_2**t) if correct_v else v
        weight -= rate * m_hat / (v_hat**power + 1e-7)
        path.append(weight)
    return np.array(path)


def _pair(answer, model, images):
    result = called(answer, model, images.copy())
    if isinstance(result, tuple | list) and any(part is ... for part in result):
        raise Blank
    if np.shape(result) != (2,):
        raise Wrong(
            "two numbers are asked for, the mean and its standard error.",
            expected="(mean, standard error)",
            actual=f"shape {np.shape(result)}",
        )
    return float(result[0]), float(result[1])


def _named(given, mistakes, otherwise):
    for diagnosis, wrong in mistakes.items():
        scale = max(1e-3, float(np.max(np.abs(wrong))))
        if np.shape(wrong) == np.shape(given) and close(given, wrong, 0.02 * scale):
            return diagnosis
    return otherwise


def _p(logit):
    return 1 / (1 + math.exp(-logit))


def _coin_nats(logit, images):
    ink = images.sum(axis=(1, 2, 3), dtype="float64")
    return 784 * math.log1p(math.exp(logit)) - logit * ink


def _coin(logit):
    """Return a model whose every pixel is ink with p = sigmoid(logit)."""
    return _with_weights(left=0.0, bias=logit)


def _left_neighbor(weight):
    return _with_weights(left=weight, bias=0.0)


def _with_weights(*, left, bias):
    model = _model()
    kernel = np.zeros((3, 3, 1, 1), "float32")
    kernel[1, 0] = left
    model.set_weights([kernel, np.full(1, bias, "float32")])
    return model


@functools.cache
def _model():
    """One model for all cases, since TensorFlow compiles (and warns) for each."""
    inputs = keras.Input((28, 28, 1))
    outputs = MaskedConv2D(1, 3, "A")(inputs)
    return ImageModel(inputs, outputs, likelihood=Bernoulli())
