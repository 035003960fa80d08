"""Reading, updating and writing PO files, and what may be wrong with a translation."""

from __future__ import annotations

import difflib
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

from babel.messages import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from markdown_it import MarkdownIt

_BEGUN = datetime(2026, 1, 1, tzinfo=UTC)  # a date that varies would be a difference in each file
FORMATS = ("helpers", "pictures")  # hold format strings; all others hold Markdown
_AUTHORS = "the authors of Masks You Can See"
_CODE = re.compile(r"`[^`]*`")
_TARGET = re.compile(r"\]\(([^)\s]+)\)|(https?://[^\s)>]+)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_CJK = r"\u3400-\u9fff"
_MARKDOWN = MarkdownIt("commonmark").enable("table")


def template(messages: Iterable[tuple[str, str]], comment: str = "") -> Catalog:
    """A catalogue without translations.

    Args:
        messages: Places, such as `01_padding.ipynb#412f5fc9`, and messages, in order.
        comment: For translators, at each message.
    """
    result = Catalog()
    for place, message in messages:
        comments = [comment] if comment else []
        result.add(message, locations=[(place, None)], auto_comments=comments)
    return result


def read(path: Path, language: str) -> Catalog:
    """The catalogue at `path`; an empty one where there is none."""
    if path.exists():
        with path.open("rb") as file:
            return read_po(file, locale=language)
    return Catalog(
        locale=language,
        project="Masks You Can See",
        version="1",
        header_comment=f"# {path.stem}: see GLOSSARY.md for the words and for how to write here.",
        msgid_bugs_address=_AUTHORS,
        last_translator=_AUTHORS,
        language_team=_AUTHORS,
        creation_date=_BEGUN,
        revision_date=_BEGUN,
        fuzzy=False,
    )


def updated(path: Path, language: str, fresh: Catalog) -> str:
    """The text of the PO file at `path` when its messages are those of `fresh`.

    Translations stay. Where a message has changed, its old translation is kept as *fuzzy*, with
    the message that it was made for, and is not used until somebody has looked at it. A message
    that is gone goes.
    """
    catalogue = read(path, language)
    catalogue.update(fresh, update_creation_date=False)
    for entry in catalogue:
        if entry.previous_id:  # as a comment: Babel writes `#|` and does not read it
            entry.user_comments = [f"was: {entry.previous_id[0]}"]
    return written(catalogue)


def written(catalogue: Catalog) -> str:
    """The text of a PO file. No message is wrapped: a change is one line of difference."""
    text = io.BytesIO()
    write_po(text, catalogue, width=0, ignore_obsolete=True)
    return text.getvalue().decode("utf-8").rstrip("\n") + "\n"


def fill(path: Path, said: Mapping[str, str]) -> None:
    """Write translations into the PO file at `path`, whose folder is named after the language.

    Args:
        path: The file.
        said: From messages (of a plural the first form) to translations. What was fuzzy is not
            any more.

    Raises:
        ValueError: if a message is not in the file or something is wrong with a translation;
            nothing is written then.
    """
    catalogue, found = read(path, path.parent.name), []
    for message, translation in said.items():
        entry = catalogue.get(message)
        if entry is None:
            near = difflib.get_close_matches(message, [m for m in map(_first, catalogue) if m], 1)
            found.append(f"{message!r} is not in {path.name}. {near[0] if near else ''}")
            continue
        found += [f"{message!r}: {fault}" for fault in _faults(entry, translation, path.stem)]
        entry.string = translation if isinstance(entry.id, str) else (translation,)
        entry.flags.discard("fuzzy")
        entry.user_comments = []
    if found:
        raise ValueError("\n".join(found))
    path.write_text(written(catalogue), encoding="utf-8")


def _faults(entry: Message, said: str, name: str) -> Iterator[str]:
    english = entry.id if isinstance(entry.id, str) else entry.id[-1]  # which names all values
    return faults(english, said, prose=name not in FORMATS)


def wrong(catalogue: Catalog, name: str) -> list[str]:
    """What is missing, fuzzy or wrong in the PO file `name`: where, which message, what."""
    result = []
    for entry in catalogue:
        if message := _first(entry):
            said = [entry.string] if isinstance(entry.string, str) else list(entry.string)
            found = [fault for text in said for fault in _faults(entry, text, name)]
            found += ["fuzzy: the English has changed"] * entry.fuzzy
            if not all(said):
                found = ["missing"]
            where = ", ".join(place for place, _ in entry.locations)
            result += [f"{where}: {message!r}: {fault}" for fault in found]
    return result


def _first(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def translations(catalogue: Catalog) -> dict[str, str]:
    """From messages to their translations, but for the missing and the fuzzy ones."""
    return {
        message.id: message.string
        for message in catalogue
        if message.id and isinstance(message.id, str) and message.string and not message.fuzzy
    }


def templates(catalogue: Catalog) -> list[str]:
    """The translated messages with placeholders."""
    return [message for message in translations(catalogue) if _fields(message)]


def compiled(
    catalogues: Iterable[Catalog], language: str, places: tuple[str, ...] = (), **more: str
) -> bytes:
    """Several catalogues as one MO file, in which the first one to have a message says it.

    Args:
        catalogues: PO files.
        language: Their language.
        places: How the files begin whose messages are wanted; all, if none is named.
        **more: Further messages and what they say.
    """
    together = Catalog(locale=language, creation_date=_BEGUN, revision_date=_BEGUN, fuzzy=False)
    for message, said in more.items():
        together[message] = Message(message, said)
    for catalogue in catalogues:
        for message in catalogue:
            said = [message.string] if isinstance(message.string, str) else message.string
            here = not places or any(place.startswith(places) for place, _ in message.locations)
            ready = here and all(said) and not message.fuzzy
            if message.id and ready and message.id not in together:
                together[message.id] = Message(message.id, message.string)
    result = io.BytesIO()
    write_mo(result, together)
    return result.getvalue()


def faults(message: str, said: str, prose: bool) -> Iterator[str]:
    """What is wrong with a translation, as far as a program can see.

    Args:
        message: The English.
        said: The translation.
        prose: Whether both are Markdown; else they are format strings.
    """
    for name, part in {
        "code": _CODE.findall if prose else lambda text: [],
        "placeholders": _fields if not prose else lambda text: [],
        "links": lambda text: ["".join(found) for found in _TARGET.findall(text)],
        "tags": re.compile(r"</?[a-z]+[^>]*>").findall,
        "cells of the row": lambda text: ["|"] * (len(_CODE.sub("", text).split(" | ")) - 1),
        "numbers": lambda text: _NUMBER.findall(_bare(text)),
    }.items():
        wanted, found = Counter(part(message)), Counter(part(said))
        missing, more = wanted - found, found - wanted
        if name == "numbers":  # "two" may become 2
            more = Counter()
        if missing or more:
            yield f"{name}: missing {list(missing)}, too many {list(more)}"
    if prose and _stars(said) > _stars(message):
        yield "emphasis: a * is not closed, or stands between a Chinese letter and punctuation"
    if message == said and prose and len(re.findall(r"[^\W\d_]{2,}", _bare(message))) > 4:
        yield "it is the English"
    if re.search(rf"[{_CJK}][*”]*[,;:?!.](?=[\s*”]|$|[{_CJK}])", said):
        yield "a Western comma, colon, stop or question mark after Chinese"
    if re.search(rf"[{_CJK}][A-Za-z0-9]|[A-Za-z0-9][{_CJK}]", _bare(said)):
        yield "no blank between Chinese and a Latin letter or a number"


def _bare(text: str) -> str:
    """`text` without code, addresses and tags."""
    return re.sub(
        r"\{[^{}]*\}|<[^>]*>|https?://\S+", " ", _TARGET.sub("] ", _CODE.sub(" ` ", text))
    )


def _fields(text: str) -> list[str]:
    try:
        return [
            f"{name}{'!' + c if c else ''}:{spec}"
            for _, name, spec, c in Formatter().parse(text)
            if name is not None
        ]
    except ValueError:
        return ["broken"]


def _stars(text: str) -> int:
    """How many asterisks a reader would see."""
    tokens = _MARKDOWN.parseInline(text)[0].children or []
    return sum(token.content.count("*") for token in tokens if token.type == "text")
