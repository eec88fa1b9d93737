"""The memory of idle connections, in a process of its own: what others have freed before would hide it.

`python -m benchmarks.idle WAY NUMBER` prints KB per connection; used by `frames`.
"""

from __future__ import annotations

# Locust patches the standard library, as in a worker.
import locust  # noqa: F401  # isort: skip

import gc
import sys

from benchmarks import frame_server
from benchmarks.frames import SPARE_FILES, Control, connected, ways
from benchmarks.measuring import private_kb, python_process
from mmload.open_files import raise_open_files


def kilobytes(way: str, number: int) -> float:
    """Memory of one connection on which nothing comes. The first few, with what they import, do not count."""
    raise_open_files(number + SPARE_FILES)
    with python_process("-m", frame_server.__name__) as port:
        control = Control(int(port))
        make = ways(control)[way]
        with connected(control, make, 10):
            gc.collect()
            before = private_kb()
            with connected(control, make, number):
                gc.collect()
                return (private_kb() - before) / number


if __name__ == "__main__":
    print(kilobytes(sys.argv[1], int(sys.argv[2])), flush=True)
