"""Nothing is skipped silently where it counts; and JAX compiles a network once."""

import os
import tempfile

from strict import (  # noqa: F401 (hooks of pytest)
    pytest_make_collect_report,
    pytest_runtest_makereport,
)

# The same small networks are compiled again and again, also in the processes of tests.
CACHE = tempfile.TemporaryDirectory()
os.environ["JAX_COMPILATION_CACHE_DIR"] = CACHE.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
