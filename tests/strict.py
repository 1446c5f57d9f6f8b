"""On the machine that decides (CI=true), a test that is skipped has failed.

Tests of a browser or of an installation skip themselves where a program is missing. There
that must not pass for a success. A `conftest.py` imports the two hooks.
"""

import os

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _strict((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _strict((yield))


def _strict(report):
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"This test must run here. {report.longrepr[2]}"
    return report
