"""Threads: calls that run at the same time answer as calls that run one by one.

The search goes over every function that reads a model, and over those that load models
and change images. All threads begin each function at the same moment and for the first
time, so that they compile together. Then each thread goes its own way through all of them.
"""

import concurrent.futures
import itertools
import threading

from pixelcnn_edu import (
    _coding_loop,
    causality,
    compression,
    data,
    evaluation,
    generation,
    pretrained,
)
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import ImageModel, gated_pixelcnn, logits_function

import keras
import numpy as np
import pytest
from effort import examples, tally
from keras import layers
from test_evaluation import randomize

pytestmark = pytest.mark.usefixtures("always_compiled")

THREADS = 3


def binary():
    """A network of two layers: small, so that it compiles fast."""
    image = keras.Input((2, 3, 1))
    x = MaskedConv2D(4, 3, "A", activation="tanh")(image)
    model = ImageModel(image, layers.Conv2D(1, 1)(x), likelihood=Bernoulli())
    randomize(model)
    return model


def colors_and_labels():
    """A network of two layers, in which a label adds its bias to the features."""
    image, label = keras.Input((1, 2, 2)), keras.Input((), dtype="int32")
    bias = layers.Reshape((1, 1, 4))(layers.Embedding(THREADS, 4)(label))
    x = layers.add([MaskedConv2D(4, 3, "A", colors=2)(image), bias])
    x = MaskedConv2D(6, 1, "B", colors=2)(layers.Activation("tanh")(x))
    how = {"likelihood": Categorical(3), "num_classes": THREADS}
    model = ImageModel([image, label], x, **how)
    randomize(model)
    return model


def copy_of(model):
    """Return an equal model, of which nothing is compiled or kept."""
    copy = ImageModel.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def calls_of_model(model, thread):
    """Return what one thread asks of a model: a name and a function for each call."""
    levels, shape = model.likelihood.levels, model.inputs[0].shape[1:]
    rng = np.random.default_rng(thread)
    images = rng.integers(0, levels, (5, *shape)) / np.float32(levels - 1)
    images = images.astype("float32")
    labels = {"labels": thread} if len(model.inputs) > 1 else {}
    label = {"label": thread} if labels else {}
    inputs = [images, *[np.full(5, thread) for _ in labels]]
    known = np.indices(shape[:2]).sum(axis=0) % 2 == 0
    seed = {"seed": thread, **labels}

    def again(**how):
        data = compression.compress(model, images, **how)
        return compression.decompress(model, data, **labels)

    def most_likely(counts):
        return counts.argmax(axis=1)

    calls = {
        "complete, particles": lambda: generation.complete(
            model, images, known, particles=3, return_ess=True, **seed
        ),
        "nats_per_image": lambda: evaluation.nats_per_image(model, images, **labels),
        "bits_per_dim": lambda: evaluation.bits_per_dim(model, images, **labels),
        "total_probability": lambda: evaluation.total_probability(model, **label),
        "dependency_matrix": lambda: causality.dependency_matrix(model, seed=thread),
        "assert_causal": lambda: causality.assert_causal(model, seed=thread),
        "logits_function": lambda: logits_function(model)(*inputs),
    }
    if not labels:
        calls["receptive_field"] = lambda: causality.receptive_field(
            model, 1, thread, images=8
        )
    for method in generation.METHODS:
        calls[f"generate, {method}"] = lambda method=method: generation.generate(
            model, 5 + thread, method=method, **seed
        )
        calls[f"complete, {method}"] = lambda method=method: generation.complete(
            model, images, known, method=method, **seed
        )
    for method in compression.METHODS:
        how = {"method": method, **labels}
        calls |= {
            f"compress, {method}": lambda how=how: compression.compress(
                model, images, **how
            ),
            f"code_length, {method}": lambda how=how: compression.code_length(
                model, images, **how
            ),
            f"choose_values, {method}": lambda how=how: compression.choose_values(
                model, 4, most_likely, **how
            ),
            f"decompress, {method}": lambda how=how: again(**how),
        }
    return calls


