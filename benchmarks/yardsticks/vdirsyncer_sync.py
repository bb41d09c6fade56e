"""Syncs two address books in memory with vdirsyncer's library, twice.

    PYTHON-WITH-VDIRSYNCER vdirsyncer_sync.py EXTRACT

Both address books hold every contact of an extract of tap-phoneiq. Prints the seconds of the first
sync and of a second one, when nothing has changed. It runs in the peers' environment, and knows
nothing of ours.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from vdirsyncer.storage.memory import MemoryStorage
from vdirsyncer.sync import sync
from vdirsyncer.sync.status import SqliteStatus
from vdirsyncer.vobject import Item

_PHONES = {"mobile_phone": "CELL", "work_phone": "WORK", "home_phone": "HOME", "fax": "FAX"}
_ADDRESS = ("street", "city", "state", "postal_code", "country")


def _card(contact: dict[str, Any]) -> str:
    first, last = contact["first_name"] or "", contact["last_name"] or ""
    lines = [
        "BEGIN:VCARD",
        "VERSION:3.0",
        f"UID:{contact['id']}",
        f"FN:{first} {last}",
        f"N:{last};{first};;;",
    ]
    lines += [f"TEL;TYPE={kind}:{contact[key]}" for key, kind in _PHONES.items() if contact[key]]
    for key, name in (("email", "EMAIL"), ("job_title", "TITLE"), ("company", "ORG")):
        if contact[key]:
            lines.append(f"{name}:{contact[key]}")
    address = ";".join((contact[key] or "").replace("\n", "\\n") for key in _ADDRESS)
    lines += [f"ADR;TYPE=WORK:;;{address}", "END:VCARD"]
    return "\r\n".join(lines)


def _cards(extract: Path) -> list[str]:
    with extract.open(encoding="utf-8") as lines:
        messages = map(json.loads, lines)
        return [_card(message["record"]) for message in messages if message["type"] == "RECORD"]


async def _main(extract: Path) -> dict[str, float]:
    cards = _cards(extract)
    books = [MemoryStorage(), MemoryStorage()]
    for book in books:
        for card in cards:
            await book.upload(Item(card))
    status = SqliteStatus(":memory:")
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        await sync(*books, status)
        seconds.append(time.perf_counter() - started)
    return {"first": seconds[0], "unchanged": seconds[1]}


if __name__ == "__main__":
    logging.getLogger("vdirsyncer").setLevel(logging.ERROR)
    print(json.dumps(asyncio.run(_main(Path(sys.argv[1])))))
