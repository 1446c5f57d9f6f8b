"""A notebook is compared with the alternative text of a figure, not with its pixels."""

from pathlib import Path


def pytest_configure(config):
    """Sanitize what nbval compares, in whatever folder pytest is started."""
    if config.getoption("nbval_sanitize_with", None) is None:
        config.option.nbval_sanitize_with = Path(__file__).with_name("nbval.cfg")
