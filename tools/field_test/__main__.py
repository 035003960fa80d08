"""See `run`: a process started by another one finds its functions there, and not in a main module."""

import sys

from tools.field_test.run import main

sys.exit(main(sys.argv[1:]))
