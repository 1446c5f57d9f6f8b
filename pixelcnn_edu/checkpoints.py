"""Checkpoints: the state of a run on disk, so that an interrupted run goes on.

Taught by notebook 08. Keras's own `keras.callbacks.BackupAndRestore` keeps the weights,
the optimizer and the number of the epoch. It keeps neither the history nor what other
callbacks remember, and does not notice that settings or images have changed.

`Checkpoint` writes the state of the run (weights, the optimizer's variables, the state of
dropout's random numbers, the history) after each finished epoch. To go on, `resume` loads
this state and calls ``model.fit`` with ``initial_epoch``. A half-done epoch is done again:
the order of the digits and their draws come from (seed, epoch, batch), so the epoch has the
same batches.

`training.fit` goes on with a run if the settings, the images and the initial weights are
those of the run, and if the network and each layer of its graph compute the same. For each
of five draws of random weights, the network is called with two random images, once with
``training=False`` and once with ``training=True``, see `_fingerprint`. Of the optimizer and
the likelihood, the name of the class and what ``get_config`` returns are compared. If a run
is refused, the message names what differs. After "network", the part of the network that
differs stands in parentheses:

- shapes: of the weights;
- trained: which of the weights are trained;
- prediction, training: what the network or a layer computes with ``training=False`` or
  ``training=True``;
- penalties: the loss, regularizers, constraints;
- version: the run was begun with another version of this package.

This comparison finds many changes, but not all. So, after a change in your own code, choose
another folder. Not noticed are, for example,

- changes that change the compared numbers by less than 0.01 % of their typical size (in
  half precision: 3 %), or that show only with other images, labels, weights or random
  numbers: another limit of ``ReLU(max_value=1000)``, for example, or another dropout rate
  in a layer that draws only one or two random numbers in each call (one for each image,
  say);
- changes in a network that takes texts, that does not know its inputs (``model.inputs``;
  most subclasses of `keras.Model`), or that fails with two images or with random weights;
- changes that act only later in training (in a layer that counts its calls, say), or only
  on gradients (in a function with `tf.custom_gradient`);
- changes in callbacks, or in a ``train_step`` of the model's own class;
- changes in the code of an optimizer or a schedule, in a lambda that its ``get_config``
  holds, or in attributes that its ``get_config`` leaves out;
- another seed of dropout: the run goes on with the saved state of its random numbers;
- changes in prediction, training or penalties, if this part gives other numbers in each
  call because a layer draws random numbers with NumPy, Python or TensorFlow. (Keras's
  generators have fixed states here, so Keras's dropout is compared.)

An unchanged run may be refused

- after an update of Python or of a package;
- with another backend, in half precision;
- on another processor, if the network amplifies rounding (with sin(30 x) in several layers,
  say), or with JAX: its initial weights may differ there by rounding;
- if the model is built again with an object that training has changed (a regularizer with a
  variable, say).

The weights of a refused run can be loaded:
``file = np.load("FOLDER/checkpoint.npz")``, and, for the i-th of ``model.variables``,
``variable.assign(file[f"variable_{i}"])``.

A checkpoint holds

- the weights, the variables of the optimizer, and the history;
- each `keras.random.SeedGenerator` and `keras.Variable` that is an attribute of a layer, an
  optimizer, a schedule, an activity regularizer, or a regularizer or constraint of a
  trained weight;
- the state of Keras's ``EarlyStopping``, ``ReduceLROnPlateau`` and ``ModelCheckpoint``. A
  callback gets it back if it has the same class, ``monitor`` and ``mode``.

In a resumed run, what callbacks do to the weights and the learning rate in
``on_train_begin`` is replaced by the saved state.

A checkpoint does not hold the following, so a resumed run may differ from a run without a
break:

- the state of generators of NumPy, Python and TensorFlow, and of Keras's global generator
  (a `keras.layers.Dropout` has its own), and what a `tf.Variable` holds;
- a generator or a variable that only a function or another object holds, and the states of
  a stateful recurrent layer;
- what a layer stores other than in variables, such as a number of calls;
- the state of an optimizer that a model holds in addition to the one it is compiled with;
- what other callbacks store.

The comparison calls the network ten times or more, with random weights. If a layer contains
a loop, the loop must end with random weights, too. What these calls change inside an object
that a layer holds (such as a list or a generator of NumPy) stays changed. So such a network
may train differently with a folder than without. If another thread trains while a network
with layers of your own is compared, the dropout of that thread may draw other numbers.
"""

import contextlib
import os
import time
import weakref

