"""A plain WebSocket client that writes down what it hears."""

from __future__ import annotations

import json
import threading
from typing import Any

import websocket

TIMEOUT_SECONDS = 20


class Listener:
    """One socket; frames are read in a thread of their own until it closes."""

    def __init__(self, address: str, token: str = "", query: str = "") -> None:
        url = address.replace("http", "ws", 1) + "/api/v4/websocket" + query
        header = [f"Authorization: Bearer {token}"] if token else []
        self._socket = websocket.create_connection(url, header=header, timeout=TIMEOUT_SECONDS)
        self.frames: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self._heard = threading.Condition()
        self.ended = threading.Event()
        self._seq = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while True:
                opcode, data = self._socket.recv_data()
                if opcode != websocket.ABNF.OPCODE_TEXT:
                    break
                with self._heard:
                    self.raw.append(data)
                    self.frames.append(json.loads(data))
                    self._heard.notify_all()
        except (OSError, websocket.WebSocketException):
            pass
        self.ended.set()

    def send(self, action: str, data: dict[str, Any] | None = None) -> int:
        """Send an action; gives its number."""
        self._seq += 1
        self._socket.send(json.dumps({"seq": self._seq, "action": action, "data": data or {}}))
        return self._seq

    def ask(self, action: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send an action and wait for its reply. Whatever came before it has been read then."""
        number = self.send(action, data)
        with self._heard:
            assert self._heard.wait_for(lambda: self._reply(number) is not None, TIMEOUT_SECONDS), "no reply"
            reply = self._reply(number)
        assert reply is not None
        return reply

    def _reply(self, number: int) -> dict[str, Any] | None:
        return next((frame for frame in self.frames if frame.get("seq_reply") == number), None)

    def wait_for_event(self, name: str, times: int = 1) -> dict[str, Any]:
        """The event of that name, the one that came as the `times`-th."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.events(name)) >= times, TIMEOUT_SECONDS), (
                f"no {name}; heard {[frame.get('event') for frame in self.frames]}"
            )
            return self.events(name)[times - 1]

    def events(self, name: str = "") -> list[dict[str, Any]]:
        return [frame for frame in self.frames if "event" in frame and name in ("", frame["event"])]

    def close(self) -> None:
        """End the socket in order."""
        self._socket.close()
        self.ended.wait(TIMEOUT_SECONDS)

    def drop(self) -> None:
        """Cut the line without a word."""
        self._socket.shutdown()  # type: ignore[no-untyped-call]
        self.ended.wait(TIMEOUT_SECONDS)
