"""One font setting for all texts of a picture: titles, labels, legends and tokens.

It is the reader's: what `matplotlib.rcParams["font.family"]` and the lists behind its generic
names say, in their order. A glyph that the first font lacks is taken from the next, so a second
font for another script is enough:

>>> matplotlib.rcParams["font.family"] = ["DejaVu Sans", "Noto Sans CJK SC"]
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
from matplotlib import style
from matplotlib.font_manager import font_family_aliases, fontManager

STYLE = Path(__file__).with_name("style.mplstyle")
# The first comes with matplotlib and has ✗, → and ·, which other fonts lack. The second comes
# with us (`make font`) and has the Chinese characters of our own titles and labels.
ALWAYS = ("DejaVu Sans", "Masks Sans SC")
# For characters that ours lacks, such as a reader's own: what systems come with.
SYSTEMS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "Heiti SC",
    "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
)  # fmt: skip

for _file in sorted(Path(__file__).with_name("ttf").glob("*.ttf")):
    fontManager.addfont(_file)


def families() -> tuple[str, ...]:
    """The installed fonts that the reader's settings name, in order, then ours."""
    installed = {font.name for font in fontManager.ttflist}
    asked: list[str] = []
    for name in matplotlib.rcParams["font.family"]:
        # Of a generic name matplotlib itself takes one font only.
        generic = "font.sans-serif" if name in ("sans", "sans serif") else f"font.{name}"
        asked += matplotlib.rcParams[generic] if name in font_family_aliases else [name]
    return tuple(dict.fromkeys(name for name in (*asked, *ALWAYS, *SYSTEMS) if name in installed))


def house_style(fonts: Sequence[str] | None = None) -> AbstractContextManager:
    """The house style, in `fonts` or in the reader's."""
    return style.context([STYLE, {"font.family": list(fonts or families())}])


def width_of(text: str) -> int:
    """How wide a text is, in Latin letters: a Chinese character is as wide as two."""
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` Latin letters, about."""
    return textwrap.wrap(text, max(1, width * len(text) // max(1, width_of(text))))
