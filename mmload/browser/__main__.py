"""`python -m mmload.browser`: started by `process.py`, never by hand."""

import sys

from mmload.browser.serving import main

sys.exit(main())
