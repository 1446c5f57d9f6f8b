"""Training: what a batch holds, what is learned, and that a killed run goes on."""

import contextlib
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from pixelcnn_edu import (
    __main__,
    _files,
    data,
    evaluation,
    generation,
    machine,
    optimizers,
    presets,
    pretrained,
    training,
)
from pixelcnn_edu.batches import Batches, pipeline
from pixelcnn_edu.layers import MaskedConv2D
from pixelcnn_edu.likelihoods import Bernoulli, Categorical
from pixelcnn_edu.models import ImageModel, live_weights, pixelcnn

import keras
import numpy as np
import pytest
import tensorflow as tf


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


def test_what_the_model_was_compiled_with_is_replaced(step_by_step):
    """A mean absolute error of Keras would compare logits with pixels."""
    model = tiny()
    model.compile("sgd", "mse", metrics=["mae"])
    history = training.fit(model, TINY, epochs=1, verbose=0).history
    assert list(history) == ["loss"]
    assert isinstance(model.optimizer, keras.optimizers.Nadam)


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


@pytest.mark.parametrize("binarize", [True, False])
@pytest.mark.parametrize("soft_targets", [True, False])
def test_inputs_and_targets_share_no_memory(binarize, soft_targets):
    images = np.random.default_rng(0).random((6, 4, 4, 1), dtype="float32")
    batches = Batches(images, 4, binarize=binarize, soft_targets=soft_targets)
    inputs, targets = batches[0]
    for one in (inputs, images):
        assert not np.shares_memory(one, targets)


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


def test_an_interrupt_in_the_validation_leaves_no_running_mean_in_the_model():
    def stopped(hook):
        def stop(batch, logs):
            if hook == "on_test_batch_end" or batch == 1:
                raise KeyboardInterrupt

        keras.utils.set_random_seed(0)
        model, images = small_model(), np.random.default_rng(0).random((8, 10, 10, 1))
        optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
        more = {"callbacks": keras.callbacks.LambdaCallback(**{hook: stop})}
        more |= {"validation_images": images.round(), "verbose": 0, "epochs": 1}
        with pytest.raises(KeyboardInterrupt):
            training.fit(model, images, batch_size=4, optimizer=optimizer, **more)
        return [*model.get_weights(), *map(np.array, optimizer.variables)]

    ends = [stopped(f"on_{kind}_batch_end") for kind in ("train", "test")]
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_there_is_no_batch_after_the_last():
    batches = Batches(np.zeros((7, 1, 1, 1), "float32"), 3, binarize=False)
    for index in (-1, 3):
        with pytest.raises(IndexError, match="from 0 to 2"):
            batches[index]


def test_the_pipeline_hands_on_every_batch_and_is_not_tuned():
    images = np.arange(7, dtype="float32").reshape(7, 1, 1, 1)
    labels = [np.arange(7, dtype="int32")]
    for shuffle in (False, True):
        batches = Batches(images, 3, binarize=False, labels=labels, shuffle=shuffle)
        dataset = pipeline(batches)
        assert len(dataset) == 3 and not dataset.options().autotune.enabled
        for _ in range(2):
            expected = np.concatenate([batches[i][0][1] for i in range(3)])
            epoch = batches.epoch
            got = [
                np.concatenate(part) for part in zip(*map(flat, dataset), strict=True)
            ]
            assert batches.epoch == epoch + 1  # as in Keras's own `fit`
            assert (expected == labels[0]).all() == (not shuffle)
            for part in got:
                np.testing.assert_array_equal(part.ravel(), expected)


def flat(batch):
    (inputs, labels), images = batch
    return inputs.numpy(), labels.numpy(), images.numpy()


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


