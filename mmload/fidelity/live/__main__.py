"""`python -m mmload.fidelity.live`: started by `page.py`, never by hand."""

import sys

from mmload.fidelity.live.serving import main

sys.exit(main())
