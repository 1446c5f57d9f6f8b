"""Training: Keras's own ``compile`` and ``fit``, with what a likelihood model needs.

Taught by notebooks 07 and 08. The main additions:

- the loss is the negative log-likelihood, in nats per image;
- digits are binarized afresh for every batch (the dynamic protocol);
- the learning rate has a schedule, and gradients are clipped, see `optimizers`;
- a run with ``folder=`` goes on after its last finished epoch, see `checkpoints`, and ends
  with the same weights as a run without a break.

``python -m pixelcnn_edu train --help`` says how to train a preset from the command line.
"""

import functools

from pixelcnn_edu import _jax, data, machines
from pixelcnn_edu._checks import (
    check_bool,
    check_images,
    check_labels,
    check_positive_int,
    check_seed,
    plain,
    refused,
)
from pixelcnn_edu.batches import Batches, pipeline
from pixelcnn_edu.checkpoints import Resume, checksum
from pixelcnn_edu.likelihoods import Bernoulli, NegativeLogLikelihood
from pixelcnn_edu.models import likelihood_of
from pixelcnn_edu.optimizers import BY_NAME
from pixelcnn_edu.samples import SampleGrid  # noqa: F401  (a callback for `fit`)

import keras
import tensorflow as tf


def compile_model(
    model, *, steps, learning_rate=2e-3, optimizer="nadam", likelihood=None
):
    """Compile a model as `fit` does: its optimizer, and nats per image as the loss.

    The optimizer, the loss and the metrics that the model was compiled with are replaced.

    XLA, a compiler, is off with TensorFlow on a CPU, where training is slower with it. With
    JAX it is on: JAX compiles nothing without XLA.

    Args:
        model: a Keras model from images to logits.
        steps, learning_rate: as for `optimizers.nadam`.
        optimizer: as for `fit`.
        likelihood: for a model that carries none.

    Raises:
        ValueError: if an argument is out of its range.
    """
    likelihood = likelihood_of(model, likelihood)
    if isinstance(optimizer, str) and optimizer in BY_NAME:
        optimizer = BY_NAME[optimizer](steps, learning_rate)
    elif not isinstance(optimizer, keras.optimizers.Optimizer):
        names = ", ".join(map(repr, BY_NAME))
        raise refused(
            f"optimizer to be one of {names}, or a Keras optimizer", repr(optimizer)
        )
    on_jax = keras.config.backend() == "jax"
    xla = on_jax or bool(tf.config.list_logical_devices("GPU"))
    model.compile(
        optimizer=optimizer,
        loss=NegativeLogLikelihood(likelihood),
        metrics=[],  # with None, Keras keeps the metrics of an earlier compile
        jit_compile="auto" if xla else False,
    )
    # The optimizer builds its variables now, for two reasons. If it built them in the first
    # step, TensorFlow would compile the step twice. And in float16 Keras wraps the
    # optimizer into a LossScaleOptimizer. If the LossScaleOptimizer built it, Keras would
    # list Nadam's `_u_product` nowhere, and a checkpoint would miss this variable.
    for one in (_inner(model.optimizer), model.optimizer):
        if not one.built:
            one.build(model.trainable_variables)


