"""Nothing is skipped silently where it counts."""

from strict import pytest_runtest_makereport  # noqa: F401 (a hook of pytest)
