"""Titles, labels and sentences that a notebook's code gives, in the language of the reader.

Code is the same in every language, so what it writes into pictures is translated where it is
drawn. A title is looked up as it is. A sentence has values in it already, as an f-string has
them, so it is compared with the templates that the catalogue holds: `{n} of {all} are masked`.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from helpers.language import _

# Under this name the catalogue of a language lists the templates, one a line.
TEMPLATES = "templates of sentences"


def shown(text: str) -> str:
    """`text` in the language of the reader; as it is, where nobody has translated it."""
    said = _(text)
    if said != text:
        return said
    for template, pattern in _patterns(_(TEMPLATES)):
        if match := pattern.fullmatch(text):
            return _(template, **{name: shown(value) for name, value in match.groupdict().items()})
    return text


@cache
def _patterns(listed: str) -> list[tuple[str, re.Pattern]]:
    """The templates and what they look like with values in them, the most telling first."""
    templates = [] if listed == TEMPLATES else listed.split("\n")
    templates.sort(key=lambda template: -len(re.sub(r"\{\w+\}", "", template)))
    return [(template, _pattern(template)) for template in templates]


def _pattern(template: str) -> re.Pattern:
    result, known = "", set()
    for literal, name, _spec, _conversion in Formatter().parse(template):
        result += re.escape(literal)
        if name is not None:
            result += f"(?P={name})" if name in known else f"(?P<{name}>.+?)"
            known.add(name)
    return re.compile(result, re.S)
