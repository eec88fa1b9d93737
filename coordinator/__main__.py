"""The command `mmload-coordinator`, and `python -m coordinator`: errors become one line and an exit code here."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from coordinator import command
from coordinator.settings import parser
from mmload.errors import ExitCode, MmloadError
from mmload.signals import raising_interrupts


def main(arguments: Sequence[str] | None = None) -> int:
    """Look for the capacity; the answer is the exit code (see `mmload.errors.ExitCode`)."""
    args = parser().parse_args(arguments)
    try:
        with raising_interrupts():
            return command.run(args)
    except MmloadError as error:
        command.complain(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("mmload-coordinator: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
