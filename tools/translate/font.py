"""A small font with the Chinese characters that pictures need: `make font`.

The characters are those of all that the helpers say (any of it may be a title in somebody's
picture), of the words in pictures, and of the notebooks' titles. They are taken from
Noto Sans SC, regular and bold; what DejaVu Sans has, which comes with matplotlib, is left out.
The family has a name of its own, so that it never stands in for an installed Noto Sans SC.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "helpers" / "ttf"
FAMILY = "Masks Sans SC"
CUTS = {"Regular": 400, "Bold": 700}
SOURCE = "justmytype_intl_cjk"  # brings Noto Sans SC as Google Fonts has it, with its licence


def drawn(translations: Path = ROOT / "translations") -> Iterator[str]:
    """Every translation that can stand in a picture."""
    for path in sorted(translations.glob("*/*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file)
        for message in catalogue:
            title = re.match(r"\d\d · ", str(message.id))  # of a notebook
            if message.id and (title or path.stem in ("helpers", "pictures")):
                yield from [message.string] if isinstance(message.string, str) else message.string


def characters(texts: Iterator[str]) -> set[int]:
    """The code points from the Chinese blocks on: ideographs, their punctuation, wide forms."""
    return {ord(letter) for text in texts for letter in text if ord(letter) >= 0x2E80}


def main() -> int:
    from fontTools import subset
    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    folder = files(SOURCE) / "fonts" / "ofl" / "notosanssc"
    needed = characters(drawn())
    FOLDER.mkdir(exist_ok=True)
    for cut, weight in CUTS.items():
        font = TTFont(str(folder / "NotoSansSC[wght].ttf"), recalcTimestamp=False)
        options = subset.Options(hinting=False, layout_features=[], notdef_outline=True)
        smaller = subset.Subsetter(options)
        smaller.populate(unicodes=needed)
        smaller.subset(font)
        font = instantiateVariableFont(font, {"wght": weight})
        for tag in ("STAT", "GSUB", "GPOS", "vhea", "vmtx", "VORG"):
            if tag in font:
                del font[tag]
        names = {1: FAMILY, 2: cut, 4: f"{FAMILY} {cut}", 6: f"MasksSansSC-{cut}"}
        kept = [n for n in font["name"].names if n.nameID in (0, 13, 14)]
        font["name"].names = kept
        for place, name in names.items():
            font["name"].setName(name, place, 3, 1, 0x409)
        font["OS/2"].usWeightClass = weight
        font["OS/2"].fsSelection = 1 << 5 if cut == "Bold" else 1 << 6
        font["head"].macStyle = int(cut == "Bold")
        font.save(FOLDER / f"MasksSansSC-{cut}.ttf")
    licence = (folder / "OFL.txt").read_text(encoding="utf-8")
    (FOLDER / "OFL.txt").write_text(licence, encoding="utf-8")
    print(f"{len(needed)} characters,", sum(p.stat().st_size for p in FOLDER.iterdir()), "bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
