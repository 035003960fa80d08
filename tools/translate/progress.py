"""What a translation still lacks: `python -m tools.translate.progress 01_padding` (all without)."""

from __future__ import annotations

import sys

from tools.translate import LANGUAGES, catalogue
from tools.translate.edition import ROOT


def main(names: list[str]) -> int:
    code = 0
    for language in LANGUAGES:
        for path in sorted((ROOT / "translations" / language).glob("*.po")):
            if path.stem in names or not names:
                found = catalogue.wrong(catalogue.read(path, language), path.stem)
                print(f"{language}/{path.name}: {len(found)} messages")
                if names:
                    print(*(f"- {line}" for line in found), sep="\n")
                code |= bool(found)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
