"""Training: what a batch holds, what is learned, and what `fit` refuses."""

import dataclasses
import gc
import json
import math
import tracemalloc
from pathlib import Path

from pixelcnn_edu import data, evaluation, generation, presets, training
from pixelcnn_edu.batches import Batches, pipeline
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import ImageModel, pixelcnn

import keras
import numpy as np
import pytest
import tensorflow as tf

TINY = np.random.default_rng(0).random((24, 5, 5, 1), dtype="float32")


@pytest.fixture(scope="module")
def digits():
    (x_train, _), (x_test, _) = data.load_mnist()
    return x_train[:256, 4:24:2, 4:24:2], x_test[:64, 4:24:2, 4:24:2]


def small_model(size=10, activation="relu", dropout=0.0, likelihood=None):
    """Two masked layers, with weights of seed 0: quick to compile."""
    keras.utils.set_random_seed(0)
    likelihood = likelihood or Bernoulli()
    image = keras.Input((size, size, 1))
    x = MaskedConv2D(8, 3, "A", activation=activation)(image)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    logits = MaskedConv2D(likelihood.logits_per_pixel(1), 1, dtype="float32")(x)
    return ImageModel(image, logits, likelihood=likelihood)


def tiny():
    return small_model(5)


def labeled():
    """Two masked layers and a bias for each of three labels, with weights of seed 0."""
    keras.utils.set_random_seed(0)
    image, label = keras.Input((5, 5, 1)), keras.Input((), dtype="int32")
    biases = keras.layers.Reshape((1, 1, 4))(keras.layers.Embedding(3, 4)(label))
    x = keras.layers.add([MaskedConv2D(4, 3, "A")(image), biases])
    logits, known = MaskedConv2D(1, 1)(x), {"likelihood": Bernoulli(), "num_classes": 3}
    return ImageModel([image, label], logits, **known)


def equal(one, other):
    return all(map(np.array_equal, one.get_weights(), other.get_weights()))


