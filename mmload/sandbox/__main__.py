"""`python -m mmload.sandbox`: the same as `mmload sandbox`."""

from __future__ import annotations

import argparse
import sys

from mmload.errors import MmloadError
from mmload.sandbox import app
from mmload.sandbox.options import add_options, options_from


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mmload.sandbox", description="A stand-in Mattermost server.")
    add_options(parser)
    args = parser.parse_args()
    try:
        return app.run(options_from(args), args.host, args.port)
    except MmloadError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
