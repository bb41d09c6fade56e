"""Reads Singer messages with msgspec and writes them again: the least that a mapper can do.

python -m benchmarks.yardsticks.hand_loop < MESSAGES
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec


class _Message(msgspec.Struct, omit_defaults=True):
    type: str
    stream: str = ""
    record: dict[str, Any] = {}
    value: dict[str, Any] = {}


def main() -> None:
    """Copy standard input to standard output."""
    decode, encode = msgspec.json.Decoder(_Message).decode, msgspec.json.Encoder().encode
    write = sys.stdout.buffer.write
    for line in sys.stdin.buffer:
        write(encode(decode(line)) + b"\n")


if __name__ == "__main__":
    main()