def test_a_run_that_ended_in_mid_epoch_ends_with_the_weights_of_one_that_did_not(
    digits, tmp_path
):
    """With dropout. `test_faults` kills such a run, with the default optimizer."""

    def run(folder, last=None):
        model, batches = small_model(dropout=0.2), []

        def stop(batch, logs):
            batches.append(batch)
            if len(batches) == last:
                raise KeyboardInterrupt

        recipe = {"epochs": 4, "batch_size": 32, "optimizer": "muon", "verbose": 0}
        recipe |= {"soft_targets": True, "validation_images": digits[1]}
        watch = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
        with contextlib.suppress(KeyboardInterrupt):
            fitted = training.fit(
                model, digits[0], folder=folder, callbacks=watch, **recipe
            )
            return model.get_weights(), fitted.history

    expected, history = run(tmp_path / "whole")
    assert run(tmp_path / "cut", last=20) is None  # 8 batches an epoch: in the third
    assert (tmp_path / "cut" / "checkpoint.npz").exists()
    weights, resumed = run(tmp_path / "cut")
    for a, b in zip(expected, weights, strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("loss", "val_loss"):
        assert resumed[name] == history[name]
        assert len(resumed[name]) == 4


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    digits, tmp_path, step_by_step
):
    arguments = {"epochs": 3, "folder": tmp_path, "verbose": 0}
    model = small_model()
    training.fit(model, digits[0], **arguments)
    newest = tmp_path / "checkpoint.npz"
    newest.write_bytes(newest.read_bytes()[:1000])
    again = small_model()
    with pytest.warns(RuntimeWarning, match="checkpoint.npz is damaged"):
        history = training.fit(again, digits[0], **arguments)
    assert len(history.history["loss"]) == 3
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_run_s_folder_is_refused(digits, tmp_path):
    training.fit(small_model(), digits[0], epochs=1, folder=tmp_path, verbose=0)
    with pytest.raises(ValueError, match="batch_size"):
        training.fit(
            small_model(), digits[0], epochs=1, batch_size=8, folder=tmp_path, verbose=0
        )
    with pytest.raises(ValueError, match="differs in: soft_targets"):
        training.fit(
            small_model(),
            digits[0],
            epochs=1,
            soft_targets=True,
            folder=tmp_path,
            verbose=0,
        )
    with pytest.raises(ValueError, match="network"):
        training.fit(
            pixelcnn((10, 10, 1), filters=8, depth=1),
            digits[0],
            epochs=1,
            folder=tmp_path,
            verbose=0,
        )
    with pytest.raises(ValueError, match="optimizer"):
        training.fit(
            small_model(),
            digits[0],
            epochs=1,
            optimizer=keras.optimizers.SGD(0.1),
            folder=tmp_path,
            verbose=0,
        )
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = small_model()
    keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match="precision"):
        training.fit(model, digits[0], epochs=1, folder=tmp_path, verbose=0)


