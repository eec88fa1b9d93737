"""`mmload run` with the made-up users in place of the packaged locustfile: `python run_made_up.py OPTIONS`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest import mock

from mmload.cli import locust_process, main

if __name__ == "__main__":
    file = Path(os.environ.get("MADE_UP_LOCUSTFILE", Path(__file__).with_name("made_up.py")))
    with mock.patch.object(locust_process, "locustfile", return_value=file):
        sys.exit(main(["run", *sys.argv[1:]]))
