"""This file is `python -m pellucid`: the same as the command `pellucid`."""

import sys

from pellucid.cli import main

if __name__ == "__main__":
    sys.exit(main())
