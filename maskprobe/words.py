"""The language that messages are in: English, or one that has a catalogue beside this package.

A message is one plain literal with named placeholders, so that it can be found by a program and
put into the order of another language: `_("{n} of {all} steps are padding", n=n, all=total)`.
Without values nothing is filled in, and braces stand for themselves. Words that are data too
(`"correct"`, `"consumes"`) stay English in the data, marked by `N_`, and are translated by `_`
where they are shown.
"""

from __future__ import annotations

import gettext
import os
from functools import cache
from pathlib import Path
from typing import Any


def language() -> str:
    """The language to speak, such as `"zh"`; `"en"` if nothing asks for another.

    The variable `MASKS_LANGUAGE` decides, and without it the folder of the notebook: one in
    `notebooks/zh` is answered in `zh`. A language without a catalogue is English.
    """
    return os.environ.get("MASKS_LANGUAGE") or _LANGUAGE_OF_THE_FOLDER


def _language_of_the_folder() -> str:
    session = os.environ.get("JPY_SESSION_NAME")  # Jupyter's servers tell their kernels
    for folder in (Path(session).parent, Path.cwd()) if session else (Path.cwd(),):
        if folder.parent.name == "notebooks":
            return folder.name
    return "en"


_LANGUAGE_OF_THE_FOLDER = _language_of_the_folder()  # once: a learner's `os.chdir` changes nothing


class Words:
    """The messages of one package, as a function from English to the language of the reader.

    Args:
        folder: Holds a catalogue for each language, `zh/LC_MESSAGES/domain.mo`.
        domain: The name of these files.
    """

    def __init__(self, folder: Path, domain: str) -> None:
        self.folder, self.domain = folder, domain

    def __call__(self, message: str, /, **values: Any) -> str:
        """`message` in the language of the reader, with `values` in its placeholders."""
        return _filled(self._spoken().gettext(message) if message else "", message, values)

    def plural(self, one: str, many: str, n: int, /, **values: Any) -> str:
        """`one` or `many`, as the language has it for `n` things; `n` is a value, too."""
        said = self._spoken().ngettext(one, many, int(n))
        return _filled(said, one if n == 1 else many, {"n": n, **values})

    def _spoken(self) -> gettext.NullTranslations:
        return _catalogue(self.folder, self.domain, language())


@cache
def _catalogue(folder: Path, domain: str, spoken: str) -> gettext.NullTranslations:
    try:
        return gettext.translation(domain, folder, [spoken], fallback=True)
    except Exception:  # a broken file: what is measured matters more than the words for it
        return gettext.NullTranslations()


def _filled(said: str, message: str, values: dict[str, Any]) -> str:
    if not values:
        return said
    try:
        return said.format(**values)
    except (LookupError, ValueError, AttributeError, TypeError):  # a mistake in the translation
        return message.format(**values)


def N_(message: str) -> str:
    """Marks a message that is translated later, where it is shown."""
    return message


_ = Words(Path(__file__).with_name("locale"), "maskprobe")
_n = _.plural
