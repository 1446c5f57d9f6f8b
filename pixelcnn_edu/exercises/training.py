"""Exercises of notebook 07: a step of gradient descent, honest evaluation, Adam."""

import functools
import math

from pixelcnn_edu import data, evaluation
from pixelcnn_edu.exercises._answers import Wrong, asking, pair
from pixelcnn_edu.exercises._declared import Exercise, Mistake, but, then
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli
from pixelcnn_edu.models import ImageModel

import keras
import numpy as np

_COUNT = 72  # images of a case: two batches of model.predict, and a smaller one


def _sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def _gradient_step(logit, pixel, learning_rate):
    """The logit after one step of gradient descent.

    The loss is -log p(pixel) in nats under p(ink) = sigmoid(logit); pixel is 0 or 1;
    all arguments and the result are floats.
    """
    return logit - learning_rate * (_sigmoid(logit) - pixel)


def _steps():
    rng = np.random.default_rng(0)
    for _ in range(20):
        logit, rate = float(rng.normal(0, 2)), float(rng.uniform(0.1, 2))
        yield logit, int(rng.integers(2)), rate


def _along(gradient):
    """A step along another direction, ``gradient(p, pixel)``."""
    return lambda logit, pixel, rate: logit - rate * gradient(_sigmoid(logit), pixel)


gradient_step = Exercise(
    _gradient_step,
    cases=_steps,
    describe="logit {:.3f}, pixel {}, learning rate {:.3f}",
    mistakes={
        "the sign is turned, so the step makes the pixel less likely.": _along(
            lambda p, pixel: pixel - p
        ),
        "the pixel does not enter: every step goes toward paper.": _along(
            lambda p, pixel: p
        ),
        "this is the gradient with respect to p; the step is taken on the logit, so it "
        "still has to be multiplied by p(1 - p).": _along(
            lambda p, pixel: -1 / p if pixel else 1 / (1 - p)
        ),
        "that is squared error's gradient: under -log p the factor p(1 - p) cancels.": (
            _along(lambda p, pixel: (p - pixel) * p * (1 - p))
        ),
    },
    hints=(
        "The gradient of the nats with respect to the logit is sigmoid(logit) - pixel.",
        "Gradient descent goes against the gradient: logit - learning_rate * gradient.",
    ),
    otherwise="the logit after the step is another one.",
    praise="The gradient is p - pixel, never larger than 1: one pixel cannot push a logit "
    "by more than the learning rate.",
    rtol=0,
    atol=1e-5,
)


def _evaluate(model, images):
    """Mean nats per image, and the standard error of that mean.

    ``model`` is a model of this package with two levels; ``images`` are gray, float32
    (N, 28, 28, 1) in [0, 1], and are to be drawn as ink or paper, not thresholded.
    """
    return _summary(_nats(model, images))


def _summary(nats):
    return nats.mean(), nats.std(ddof=1) / math.sqrt(len(nats))


def _nats(model, images):
    return evaluation.nats_per_image(model, _drawn(images))


def _drawn(images):
    return data.binarize(images, seed=0)


def _shown_gray(scored):
    """The model is shown the gray images, its output is scored ``scored(images)``."""

    def evaluate(model, images):
        logits, x = np.asarray(model(images)), scored(images)
        return _summary((np.logaddexp(0, logits) - x * logits).sum(axis=(1, 2, 3)))

    return evaluate


def _cases_of_ink():
    """Weights of a model, and images of 0 and 1: without gray nothing is drawn."""
    rng = np.random.default_rng(1)
    ink = rng.uniform(0.05, 0.6, (_COUNT, 1, 1, 1))
    images = (rng.random((_COUNT, 28, 28, 1)) < ink).astype("float32")
    images[0], images[-1] = 0, 1  # leaving one out changes the mean
    # rows that begin with ink: there a model that reads the left neighbor tells whether
    # each image was scored under its own logits
    rows = np.arange(28) < rng.integers(1, 28, (_COUNT, 28, 1))
    return [
        (0.0, 0.0, images),
        (-1.5, 0.0, images),
        (-2.0, 4.0, rows[..., None].astype("float32")),
        (20.0, 0.0, images),  # in float32 the probability of ink is 1
    ]


