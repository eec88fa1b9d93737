"""`python -m mmload`: the same as the command `mmload`."""

import sys

from mmload.cli import main

if __name__ == "__main__":
    sys.exit(main())