def test_the_loop_of_notebook_07_is_fit_bit_for_bit(digits):
    path = Path(__file__).parents[1] / "notebooks" / "07_training.ipynb"
    cells = json.loads(path.read_text("utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    (source,) = (text for text in sources if text.startswith("def loop("))
    names = {"math": math, "np": np, "data": data, "training": training}
    exec(source, names)
    fitted = small_model()
    training.fit(fitted, digits[0][:100], epochs=2, batch_size=32, verbose=0)
    for planted in (False, True):
        looped = small_model()
        names["loop"](looped, digits[0][:100], 2, 32, seed=int(planted))
        assert equal(looped, fitted) == (not planted)


def test_batches_hold_every_image_once_and_repeat_by_seed_and_epoch(digits):
    images = np.arange(70, dtype="float32").reshape(70, 1, 1, 1) / 100
    batches = Batches(images, 16, binarize=False, seed=3)
    epoch = [batches[i][0] for i in range(len(batches))]
    assert [len(batch) for batch in epoch] == [16, 16, 16, 16, 6]
    everything = np.concatenate(epoch).ravel()
    np.testing.assert_array_equal(np.sort(everything), images.ravel())
    assert (everything != images.ravel()).any()
    batches.epoch = 1
    assert (batches[0][0] != epoch[0]).any()
    batches.epoch = 0
    np.testing.assert_array_equal(batches[0][0], epoch[0])


def test_batches_are_binarized_afresh_and_are_their_own_target(digits):
    batches = Batches(digits[0], 64, binarize=True)
    inputs, targets = batches[0]
    np.testing.assert_array_equal(inputs, targets)
    assert set(np.unique(inputs)) == {0.0, 1.0}
    batches.epoch = 1
    order = [np.random.default_rng([0, e]).permutation(256) for e in (0, 1)]
    by_image = [np.empty((256, 10, 10, 1)) for _ in range(2)]
    for epoch in (0, 1):
        batches.epoch = epoch
        drawn = np.concatenate([batches[i][0] for i in range(4)])
        by_image[epoch][order[epoch]] = drawn
    gray = (digits[0] > 0) & (digits[0] < 1)
    assert (by_image[0] == by_image[1])[~gray].all()
    assert (by_image[0] != by_image[1])[gray].any()


def test_keras_s_own_fit_draws_afresh_in_each_epoch_too(step_by_step):
    seen = []

    class Noting(Batches):
        def __getitem__(self, index):
            seen.append(self.epoch)
            return super().__getitem__(index)

    model = tiny()
    training.compile_model(model, steps=9)
    model.fit(Noting(TINY, 16, binarize=True), epochs=3, verbose=0)
    assert set(seen) >= {0, 1, 2}  # Keras asks for the batches ahead


def test_training_does_not_depend_on_where_the_batches_lie(monkeypatch):
    """TensorFlow takes over an array without a copy if its address is a multiple of 64.

    Before, an operation on the inputs then changed the targets, and the loss was NaN.
    """
    gray, draw, losses = (
        np.random.default_rng(0).random((32, 8, 8, 1)),
        data.binarize,
        [],
    )
    for is_aligned in (False, True):

        def binarize(images, is_aligned=is_aligned, **how):
            drawn, before = draw(images, **how), []
            while (drawn.ctypes.data % 64 == 0) != is_aligned:
                before.append(drawn)  # so that the next one lies elsewhere
                drawn = drawn.copy()
            return drawn

        monkeypatch.setattr(data, "binarize", binarize)
        keras.utils.set_random_seed(0)
        image = keras.Input((8, 8, 1))
        x = keras.layers.Rescaling(2.0, -1.0)(image)
        logits = MaskedConv2D(1, 1)(MaskedConv2D(6, 5, "A", activation="relu")(x))
        model = ImageModel(image, logits, likelihood=Bernoulli())
        history = training.fit(model, gray, epochs=2, batch_size=8, verbose=0).history
        losses.append(history["loss"])
    assert losses[0] == losses[1]


def test_soft_targets_are_the_gray_values_of_what_is_drawn(digits):
    drawn = Batches(digits[0], 64, binarize=True)
    batches = Batches(digits[0], 64, binarize=True, soft_targets=True)
    inputs, targets = batches[1]
    np.testing.assert_array_equal(inputs, drawn[1][0])
    order = np.random.default_rng([0, 0]).permutation(256)
    np.testing.assert_array_equal(targets, digits[0][order[64:128]])


def test_soft_targets_give_the_same_loss_on_average():
    """Over all draws of a digit of 2 by 3 pixels; and not for a network that leaks."""
    gray = np.float32([[0.1, 0.9, 0.5], [0.3, 0.0, 0.7]])[None, ..., None]
    draws = evaluation.all_images((2, 3, 1), 2)
    weights = np.where(draws == 1, gray, 1 - gray).prod(axis=(1, 2, 3))
    assert weights.sum() == pytest.approx(1)

    def means(model, pixels=False):
        """Of the loss against the draws, and against the gray values."""
        against = []
        for target in (draws, np.broadcast_to(gray, draws.shape)):
            nats = -np.asarray(Bernoulli().log_prob_of_pixels(model(draws), target))
            by_pixel = np.tensordot(weights, nats, 1)
            spread = np.tensordot(weights, (nats - by_pixel) ** 2, 1)
            against.append(spread if pixels else by_pixel.sum())
        return against

    keras.utils.set_random_seed(0)
    model = pixelcnn((2, 3, 1), filters=8, depth=1)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.3 * keras.random.normal(variable.shape, seed=1))
    drawn, averaged = means(model)
    assert averaged == pytest.approx(drawn, rel=1e-5)
    drawn, averaged = means(model, pixels=True)  # variances
    uncertain = (gray[0, ..., 0] > 0) & (gray[0, ..., 0] < 1)
    assert (averaged < drawn)[uncertain].all()
    leaky = keras.Sequential([keras.layers.Conv2D(1, 3, padding="same")])
    leaky.build((None, 2, 3, 1))
    drawn, averaged = means(leaky)
    assert abs(averaged - drawn) > 0.01


def test_the_pipeline_hands_on_every_batch_and_is_not_tuned():
    images = np.arange(7, dtype="float32").reshape(7, 1, 1, 1)
    labels = [np.arange(7, dtype="int32")]
    batches = Batches(images, 3, binarize=False, labels=labels, seed=1)
    dataset = pipeline(batches)
    assert len(dataset) == 3 and not dataset.options().autotune.enabled
    for batches.epoch in range(2):
        for found, expected in zip(dataset, batches, strict=True):
            for one, other in zip(
                keras.tree.flatten(found), keras.tree.flatten(expected), strict=True
            ):
                np.testing.assert_array_equal(one, other)


def test_memory_does_not_grow_by_images_with_each_training():
    """TensorFlow keeps the generator of each dataset until the process ends."""
    images = np.zeros((4000, 16, 16, 1), "float32")  # 4 MB
    inputs = keras.Input((16, 16, 1))
    model = ImageModel(inputs, keras.layers.Dense(1)(inputs), likelihood=Bernoulli())
    training.fit(model, images, epochs=1, batch_size=4000, verbose=0)
    tracemalloc.start()
    try:
        sizes = []
        for _ in range(2):
            training.fit(model, images, epochs=1, batch_size=4000, verbose=0)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < images.nbytes


def test_the_history_is_in_nats_per_image(digits):
    model = small_model()
    history = training.fit(
        model,
        digits[0],
        validation_images=digits[1],
        epochs=2,
        batch_size=32,
        learning_rate=0.03,
        verbose=0,
    )
    held_out = data.binarize(digits[1], seed=0)
    nats = evaluation.nats_per_image(model, held_out).mean()
    assert history.history["val_loss"][-1] == pytest.approx(nats, rel=1e-4)
    assert history.history["loss"][1] < history.history["loss"][0] < 100 * np.log(2)
    assert isinstance(history, keras.callbacks.History)


def test_many_levels_and_a_model_without_likelihood_train_too(digits):
    likelihood = Categorical(4)
    model = small_model(likelihood=likelihood)
    four = data.quantize(digits[0], 4)
    fast = {"batch_size": 32, "learning_rate": 0.03, "verbose": 0}
    history = training.fit(model, four, epochs=2, **fast)
    assert history.history["loss"][1] < history.history["loss"][0] < 100 * np.log(4)
    plain = keras.Model(model.inputs, model.outputs)
    history = training.fit(plain, four, epochs=1, likelihood=likelihood, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_what_the_model_was_compiled_with_is_replaced(step_by_step):
    """A mean absolute error of Keras would compare logits with pixels."""
    model = tiny()
    model.compile("sgd", "mse", metrics=["mae"])
    history = training.fit(model, TINY, epochs=1, verbose=0).history
    assert list(history) == ["loss"]
    assert isinstance(model.optimizer, keras.optimizers.Nadam)


def test_validation_takes_memory_in_proportion_to_the_batch_size():
    sizes = []

    class Sees(keras.layers.Layer):
        def call(self, x, training=False):
            if not training:
                tf.py_function(lambda count: sizes.append(int(count)), [len_of(x)], [])
            return x

    def len_of(x):
        return keras.ops.shape(x)[0]

    image = keras.Input((4, 4, 1))
    logits = MaskedConv2D(1, 3, "A")(Sees()(image))
    model = ImageModel(image, logits, likelihood=Bernoulli())
    images = np.zeros((40, 4, 4, 1))
    own = {"validation_images": images, "epochs": 1, "verbose": 0}
    training.fit(model, images, batch_size=4, **own)
    assert sizes == [16, 16, 8]


def test_a_running_mean_is_validated_and_ends_as_the_weights():
    """The mean, step by step, is computed here a second time."""
    means = []

    class Mean(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            new = [np.asarray(v, "float64") for v in self.model.trainable_variables]
            old = means[-1] if means else new
            means.append([0.9 * m + 0.1 * w for m, w in zip(old, new, strict=True)])

    model = tiny()
    optimizer = keras.optimizers.Nadam(0.01, use_ema=True, ema_momentum=0.9)
    more = {"optimizer": optimizer, "validation_images": TINY[:8], "callbacks": Mean()}
    history = training.fit(model, TINY, epochs=2, batch_size=8, verbose=0, **more)
    for mean, weights in zip(means[-1], model.get_weights(), strict=True):
        np.testing.assert_allclose(weights, mean, rtol=1e-4, atol=1e-6)
    held_out = data.binarize(TINY[:8], seed=0)
    nats = evaluation.nats_per_image(model, held_out).mean()
    assert history.history["val_loss"][-1] == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"learning_rate": 2}, "learning_rate"),
        ({"optimizer": "adam"}, "optimizer.*'nadam', 'muon'"),
        ({"soft_targets": 1}, "soft_targets"),
        ({"soft_targets": True, "likelihood": Categorical(4)}, "soft_targets"),
        ({"callbacks": [print]}, "callbacks"),
        ({"labels": 1}, "no labels"),
        ({"validation_labels": [1]}, "validation_labels"),
        ({"images": TINY[..., 0]}, "images"),
        ({"images": TINY + np.nan}, "images"),
        ({"validation_images": TINY * 2}, "validation_images"),
    ],
)
def test_a_bad_argument_is_named_before_the_first_batch(arguments, words, monkeypatch):
    model = tiny()
    monkeypatch.setattr(model, "fit", None)  # too late
    with pytest.raises(ValueError, match=f"Expected {words}.*Received"):
        training.fit(model, **{"images": TINY, "verbose": 0, **arguments})


