"""Run notebooks and store their outputs, the same bytes every time.

    python tools/notebooks.py [--fresh] [NOTEBOOK ...]

Without names, all of notebooks/ and notebooks/solutions/. Each notebook runs from a
fresh kernel of this Python, in its own folder, and is written whole or, when a cell
fails or another program saves the file meanwhile, not at all. What a plain run would
change each time is made stable:

- times, versions and other traces of the machine are dropped from the metadata;
- a cell's id is the hash of its source, so it also tells which source the stored
  output belongs to;
- of a widget only its still picture is stored;
- a cell tagged nbval-ignore-output (a timing, say) keeps its stored output while its
  source is unchanged, unless --fresh is given; one tagged nbval-skip is not run.
"""

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path

import nbformat
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
KERNELSPEC = {
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
    "name": "python3",
}
LANGUAGE_INFO = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
VIEW = "application/vnd.jupyter.widget-view+json"
PASSING_CELL_KEYS = ("execution", "ExecuteTime", "lines_to_next_cell", "trusted")
PASSING_NOTEBOOK_KEYS = ("jupytext", "vscode")


class ThisPython(AsyncKernelManager):
    """Starts the kernel in the Python that runs this file, whatever is registered."""

    @property
    def kernel_spec(self):
        return KernelSpec(**get_kernel_dict())


def source_hash(cell):
    return hashlib.sha256(cell["source"].encode()).hexdigest()[:12]


def is_current(cell):
    """Whether the cell's source is the one it had when its output was stored."""
    return cell.get("id", "").split("-")[0] == source_hash(cell)


def set_ids(cells):
    """Give each cell the hash of its source as id; repeats are numbered."""
    seen = {}
    for cell in cells:
        digest = source_hash(cell)
        seen[digest] = seen.get(digest, 0) + 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def set_ids_of_text(cells):
    """Set the ids as `set_ids`, but keep those of code: they tell what has been run."""
    kept = [cell["id"] for cell in cells]
    set_ids(cells)
    for cell, old in zip(cells, kept, strict=True):
        if cell["cell_type"] == "code":
            cell["id"] = old


def tags(cell):
    return cell["metadata"].get("tags", [])


def keep_html(nb):
    """Keep the still picture of each widget, and the HTML of each figure: one form of each.

    The state of a widget would hold the network and the program of the explorer, and a
    page that shows a view without a state shows an error.
    """
    nb["metadata"].pop("widgets", None)
    for cell in nb["cells"]:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(VIEW, None)
            if "text/html" in output.get("data", {}):
                for part in (output["data"], output["metadata"]):
                    for kind in [kind for kind in part if kind.startswith("image/")]:
                        del part[kind]


def merge_streams(outputs):
    """Join neighboring pieces of one stream: how it was cut depends on timing."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output["output_type"] == "stream" and output["name"] == last.get("name"):
            last["text"] += output["text"]
        else:
            merged.append(output)
    return merged


def keeps_output(cell, fresh):
    """Whether the stored output of the cell outlives the next run."""
    if cell["cell_type"] != "code":
        return False
    if "nbval-skip" in tags(cell):
        return True
    stored = cell["execution_count"] is not None and is_current(cell)
    return "nbval-ignore-output" in tags(cell) and stored and not fresh


def execute(nb, folder):
    """Run all cells in a kernel that lives as long as this call."""
    NotebookClient(
        nb,
        kernel_name="python3",
        kernel_manager_class=ThisPython,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        skip_cells_with_tag="nbval-skip",
        timeout=900,
    ).execute()


def refresh(path, *, fresh=False):
    """Run the notebook at ``path`` and store it; True if its bytes changed.

    Raises:
        CellExecutionError: a cell failed. The file is left as it was.
        RuntimeError: the file changed during the run. The file is left as it is.
    """
    path = Path(path)
    before = path.read_bytes()
    nb = nbformat.reads(before.decode(), as_version=4)
    kept = {
        i: c["outputs"] for i, c in enumerate(nb["cells"]) if keeps_output(c, fresh)
    }

    for cell in nb["cells"]:
        for key in PASSING_CELL_KEYS:
            cell["metadata"].pop(key, None)
    for key in PASSING_NOTEBOOK_KEYS:
        nb["metadata"].pop(key, None)
    nb["nbformat_minor"] = 5
    set_ids(nb["cells"])
    execute(nb, path.parent)

    for index, cell in enumerate(nb["cells"]):
        if cell["cell_type"] == "code":
            cell["outputs"] = merge_streams(kept.get(index, cell["outputs"]))
            for output in cell["outputs"]:
                if output["output_type"] == "execute_result":
                    output["execution_count"] = cell["execution_count"]
    keep_html(nb)
    nb["metadata"]["kernelspec"] = KERNELSPEC
    nb["metadata"]["language_info"] = LANGUAGE_INFO
    nbformat.validate(nb)

    after = as_text(nb)
    if not path.exists() or path.read_bytes() != before:
        raise RuntimeError("another program changed it during the run; run it again")
    if after.encode() == before:
        return False
    write_whole(path, after)
    return True


def as_text(nb):
    """The text of a notebook's file."""
    return nbformat.writes(nb).rstrip("\n") + "\n"


def write_whole(path, text):
    """Write a file wholly, or leave the old one as it is (if the disk is full, say)."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(text.encode())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK")
    help = "renew the outputs of ignored cells too"
    parser.add_argument("--fresh", action="store_true", help=help)
    options = parser.parse_args(arguments)
    everything = [*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("solutions/*.ipynb")]
    failed = False
    for path in options.notebooks or sorted(everything):
        start = time.perf_counter()
        print(f"{path.name} ...", end=" ", flush=True)
        try:
            word = "changed" if refresh(path, fresh=options.fresh) else "unchanged"
            print(f"{word}, {time.perf_counter() - start:.0f} s", flush=True)
        except (CellExecutionError, RuntimeError) as error:
            failed = True
            print(f"failed, left as it is\n{error}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
