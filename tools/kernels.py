"""Jupyter kernels that are forked from a process that has imported TensorFlow.

A kernel that is started as usual imports TensorFlow for four seconds, and `tools/suite.py`
runs 40 notebooks.
"""

import multiprocessing
import os
import signal

import psutil


class Kernel(psutil.Process):
    """A forked kernel, with what jupyter_client expects of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def poll(self):
        return None if self.is_running() else 0


def fork_kernels():
    """Let jupyter_client fork its kernels from now on.

    They are forked from a fork of this process as it is now. So this process has to run a
    single thread, and nothing that a kernel must not have.
    """
    from jupyter_client.provisioning import local_provisioner

    ours, theirs = multiprocessing.Pipe()
    if not os.fork():
        ours.close()
        _serve(theirs)
    theirs.close()

    def launch_kernel(cmd, env=None, cwd=None, **_):
        environment = {**(env or {}), "JPY_PARENT_PID": str(os.getpid())}
        ours.send((cmd[cmd.index("-m") + 2 :], environment, cwd))
        return Kernel(ours.recv())

    local_provisioner.launch_kernel = launch_kernel


def _serve(pipe):
    """Fork a kernel for each request, until the other end of the pipe is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the dead
    while True:
        try:
            arguments, environment, folder = pipe.recv()
        except EOFError:
            os._exit(0)
        process = os.fork()
        if not process:
            pipe.close()
            try:
                _be_kernel(arguments, environment, folder)
            finally:
                os._exit(1)
        os.setpgid(process, process)  # a signal to the kernel's group stays there
        pipe.send(process)


def _be_kernel(arguments, environment, folder):
    import matplotlib
    from ipykernel.kernelapp import IPKernelApp

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(environment)
    os.chdir(folder or ".")
    # IPython names this backend in the environment, too late for what is imported already
    matplotlib.rcParams["backend"] = "module://matplotlib_inline.backend_inline"
    IPKernelApp.launch_instance(arguments)