def _one_coin(logit):
    return f"under one coin for all pixels, p(ink) = {_sigmoid(logit):.2f}"


def _mean_or_error(expected, actual, *case):
    """Show the mean if it is wrong, else its error."""
    mean_is_right, _ = evaluate.right_parts(actual, expected)
    words = {"expected": expected[mean_is_right], "actual": actual[mean_is_right]}
    return {word: f"{'± ' * mean_is_right}{part:.4g}" for word, part in words.items()}


def _judge_evaluate(answer):
    evaluate.judge_by_cases(answer)
    gray, logit = 0.3, 2.0
    images = np.full((_COUNT, 28, 28, 1), gray, "float32")
    mean, error = evaluate.result(asking(answer), (logit, 0.0, images))
    all_paper = 784 * math.log1p(math.exp(logit))
    expected = all_paper - logit * 784 * gray
    spread = logit * math.sqrt(784 * gray * (1 - gray) / _COUNT)
    words = {"case": f"{_COUNT} images of gray {gray}, {_one_coin(logit)}"}
    means = {"expected": f"{expected:.0f}", "actual": f"{mean:.0f}"}
    errors = {"expected": f"± {spread:.2f}", "actual": f"± {error:.2f}"}
    if abs(mean - all_paper) < 1:
        raise Wrong("the images were thresholded", **words, **means)
    if error < 0.05 * spread:
        raise Wrong("every image got the same nats", **words, **errors)
    if not 0.6 * spread < error < 1.6 * spread:
        raise Wrong("the error is another one.", **words, **errors)
    if not abs(mean - expected) < 6 * spread:
        raise Wrong("the mean is another one.", **words, **means)

    weight = 4.0
    mean, _ = evaluate.result(asking(answer), (0.0, weight, images))

    def cost(left):  # of a pixel drawn with p(ink) = gray
        logit = weight * left
        return math.log1p(math.exp(logit)) - gray * logit

    expected = 756 * (gray * cost(1) + (1 - gray) * cost(0)) + 28 * cost(0)
    words = {
        "case": "a model that reads the left neighbor",
        "expected": f"{expected:.0f}",
        "actual": f"{mean:.0f}",
    }
    if abs(mean - 756 * cost(gray) - 28 * cost(0)) < 8:
        raise Wrong("the model was shown the gray image", **words)
    if not abs(mean - expected) < 25:
        raise Wrong("the mean is another one.", **words)


def _model(bias, left):
    """Return a model of a bias and a weight of the left neighbor, alike in every pixel."""
    model = _one_model()
    kernel = np.zeros((3, 3, 1, 1), "float32")
    kernel[1, 0, 0, 0] = left
    model.set_weights([kernel, np.full(1, bias, "float32")])
    return model


@functools.cache
def _one_model():
    """One model for all cases, since TensorFlow compiles (and warns) for each."""
    inputs = keras.Input((28, 28, 1))
    outputs = MaskedConv2D(1, 3, "A")(inputs)
    return ImageModel(inputs, outputs, likelihood=Bernoulli())


_TWO_NUMBERS = "two numbers are asked for, the mean and its standard error."

