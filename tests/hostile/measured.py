"""Run a command to its end, and say its exit code and the most memory of it or of a process of its own, in KB.

A process of its own: where tests run, gevent reaps all children itself.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

if __name__ == "__main__":
    seconds, *command = sys.argv[1:]
    process = subprocess.Popen(command, stdout=sys.stderr, start_new_session=True)
    try:
        code = process.wait(float(seconds))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
