"""`make translate`: update the PO files, compile what the helpers say, build the notebooks."""

from __future__ import annotations

import sys

from tools.translate import LANGUAGES, catalogue
from tools.translate.edition import ROOT, Edition


def main() -> int:
    for language in LANGUAGES:
        edition = Edition(language)
        for path in edition.update():
            print("written:", path.relative_to(ROOT).as_posix())
        for name, found in edition.catalogues.items():
            if wrong := catalogue.wrong(found, name):
                print(f"{language}/{name}.po: {len(wrong)} messages to translate or to mend")
    return 0


if __name__ == "__main__":
    sys.exit(main())