def test_an_optimizer_of_another_model_is_refused_by_keras():
    optimizer = keras.optimizers.SGD(0.1)
    training.fit(tiny(), TINY, epochs=1, optimizer=optimizer, verbose=0)
    with pytest.raises(ValueError, match="optimizer"):
        training.fit(tiny(), TINY, epochs=1, optimizer=optimizer, verbose=0)


def test_labels_to_validate_on_are_named():
    y, model = np.arange(24) % 3, labeled()
    for wrong in (None, y[:5], y + 1, y / 2):
        more = {"labels": y, "validation_images": TINY, "validation_labels": wrong}
        with pytest.raises(ValueError, match="Expected validation_labels"):
            training.fit(model, TINY, **more)
    for one, labels in ((model, y), (tiny(), None)):
        with pytest.raises(ValueError, match="validation_labels.*validation_images"):
            training.fit(one, TINY, labels=labels, validation_labels=y)


def test_a_network_that_is_told_the_class_learns_what_the_class_says():
    labels = np.arange(320) % 2
    images = np.broadcast_to(labels[:, None, None, None], (320, 5, 5, 1))
    model = labeled()
    more = {"validation_images": images[:64], "validation_labels": labels[:64]}
    history = training.fit(
        model,
        images,
        labels=labels,
        epochs=2,
        batch_size=8,
        learning_rate=0.03,
        verbose=0,
        **more,
    )
    # one bit is not foreseen without the label: ln 2 = 0.69 nats
    assert history.history["val_loss"][-1] < 0.3
    swapped = evaluation.nats_per_image(model, images, labels=1 - labels)
    assert swapped.mean() > 3
    for wrong, words in ((None, "labels"), ([0, 1], "shape"), (labels + 2, "0 to 2")):
        with pytest.raises(ValueError, match=words):
            training.fit(model, images, labels=wrong)