evaluate = Exercise(
    _evaluate,
    judge=_judge_evaluate,
    cases=_cases_of_ink,
    run=lambda answer, bias, left, images: answer(_model(bias, left), images),
    read=pair(_TWO_NUMBERS, ()),
    describe=lambda bias, left, images: (
        f"{len(images)} images under a model that reads the left neighbor"
        if left
        else f"{len(images)} images {_one_coin(bias)}"
    ),
    mistakes={
        "that is nats per pixel; an image has 784.": (
            lambda model, images: _summary(_nats(model, images) / 784)
        ),
        "that is the spread of single images, not the standard error of their mean: "
        "divide by √N.": lambda model, images: (
            _nats(model, images).mean(),
            _nats(model, images).std(ddof=1),
        ),
        "the images were thresholded: no pixel of gray 0.3 became ink. Under a threshold "
        "the task is another one.": lambda model, images: _summary(
            evaluation.nats_per_image(model, data.binarize(images, threshold=0.5))
        ),
        "every image got the same nats: gray values were scored as if they were pixels, "
        "one draw was used for all images, or all gray pixels became ink.": _shown_gray(
            lambda images: images
        ),
        "the model was shown the gray image, and its output scored against the drawn one: "
        "it must read the pixels that were drawn.": _shown_gray(_drawn),
    },
    hints=(
        "Draw the pixels first: data.binarize(images). Then nats of each image, then two "
        "numbers: their mean, and their standard deviation over the square root of N.",
        "evaluation.nats_per_image(model, data.binarize(images, seed=0)) returns (N,) "
        "nats.",
    ),
    shape=_TWO_NUMBERS,
    otherwise=("the mean is another one.", "the error is another one."),
    rtol=(1e-3, 0.02),
    atol=(0, 1e-3),
    show=_mean_or_error,
    praise="A fair coin per pixel costs 784 ln 2 = 543.4 nats, with standard error 0.",
)


def _adam(gradients, learning_rate, beta_1, beta_2, *, corrected=True, first=1):
    """A weight's path under Adam.

    ``gradients`` is a list of T floats, the gradient seen at each step; the weight
    starts at 0. The result is T floats: the weight after each step of Adam (arXiv
    1412.6980, algorithm 1, with epsilon 1e-7).
    """
    m = v = weight = 0.0
    path = []
    for t, gradient in enumerate(gradients, first):
        m = beta_1 * m + (1 - beta_1) * gradient
        v = beta_2 * v + (1 - beta_2) * gradient**2
        m_hat = m / (1 - beta_1**t) if corrected else m
        v_hat = v / (1 - beta_2**t) if corrected else v
        weight -= learning_rate * m_hat / (math.sqrt(v_hat) + 1e-7)
        path.append(weight)
    return path


def _gradients():
    rng = np.random.default_rng(2)
    for steps in (1, 6, 12):
        yield rng.normal(0.5, 1, steps).tolist(), 0.1, 0.9, 0.95
    yield [3.0, -0.5, 0.25, 0.0, 0.5], 0.1, 0.8, 0.95


adam = Exercise(
    _adam,
    cases=_gradients,
    describe=lambda gradients, rate, beta_1, beta_2: (
        f"gradients {[float(f'{g:.2f}') or g for g in gradients]}, learning rate "
        f"{rate}, betas {beta_1} and {beta_2}"
    ),
    mistakes={
        "it divides by 0. t counts from 1: at t = 0, 1 - beta**t is 0.": Mistake(
            but(first=0),
            raises=lambda error, *_: isinstance(error, ZeroDivisionError),
            hint=2,
        ),
        "the starting value 0 is in the path; return the T values after it.": Mistake(
            then(lambda right: [0.0, *right]), hint=0
        ),
        "the sign is turned: it climbs.": then(
            lambda right: [-weight for weight in right]
        ),
        "the bias is not corrected: m and v start at 0 and need to be divided by "
        "1 - beta**t.": but(corrected=False),
        "these are the steps; the path adds them up.": then(
            lambda right: np.diff(right, prepend=0)
        ),
    },
    hints=(
        "Keep two running means: m of the gradient, v of its square, both from 0.",
        "After t steps m is too small by the factor 1 - beta_1**t, v by 1 - beta_2**t: "
        "divide before the step of learning_rate * m / (sqrt(v) + 1e-7).",
    ),
    shape="the path needs one value for each step.",
    otherwise="the path is another one.",
    praise="Equal to keras.optimizers.Adam for gradients far above epsilon. For these the "
    "first step is as long as the learning rate, whatever the gradient.",
    rtol=1e-4,
    atol=1e-4,
)
