"""Sends the records of a stream in batches, several at once, and does nothing else.

python -m benchmarks.yardsticks.requests_loop URL BATCH IN_FLIGHT < MESSAGES
"""

from __future__ import annotations

import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Message(msgspec.Struct):
    type: str
    record: msgspec.Raw = msgspec.Raw(b"{}")


def _operations() -> Iterator[bytes]:
    decoder = msgspec.json.Decoder(_Message)
    for line in sys.stdin.buffer:
        message = decoder.decode(line)
        if message.type == "RECORD":
            yield b'{"op":"upsert","contact":' + message.record + b"}"


def main(url: str, batch: int, in_flight: int) -> None:
    """Send everything."""
    session = requests.Session()
    session.headers["Content-Type"] = "application/json"
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=in_flight))

    def send(operations: list[bytes]) -> None:
        body = b'{"operations":[' + b",".join(operations) + b"]}"
        session.post(f"{url}/v1/contacts/batch", data=body).raise_for_status()

    operations = _operations()
    sent: deque[Future[None]] = deque()
    with ThreadPoolExecutor(in_flight) as threads:
        while part := list(islice(operations, batch)):
            sent.append(threads.submit(send, part))
            if len(sent) > 2 * in_flight:
                sent.popleft().result()
        while sent:
            sent.popleft().result()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
