"""All files of a language, made from the English notebooks, the helpers and the PO files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from helpers.from_code import TEMPLATES
from tools.translate import build, catalogue, pictures, prose, strings
from tools.translate.build import ROOT

import nbformat
from babel.messages import Catalog
from babel.messages.pofile import read_po

PICTURES, HELPERS = "pictures", "helpers"
NOT_PROBES = ("helpers/", *"0123456789")  # files of helpers, and notebooks
DOCUMENTS = ("README.md", "TEACHING.md")


def english() -> list[Path]:
    """The notebooks and documents that are translated, in order."""
    documents = [ROOT / name for name in DOCUMENTS if (ROOT / name).exists()]
    return [*sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")), *documents]


@dataclass(frozen=True)
class Edition:
    """The series in another language.

    Args:
        language: Its name: a folder of PO files, a folder of notebooks, a catalogue of helpers.
        translations: The folder of the languages' PO files.
        root: Where notebooks, documents and compiled catalogues go.
    """

    language: str
    translations: Path = ROOT / "translations"
    root: Path = ROOT

    def po(self, name: str) -> Path:
        """The PO file of a notebook, of a document, of the pictures or of the helpers."""
        return self.translations / self.language / f"{name}.po"

    @cached_property
    def templates(self) -> dict[str, Catalog]:
        """The messages of today, by the names of their PO files."""
        result, drawn = {}, []
        for path in english():
            comments = path.suffix == ".md"
            found = [
                (place, message)
                for place, source in build.cells(path)
                for message in prose.messages(source, comments=comments)
            ]
            result[path.stem] = catalogue.template(found)
            if path.suffix == ".ipynb":
                words = pictures.messages(nbformat.read(path, as_version=4))
                drawn += [(f"{path.name}#{cell}", text) for cell, text in words]
        result[HELPERS] = strings.template()
        said = {message.id for message in result[HELPERS]}
        result[PICTURES] = catalogue.template(found for found in drawn if found[1] not in said)
        return result

    @cached_property
    def po_texts(self) -> dict[str, str]:
        """What the PO files should hold."""
        return {
            name: catalogue.updated(self.po(name), self.language, fresh)
            for name, fresh in self.templates.items()
        }

    @cached_property
    def catalogues(self) -> dict[str, Catalog]:
        return {
            name: read_po(io.BytesIO(text.encode()), locale=self.language)
            for name, text in self.po_texts.items()
        }

    def files(self) -> dict[Path, bytes]:
        """All files of this language as they should be, outputs of notebooks as they are stored."""
        result = {self.po(name): text.encode() for name, text in self.po_texts.items()}
        words = {path: catalogue.translations(self.catalogues[path.stem]) for path in english()}
        builder = build.Builder(self.language, words)
        for path in english():
            target = self.root / builder.place(path).relative_to(ROOT)
            if path.suffix == ".ipynb":
                text = f"{nbformat.writes(builder.notebook(path, target))}\n"
            else:
                text = builder.text(path.read_text(encoding="utf-8"), path)
            result[target] = text.encode()
        said, drawn = self.catalogues[HELPERS], self.catalogues[PICTURES]
        templates = {TEMPLATES: "\n".join(catalogue.templates(drawn))}
        compiled = {
            "helpers": catalogue.compiled([said, drawn], self.language, NOT_PROBES, **templates),
            "maskprobe": catalogue.compiled([said], self.language, ("maskprobe/",)),
        }
        for package, content in compiled.items():
            folder = self.root / package / "locale" / self.language / "LC_MESSAGES"
            result[folder / f"{package}.mo"] = content
        return result

    def update(self) -> list[Path]:
        """Write the files that are not as they should be, and say which."""
        changed = []
        for path, wanted in self.files().items():
            if not path.exists() or path.read_bytes() != wanted:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(wanted)
                changed.append(path)
        return changed