def _inner(optimizer):
    """Return the optimizer within a LossScaleOptimizer, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def fit(
    model,
    images,
    *,
    labels=None,
    validation_images=None,
    validation_labels=None,
    epochs=10,
    batch_size=64,
    learning_rate=2e-3,
    optimizer="nadam",
    soft_targets=False,
    seed=0,
    folder=None,
    callbacks=None,
    likelihood=None,
    verbose="auto",
) -> keras.callbacks.History:
    """Train a model on images, by maximum likelihood.

    With a two-level likelihood the images may be gray: each batch is binarized afresh
    (images of 0 and 1 stay as they are), and the validation images once, with seed 0.

    The model is compiled here, see `compile_model`. This replaces what you passed to
    ``model.compile``, metrics too: a mean absolute error, say, would compare logits with
    pixels. To watch another quantity, pass a callback.

    `machines` says how several machines train one network, with the same call in each.

    Args:
        model: a Keras model from images to logits.
        images: (N, H, W, C) in [0, 1]; with more than two levels: on the levels, see
            `data.quantize`.
        labels: (N,) integers, for a model that takes labels.
        validation_images: images to validate on, from `data.hold_out` for example, shaped
            as ``images``. Their nats are ``val_loss``. Keep test images for the test.
        validation_labels: the labels of the validation images.
        epochs: number of passes over the images in the whole run.
        batch_size: images per step; in validation four times as many, but at most 256.
        learning_rate: the highest rate of a cosine schedule with a short rise; 2e-3 suits
            ``"nadam"``; for ``"muon"`` see `optimizers.muon`. Unused with a Keras
            optimizer, which has its own.
        optimizer: ``"nadam"`` or ``"muon"`` of `optimizers`, or a new Keras optimizer. If
            it keeps a running mean of the weights (``use_ema``), the validation and the
            final model use that mean. For a network with labels on TensorFlow, set
            ``global_clipnorm``, as ``"nadam"`` does: without it, `keras.optimizers.Adam`
            and similar ones square the gradient of each image before they add the
            gradients of a label.
        soft_targets: the target of each pixel is its gray value, not the random 0 or 1
            that the network reads. The expected loss is the same (notebook 14 says why),
            and the loss of a single pixel varies less. `Bernoulli` only.
        seed: seed for the order of the images and for their binarization. Each call begins
            with the same ones. To train a model further in a second call, without a
            folder, give another seed. Weights and dropout get their seeds when the model is
            built: call ``keras.utils.set_random_seed`` before.
        folder: where to keep the run's state, for one process at a time, see
            `checkpoints`. The same call goes on with a run that was interrupted: the same
            arguments, with a model that is built anew after the same
            ``keras.utils.set_random_seed``. If the run has ended, the model gets its final
            weights. After a change in your own code, choose another folder. To begin anew,
            delete the folder. ``history["seconds"]`` holds the time of each epoch.
        callbacks: a Keras callback, a list of them, or None. Not supported are
            ``SwapEMAWeights``, which `fit` adds itself; ``BackupAndRestore`` (use
            ``folder``); and, with the schedule of ``"nadam"`` and ``"muon"``, callbacks
            that set the learning rate.
        likelihood: for a model that carries none.
        verbose: as for Keras: 0 silent, 1 a progress bar, 2 a line per epoch.

    Returns:
        Keras's History; ``history["loss"]`` and ``["val_loss"]`` are nats per image, plus
        the penalties of regularizers in your layers, if there are any.

    Raises:
        ValueError: if an argument is out of its range, or folder holds another run, is in
            use, cannot be written or is damaged.
        OSError: the state of the run cannot be written (the disk is full, say).
    """
    likelihood = likelihood_of(model, likelihood)
    epochs = check_positive_int("epochs", epochs)
    soft_targets = check_bool("soft_targets", soft_targets)
    if soft_targets and not isinstance(likelihood, Bernoulli):
        raise refused(
            "soft_targets=False under a likelihood other than Bernoulli(), which has no "
            "gray values between its levels",
            likelihood,
        )
    callbacks = [] if callbacks is None else keras.tree.flatten(callbacks)
    for one in callbacks:
        if not isinstance(one, keras.callbacks.Callback):
            raise refused(
                "callbacks to be a Keras callback, a list of them, or None", repr(one)
            )
    images, labels = _images_and_labels(model, likelihood, images, labels)
    batches = Batches(
        images,
        check_positive_int("batch_size", batch_size),
        binarize=likelihood.levels == 2,
        soft_targets=soft_targets,
        seed=check_seed(seed, optional=False),
        labels=labels,
    )
    own = machines.rows(batches)  # all rows, unless several machines train
    # without gradients, four times as many images take about as much memory
    size = min(256, 4 * batches.batch_size)
    held_out = _held_out(model, likelihood, validation_images, validation_labels, size)
    validation = None
    if held_out is not None:
        validation = pipeline(machines.rows(held_out, score=True))
    compile_model(
        model,
        steps=epochs * len(own),
        learning_rate=learning_rate,
        optimizer=optimizer,
        likelihood=likelihood,
    )
    if _inner(model.optimizer).use_ema:
        callbacks = [keras.callbacks.SwapEMAWeights(), *callbacks]
    # a resumed run begins in a later epoch
    set_epoch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(batches, "epoch", epoch)
    )
    train = functools.partial(
        model.fit,
        x=pipeline(own),
        validation_data=validation,
        shuffle=False,  # the pipeline has its own order, and Keras warns otherwise
        epochs=epochs,
        verbose=plain(verbose) if machines.rank() == 0 else 0,
    )
    if keras.config.backend() == "jax":
        train = functools.partial(_jax.keeping_state, model, train)
    callbacks = [set_epoch, *callbacks]
    if folder is None:
        return train(callbacks=callbacks)
    settings = {
        "epochs": epochs,
        "batch_size": batches.batch_size,
        "seed": batches.seed,
        "optimizer": _described(optimizer),
        "learning_rate": plain(learning_rate) if isinstance(optimizer, str) else None,
        "soft_targets": soft_targets,
        "likelihood": _described(likelihood),
        "precision": model.dtype_policy.name,
        "initial weights": checksum(model.get_weights()),
        "images": checksum([images]),
        "labels": checksum(labels),
        "validation_images": held_out and checksum([held_out.images]),
        "validation_labels": held_out and checksum(held_out.labels),
    }
    return Resume(folder, settings).train(model, train, callbacks)


def _described(thing):
    """Return an optimizer or a likelihood as JSON can hold it."""
    if isinstance(thing, str):
        return thing
    config = {**thing.get_config(), "class": type(thing).__name__}
    config.pop("name", None)  # Keras numbers the names of optimizers
    return config


def _images_and_labels(model, likelihood, images, labels, prefix=""):
    """Return images, and [] or [labels], as ``model`` and ``likelihood`` take them."""
    images = check_images(
        images,
        name=f"{prefix}images",
        levels=None if likelihood.levels == 2 else likelihood.levels,
        image_shape=model.inputs[0].shape[1:],
    )
    return images, check_labels(model, labels, len(images), name=f"{prefix}labels")


def _held_out(model, likelihood, images, labels, batch_size):
    """Return the batches to validate on, drawn once, or None without images."""
    if images is None:
        if labels is not None:
            raise refused(
                "validation_labels only beside validation_images",
                "validation_images=None",
            )
        return None
    images, labels = _images_and_labels(
        model, likelihood, images, labels, "validation_"
    )
    if likelihood.levels == 2:
        images = data.binarize(images, seed=0)
    return Batches(images, batch_size, binarize=False, labels=labels, shuffle=False)
