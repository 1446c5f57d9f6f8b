"""Training: Keras's own ``compile`` and ``fit``, with what a likelihood model needs.

Taught by notebooks 07 and 08. The main additions:

- the loss is the negative log-likelihood, in nats per image;
- digits are binarized afresh for every batch (the dynamic protocol);
- the learning rate has a schedule, and gradients are clipped, see `optimizers`;
- if the optimizer keeps a running mean of the weights, the final model has this mean;
- a run with ``folder=`` goes on after its last finished epoch, see `checkpoints`, and ends
  with the same weights as a run without a break.

``python -m pixelcnn_edu train --help`` says how to train a preset from the command line.
"""

import functools

from pixelcnn_edu import _jax, _ranks, data
from pixelcnn_edu._callbacks import (
    check_callbacks,
    check_learning_rate,
    inner_optimizer,
    swapped_back,
    with_mean_weights,
)
from pixelcnn_edu._checks import (
    check_bool,
    check_images,
    check_labels,
    check_path,
    check_positive_int,
    check_seed,
    plain,
)
from pixelcnn_edu._fingerprint import example_inputs
from pixelcnn_edu.batches import Batches, pipeline
from pixelcnn_edu.checkpoints import resume
from pixelcnn_edu.likelihoods import Bernoulli, NegativeLogLikelihood
from pixelcnn_edu.machine import on_gpu
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
    # With one device this scope does nothing. With several (`machine.strategy_called`),
    # each device gets a copy of a variable that is made in this scope.
    strategy = getattr(model, "distribute_strategy", tf.distribute.get_strategy())
    if isinstance(optimizer, str) and optimizer in BY_NAME:
        with strategy.scope():
            optimizer = BY_NAME[optimizer](steps, learning_rate)
    elif not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(
            f"Expected optimizer to be one of {', '.join(map(repr, BY_NAME))}, or a "
            f"Keras optimizer. Received: {optimizer!r}"
        )
    # What the optimizer has trained before. It must know all variables of today, and may
    # know more (a layer was frozen). With a running mean it must know the same variables in
    # the same order, since Keras pairs the variables with their means by place.
    known = [id(one) for one in inner_optimizer(optimizer)._trainable_variables]
    now = [id(one) for one in model.trainable_variables]
    fits = known == now if inner_optimizer(optimizer).use_ema else {*known} >= {*now}
    if known and not fits:
        raise ValueError(
            "Expected optimizer to be a new Keras optimizer, or the one that trains this "
            "model (with use_ema: the same layers of it as before). Received: an optimizer "
            f"of other variables, {optimizer!r}"
        )
    xla = keras.config.backend() == "jax" or on_gpu()
    model.compile(
        optimizer=optimizer,
        loss=NegativeLogLikelihood(likelihood),
        metrics=[],  # with None, Keras keeps the metrics of an earlier compile
        jit_compile="auto" if xla else False,
    )
    # Keras's `BackupAndRestore` notes here the epoch that it goes on from. A note that an
    # earlier run has left would skip epochs of this run.
    model._initial_epoch = None
    # The optimizer builds its variables now, for two reasons. If it built them in the first
    # step, TensorFlow would compile the step twice. And in float16 Keras wraps the
    # optimizer into a LossScaleOptimizer. If the LossScaleOptimizer built it, Keras would
    # list Nadam's `_u_product` nowhere, and a checkpoint would miss this variable.
    with strategy.scope():
        inner_optimizer(model.optimizer).build(model.trainable_variables)


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
        epochs: number of passes over the images in the whole run. To resume, give the
            same number. Another number is another run, which ``folder`` refuses.
        batch_size: images per step; in validation four times as many, but at most 256.
        learning_rate: the highest rate of a cosine schedule with a short rise; 2e-3 suits
            ``"nadam"``; for ``"muon"`` see `optimizers.muon`. Unused with a Keras
            optimizer, which has its own.
        optimizer: ``"nadam"`` or ``"muon"`` of `optimizers`, or a Keras optimizer. If the
            optimizer keeps a running mean of the weights (``use_ema``), the validation,
            the callbacks at the end of an epoch, and the final model all use that mean.
            Then ``BackupAndRestore`` is refused, which would go on from the mean.
            ``SwapEMAWeights`` is always refused. For a network with labels on
            TensorFlow, use ``"nadam"`` or ``"muon"``, or set ``global_clipnorm``: without
            it, `keras.optimizers.Adam` and similar ones square the gradient of each image
            before they add the gradients of a label. So their steps for the labels'
            weights (an ``Embedding``) are not those of their formulas. (For
            ``global_clipnorm``, Keras computes the norm from the gradients of single
            images; the norm is then a few percent off.)
        soft_targets: the target of each pixel is its gray value, not the random 0 or 1
            that the network reads. The expected loss is the same (notebook 14 says why).
            From draw to draw, the loss of a single pixel varies less; the loss of the
            whole image does not always vary less. `Bernoulli` only.
        seed: seed for the order of the images and for their binarization. Each call begins
            with the same ones. To train a model further in a second call, without a
            folder, give another seed. Weights and dropout get their seeds when the model is
            built: call ``keras.utils.set_random_seed`` before.
        folder: where to keep the run's state; one process or thread at a time can use the
            folder. A run that the folder holds goes on (see `checkpoints`):

            - The network, its initial weights and precision, the images and labels (those
              to validate on too), epochs, batch_size, seed, optimizer, learning_rate if it
              is used, soft_targets and likelihood must be the same. After a change in your
              own code, choose another folder: not every change is noticed, see
              `checkpoints`.
            - To get the same initial weights, build the model after the same
              ``keras.utils.set_random_seed``. Or give the model object whose training
              was interrupted: it is accepted with the weights that it has now.
            - A run that has ended, or that a callback stopped, is not trained further:
              the model gets the final weights of that run.
            - To begin anew, delete the whole folder: if only ``checkpoint.npz`` is gone,
              ``checkpoint.previous.npz`` is used.
            - ``history["seconds"]`` holds the time that each epoch took.
            - Keras's callback ``BackupAndRestore`` is refused, and ``CSVLogger`` appends
              to its file in a run that goes on.
        callbacks: a Keras callback, a list of them, or None. ``ReduceLROnPlateau`` and
            ``LearningRateScheduler`` need a Keras optimizer whose learning rate is a
            number: ``"nadam"`` and ``"muon"`` have a schedule.
        likelihood: for a model that carries none.
        verbose: as for Keras: 0 silent, 1 a progress bar, 2 a line per epoch.

    Returns:
        Keras's History; ``history["loss"]`` and ``["val_loss"]`` are nats per image, plus
        the penalties of regularizers in your layers, if there are any.

    Raises:
        ValueError: if an argument is out of its range, several devices cannot share each
            batch equally, or folder holds another run, is in use, cannot be written, or is
            given while ``keras.config`` limits epochs or steps.
        OSError: the disk is full, the folder's run cannot be read, or the folder was
            deleted or moved during the run.
    """
    likelihood = likelihood_of(model, likelihood)
    epochs = check_positive_int("epochs", epochs)
    soft_targets = check_bool("soft_targets", soft_targets)
    if soft_targets and not isinstance(likelihood, Bernoulli):
        raise ValueError(
            "Expected soft_targets=False under a likelihood other than Bernoulli(), which "
            f"has no gray values between its levels. Received: {likelihood}"
        )
    folder = None if folder is None else check_path("folder", folder)
    limits = keras.config.max_epochs(), keras.config.max_steps_per_epoch()
    if folder is not None and limits != (None, None):
        raise ValueError(
            "Expected no folder while Keras limits epochs or steps: the shortened run "
            "would count as complete. Received: keras.config.max_epochs() = {} and "
            "max_steps_per_epoch() = {}".format(*limits)
        )
    callbacks = check_callbacks(callbacks, in_folder=folder is not None)
    optimizer, learning_rate = plain(optimizer), plain(learning_rate)
    images, labels = _images_and_labels(model, likelihood, images, labels)
    batches = Batches(
        images,
        check_positive_int("batch_size", batch_size),
        binarize=likelihood.levels == 2,
        soft_targets=soft_targets,
        seed=check_seed(seed, optional=False),
        labels=labels,
    )
    _ranks.refuse_unequal_shares(model, batches, "images")
    own = _ranks.rows(batches)  # all rows, unless several machines train
    # without gradients, four times as many images take about as much memory
    size = min(256, 4 * batches.batch_size)
    held_out = _held_out(model, likelihood, validation_images, validation_labels, size)
    validation = None
    if held_out is not None:
        _ranks.refuse_unequal_shares(model, held_out, "validation_images")
        validation = pipeline(_ranks.rows(held_out, score=True))
    compile_model(
        model,
        steps=epochs * len(own),
        learning_rate=learning_rate,
        optimizer=optimizer,
        likelihood=likelihood,
    )
    check_learning_rate(model.optimizer, callbacks)
    # a resumed run begins in a later epoch
    set_epoch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(batches, "epoch", epoch)
    )
    callbacks = [set_epoch, *with_mean_weights(model.optimizer, callbacks)]
    train = functools.partial(
        swapped_back,
        model.fit,
        x=pipeline(own),
        validation_data=validation,
        shuffle=False,  # the pipeline has its own order, and Keras warns otherwise
        epochs=epochs,
        verbose=plain(verbose) if _ranks.rank() == 0 else 0,
    )
    if keras.config.backend() == "jax":
        train = functools.partial(_jax.keeping_state, model, train)
    settings = {  # `resume` notes them; arrays become checksums
        "epochs": epochs,
        "batch_size": batches.batch_size,
        "seed": batches.seed,
        "optimizer": optimizer,
        "soft_targets": soft_targets,
        "likelihood": likelihood,
        "images": images,
        "labels": labels,
        "validation_images": None if held_out is None else held_out.images,
        "validation_labels": None if held_out is None else held_out.labels,
        # several processes drop it, see `_ranks`
        "short last batch": None if own is batches else "dropped",
    }
    if isinstance(optimizer, str):
        settings["learning_rate"] = learning_rate
    inputs = example_inputs(model, images, labels, likelihood)
    _ranks.check_same(model, settings, inputs)
    if folder is None:
        return train(callbacks=callbacks)
    return resume(train, model, folder, settings, callbacks, inputs)


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
            raise ValueError(
                "Expected validation_labels only beside validation_images. "
                "Received: validation_images=None"
            )
        return None
    images, labels = _images_and_labels(
        model, likelihood, images, labels, "validation_"
    )
    if likelihood.levels == 2:
        images = data.binarize(images, seed=0)
    return Batches(images, batch_size, binarize=False, labels=labels, shuffle=False)