def other_calls(thread):
    """Return what one thread asks of functions that take no model."""
    images = np.random.default_rng(thread).random((3, 4, 4, 1), dtype="float32")
    name = "levels_4"  # a small one

    def built():
        model = gated_pixelcnn((4, 4, 1), filters=2, depth=1 + thread)
        return [w.shape for w in model.get_weights()]

    return {
        "pretrained.load": lambda: pretrained.load(name).get_weights(),
        "pretrained.card": lambda: pretrained.card(name),
        "load_mnist": lambda: data.load_mnist(),
        "binarize": lambda: data.binarize(images, seed=thread),
        "quantize": lambda: data.quantize(images, 2 + thread),
        "colorize": lambda: data.colorize(images, seed=thread),
        "gated_pixelcnn": built,
    }


def together(calls, rounds):
    """Run the calls of each thread at the same time.

    Args:
        calls: for each thread, its calls by their names, the same names for all.
        rounds: how often each thread goes through all calls once they have run.

    Returns:
        A list of (thread, name of the call, what it returned or raised).
    """
    barrier = threading.Barrier(len(calls), timeout=300)

    def run(thread):
        own, results = calls[thread], []

        def call(name):
            try:
                results.append((thread, name, own[name]()))
            except Exception as error:
                results.append((thread, name, error))

        for name in own:
            barrier.wait()
            call(name)
        rng = np.random.default_rng(thread)
        for name in [n for _ in range(rounds) for n in rng.permutation(list(own))]:
            call(name)
        return results

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [one for results in pool.map(run, range(len(calls))) for one in results]


def one_by_one(calls):
    return [{name: call() for name, call in own.items()} for own in calls]


def differing(results, expected):
    """Return the calls that did not return what is expected, and what they returned."""
    return {
        name: result
        for thread, name, result in results
        if not same(result, expected[thread][name])
    }


def same(result, expected):
    if isinstance(expected, dict | tuple | list):
        parts = [keras.tree.flatten(value) for value in (result, expected)]
        return len(parts[0]) == len(parts[1]) and all(map(same, *parts))
    return np.array_equal(result, expected)


@pytest.mark.parametrize("build", [binary, colors_and_labels])
@pytest.mark.filterwarnings("ignore:Only .* particles are effective")
def test_threads_that_share_a_model_get_the_answers_of_a_single_one(build):
    model = build()
    expected = one_by_one([calls_of_model(model, i) for i in range(THREADS)])
    shared = copy_of(model)
    calls = [calls_of_model(shared, i) for i in range(THREADS)]
    results = together(calls, rounds=examples(1, 30))
    assert not differing(results, expected)
    tally("calls from several threads at a time", len(results))


def test_threads_load_models_and_images_as_a_single_one_does():
    calls = [other_calls(i) for i in range(THREADS)]
    results = together(calls, rounds=examples(1, 10))
    assert not differing(results, one_by_one(calls))
    tally("calls from several threads at a time", len(results))


@pytest.mark.parametrize(
    "name", ["generate, cached", "nats_per_image", "code_length, cached"]
)
def test_threads_that_compile_together_print_no_warning(name, caplog):
    model = binary()
    call = calls_of_model(model, 0)[name]
    together([{name: call}] * 8, rounds=0)
    assert not caplog.records


def test_a_coder_whose_threads_share_a_run_is_caught(monkeypatch):
    model = binary()

    def calls(model):
        names = "compress, cached", "code_length, cached"
        every = [calls_of_model(model, i) for i in range(THREADS)]
        return [{name: own[name] for name in names} for own in every]

    expected = one_by_one(calls(model))
    monkeypatch.setattr(_coding_loop.itertools, "count", lambda: itertools.repeat(0))
    assert differing(together(calls(copy_of(model)), rounds=5), expected)