from pixelcnn_edu import _ranks
from pixelcnn_edu._callbacks import inner_optimizer, trained_variables, with_csv_files
from pixelcnn_edu._checkpoint_file import (
    read_newest,
    refuse_foreign_files,
    remembering,
    with_arrays,
    write,
)
from pixelcnn_edu._checks import check_path, plain
from pixelcnn_edu._checksums import checksum, through_json
from pixelcnn_edu._files import atomic_write, identity_of_file
from pixelcnn_edu._fingerprint import differences_of, example_inputs, fingerprint

import keras
import numpy as np

# For each model its latest run in this process: the real path of the folder, the checksum
# of the weights that the run began with, and the settings that training has changed.
_latest_run = weakref.WeakKeyDictionary()

_STATE = ("epoch", "stopped", "ended", "settings", "history")


def resume(
    train, model, folder, settings, callbacks, inputs=None
) -> keras.callbacks.History:
    """Go on with the run in a folder, or begin a run.

    A run that has ended is not trained again: the model gets its last weights.

    Args:
        train: a function ``train(callbacks=…, initial_epoch=…)`` that trains the model as
            ``model.fit`` does. (`Batches` are not told of ``initial_epoch``: set their
            ``epoch`` to it, or a resumed run sees other draws.)
        model: a compiled model that has its weights. A subclass of `keras.Model` has none
            before its first call: call it once. If it does not know its inputs, and
            ``inputs`` are not given, nothing of its network is compared but the shapes of
            the weights, and which of them are trained.
        folder: where the run is kept; it is locked meanwhile. On several machines only the
            first process (rank 0) uses the folder; it sends the state to the others.
        settings: a dict that must be the same when the run is resumed, with the key
            ``"epochs"``. Added are the precision, the network, its initial weights, and
            the weights that the optimizer excludes from weight decay.
        callbacks: Keras callbacks.
        inputs: what the network is called with, to compare it: a list of five entries,
            each [images] or [images, labels]; by default `_fingerprint.example_inputs`.

    Returns:
        Keras's History of all epochs, earlier ones included.

    Raises:
        ValueError: the model has no weights yet; the folder is in use, cannot be written,
            holds another run, or holds a file that has the name of a checkpoint but is
            not one; JSON cannot hold a setting; a variable is bfloat16; or several
            machines would resume a run whose state has NaN.
        OSError: as for `training.fit`.
    """
    if not model.built:
        raise ValueError(
            "Expected model to have weights: call it on a batch, or give it an input. "
            f"Received: {model.name!r}, which is not built yet"
        )
    inputs = example_inputs(model) if inputs is None else inputs
    settings = {
        **settings,
        "precision": _precision(model),
        "network": fingerprint(model, inputs),
        "initial weights": checksum(model.get_weights()),
        **_weight_decay(model),
    }
    with _ranks.locked_by_first(folder) as folder:
        checkpoint = Checkpoint(folder, settings, callbacks, inputs)
        epoch = checkpoint.restore(model)
        history = keras.callbacks.History()
        history.set_model(model)
        if checkpoint.ended:
            checkpoint.remind()
        else:
            # If a callback stopped the run, Keras begins after the last epoch, and so
            # trains no epoch.
            first = settings["epochs"] if checkpoint.stopped else epoch
            files = with_csv_files(callbacks, epoch, checkpoint._paths[0])
            with checkpoint.noting_checksum(), files as callbacks:
                history = train(callbacks=[*callbacks, checkpoint], initial_epoch=first)
    history.history = checkpoint.history
    history.epoch = list(range(checkpoint.epoch))
    return history


def _precision(model):
    """Return the dtype policy of all layers, or else that of each layer in order.

    Models and inputs do not count: in a loaded model, Keras gives them other policies.
    """
    without = keras.Model | keras.layers.InputLayer
    layers = [one for one in model._flatten_layers() if not isinstance(one, without)]
    policies = [layer.dtype_policy.name for layer in layers]
    return policies if len({*policies}) > 1 else policies[:1]


def _weight_decay(model):
    """Return which weights the optimizer excludes from weight decay, as a setting."""
    optimizer = inner_optimizer(model.optimizer)
    excluded = [
        index
        for index, weight in enumerate(model.trainable_variables)
        if not optimizer._use_weight_decay(weight)
    ]
    return {"excluded from weight decay": excluded or None}


