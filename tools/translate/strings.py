"""The messages of `helpers` and `maskprobe`: what their code passes to `_`, `N_` and `_n`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("helpers", "maskprobe")
_KEYWORDS = {"_": None, "N_": None, "_n": (1, 2)}


def template() -> Catalog:
    """A catalogue of all messages, without translations, each with the files that say it."""
    result = Catalog()
    for path, message, comments in messages():
        result.add(message, locations=[(path, None)], auto_comments=comments)
    return result


def messages() -> Iterator[tuple[str, str | tuple[str, str], list[str]]]:
    """Files, their messages (of a plural both forms), and comments for translators."""
    for path in files():
        with path.open("rb") as source:
            name = path.relative_to(ROOT).as_posix()
            found = extract("python", source, _KEYWORDS, ("Translators:",), strip_comment_tags=True)
            for _line, message, comments, _context in found:
                yield name, message, comments


def files() -> list[Path]:
    """The source files of both packages."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
