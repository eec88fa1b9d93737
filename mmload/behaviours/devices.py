"""A person's other devices: the application open in a second browser that nobody looks at, with a session and a socket.

Nobody acts there. What the person does on the first device comes to the others as events, and so does what others do.
"""

from __future__ import annotations

import logging
from functools import partial

from mmload.behaviours.background import run_background_tasks
from mmload.behaviours.focus import BLUR, blur
from mmload.behaviours.login import EntryRefused, enter, enter_patiently
from mmload.behaviours.person import POLL_SECONDS, Person, carry_out

log = logging.getLogger("mmload.users")


def be_connected(device: Person) -> None:
    """The life of a device: the application is opened there, and left alone."""
    if not enter_patiently(device, _told_no, enter):
        return
    carry_out(device, BLUR, partial(blur, device))
    while True:
        device.rest(POLL_SECONDS, run_background_tasks)


def _told_no(refusal: EntryRefused) -> None:
    log.warning("a further device cannot connect: %s", refusal)
