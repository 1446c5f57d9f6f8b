"""A JupyterLab and browsers for all tests of this folder, or a reason to skip them."""

import contextlib
import shutil
from pathlib import Path

import notebooks
from pixelcnn_edu import data, export, pretrained

import nbformat
import pytest
import server
import sheet
from exported import Page
from nbformat.v4 import new_code_cell, new_notebook
from strict import (  # noqa: F401 (hooks of pytest)
    pytest_make_collect_report,
    pytest_runtest_makereport,
)

ROOT = Path(__file__).parents[2]
SCREENS = ROOT / "build" / "screens"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FIREFOXES = ("firefox-esr", "firefox")
FLAGS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    # what does not exist cannot be asked, whatever a page tries
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@pytest.fixture(scope="session")
def playwright():
    reason = "Playwright is not installed: make test-browser installs it"
    api = pytest.importorskip("playwright.sync_api", reason=reason)
    with api.sync_playwright() as playwright:
        yield playwright


def on_path(names, package):
    found = [path for path in map(shutil.which, names) if path]
    if not found:
        pytest.skip(f"no {names[0]} on PATH (Debian: apt-get install {package})")
    return found[0]


@pytest.fixture(scope="session")
def browser(playwright):
    path = on_path(CHROMIUMS, "chromium")
    browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def firefox(playwright):
    """The Firefox of the system, which Playwright moves by the standard WebDriver BiDi."""
    path = on_path(FIREFOXES, "firefox-esr")
    browser = playwright.firefox.launch(executable_path=path, channel="moz-firefox")
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def lab_root(tmp_path_factory):
    """A folder with a copy of the notebooks, so that a run changes no file."""
    root = tmp_path_factory.mktemp("lab") / "root"
    hidden = shutil.ignore_patterns(".*")
    shutil.copytree(ROOT / "notebooks", root / "notebooks", ignore=hidden)
    return root


@pytest.fixture(scope="session")
def lab(browser, lab_root):
    """A running JupyterLab; needs a browser, so that it is not started for nothing."""
    command = server.lab_command(lab_root)
    with server.serving(command, lab_root.with_name("jupyter")) as info:
        yield info


@pytest.fixture(scope="session")
def opened(browser, lab, lab_root):
    """A context manager for a notebook that is made of sources, and run."""

    @contextlib.contextmanager
    def opened(*sources):
        cells = [new_code_cell(source) for source in sources]
        nb = new_notebook(cells=cells, metadata={"kernelspec": notebooks.KERNELSPEC})
        nbformat.write(nb, lab_root / "made.ipynb")
        page = sheet.Sheet(browser, lab, "made.ipynb")
        try:
            page.run()
            yield page
        finally:
            page.close()

    return opened


@pytest.fixture(scope="session")
def screens():
    """The folder for photographs."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    return SCREENS


# ------------------------------------------------------------------------ exported pages


@pytest.fixture(scope="session")
def coffee():
    return pretrained.load("coffee")


@pytest.fixture(scope="session")
def conditional():
    return pretrained.load("conditional")


@pytest.fixture(scope="session")
def colored():
    return pretrained.load("colored")


@pytest.fixture(scope="session")
def levels_4():
    return pretrained.load("levels_4")


@pytest.fixture(scope="session")
def digits():
    return data.binarize(data.load_mnist()[1][0][:4], seed=0)


@pytest.fixture(scope="session")
def files(coffee, conditional, colored, levels_4, digits, tmp_path_factory):
    """A folder with a page of each model."""
    folder = tmp_path_factory.mktemp("pages")
    export.page(coffee, folder / "coffee.html", images=digits)
    export.page(conditional, folder / "conditional.html")
    export.page(colored, folder / "colored.html")
    export.page(levels_4, folder / "levels_4.html")
    return folder


@pytest.fixture
def visit(browser, files, screens, request):
    """A context manager for a page, which is checked and photographed at the end."""

    @contextlib.contextmanager
    def visit(name, width="wide", address=""):
        page = Page(browser, files / f"{name}.html", width, address)
        try:
            yield page
            page.check()
        finally:
            shot = screens / f"page-{request.node.name}-{name}.png"
            page.page.screenshot(path=shot, full_page=True)
            page.context.close()

    return visit
