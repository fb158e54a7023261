"""Make and run the example notebook: `python -m scripts.notebook [--check]`.

The cells stand here; the notebook holds them with what they gave. ``--check`` runs them again and
fails where text differs; pictures and markup are compared by what they say.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import nbformat
from nbclient import NotebookClient

from scripts.report import ROOT

FILE = ROOT / "examples" / "weighbridge.ipynb"
CELLS = (
    "# Weighbridge in a notebook\n\nHow much GPU memory a language model takes, how fast it will "
    "run and what would help, before it is loaded. No GPU and no network are needed.",
    "import weighbridge as wb\n\nplan = wb.plan('llama-3.1-8b', on='rtx-4090', context=8192)\nplan",
    "Every number is a term with bounds, a basis and a source.",
    "for term in plan.terms:\n    print(f'{term.name:12} {term.bytes:>14,}  {term.basis:11} "
    "{term.formula[:60]}')",
    "Plans are quick enough to ask many questions.",
    "[(context, wb.plan('llama-3.1-8b', on='rtx-4090', context=context).fits)\n"
    " for context in (8192, 16384, 32768, 65536)]",
    "How far does the card go, and what would move it?",
    "wb.fit('llama-3.1-8b', on='rtx-4090')",
    "Where does the time go?",
    "wb.speed('llama-3.1-8b', on='rtx-4090', engine='vllm')",
    "What does fine-tuning take?",
    "wb.train('llama-3.1-8b', method='qlora', on='rtx-4090', checkpointing='full', seq_len=2048)",
    "The same objects as other programs read them:",
    "sorted(plan.to_dict())",
)
_TAGS = re.compile("<[^>]*>")


def made() -> Any:
    """The notebook, run."""
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3",
                                   "language": "python"}  # fmt: skip
    for number, text in enumerate(CELLS):
        code = text.startswith(("import ", "for ", "[", "wb.", "sorted"))
        cell = nbformat.v4.new_code_cell(text) if code else nbformat.v4.new_markdown_cell(text)
        cell["id"] = f"cell-{number}"
        book.cells.append(cell)
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    book.metadata.pop("language_info", None)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            for kind in ("text/plain", "text/markdown"):
                if "text/html" in data:
                    data.pop(kind, None)
    return book


def said(book: Any) -> list[str]:
    """What each cell shows, without markup."""
    found = []
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = data.get("text/html") or data.get("text/plain") or output.get("text", "")
            found.append(_TAGS.sub(" ", "".join(text)))
    return found


def main() -> int:
    """Write the notebook, or say whether it is what its cells give today."""
    book = made()
    if "--check" in sys.argv[1:]:
        kept = nbformat.read(FILE, as_version=4)
        if said(kept) == said(book) and [c.source for c in kept.cells] == list(CELLS):
            print("as committed")
            return 0
        print(f"{FILE.name} is not what its cells give; run python -m scripts.notebook",
              file=sys.stderr)  # fmt: skip
        return 1
    nbformat.write(book, FILE)
    print(f"written: {FILE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
