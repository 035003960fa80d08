"""The messages of a Markdown cell, and the cell with other words in their place."""

from __future__ import annotations

import re
from collections.abc import Callable

_FENCE = re.compile(r" *(```|~~~)")
_SUMMARY = re.compile(r"(.*<summary>)(.*?)(</summary>.*)")
_TAG = re.compile(r"\s*</?[a-z]+[^>]*>\s*$")  # alone in its line
_ROW = re.compile(r"(\s*\|\s*)(.*?)(\s*\|\s*)$")
_RULER = re.compile(r"\s*\|[\s:|-]+\|\s*$")
_HEADING = re.compile(r"(#{1,6}\s+)(.*)$")
# The marks at the beginning of a paragraph: quotation, list item.
_MARKS = re.compile(r"((?:> ?)*)(\s*(?:[-*+]|\d+[.)])\s+)?")
_COMMENT = re.compile(r"(.*?(?:^|\s)#\s+)(.*)$")
_SILENT = re.compile(r"`[^`]*`|\]\([^)]*\)|<[^>]*>|https?://\S+")


def translated(source: str, say: Callable[[str], str], *, comments: bool = False) -> str:
    """A Markdown cell in other words: what stands between the messages stays as it is.

    Args:
        source: The cell.
        say: From a message to its translation; called for each message, in order.
        comments: Whether comments in fenced code are messages, too. Not in notebooks, where the
            code of a solution is the same in all languages.

    Returns:
        The cell. With `say = lambda message: message` it is `source`, character for character.
    """
    result: list[str] = []
    block: list[str] = []  # the lines of a paragraph, the marks of the first one before them
    fenced = False

    def spoken(text: str) -> str:
        return say(text) if has_words(text) else text

    def end() -> None:
        if block:
            quote, mark, *lines = block
            first, *rest = spoken("\n".join(lines)).split("\n")
            result.extend([quote + mark + first, *(quote + line for line in rest)])
            block.clear()

    for line in source.split("\n"):
        quote, mark = (part or "" for part in _MARKS.match(line).groups())
        fence = _FENCE.match(line)
        alone = fence or fenced or not line.strip("> ") or _RULER.match(line) or _TAG.match(line)
        parts = _SUMMARY.match(line) or _HEADING.match(line) or _ROW.match(line)
        comment = comments and fenced and _COMMENT.match(line)
        if alone:
            end()
            result.append(comment[1] + spoken(comment[2]) if comment else line)
            fenced ^= bool(fence)
        elif parts:
            end()
            before, text, after = (*parts.groups(), "")[:3]
            result.append(before + spoken(text) + after)
        elif block and not mark and quote == block[0]:
            block.append(line[len(quote) :])
        else:
            end()
            block.extend([quote, mark, line[len(quote) + len(mark) :]])
    end()
    return "\n".join(result)


def messages(source: str, *, comments: bool = False) -> list[str]:
    """The messages of a Markdown cell, in order."""
    found: list[str] = []
    translated(source, lambda message: found.append(message) or message, comments=comments)
    return found


def has_words(text: str) -> bool:
    """Whether there is anything to translate: a letter outside code, addresses and tags."""
    return bool(re.search(r"[^\W\d_]", _SILENT.sub("", text)))


def headings(source: str) -> list[str]:
    """The headings of a Markdown cell, without their marks."""
    return [
        match[2]
        for line in re.sub(r"(?ms)^```.*?^```", "", source).split("\n")
        if (match := _HEADING.match(line))
    ]
