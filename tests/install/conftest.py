"""Nothing is skipped silently where it counts."""

from strict import (  # noqa: F401 (hooks of pytest)
    pytest_make_collect_report,
    pytest_runtest_makereport,
)

collect_ignore = ["saved.py"]  # a program that test_bundle_elsewhere runs
