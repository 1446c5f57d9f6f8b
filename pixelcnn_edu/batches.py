"""Batches: each epoch has its own order and its own binarization, fixed by the seed.

Taught by notebooks 07 and 08.
"""

import weakref

from pixelcnn_edu import data

import keras
import numpy as np
import tensorflow as tf


class Batches(keras.utils.PyDataset):
    """Batches (inputs, targets), binarized for each epoch if ``binarize`` is True.

    The inputs are the images, or (images, labels). The targets are the same images, or
    their gray values (soft targets). Batch b of epoch e is always the same.

    Args:
        images: (N, H, W, C) in [0, 1].
        batch_size: images per batch; the last batch of an epoch may be smaller.
        binarize: draw each pixel as 0 or 1 with its gray value as the probability.
        soft_targets: give the gray values, not the draws, as targets.
        seed: of the order and of the draws.
        labels: [] or [(N,)].
        shuffle: a new order for each epoch; False keeps the order of ``images``.
    """

    def __init__(
        self,
        images,
        batch_size,
        *,
        binarize,
        soft_targets=False,
        seed=0,
        labels=(),
        shuffle=True,
    ):
        super().__init__()
        self.images = images
        self.labels = labels
        self.batch_size = batch_size
        self.binarize = binarize
        self.soft_targets = soft_targets
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def on_epoch_end(self):
        """Go on to the next epoch. (`training.fit` sets the epoch itself.)"""
        self.epoch += 1

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index):
        if not 0 <= index < len(self):  # ends a `for` loop
            raise IndexError(f"Expected a batch from 0 to {len(self) - 1}")
        order = np.arange(len(self.images))
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        drawn = gray = self.images[rows]
        if self.binarize:
            drawn = data.binarize(gray, seed=[self.seed, self.epoch, index])
        labels = [label[rows] for label in self.labels]
        inputs = (drawn, *labels) if labels else drawn
        # a copy: TensorFlow may compute in the memory of an array that a generator yields
        return inputs, (gray if self.soft_targets else drawn).copy()


def pipeline(batches) -> tf.data.Dataset:
    """Return batches as a dataset without autotuning.

    With autotuning, about half of all epochs used only one of two CPU cores (64
    filters, 6 blocks: 200 images/s in those epochs, 330 in the others).

    TensorFlow keeps the generator of every dataset until the process ends. So the
    generator has only a weak reference to the batches, and their images are freed with
    the dataset.
    """
    count, reference = len(batches), weakref.ref(batches)

    def generate():
        for index in range(count):
            yield reference()[index]

    def any_count(array):
        return tf.TensorSpec((None, *array.shape[1:]), array.dtype)

    dataset = tf.data.Dataset.from_generator(
        generate, output_signature=keras.tree.map_structure(any_count, batches[0])
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    known = tf.data.experimental.assert_cardinality(count)
    dataset = dataset.apply(known).with_options(options)
    dataset.batches = batches  # they live as long as the dataset
    return dataset
