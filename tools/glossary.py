"""The glossary of the series, made from notebooks/glossary.yaml.

    python tools/glossary.py            write notebooks/glossary.md
    python tools/glossary.py --check    fail if notebooks/glossary.md is not current

An entry has a ``term``, what the term ``means``, and the ``notebook`` that explains it.
``also`` holds other written forms (a plural in s or es needs no entry), and ``see`` names
other terms. If a term is plain English elsewhere, ``sense`` is a regular expression: only
what it finds is a use of the term.
"""

import argparse
import itertools
import re
import sys

from notebooks import NOTEBOOKS

import yaml

SOURCE, PAGE = NOTEBOOKS / "glossary.yaml", NOTEBOOKS / "glossary.md"
KEYS = {"term", "means", "notebook", "also", "see", "sense"}
TITLE = """# Glossary

<!-- Made from glossary.yaml by tools/glossary.py -->

Each entry says what a term means in this series, and links to the notebook that explains
the term.
"""


def forms(entry) -> list[str]:
    """Return the written forms of a term, itself first."""
    return [entry["term"], *entry.get("also", [])]


def read(path=SOURCE) -> list[dict]:
    """Return the entries of a YAML file, or raise ValueError if one is not whole."""
    entries = yaml.safe_load(path.read_text("utf-8"))
    every = [form.lower() for entry in entries for form in forms(entry)]
    terms = {entry["term"] for entry in entries}
    for entry in entries:
        if not (
            entry["term"]
            and str(entry.get("means", "")).endswith((".", ")"))
            and isinstance(entry.get("notebook"), int)
            and set(entry) <= KEYS
            and set(entry.get("see", [])) <= terms - {entry["term"]}
            and all(every.count(form.lower()) == 1 for form in forms(entry))
        ):
            raise ValueError(
                f"Expected an entry of {path.name} to have a term, sentences that say what "
                "it means and the number of a notebook, to see terms of other entries, and "
                f"to share no form with them. Received: {entry}"
            )
    return entries


def link(number) -> str:
    """Return the link to a notebook, named as its file is."""
    (path,) = NOTEBOOKS.glob(f"{number:02}_*.ipynb")
    name = path.stem[3:].replace("_", " ").capitalize()
    return f"[{number:02} · {name}]({path.name})"


def as_markdown(entries) -> str:
    """Return the page: the entries in the order of the alphabet, under their letters."""

    def order(entry):
        return re.sub(r"\W", "", entry["term"].lower()), entry["term"]

    def letter(entry):
        first = order(entry)[0][0]
        return first.upper() if first.isalpha() else "0–9"

    parts = [TITLE]
    for name, group in itertools.groupby(sorted(entries, key=order), letter):
        parts.append(f"## {name}\n")
        for entry in group:
            also = f" (also: {', '.join(entry['also'])})" if "also" in entry else ""
            see = f" See: {', '.join(entry['see'])}." if "see" in entry else ""
            means = " ".join(entry["means"].split())
            text = f"**{entry['term']}**{also}. {means}{see} {link(entry['notebook'])}"
            parts.append(f"{text}\n")
    return "\n".join(parts)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    text = as_markdown(read(SOURCE))
    current = PAGE.exists() and PAGE.read_text("utf-8") == text
    if not (current or options.check):
        PAGE.write_text(text, "utf-8")
    print("Nothing differs." if current else PAGE.name)
    return 1 if options.check and not current else 0


if __name__ == "__main__":
    sys.exit(main())
