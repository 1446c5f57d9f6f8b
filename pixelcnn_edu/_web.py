"""The explorers' program in JavaScript, joined from the modules in the folder `web`.

A page from disk can load no modules, and anywidget takes one text. So each module becomes a
function that is called at once and returns what the module exports; an import reads what an
earlier one returned.
"""

import base64
import functools
import hashlib
import importlib.resources
import re

_FOLDER = importlib.resources.files("pixelcnn_edu") / "web"
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.(\w+)";$', re.MULTILINE)
_EXPORT = re.compile(
    r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE
)


@functools.cache
def web_file(name) -> str:
    """Return the text of a file in the folder `web`."""
    return (_FOLDER / name).read_text("utf-8")


@functools.cache
def explorers() -> str:
    """Return one script, which defines `main_js` and its function `render`.

    The modules of the network stand in a function of their own, whose text becomes the
    program of a Worker, see engine.js.
    """
    answers = f"{_joined('answers.js')}return answers_js.answersOf;\n"
    return f"function makeAnswers() {{\n{answers}}}\n\n{_joined('main.js')}"


def policy(script) -> str:
    """Return a content security policy that allows this script, and nothing from outside.

    The Worker's program is a part of the script. WebAssembly needs a permission of its own.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}' 'wasm-unsafe-eval' blob:; "
        "worker-src blob:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )


def _joined(last):
    """Return all modules that ``last`` needs as one text, each after those it imports."""
    done = {}

    def add(name):
        if name in done:
            return
        text = _module(name)
        for _, stem, ending in _IMPORT.findall(text):
            add(f"{stem}.{ending}")
        exported = ", ".join(_EXPORT.findall(text))
        body = _EXPORT.sub("", _IMPORT.sub(r"const \1 = \2_\3;", text))
        place = name.replace(".", "_")
        done[name] = (
            f"const {place} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"
        )

    add(last)
    return "\n".join(done.values())


def _module(name):
    """Return a module as text; of the WebAssembly code, a constant with its bytes."""
    if not name.endswith(".wasm"):
        return web_file(name)
    code = base64.b64encode((_FOLDER / name).read_bytes()).decode()
    return f'export const KERNEL = "{code}";\n'
