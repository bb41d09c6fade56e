"""A PhoneIQ that answers at once, or after a fixed time, and keeps nothing.

    python -m benchmarks.server [--latency SECONDS] [--contacts EXTRACT]

It takes as little processor time as a server in Python can, since it shares the machine with the
client that is measured: every answer is made before it is asked for. It prints its URL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from sandbox.phoneiq.fields import CUSTOM_FIELDS, contact_fields

HOST = "127.0.0.1"
#: Contacts a page.
PAGE = 500

_encode = msgspec.json.Encoder().encode


class _Message(msgspec.Struct):
    type: str
    record: dict[str, Any] = {}


def pages(extract: Path) -> list[bytes]:
    """The answers that hold the contacts of an extract, as PhoneIQ gives them."""
    decoder = msgspec.json.Decoder(_Message)
    with extract.open("rb") as lines:
        contacts = [
            _with_custom_fields(message.record)
            for message in map(decoder.decode, lines)
            if message.type == "RECORD"
        ]
    starts = range(0, len(contacts), PAGE) or range(1)
    return [
        _encode(
            {
                "data": contacts[start : start + PAGE],
                "next_cursor": str(number + 1) if start + PAGE < len(contacts) else None,
            }
        )
        for number, start in enumerate(starts)
    ]


def _with_custom_fields(record: dict[str, Any]) -> dict[str, Any]:
    keys = [field.key for field in CUSTOM_FIELDS]
    custom = {key: record.pop(f"custom_{key}") for key in keys}
    return record | {"custom_fields": {k: v for k, v in custom.items() if v is not None}}


@cache
def _results(operations: int) -> bytes:
    """The answer to a batch of upserts."""
    result = {"status": 201, "id": "pc_aaaaaaaaaaaa"}
    return _answer(_encode({"results": [result] * operations}))


def _answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"X-Request-Id: benchmark\r\n\r\n" + body


class _Connection(asyncio.Protocol):
    """Answers one request after the other."""

    def __init__(self, latency: float, pages: list[bytes], fields: bytes) -> None:
        self._latency = latency
        self._pages = pages
        self._fields = fields
        self._received = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._received[:head_end])
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        end = head_end + 4 + length
        if len(self._received) < end:
            return
        body = bytes(self._received[head_end + 4 : end])
        del self._received[:end]
        answer = self._answer_to(head.split(b" ", 2)[1].decode(), body)
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
        else:
            self._transport.write(answer)

    def _answer_to(self, target: str, body: bytes) -> bytes:
        path, _, query = target.partition("?")
        if path == "/v1/contacts/batch":
            return _results(body.count(b'"op":'))
        if path == "/v1/contact_fields":
            return self._fields
        _, _, cursor = query.partition("cursor=")
        return self._pages[int(cursor.partition("&")[0] or 0)]


async def _serve(latency: float, contacts: list[bytes]) -> None:
    answers = [_answer(page) for page in contacts]
    fields = _answer(_encode({"data": contact_fields()}))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(latency, answers, fields), HOST, 0)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"http://{HOST}:{port}"}), flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--contacts", type=Path)
    options = parser.parse_args()
    asyncio.run(_serve(options.latency, pages(options.contacts) if options.contacts else []))


if __name__ == "__main__":
    main()
