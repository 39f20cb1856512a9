"""``python -m noodle`` is the ``noodle`` command."""

import sys

from noodle.cli import main

if __name__ == "__main__":
    sys.exit(main())
