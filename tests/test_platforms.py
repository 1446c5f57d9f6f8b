"""What holds on machines of other kinds: Windows, another language, no UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Python warns where a text file is opened without a named encoding.
LOAD_ALL = """
import importlib, locale, os, signal, sys, warnings
sys.modules["rfc3987_syntax"] = None  # of jsonschema: a grammar, read for two seconds
import pixelcnn_edu
from pixelcnn_edu import data, experiments, presets, pretrained, scoreboard
import hypothesis, nbclient, pytest

ours = r"(pixelcnn_edu|test_\\w+)(\\..*)?$"
warnings.filterwarnings("error", category=EncodingWarning, module=ours)
assert os.name == "nt" or locale.getencoding() != "UTF-8"
assert scoreboard.rows() and presets.ablation() and pretrained.results_table()
assert [experiments.table(name) for name in experiments.names()]
data.load_mnist()

sys.modules["resource"] = None
for module, names in ((os, "fork getuid killpg sched_getaffinity setuid uname"),
                      (signal, "SIGKILL SIGXFSZ")):
    for name in names.split():
        vars(module).pop(name, None)
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_package_and_tests_load_without_utf_8_and_without_what_unix_alone_has():
    names = [path.stem for path in sorted((ROOT / "tests").glob("test_*.py"))]
    ascii_ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    env = {**os.environ, **ascii_, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-X", "warn_default_encoding", "-c", LOAD_ALL, *names]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