def test_a_running_mean_is_validated_ends_as_the_weights_and_is_resumed(
    digits, tmp_path
):
    """The mean, step by step, is computed here a second time."""
    means, interrupted = [], {}

    class Mean(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            weights = [np.asarray(v, "float64") for v in self.model.trainable_variables]
            if means:
                weights = [
                    0.9 * m + 0.1 * w for m, w in zip(means[-1], weights, strict=True)
                ]
            means.append(weights)

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == interrupted.get("at"):
                raise KeyboardInterrupt

    def run(folder):
        model = small_model()
        optimizer = optimizers.nadam(3 * 4, 0.01, use_ema=True, ema_momentum=0.9)
        recipe = {"optimizer": optimizer, "epochs": 3, "batch_size": 64, "verbose": 0}
        more = {"callbacks": [Mean()], "validation_images": digits[1]}
        with contextlib.suppress(KeyboardInterrupt):
            fitted = training.fit(model, digits[0], folder=folder, **recipe, **more)
            return model, fitted.history

    model, history = run(tmp_path / "whole")
    for mean, weights in zip(means[-1], model.get_weights(), strict=True):
        np.testing.assert_allclose(weights, mean, rtol=1e-4, atol=1e-6)
    held_out = data.binarize(digits[1], seed=0)
    nats = evaluation.nats_per_image(model, held_out).mean()
    assert history["val_loss"][-1] == pytest.approx(nats, rel=1e-5)
    interrupted["at"] = 2
    assert run(tmp_path / "cut") is None
    interrupted.clear()
    again, same = run(tmp_path / "cut")
    assert same["val_loss"] == history["val_loss"]
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("moment", range(4))
def test_an_interrupt_while_weights_and_mean_are_swapped_leaves_the_weights(
    monkeypatch, moment
):
    """Before and after the validation, and at the end of the epoch, twice."""
    swap = keras.callbacks.SwapEMAWeights._tf_swap_variables
    moments, trained = iter(range(9)), []

    def swap_in_part(self, optimizer):
        if next(moments) != moment:
            return swap(self, optimizer)
        for variable in (optimizer._trainable_variables[0], optimizer.variables[-1]):
            variable.assign(variable + 1)
        raise KeyboardInterrupt

    monkeypatch.setattr(
        keras.callbacks.SwapEMAWeights, "_tf_swap_variables", swap_in_part
    )
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: trained.append(model.get_weights())
    )
    model, more = tiny(), {"validation_images": TINY[:8], "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        training.fit(
            model, TINY, epochs=2, optimizer=running_mean(), callbacks=note, **more
        )
    assert next(moments) == moment + 1 + moment % 2
    for one, other in zip(model.get_weights(), trained[-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.fixture
def half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


def tiny():
    return small_model(5)


TINY = np.random.default_rng(0).random((24, 5, 5, 1), dtype="float32")


def running_mean(**arguments):
    more = {"use_ema": True, "ema_momentum": 0.9}
    return keras.optimizers.SGD(0.02, momentum=0.9, **more, **arguments)


def nats(model):
    held_out = data.binarize(TINY[:8], seed=0)
    return evaluation.nats_per_image(model, held_out).mean()


def test_a_run_in_float16_with_a_running_mean_goes_on_as_the_same_run(
    half_precision, tmp_path
):
    def run(folder, die=None):
        def interrupt(epoch, logs):
            if epoch == die:
                raise KeyboardInterrupt

        model = tiny()
        callbacks = keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
        recipe = {"epochs": 4, "batch_size": 8, "optimizer": running_mean()}
        recipe |= {"validation_images": TINY[:8], "callbacks": callbacks}
        with contextlib.suppress(KeyboardInterrupt):
            fitted = training.fit(model, TINY, folder=folder, verbose=0, **recipe)
            assert fitted.history["val_loss"][-1] == pytest.approx(
                nats(model), rel=1e-3
            )
        assert model.optimizer.name.startswith("loss_scale")
        return model.get_weights()

    run(tmp_path / "cut", die=2)
    resumed = run(tmp_path / "cut")
    for one, other in zip(resumed, run(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kept", [False, True])
def test_callbacks_keep_and_restore_the_running_mean_that_was_validated(tmp_path, kept):
    class Ascend(keras.callbacks.Callback):
        """Let the loss get worse after the second epoch."""

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.optimizer.learning_rate = -0.1

    class Seen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert logs["val_loss"] == pytest.approx(nats(self.model), rel=1e-4)

    model, best = tiny(), tmp_path / "best.keras"
    callbacks = [
        Ascend(),
        Seen(),
        keras.callbacks.EarlyStopping(
            "val_loss", patience=2, restore_best_weights=True
        ),
        keras.callbacks.ModelCheckpoint(best, save_best_only=True),
    ]
    recipe = {"epochs": 8, "batch_size": 4, "optimizer": running_mean(), "verbose": 0}
    recipe |= {"callbacks": callbacks, "folder": tmp_path / "run" if kept else None}
    history = training.fit(model, TINY, validation_images=TINY[:8], **recipe).history
    losses = history["val_loss"]
    assert np.argmin(losses) < len(losses) - 1 < 7
    assert nats(model) == pytest.approx(min(losses), rel=1e-5)
    assert nats(keras.models.load_model(best)) == pytest.approx(min(losses), rel=1e-5)


def test_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old", "utf-8")
    with pytest.raises(RuntimeError), _files.atomic_write(path) as temporary:
        temporary.write_text("half", "utf-8")
        raise RuntimeError
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]
    with _files.atomic_write(path) as temporary:
        temporary.write_text("new", "utf-8")
    assert path.read_text("utf-8") == "new"


def test_a_file_that_is_read_only_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old", "utf-8")
    path.chmod(0o444)
    # to root every file is writable
    monkeypatch.setattr(
        _files.os, "access", lambda path, mode: path.stat().st_mode & 0o200
    )
    with pytest.raises(OSError, match="read-only"), _files.atomic_write(path) as file:
        file.write_text("new", "utf-8")
    assert path.read_text("utf-8") == "old"


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


def test_the_command_line_trains_and_writes_weights_and_card(
    digits, tmp_path, monkeypatch, capsys, step_by_step
):
    tiny = presets.Preset("a test", 8, 1, 1, 64, 1e-3)
    monkeypatch.setitem(presets.PRESETS, "tiny", tiny)
    rng = np.random.default_rng(0)
    bundled_test = np.round(data.load_mnist()[1][0][..., 0] * 255).astype("uint8")
    new = rng.integers(0, 256, (64, 28, 28), dtype="uint8")
    np.savez(
        tmp_path / "mnist.npz",
        x_train=np.concatenate([new, bundled_test[:10]]),
        y_train=np.zeros(74, "uint8"),
        x_test=new[:32],
        y_test=np.zeros(32, "uint8"),
    )
    out = tmp_path / "run"
    command = ["train", "--preset", "tiny", "--data", str(tmp_path / "mnist.npz")]
    command += ["--out", str(out), "--verbose", "0"]
    __main__.main(command)
    told = capsys.readouterr().out
    assert "epoch 1 of 1" in told and "0 minutes left" in told
    assert "nats per image" in told
    card = json.loads((out / "tiny.json").read_text("utf-8"))
    assert (card["training_images"], card["validation_images"]) == (64, 32)
    assert card["weights"] == live_weights(tiny.model())
    assert card["precision"] == machine.fastest_precision()
    model = pretrained.load("tiny", out)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    held_out = data.binarize((new[:32] / 255)[..., None].astype("float32"), seed=0)
    nats = evaluation.nats_per_image(model, held_out).mean()
    assert card["nats_per_image"] == pytest.approx(nats, abs=0.01)
    assert str(tmp_path) not in json.dumps(card)
    __main__.main(command)
    assert "The run had ended before" in capsys.readouterr().out
    model.set_weights([w + 1 for w in model.get_weights()])  # as after more training
    pretrained.save(out, "tiny", model, {**card, "note": "mine"})
    with pytest.raises(SystemExit):
        __main__.main(command)
    assert "tiny.npz to hold the result of this run" in capsys.readouterr().err
    assert pretrained.card("tiny", out)["note"] == "mine"


def test_the_command_line_does_not_replace_the_result_of_another_run(
    tmp_path, monkeypatch, capsys
):
    """The state of the run is gone: the user has deleted it to save space."""

    def command(*more, about="a test", epochs=1, digits="mnist.npz"):
        tiny = presets.Preset(about, 8, 1, epochs, 64, 1e-3)
        monkeypatch.setitem(presets.PRESETS, "tiny", tiny)
        __main__.main(
            ["train", "--preset", "tiny", "--data", str(tmp_path / digits)]
            + ["--out", str(out), "--verbose", "0", *more]
        )

    new = np.random.default_rng(0).integers(0, 256, (64, 28, 28), dtype="uint8")
    labels = np.zeros(64, "uint8")
    test = {"x_test": new[:32], "y_test": labels[:32]}
    for count, name in ((64, "mnist.npz"), (63, "other.npz")):
        train = {"x_train": new[:count], "y_train": labels[:count]}
        np.savez(tmp_path / name, **train, **test)
    out = tmp_path / "run"
    command()
    state = (out / "checkpoint.npz").read_bytes()
    for path in out.glob("checkpoint*"):
        path.unlink()
    files = {path: path.read_bytes() for path in out.iterdir()}
    (other,) = {"float32", "mixed_bfloat16"} - {machine.fastest_precision()}
    fit = training.fit
    monkeypatch.setattr(training, "fit", None)  # too late
    for words, more, changed in (
        ("seed", ["--seed", "1"], {}),
        ("recipe", [], {"epochs": 2}),
        ("digits", [], {"digits": "other.npz"}),
        ("precision", ["--precision", other], {}),
        ("digits, seed", ["--seed", "1"], {"digits": "other.npz"}),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit):
            command(*more, **changed)
        told = capsys.readouterr().err
        assert "--out" in told and f"tiny.json, which differs in: {words}." in told
        assert {path: path.read_bytes() for path in out.iterdir()} == files
    card = json.loads(files[out / "tiny.json"])
    (out / "tiny.json").write_text(json.dumps({**card, "backend": "jax"}), "utf-8")
    with pytest.raises(SystemExit):
        command()
    assert "tiny.json, which differs in: backend." in capsys.readouterr().err
    (out / "tiny.json").write_bytes(files[out / "tiny.json"])
    monkeypatch.setattr(training, "fit", fit)
    for raw in (None, state[:-9]):  # are its images the same? Nothing says so
        if raw:
            (out / "checkpoint.npz").write_bytes(raw)
        noticed = pytest.warns(RuntimeWarning) if raw else contextlib.nullcontext()
        with noticed, pytest.raises(SystemExit):
            command()
        assert "tiny.json, whose checkpoint is gone" in capsys.readouterr().err
        assert all(path.read_bytes() == before for path, before in files.items())
    (out / "checkpoint.npz").write_bytes(state)
    command(about="in other words")
    assert "The run had ended before" in capsys.readouterr().out
    assert all(path.read_bytes() == raw for path, raw in files.items())


@pytest.mark.parametrize(
    ("flags", "precision"),
    [("fma avx2 avx512_bf16", "mixed_bfloat16"), ("fma avx2", "float32")],
)
def test_bfloat16_is_for_processors_that_have_it(monkeypatch, flags, precision):
    monkeypatch.setattr(machine.tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(machine.Path, "read_text", lambda *_: f"flags: {flags}")
    assert machine.fastest_precision() == precision


def test_a_hidden_gpu_does_not_count(monkeypatch):
    """TensorFlow computes on its logical devices alone."""
    gpus = [tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: gpus)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    model = tiny()
    training.compile_model(model, steps=1)
    assert not model.jit_compile
    assert not machine.on_gpu()


TWO_DEVICES = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
import json
import keras
import numpy as np
from pixelcnn_edu import data, machine, optimizers, training
from test_training import TINY, labeled, small_model

(x, _), (x_test, _) = data.load_mnist()

def losses(strategy, name, **images):
    with strategy.scope():
        model = small_model(13)
    assert model.distribute_strategy is strategy
    recipe = {"epochs": 1, "batch_size": 32, "learning_rate": 1e-2, "verbose": 0}
    recipe["optimizer"] = name
    if name == "muon":  # a loss scale changes nothing: 64 is a power of two
        with strategy.scope():
            recipe["optimizer"] = optimizers.muon(8, 1e-2, loss_scale_factor=64.0)
    history = training.fit(model, x[:250, 1:27:2, 1:27:2], **images, **recipe).history
    return history["loss"] + history.get("val_loss", [])

def of_clipped(strategy, **settings):
    with strategy.scope():
        model = labeled()
        optimizer = optimizers.nadam(3, 1e-2, global_clipnorm=None, **settings)
    recipe = {"labels": [0, 1, 2, 0, 1, 2], "batch_size": 2, "epochs": 1, "verbose": 0}
    training.fit(model, TINY[:6], optimizer=optimizer, **recipe)
    return [weight.tolist() for weight in model.get_weights()]

mirrored = machine.strategy_called("mirrored")
assert mirrored.num_replicas_in_sync == 2
one = machine.strategy_called("one")
names = list(optimizers.BY_NAME)
# to validate needs no optimizer: once is enough, and each step is compiled for two devices
images = {"nadam": {"validation_images": x_test[:100, 1:27:2, 1:27:2]}}
found = [
    [losses(strategy, name, **images.get(name, {})) for strategy in (one, mirrored)]
    for name in names
]

def of_labels(strategy, count=6, **images):
    with strategy.scope():
        model = labeled()
    recipe = {"labels": [0, 1, 2, 0, 1, 2][:count], "epochs": 1, "batch_size": 4}
    return training.fit(model, TINY[:count], **images, **recipe, verbose=0).history["loss"]

clips = {}, {"clipnorm": 0.01}, {"clipvalue": 0.001}
clipped = [[of_clipped(where, **how) for where in (one, mirrored)] for how in clips]
found.append([of_labels(strategy) for strategy in (one, mirrored)])
for more in (
    {"count": 5},
    {"validation_images": TINY[:3], "validation_labels": [0, 1, 2]},
):
    try:
        of_labels(mirrored, **more)
    except ValueError as error:
        found.append(str(error))
# the planted bug: clipped by shares
optimizers.ReplicatedNadam = keras.optimizers.Nadam
optimizers.ReplicatedMuon = optimizers.KernelMuon
for name, two in zip(names, found):
    two.append(losses(mirrored, name))
for how, two in zip(clips, clipped):
    two.append(of_clipped(mirrored, **how))
print(json.dumps([*found, clipped]))
"""


def test_two_devices_end_where_one_does_and_shares_clipped_alone_would_not():
    out = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    ).stdout
    *found, labeled, images, validation, clipped = json.loads(out.splitlines()[-1])
    np.testing.assert_allclose(*labeled, rtol=2e-7)
    devices = "in batches that 2 devices share equally. Received:"
    assert (
        f"Expected images {devices} 5 images, in batches of 4, the last of 1" == images
    )
    assert f"Expected validation_images {devices} 3 images" in validation
    assert len(found) == len(optimizers.BY_NAME)
    assert [len(one) for one, *_ in found] == [2, 1]  # val_loss too
    for one, two, bug in found:
        np.testing.assert_allclose(two, one, rtol=2e-7)
        assert abs(bug[0] - one[0]) > 5e-7 * one[0]
    for how, (one, two, bug) in zip(("", "norm", "value"), clipped, strict=True):
        one, two, bug = (
            np.concatenate(list(map(np.ravel, x))) for x in (one, two, bug)
        )
        np.testing.assert_allclose(two, one, atol=1e-7)
        assert not how or np.abs(bug - one).max() > 0.01


def test_sample_grids_are_draws_that_do_not_disturb_and_go_on_with_a_resumed_run(
    tmp_path, step_by_step
):
    def run(*callbacks, epochs=5, folder=None):
        model = small_model(5, dropout=0.5)
        recipe = {"epochs": epochs, "batch_size": 8, "folder": folder, "verbose": 0}
        training.fit(model, TINY[:8], callbacks=list(callbacks), **recipe)
        return model

    def interrupt(epoch, logs):
        if epoch == 3:
            raise KeyboardInterrupt

    samples = training.SampleGrid(3, every=2, seed=1, method="fixed_point")
    dies = keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(dies, samples, folder=tmp_path)
    assert list(samples.grids) == [2]
    model = run(samples, folder=tmp_path)
    assert list(samples.grids) == [2, 4]
    weights = run().get_weights(), model.get_weights()
    for without, with_samples in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, with_samples)
    again = training.SampleGrid(3, every=5, seed=1)
    again.set_model(model)
    again.on_epoch_end(4)
    np.testing.assert_array_equal(again.grids[5], generation.generate(model, 3, seed=1))
    run(samples, epochs=2)  # a new run begins anew
    assert list(samples.grids) == [2]


@pytest.mark.parametrize(
    "arguments",
    [{"count": 0}, {"every": 0}, {"every": 1.5}, {"seed": None}, {"method": "fast"}],
)
def test_a_sample_grid_names_bad_arguments(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        training.SampleGrid(**arguments)


def labeled():
    """Two masked layers and a bias for each of three labels, with weights of seed 0."""
    keras.utils.set_random_seed(0)
    image, label = keras.Input((5, 5, 1)), keras.Input((), dtype="int32")
    biases = keras.layers.Reshape((1, 1, 4))(keras.layers.Embedding(3, 4)(label))
    x = keras.layers.add([MaskedConv2D(4, 3, "A")(image), biases])
    logits, known = MaskedConv2D(1, 1)(x), {"likelihood": Bernoulli(), "num_classes": 3}
    return ImageModel([image, label], logits, **known)


def foreign():
    inputs = keras.Input((5, 5, 1))
    logits = keras.layers.Conv2DTranspose(1, 1)(inputs)
    return ImageModel(inputs, logits, likelihood=Bernoulli())


@pytest.mark.parametrize(
    ("model", "arguments", "word"),
    [
        (labeled, {}, "labels"),
        (labeled, {"labels": [0, 1, 2]}, "labels"),
        (labeled, {"labels": 3}, "labels from 0 to 2"),
        (tiny, {"labels": 1}, "no labels"),
        (lambda: pixelcnn((None, None, 1), filters=2, depth=1), {}, "image_shape"),
        (foreign, {}, "Conv2DTranspose.*use method='fixed_point'"),
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
    with pytest.raises(ValueError, match=f"SampleGrid .*{word}"):
        training.fit(
            model(), TINY, labels=labels, callbacks=[samples, watch], verbose=0
        )


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


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("optimizer", ["nadam", "muon", "a function"])
@pytest.mark.parametrize(
    "callback",
    [
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
    ],
)
def test_a_callback_that_cannot_set_the_rate_is_refused_before_the_first_batch(
    callback, optimizer, policy, monkeypatch, digits
):
    with machine.in_precision(policy):
        model = small_model()
    monkeypatch.setattr(model, "fit", lambda **_: pytest.fail("a batch"))
    if optimizer == "a function":
        optimizer = keras.optimizers.SGD(lambda: 0.1)
    with pytest.raises(ValueError, match=f"without {type(callback).__name__} where"):
        training.fit(model, digits[0], optimizer=optimizer, callbacks=callback)


@pytest.mark.parametrize("method", generation.METHODS)
def test_a_sample_grid_tries_to_draw_before_the_first_batch(method):
    class Cannot(Bernoulli):
        def _sample(self, logits, uniforms, temperature):
            raise RuntimeError("a slip")

    image = keras.Input((4, 4, 1))
    logits = MaskedConv2D(1, 3, "A")(image)
    model = ImageModel(image, logits, likelihood=Cannot())
    before = model.get_weights()
    grid = training.SampleGrid(2, every=4, method=method)
    with pytest.raises(RuntimeError, match="a slip"):
        training.fit(model, np.zeros((4, 4, 4, 1)), callbacks=grid, verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_sample_grid_can_draw_by_another_method_from_a_model_without_a_cache():
    inputs = keras.Input((5, 5, 1))
    x = keras.layers.ZeroPadding2D(((1, 0), (0, 0)))(inputs)
    x = keras.layers.Cropping2D(((0, 1), (0, 0)))(x)  # each pixel reads the one above
    logits = keras.layers.Conv2DTranspose(1, 1)(x)
    model = ImageModel(inputs, logits, likelihood=Bernoulli())
    methods = ("naive", "fixed_point")
    samples = [training.SampleGrid(2, method=method) for method in methods]
    training.fit(model, TINY, epochs=1, callbacks=samples, verbose=0)
    expected = generation.generate(model, 2, seed=0, method="naive")
    for each in samples:
        np.testing.assert_array_equal(each.grids[1], expected)


def test_a_sample_grid_draws_of_a_model_of_any_size():
    model = small_model(None)
    samples = training.SampleGrid(2, image_shape=(3, 4, 1))
    training.fit(model, TINY, epochs=1, callbacks=samples, verbose=0)
    assert samples.grids[1].shape == (2, 3, 4, 1)


def test_labels_to_validate_on_are_named():
    y, model = np.arange(24) % 3, labeled()
    for wrong in (None, y[:5], y + 1, y / 2):
        more = {"labels": y, "validation_images": TINY, "validation_labels": wrong}
        with pytest.raises(ValueError, match="Expected validation_labels"):
            training.fit(model, TINY, **more)
    for one, labels in ((model, y), (tiny(), None)):
        with pytest.raises(ValueError, match="validation_labels.*validation_images"):
            training.fit(one, TINY, labels=labels, validation_labels=y)


def test_a_model_whose_first_input_holds_no_images_is_refused():
    image, label = keras.Input((5, 5, 1)), keras.Input((), dtype="float32")
    logits = image + label[:, None, None, None]
    model = ImageModel([label, image], logits, likelihood=Bernoulli())
    with pytest.raises(ValueError, match=r"Expected model to take images.*order"):
        training.fit(model, TINY, labels=np.zeros(24, int))


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


def test_a_run_with_labels_resumes_and_notices_other_labels(tmp_path, step_by_step):
    labels = np.arange(8) % 2

    def train(folder, batches_before_the_end, labels=labels):
        model, batches = labeled(), []

        def stop(batch, logs):
            batches.append(batch)
            if len(batches) == batches_before_the_end:
                raise KeyboardInterrupt

        arguments = {"labels": labels, "epochs": 4, "batch_size": 4, "folder": folder}
        watch = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
        with contextlib.suppress(KeyboardInterrupt):
            training.fit(model, TINY[:8], verbose=0, callbacks=watch, **arguments)
        return model.get_weights(), len(batches)

    whole, _ = train(tmp_path / "whole", 99)
    train(tmp_path / "cut", 5)  # 2 batches an epoch: in the third epoch
    resumed, batches = train(tmp_path / "cut", 99)
    assert batches == 2 * 2  # the third epoch is done again
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="labels"):
        train(tmp_path / "cut", 99, labels=1 - labels)


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


def test_a_preset_with_numpy_numbers_is_told_as_json():
    def told(kind):
        dilations = (kind(1), kind(2))
        return presets.Preset(
            "mine", kind(8), kind(2), kind(3), dilations=dilations
        ).as_data()

    assert json.loads(json.dumps(told(np.int64))) == told(int)
    assert type(told(np.int64)["filters"]) is int


def test_exclude_compares_numbers_not_bytes():
    images = np.random.default_rng(0).integers(0, 2, (4, 3, 3, 1)).astype("uint8")
    kept, labels = data.exclude(images, np.arange(4), images[1:2].astype("float64"))
    assert labels.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(kept, images[[0, 2, 3]])


def test_a_running_mean_of_some_weights_is_refused():
    adam = keras.optimizers.Adam(1e-2, use_ema=True)
    several = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(adam, {".*bias.*": keras.optimizers.SGD(1e-2)})
    )
    with pytest.raises(ValueError, match="use_ema inside"):
        training.fit(tiny(), TINY, optimizer=several, verbose=0)


def test_no_epoch_is_skipped_after_a_run_with_keras_s_backup(tmp_path, step_by_step):
    model, images = tiny(), TINY

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        training.fit(model, images, epochs=3, callbacks=[backup, Stop()], verbose=0)
    training.fit(model, images, epochs=3, callbacks=backup, verbose=0)
    history = training.fit(model, images, epochs=3, verbose=0)
    assert len(history.history["loss"]) == 3
