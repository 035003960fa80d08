"""See `run`: processes started by another find its functions there, not in a main module."""

import sys

from tools.field_test.run import main

sys.exit(main(sys.argv[1:]))
