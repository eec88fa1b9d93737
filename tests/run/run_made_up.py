"""`mmload run` with the made-up users in place of the packaged locustfile: `python run_made_up.py OPTIONS`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from unittest import mock

from mmload.cli import locust_process, run
from mmload.errors import MmloadError


def main() -> int:
    """Parse and run, errors in one line, as `mmload` does."""
    parser = argparse.ArgumentParser()
    run.add_parser(parser.add_subparsers())
    file = Path(os.environ.get("MADE_UP_LOCUSTFILE", Path(__file__).with_name("made_up.py")))
    with mock.patch.object(locust_process, "locustfile", return_value=file):
        try:
            return run.run(parser.parse_args(["run", *sys.argv[1:]]))
        except MmloadError as error:
            print(f"mmload run: {error}", file=sys.stderr)
            return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
