"""Threads of TensorFlow: a graph may wait for a Python function that needs one more.

`_coding_loop` calls such a function for each value.
"""

import contextlib
import os
import threading

from pixelcnn_edu.machine import cores_of_process

import tensorflow as tf

_asking = []  # for each graph that waits for a Python function: the thread that runs it


@contextlib.contextmanager
def asked_by_a_graph():
    """Run a Python function that a graph calls, in this block.

    Meanwhile the graph keeps one of TensorFlow's threads. If the function runs another
    graph, that graph needs one more thread.
    """
    _asking.append(threading.get_ident())
    try:
        yield
    finally:
        _asking.remove(threading.get_ident())


def refuse_to_wait_for_ever():
    """Raise an error if a graph that is called here would get no thread."""
    threads = tf.config.threading.get_inter_op_parallelism_threads()
    variable = os.environ.get("TF_NUM_INTEROP_THREADS", "")
    if not threads and variable.isdecimal():
        threads = int(variable)
    threads = threads or cores_of_process()
    if threading.get_ident() in _asking and len(_asking) >= threads:
        raise ValueError(
            "Expected a function that runs no model, since TensorFlow has "
            f"{threads} thread{'s' * (threads > 1)} to run graphs, and each of them waits "
            "for such a function. Received: a function that runs a model. Before "
            "TensorFlow is used, call "
            f"tf.config.threading.set_inter_op_parallelism_threads({threads + 1})."
        )
