"""Events whose data cannot be read are the server's doing: counted as such, and the next one is heard."""

from __future__ import annotations

import msgspec
import pytest

from mmload.behaviours.events import HANDLERS, EventListener
from mmload.client.websocket.frames import WebSocketEvent
from tests.behaviours.conftest import Scene

DEEP = b'{"post":' * 100_000
UNREADABLE = {
    "not the form": b'{"post":7,"reaction":7,"thread":7,"channel_times":7,"user_id":7}',
    "bad UTF-8": b'{"post":"\xff\xfe","reaction":"\xff","thread":"\xff","user_id":"\xff","channel_id":"\xff"}',
    "nested too deeply": DEEP,
    "an inner document that is none": b'{"post":"{","reaction":"{","thread":"{","channel_times":[],"user_id":[]}',
}


@pytest.mark.parametrize("name", [name for name in HANDLERS if name not in ("direct_added", "group_added")])
@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_an_event_that_can_not_be_read_harms_nobody(scene: Scene, name: str, data: bytes) -> None:
    listener = EventListener(scene.ann, lambda token: False)
    scene.ann.store.open_thread_id = "a thread on the screen"
    sockets = scene.ann.context.recorder.sockets
    before = sockets.unreadable

    listener.on_event(WebSocketEvent(name, 1, msgspec.Raw(data)))

    assert sockets.unreadable == before + 1
