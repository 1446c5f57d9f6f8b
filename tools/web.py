"""Join the modules of pixelcnn_edu/web into one file, explorers.js.

    python tools/web.py

A page from disk can load no modules, and anywidget takes one file. So each module becomes
a function that is called at once and returns what the module exports; an import reads what
an earlier one returned. The modules of the network stand in a function of their own, whose
text becomes the program of a Worker, see engine.js. `kernel.wat` becomes WebAssembly code.
"""

import base64
import re
from pathlib import Path

import wasmtime

WEB = Path(__file__).resolve().parents[1] / "pixelcnn_edu" / "web"
JOINED = WEB / "explorers.js"
IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.(\w+)";$', re.MULTILINE)
EXPORT = re.compile(
    r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE
)


def source(name) -> str:
    """Return a module as text; of a .wat file, its compiled code as a constant."""
    text = (WEB / name).read_text("utf-8")
    if name.endswith(".wat"):
        code = base64.b64encode(wasmtime.wat2wasm(text)).decode()
        return f'export const KERNEL = "{code}";\n'
    return text


def joined(last) -> str:
    """Return all modules that ``last`` needs as one text, each after those it imports."""
    done = {}

    def add(name):
        if name not in done:
            text = source(name)
            for _, stem, ending in IMPORT.findall(text):
                add(f"{stem}.{ending}")
            exported = ", ".join(EXPORT.findall(text))
            body = EXPORT.sub("", IMPORT.sub(r"const \1 = \2_\3;", text))
            place = name.replace(".", "_")
            done[name] = (
                f"const {place} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"
            )

    add(last)
    return "\n".join(done.values())


def explorers() -> str:
    """Return the joined file: the network, in a function of its own, and the explorers."""
    return (
        f"function makeAnswers() {{\n{joined('answers.js')}return answers_js.answersOf;\n"
        f"}}\n\n{joined('main.js')}\nexport default main_js;\n"
    )


if __name__ == "__main__":
    JOINED.write_text(explorers(), "utf-8")