def test_sample_grids_are_draws_that_do_not_disturb(step_by_step):
    def run(*callbacks):
        model = small_model(5, dropout=0.5)
        recipe = {"epochs": 4, "batch_size": 8, "verbose": 0}
        training.fit(model, TINY[:8], callbacks=list(callbacks), **recipe)
        return model

    samples = training.SampleGrid(3, every=2, seed=1, method="fixed_point")
    model = run(samples)
    assert list(samples.grids) == [2, 4]
    assert equal(run(), model)
    drawn = generation.generate(model, 3, seed=1)
    np.testing.assert_array_equal(samples.grids[4], drawn)


@pytest.mark.parametrize(
    "arguments",
    [{"count": 0}, {"every": 0}, {"every": 1.5}, {"seed": None}, {"method": "fast"}],
)
def test_a_sample_grid_names_bad_arguments(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        training.SampleGrid(**arguments)


@pytest.mark.parametrize(
    ("model", "arguments", "word"),
    [
        (labeled, {}, "labels"),
        (labeled, {"labels": [0, 1, 2]}, "labels"),
        (tiny, {"labels": 1}, "no labels"),
        (lambda: pixelcnn((None, None, 1), filters=2, depth=1), {}, "image_shape"),
    ],
)
def test_a_sample_grid_says_before_the_first_batch_what_it_cannot_draw(
    model, arguments, word
):
    def too_late(batch, logs):
        raise AssertionError("a batch was trained")

    watch = keras.callbacks.LambdaCallback(on_train_batch_begin=too_late)
    samples = training.SampleGrid(8, every=10, **arguments)
    labels = np.arange(24) % 3 if model is labeled else None
    with pytest.raises(ValueError, match=word):
        training.fit(
            model(), TINY, labels=labels, callbacks=[samples, watch], verbose=0
        )


def test_a_sample_grid_draws_of_a_model_of_any_size():
    samples = training.SampleGrid(2, image_shape=(3, 4, 1))
    training.fit(small_model(None), TINY, epochs=1, callbacks=samples, verbose=0)
    assert samples.grids[1].shape == (2, 3, 4, 1)


def as_set(images):
    return {image.tobytes() for image in images}


@pytest.mark.parametrize(("source", "count"), [("bundled", 400), ("full", 10_000)])
def test_no_test_image_trains_or_validates(source, count, monkeypatch):
    bundled = data.load_mnist()
    images = np.arange(60_020, dtype="float32").reshape(-1, 1, 1, 1) / 1e5
    labels = np.arange(60_020) % 10
    full = (images[:60_000], labels[:60_000]), (images[60_000:], labels[60_000:])
    load = {"bundled": bundled, "full": full}
    monkeypatch.setattr(data, "load_mnist", lambda source="bundled": load[source])
    (x_train, _), (x_test, _) = load[source]
    (x, y), (x_val, y_val), _ = presets.digits_from(source)
    train, validation, test = as_set(x), as_set(x_val), as_set(x_test)
    assert not train & validation and not (train | validation) & test
    assert train | validation == as_set(x_train)
    assert len(x) == len(y) and len(x_val) == len(y_val) == count


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_s_images_fit_its_network(name):
    preset = presets.PRESETS[name]
    images = preset.images(data.load_mnist()[1][0][:2], seed=0)
    shallow = dataclasses.replace(preset, depth=1).model()
    labels = 3 if preset.num_classes else None
    nats = evaluation.nats_per_image(shallow, images, labels=labels)
    assert np.isfinite(nats).all()
    assert f"{preset.filters}" in json.dumps(preset.as_data())
    assert 4 * preset.model().count_params() < 2_000_000  # bytes


def test_exclude_compares_numbers_not_bytes():
    images = np.random.default_rng(0).integers(0, 2, (4, 3, 3, 1)).astype("uint8")
    kept, labels = data.exclude(images, np.arange(4), images[1:2].astype("float64"))
    assert labels.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(kept, images[[0, 2, 3]])
