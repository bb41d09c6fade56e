"""What the two sides were asked, in order, for tests that assert on the traffic."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.clock import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sandbox.clock import Clock

BODY_LIMIT = 1_000_000
"""Bytes of a request's body that are kept."""


@dataclass(frozen=True, slots=True)
class _Entry:
    seq: int
    time: datetime
    side: str
    method: str
    path: str
    query: str
    status: int | None
    offset: int
    length: int


class RequestLog:
    """The requests to both sides, numbered from 1 in the order in which they ended.

    Bodies lie in an unnamed temporary file, so that a log of a million contacts' traffic does not
    fill the memory.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []
        self._bodies = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the log
        self._end = 0
        self._seq = 0

    def add(
        self,
        *,
        side: str,
        method: str,
        path: str,
        query: str,
        status: int | None,
        body: bytes,
    ) -> None:
        """Note one request. `status` is None where the connection ended without an answer."""
        with self._lock:
            self._seq += 1
            self._bodies.seek(self._end)
            self._bodies.write(body)
            self._entries.append(
                _Entry(
                    seq=self._seq,
                    time=self._clock.now(),
                    side=side,
                    method=method,
                    path=path,
                    query=query,
                    status=status,
                    offset=self._end,
                    length=len(body),
                )
            )
            self._end += len(body)

    def read(
        self, *, side: str | None = None, method: str | None = None, since: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield the requests with a number above `since`, oldest first, as plain dicts."""
        with self._lock:
            entries = [
                entry
                for entry in self._entries
                if entry.seq > since
                and (side is None or entry.side == side)
                and (method is None or entry.method == method)
            ]
        for entry in entries:
            with self._lock:
                self._bodies.seek(entry.offset)
                body = self._bodies.read(entry.length)
            yield {
                "seq": entry.seq,
                "time": rfc3339(entry.time),
                "side": entry.side,
                "method": entry.method,
                "path": entry.path,
                "query": entry.query,
                "status": entry.status,
                "body": body.decode("utf-8", "replace"),
            }

    def clear(self) -> None:
        """Forget every request. Numbers go on from where they were."""
        with self._lock:
            self._entries.clear()
            self._bodies.truncate(0)
            self._end = 0

    def middleware(self, app: ASGIApp, *, side: str) -> ASGIApp:
        """Wrap `app` so that every request to it is noted as one to `side`."""

        async def logged(scope: Scope, receive: Receive, send: Send) -> None:
            body = bytearray()
            noted = False

            def note(status: int | None) -> None:
                nonlocal noted
                if not noted:
                    noted = True
                    self.add(
                        side=side,
                        method=scope["method"],
                        path=scope["path"],
                        query=scope["query_string"].decode("ascii", "replace"),
                        status=status,
                        body=bytes(body),
                    )

            async def receive_and_keep() -> Message:
                message = await receive()
                if message["type"] == "http.request" and len(body) < BODY_LIMIT:
                    body.extend(message.get("body", b"")[: BODY_LIMIT - len(body)])
                return message

            async def note_and_send(message: Message) -> None:
                # Before the answer leaves: whoever has the answer finds the request in the log.
                if message["type"] == "http.response.start":
                    note(message["status"])
                await send(message)

            try:
                await app(scope, receive_and_keep, note_and_send)
            finally:
                note(None)

        return logged
