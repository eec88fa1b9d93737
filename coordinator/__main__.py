"""The command `mmload-coordinator`. Finding a server's capacity is not part of this version yet; it says so."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mmload import __version__
from mmload.errors import ExitCode


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers --help and --version; anything else is refused with what works today."""
    parser = argparse.ArgumentParser(
        prog="mmload-coordinator",
        description="Changes the number of users until the server's limit is known (not part of this version yet).",
    )
    parser.add_argument("--version", action="version", version=f"mmload-coordinator {__version__}")
    parser.parse_args(arguments)
    print(
        f"mmload-coordinator: version {__version__} can't look for a server's capacity by itself yet; change the "
        "number of users in Locust's web UI, or by POST /swarm",
        file=sys.stderr,
    )
    return int(ExitCode.USAGE)


if __name__ == "__main__":
    sys.exit(main())
