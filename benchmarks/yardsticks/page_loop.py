"""Reads every page of PhoneIQ's contacts and prints a RECORD for each, and does nothing else.

python -m benchmarks.yardsticks.page_loop URL
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import requests


class _Page(msgspec.Struct):
    data: list[dict[str, Any]]
    next_cursor: str | None


def main(url: str) -> None:
    """Read everything."""
    decode, encode = msgspec.json.Decoder(_Page).decode, msgspec.json.Encoder().encode
    write = sys.stdout.buffer.write
    session = requests.Session()
    cursor: str | None = None
    while True:
        params = {"limit": "500"} | ({"cursor": cursor} if cursor else {})
        page = decode(session.get(f"{url}/v1/contacts", params=params).content)
        for contact in page.data:
            write(encode({"type": "RECORD", "stream": "contacts", "record": contact}) + b"\n")
        cursor = page.next_cursor
        if cursor is None:
            return


if __name__ == "__main__":
    main(sys.argv[1])
