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

LN2 = math.log(2)
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
    yield 12.0, 0, 0.5


def _along(gradient):
    """A step along another direction, ``gradient(p, pixel, logit)``."""
    return lambda logit, pixel, rate: (
        logit - rate * gradient(_sigmoid(logit), pixel, logit)
    )


gradient_step = Exercise(
    _gradient_step,
    cases=_steps,
    describe="logit {:.3f}, pixel {}, learning rate {:.3f}",
    mistakes={
        "the sign is turned, so the step makes the pixel less likely.": _along(
            lambda p, pixel, logit: pixel - p
        ),
        "the learning rate is missing.": Mistake(
            lambda logit, pixel, rate: logit - (_sigmoid(logit) - pixel), hint=2
        ),
        "this is the gradient, not the logit after the step.": Mistake(
            lambda logit, pixel, rate: _sigmoid(logit) - pixel, hint=2
        ),
        "the pixel does not enter: every step goes toward paper.": _along(
            lambda p, pixel, logit: p
        ),
        "this is the gradient with respect to p; the step is taken on the logit, so it "
        "still has to be multiplied by p(1 - p).": _along(
            lambda p, pixel, logit: -1 / p if pixel else 1 / (1 - p)
        ),
        "that is the loss, not its gradient.": _along(
            lambda p, pixel, logit: -math.log(p if pixel else 1 - p)
        ),
        "that is squared error's gradient: under -log p the factor p(1 - p) cancels.": (
            _along(lambda p, pixel, logit: (p - pixel) * p * (1 - p))
        ),
        "the logit was used as if it were the probability.": _along(
            lambda p, pixel, logit: logit - pixel
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


def _nats(model, images, seed=0):
    return evaluation.nats_per_image(model, data.binarize(images, seed=seed))


def _changed(change):
    """The nats of each image are changed before they are summed up."""
    return lambda model, images: _summary(change(_nats(model, images)))


def _with_error(error):
    """The mean is right; the error is made of the nats."""

    def evaluate(model, images):
        nats = _nats(model, images)
        return nats.mean(), error(nats)

    return evaluate


def _scored(shown, against):
    """``shown(images)`` is shown to the model, its output scored ``against(images)``."""

    def evaluate(model, images):
        logits, x = np.asarray(model(shown(images))), against(images)
        return _summary((np.logaddexp(0, logits) - x * logits).sum(axis=(1, 2, 3)))

    return evaluate


def _batches(nats):
    return np.split(nats, range(32, len(nats), 32))


def _drawn(images):
    return data.binarize(images, seed=0)


def _in_two_terms(ink, paper):
    """A pixel's nats have two terms: one reads ``ink(images)``, one ``paper(images)``."""

    def evaluate(model, images):
        logits = np.asarray(model(_drawn(images)))
        nats = ink(images) * np.logaddexp(0, -logits)
        nats += (1 - paper(images)) * np.logaddexp(0, logits)
        return _summary(nats.sum(axis=(1, 2, 3)))

    return evaluate


def _by_probabilities(model, images):
    """In float32, where the sigmoid of a logit above 17 is 1."""
    images = _drawn(images)
    p = 1 / (1 + np.exp(-np.asarray(model(images))))
    p = np.clip(p, 1e-7, 1 - 1e-7)
    nats = -(images * np.log(p) + (1 - images) * np.log(1 - p))
    return _summary(nats.sum(axis=(1, 2, 3)))


def _by_column(images):
    uniforms = np.random.default_rng(0).random((len(images), 1, 28, 1))
    return np.float32(uniforms < images)


def _gray(images):
    return images


def _coins():
    """Images of 0 and 1 under one coin for all pixels: without gray nothing is drawn."""
    rng = np.random.default_rng(1)
    ink = rng.uniform(0.05, 0.6, (_COUNT, 1, 1, 1))
    images = (rng.random((_COUNT, 28, 28, 1)) < ink).astype("float32")
    images[0], images[-1] = 0, 1  # leaving one out changes the mean
    # rows that begin with ink: there a model that reads the left neighbor tells whether
    # each image was scored under its own logits
    rows = np.arange(28) < rng.integers(1, 28, (_COUNT, 28, 1))
    rows = rows[..., None].astype("float32")
    return [
        (0.0, 0.0, images),
        (-1.5, 0.0, images),
        (-2.0, 4.0, rows),
        (20.0, 0.0, images),  # in float32 the probability of ink is 1
    ]


def _one_coin(logit):
    return f"under one coin for all pixels, p(ink) = {_sigmoid(logit):.2f}"


def _mean_or_error(expected, actual, *case):
    """Show the mean if it is wrong, else its error."""
    right = evaluate.same(actual[0], expected[0], 0)
    words = {"expected": expected[right], "actual": actual[right]}
    return {word: f"{'± ' * right}{part:.4g}" for word, part in words.items()}


def _judge_evaluate(answer):
    evaluate.judge_by_cases(answer)
    _judge_drawn_images(answer, 2.0)
    _judge_drawn_images(answer, -2.0)
    _judge_what_the_model_is_shown(answer)


def _judge_drawn_images(answer, logit):
    """Gray 0.3 everywhere: drawn, thresholded and gray pixels give three means."""
    gray = 0.3
    images = np.full((_COUNT, 28, 28, 1), gray, "float32")
    mean, error = evaluate.result(asking(answer), (logit, 0.0, images))
    paper = 784 * math.log1p(math.exp(logit))
    expected = paper - logit * 784 * gray
    spread = abs(logit) * math.sqrt(784 * gray * (1 - gray) / _COUNT)
    words = {"case": f"{_COUNT} images of gray {gray}, {_one_coin(logit)}"}
    means = {"expected": f"{expected:.0f}", "actual": f"{mean:.0f}"}
    if abs(mean - paper) < 1e-3 * paper:
        raise Wrong("the images were thresholded", **words, **means)
    errors = {"expected": f"± {spread:.2f}", "actual": f"± {error:.2f}"}
    if error < 0.05 * spread:
        raise Wrong("every image got the same nats", **words, **errors)
    if error < 0.6 * spread:
        raise Wrong("vary too little", **words, **errors)
    if error > 1.6 * spread:
        raise Wrong("several pixels of an image share", **words, **errors)
    if abs(mean - expected) > 6 * spread:
        raise Wrong("the share of ink drawn", **words, **means)


def _judge_what_the_model_is_shown(answer):
    """A model that reads its left neighbor tells whether it was shown gray.

    A model that reads the pixel itself (it is not causal) pays almost nothing if it was
    shown the draw that is scored.
    """
    gray, weight = 0.3, 4.0
    images = np.full((_COUNT, 28, 28, 1), gray, "float32")
    mean, error = evaluate.result(asking(answer), (0.0, weight, images))

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
    if abs(mean - expected) > 8 * max(error, 1.5):
        raise Wrong("not shown the images that were scored", **words)
    mean, _ = evaluate.result(asking(answer), (-10.0, 0.0, images + 0.2, 20.0))
    words = {"case": "a model that reads the pixel itself", "expected": "0.04"}
    if mean > 1:
        raise Wrong(
            "not shown the images that were scored", actual=f"{mean:.0f}", **words
        )


def _model(bias, left, own):
    """Return a model of a bias and of two weights, the same in every pixel.

    ``left``: of the left neighbor. ``own``: of the pixel itself.
    """
    model = _one_model()
    kernel = np.zeros((3, 3, 1, 1), "float32")
    kernel[1, :2, 0, 0] = left, own
    model.set_weights([kernel, np.full(1, bias, "float32")])
    return model


@functools.cache
def _one_model():
    """One model for all cases, since TensorFlow compiles (and warns) for each."""
    inputs = keras.Input((28, 28, 1))
    outputs = MaskedConv2D(1, 3, "B")(inputs)
    return ImageModel(inputs, outputs, likelihood=Bernoulli())


evaluate = Exercise(
    _evaluate,
    judge=_judge_evaluate,
    cases=_coins,
    run=lambda answer, bias, left, images, own=0.0: answer(
        _model(bias, left, own), images
    ),
    read=pair("two numbers are asked for, the mean and its standard error.", ()),
    describe=lambda bias, left, images: (
        f"{len(images)} images under a model that reads the left neighbor"
        if left
        else f"{len(images)} images {_one_coin(bias)}"
    ),
    mistakes={
        "two numbers are asked for, the mean and its standard error.": Mistake(
            lambda model, images: _nats(model, images).mean(),
            lambda model, images: _nats(model, images),
        ),
        "that is nats per pixel; an image has 784.": _changed(lambda nats: nats / 784),
        "those are bits; nats are natural logarithms.": _changed(
            lambda nats: nats / LN2
        ),
        "those are bits per dimension, not nats per image.": _changed(
            lambda nats: nats / 784 / LN2
        ),
        "that is the sum over the images, not their mean.": _changed(
            lambda nats: nats * len(nats)
        ),
        "each image counts once. The last batch is smaller: do not leave it out, and do "
        "not average the means of batches.": Mistake(
            _changed(lambda nats: nats[: len(nats) // 32 * 32]),
            _changed(lambda nats: np.array([b.mean() for b in _batches(nats)])),
        ),
        "the sign is turned: nats are minus the log-probability.": Mistake(
            _changed(lambda nats: -nats), hint=2
        ),
        "that is the spread of single images, not the standard error of their mean: "
        "divide by √N.": _with_error(lambda nats: nats.std(ddof=1)),
        "that is the variance.": _with_error(lambda nats: nats.var()),
        "divided by N, where √N belongs.": _with_error(
            lambda nats: nats.std() / len(nats)
        ),
        "the standard error of nats per pixel.": _with_error(
            lambda nats: _summary(nats)[1] / 784
        ),
        "the standard error is in bits, the mean in nats.": _with_error(
            lambda nats: _summary(nats)[1] / LN2
        ),
        "the images were thresholded: no pixel of gray 0.3 became ink. Under a threshold "
        "the task is another one.": lambda model, images: _summary(
            evaluation.nats_per_image(model, data.binarize(images, threshold=0.5))
        ),
        "every image got the same nats: gray values were scored as if they were pixels, "
        "one draw was used for all images, or all gray pixels became ink.": Mistake(
            _scored(_gray, _gray), _scored(np.ceil, np.ceil)
        ),
        "the nats vary too little from draw to draw: both terms of a pixel's nats need the "
        "pixel that was drawn, not its gray value.": Mistake(
            _in_two_terms(_drawn, _gray), _in_two_terms(_gray, _drawn)
        ),
        "a probability near 0 or 1 was rounded or clipped. Compute the nats from the "
        "logits.": Mistake(
            _by_probabilities,
            fits=lambda actual, expected, bias, *_: bias > 17,
        ),
        "several pixels of an image share a random number, so its nats vary too much. Each "
        "pixel is drawn by itself.": _scored(_by_column, _by_column),
        "the share of ink drawn is not the gray value.": (
            lambda model, images: _evaluate(model, np.minimum(images * 1.5, 1))
        ),
        "the model was shown the gray image, and its output scored against the drawn one: "
        "it must read the pixels that were drawn.": _scored(_gray, _drawn),
        "the model was not shown the images that were scored: it saw other images, or the "
        "same in another order. Each image is scored under its own logits.": Mistake(
            _scored(np.zeros_like, _drawn),
            _scored(lambda images: _drawn(images)[::-1], _drawn),
            _scored(lambda images: _drawn(images)[:1], _drawn),
            _scored(lambda images: _drawn(images)[:, :, ::-1], _drawn),
            _scored(_drawn, lambda images: data.binarize(images, seed=1)),
        ),
    },
    hints=(
        "Draw the pixels first: data.binarize(images). Then nats of each image, then two "
        "numbers: their mean, and their standard deviation over the square root of N.",
        "evaluation.nats_per_image(model, data.binarize(images, seed=0)) returns (N,) "
        "nats.",
    ),
    shape="two numbers are asked for, the mean and its standard error.",
    otherwise=("the mean is another one.", "the error is another one."),
    rtol=(1e-3, 0.02),
    atol=(0, 1e-3),
    show=_mean_or_error,
    praise="A fair coin per pixel costs 784 ln 2 = 543.4 nats, with standard error 0.",
)


def _adam(
    gradients,
    learning_rate,
    beta_1,
    beta_2,
    *,
    correct_m=True,
    correct_v=True,
    power=0.5,
    inside=0.0,
    epsilon=1e-7,
    new=None,
    first=1,
):
    """A weight's path under Adam.

    ``gradients`` is a list of T floats, the gradient seen at each step; the weight
    starts at 0. The result is T floats: the weight after each step of Adam (arXiv
    1412.6980, algorithm 1, with epsilon 1e-7).
    """
    m = v = weight = 0.0
    path = []
    for t, gradient in enumerate(gradients, first):
        m = beta_1 * m + (new or 1 - beta_1) * gradient
        v = beta_2 * v + (new or 1 - beta_2) * gradient**2
        m_hat = m / (1 - beta_1**t) if correct_m else m
        v_hat = v / (1 - beta_2**t) if correct_v else v
        weight -= learning_rate * m_hat / ((v_hat + inside) ** power + epsilon)
        path.append(weight)
    return path


def _gradients():
    rng = np.random.default_rng(2)
    for steps in (1, 6, 12):
        yield rng.normal(0.5, 1, steps).tolist(), 0.1, 0.9, 0.95
    yield [3.0, -0.5, 0.25, 0.0, 0.5], 0.1, 0.8, 0.95
    # Epsilon shows beside small gradients. (Keras divides by sqrt(1 - beta_2**t) in
    # another place, so that its epsilon is larger, unless beta_2 is small.)
    yield [1e-4, 2e-4, 1e-4], 1.0, 0.9, 0.1


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
            then(lambda right: [0.0, *right]),
            fits=lambda actual, expected, *_: (
                actual.shape == (len(expected) + 1,) and actual[0] == 0
            ),
            any_shape=True,
            hint=0,
        ),
        "the sign is turned: it climbs.": then(
            lambda right: [-weight for weight in right]
        ),
        "the bias is not corrected: m and v start at 0 and need to be divided by "
        "1 - beta**t.": but(correct_m=False, correct_v=False),
        "v is not corrected for its start at 0.": Mistake(but(correct_v=False), hint=2),
        "m is not corrected for its start at 0.": Mistake(but(correct_m=False), hint=2),
        "v is not under a square root.": Mistake(but(power=1), hint=2),
        "epsilon is added to v under the square root. Add it to the square root.": Mistake(
            but(inside=1e-7, epsilon=0.0), hint=2
        ),
        "epsilon is too small, 1e-8 or 0. It should be 1e-7, as in Keras.": Mistake(
            but(epsilon=1e-8), hint=2
        ),
        "the factor 1 - beta is missing in the running means.": but(new=1.0),
        "these are the steps; the path adds them up.": then(
            lambda right: np.diff(right, prepend=0)
        ),
        "v is not used: this is gradient descent, plain or along the mean m.": (
            lambda gradients, rate, beta_1, beta_2: -rate * np.cumsum(gradients)
        ),
        "other values of beta_1 and beta_2 are not used.": Mistake(
            lambda gradients, rate, beta_1, beta_2: _adam(gradients, rate, 0.9, 0.95),
            hint=0,
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
