"""`make translate`: update the PO files, compile what the helpers say, build the notebooks."""

from __future__ import annotations

import sys

from tools.translate import LANGUAGES
from tools.translate.edition import ROOT, Edition


def main() -> int:
    for language in LANGUAGES:
        edition = Edition(language)
        for path in edition.update():
            print("written:", path.relative_to(ROOT).as_posix())
        for name, messages in edition.unfinished().items():
            if messages:
                print(f"{language}/{name}.po: {len(messages)} messages to translate or look at")
    return 0


if __name__ == "__main__":
    sys.exit(main())