class Checkpoint(keras.callbacks.Callback):
    """Keep the state of a run on disk: weights, optimizer and history.

    After each epoch the state goes to ``folder/checkpoint.npz``, and the state before it
    to ``checkpoint.previous.npz``, which is used if the newest file is damaged or missing
    (so delete both, or the folder, to begin anew). At the end of training the newest file
    is written once more, with the final weights. If the folder was deleted or moved
    meanwhile, the run ends with an OSError.

    The state is written before training too. So a full disk is noticed before the first
    batch, and a run that is interrupted in its first epoch begins again with the same
    weights. In a resumed run this first write only tests that writing works.

    Args:
        folder: an existing folder. Only rank 0 uses it.
        settings: a dict that must be the same when the run is resumed. Arrays become
            checksums. ``"initial weights"``, ``"network"`` and ``"optimizer"`` may differ
            if the training of this run has changed them: a callback may change the learning
            rate or a number in a layer. Then the model must have the weights that it had
            when that training ended.
        callbacks: the other callbacks, which come before this one.
        inputs: as for `resume`.

    Attributes:
        history: as in Keras's History, of all epochs.
        epoch: how many epochs are done.
        stopped: whether a callback stopped the training.
        ended: whether the training came to its end.

    Raises:
        ValueError: JSON cannot hold a setting.
    """

    def __init__(self, folder, settings, callbacks=(), inputs=()):
        super().__init__()
        self.folder = check_path("folder", folder)
        self._lock = self._present_lock()
        self.settings = through_json(settings)
        self.optimizer = settings.get("optimizer")
        self.callbacks, self.inputs = callbacks, inputs
        self.history = {}
        self.epoch, self.stopped, self.ended = 0, False, False
        self._callback_states, self._restored = [], ()

    @property
    def _paths(self):
        return self.folder / "checkpoint.npz", self.folder / "checkpoint.previous.npz"

    def _present_lock(self):
        return identity_of_file(self.folder / "checkpoint.lock")

    def restore(self, model) -> int:
        """Load the newest undamaged state into a compiled model.

        Returns:
            How many epochs are done: 0 if the folder holds no state.

        Raises:
            ValueError: the folder holds another run, or other files of these names.
            OSError: a file cannot be read.

        Warns:
            RuntimeWarning: a file is damaged. The file gets another name.
        """
        self.set_model(model)
        if not model.optimizer.built:  # LossScaleOptimizer would add variables again
            model.optimizer.build(model.trainable_variables)
        (path, about), arrays = _ranks.from_first(self._read)
        if path is None:
            return 0
        missing = {"after_training", "callbacks", *_STATE} - about.keys()
        if missing:
            raise ValueError(
                f"Expected {path} to be a checkpoint of this version. Received: a file "
                f"without {', '.join(sorted(missing))}. Choose another folder."
            )
        variables = trained_variables(self.model)
        shapes = [tuple(variable.shape) for variable in variables]
        arrays, more = arrays[: len(shapes)], arrays[len(shapes) :]
        differ = self._differences(about)
        if not differ and [array.shape for array in arrays] != shapes:
            differ = ["network"]
        if differ:
            told = (
                "Expected folder to be empty or to hold a run with the same settings. "
                f"{path} differs in: {', '.join(differ)}."
            )
            if differ == ["initial weights"]:
                told += (
                    " Before you build the model, call keras.utils.set_random_seed with "
                    "the seed of that run; or choose another folder for another run. "
                    "(On JAX, another processor may give other initial weights.)"
                )
            raise ValueError(told)
        if _ranks.count() > 1 and any(np.isnan(array).any() for array in arrays):
            raise ValueError(
                "Expected a run whose numbers are finite, to go on in several processes. "
                f"Received: {path}, whose training has diverged. Choose another folder "
                "and a lower learning rate."
            )
        # the checksum of the initial weights is the one that the run began with
        self.settings = about["settings"]
        self.epoch, self.history = about["epoch"], about["history"]
        self.stopped, self.ended = about["stopped"], about["ended"]
        self._callback_states = with_arrays(about["callbacks"], more)
        with self.noting_checksum():
            self._restored = arrays
            self._assign_restored()
        return self.epoch

    def _assign_restored(self):
        if self._restored:
            variables = trained_variables(self.model)
            for variable, array in zip(variables, self._restored, strict=True):
                variable.assign(array)

    def _read(self):
        refuse_foreign_files(self.folder)
        path, about, arrays = read_newest(self._paths)
        return (path and str(path), about), arrays or []

    @contextlib.contextmanager
    def noting_checksum(self):
        """After this block, also if it fails, note what training has changed: `_now`."""
        try:
            yield
        finally:
            run = os.path.realpath(self.folder), self.settings.get("initial weights")
            # at once, since a second interrupt may come while the network is called
            _latest_run[self.model] = *run, self._now(self.settings.get("network"))
            network = fingerprint(self.model, self.inputs)
            _latest_run[self.model] = *run, self._now(network)

    def _now(self, network):
        """Return the present values of the settings that training changes, by name.

        ``"initial weights"`` is here the checksum of the present weights.
        """
        now = {
            "initial weights": checksum(self.model.get_weights()),
            "network": network,
            "optimizer": self.optimizer,
        }
        return through_json(now)

    def _differences(self, about):
        """Return the names of the settings that differ from those of a run on disk.

        The same Python object has new weights after training, and its optimizer may have
        a new learning rate. They are accepted if this run produced them, together.

        Example: training is interrupted in its third epoch, and the same call of `fit`
        follows, with the same model object. The weights are now those of the third epoch.
        Their checksum was noted when the training was interrupted, so they are accepted.
        """
        old, new = about["settings"], self.settings
        parts = {name: self._parts(name, old) for name in old | new}
        differ = [name for name, found in parts.items() if found]
        if "network" in differ and "initial weights" in differ:
            differ.remove("initial weights")  # another network has other weights
        produced = [about["after_training"]]  # when the file was written
        *run, after_training = _latest_run.get(self.model, ("", "", {}))
        if run == [os.path.realpath(self.folder), old.get("initial weights")]:
            produced.append(after_training)  # and later, when the run was interrupted
        return [
            name + _in_brackets(parts[name])
            for name in differ
            if all(
                self._parts("initial weights", one) or self._parts(name, one)
                for one in produced
            )
        ]

    def _parts(self, name, other):
        """Return the parts in which a setting differs from that in ``other`` settings."""
        old, new = other.get(name), self.settings.get(name)
        if old == new:
            return []
        if name == "network" and None not in (old, new):
            return differences_of(self.model, self.inputs, new, old)
        if not isinstance(old, dict) or not isinstance(new, dict):
            return [""]
        keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        return ["class"] if "class" in keys else keys

    def remind(self):
        """Give Keras's own callbacks what they knew when the state was written."""
        for callback, who, _ in remembering(self.callbacks):
            for saved_who, state in self._callback_states:
                if saved_who == who:
                    vars(callback).update(state)
        self._callback_states = []

    def on_train_begin(self, logs=None):
        self.remind()
        self._assign_restored()  # replaces what another callback has set here
        self._restored = ()
        if any(v.dtype == "bfloat16" for v in trained_variables(self.model)):
            raise ValueError(
                "Expected a model with float32 variables beside folder=, since a file "
                "cannot hold bfloat16. Received: bfloat16. Use 'mixed_bfloat16'."
            )
        self._write(trial=any(path.exists() for path in self._paths))

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.began
        for name, value in {**(logs or {}), "seconds": seconds}.items():
            value = plain(value)
            if isinstance(value, int | float):  # a callback may add anything to logs
                self.history.setdefault(name, []).append(float(value))
        self.epoch, self.stopped = epoch + 1, bool(self.model.stop_training)
        self._write(backup=self._paths[1])

    def on_train_end(self, logs=None):
        self.ended = True
        self._write()

    def _write(self, **how):
        """Write the state, at rank 0; ``how`` is for `atomic_write`."""
        _ranks.from_first(lambda: (self._write_here(how), []))

    def _write_here(self, how):
        arrays = [np.asarray(variable) for variable in trained_variables(self.model)]
        callbacks = []
        for callback, who, names in remembering(self.callbacks):
            state = {name: getattr(callback, name) for name in names}
            if "best_weights" in state:
                # `state` gets their number, and the arrays follow the model's
                arrays += state["best_weights"] or []
                state["best_weights"] = len(state["best_weights"] or [])
            callbacks.append([who, state])
        about = {
            **{name: getattr(self, name) for name in _STATE},
            "after_training": self._now(self.settings.get("network")),
            "callbacks": callbacks,
        }
        if self._present_lock() != self._lock:
            raise OSError(
                f"Expected {self.folder} to be the folder that this run has locked. "
                "Received: another folder or none, since the run's folder was deleted or "
                "moved. Nothing is written."
            )
        with atomic_write(self._paths[0], **how) as path, open(path, "wb") as file:
            write(file, about, arrays)


def _in_brackets(parts):
    """Return the parts of a setting that differ, in brackets, if there are such parts."""
    return f" ({', '.join(parts)})" if any(parts) else ""
