"""The reconciler as a mapper between tap and target, against the mapper that everybody uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.data import MATCHING, TWO_NUMBERS
from benchmarks.measuring import Command, Contender, in_turn, run
from benchmarks.pipes import OBSERVE, TO_PHONEIQ, LedgerFile, reconciler, singer, yardstick
from benchmarks.rows import Bench, Found, Row, compared

if TYPE_CHECKING:
    from pathlib import Path

#: By stream, what becomes of eight fields, and which records stay.
_MAPS: Final = {
    "Contact": (
        {
            "FirstName": "given_name",
            "LastName": "family_name",
            "Title": "job_title",
            "Email": "email_address",
            "MobilePhone": "mobile",
            "Phone": "work",
            "MailingCity": "city",
            "MailingCountry": "country",
        },
        "IsDeleted == False",
    ),
    "contacts": (
        {
            "first_name": "given_name",
            "last_name": "family_name",
            "job_title": "title",
            "email": "email_address",
            "mobile_phone": "mobile",
            "work_phone": "work",
            "city": "town",
            "country": "nation",
        },
        "deleted_at is None",
    ),
}


def first_sync(bench: Bench) -> Found:
    """Salesforce contacts with two numbers each, into a PhoneIQ that is known to be empty."""
    data = bench.data(TWO_NUMBERS, bench.sizes.mapper)
    folder = bench.work("first-sync")
    ledger = LedgerFile(folder / "ledger.db")
    run(reconciler(OBSERVE, ledger.url, folder, reads=data.phoneiq_nothing))
    ledger.save()
    row = _against_map_transform(
        bench,
        folder,
        name="first-sync",
        what="reconciler, first sync of Salesforce into an empty PhoneIQ",
        records=data.contacts,
        ledger=ledger,
        mode=TO_PHONEIQ,
        streams=(data.salesforce_extract, data.salesforce_nothing),
        floor=Contender(
            command=bare_insert(folder, data.salesforce_extract),
            empty=bare_insert(folder, data.salesforce_nothing),
        ),
        target=1.3,
    )
    return Found([row])


def observe_unchanged(bench: Bench) -> Found:
    """Contacts that the ledger has seen before, and nothing in them has changed."""
    data = bench.data(MATCHING, bench.sizes.mapper)
    folder = bench.work("observe-unchanged")
    ledger = LedgerFile(folder / "ledger.db")
    run(reconciler(OBSERVE, ledger.url, folder, reads=data.phoneiq_extract))
    ledger.save()
    # The tap would say another time of extraction with each record.
    again = folder / "again.jsonl"
    data.phoneiq.extract(again)
    row = _against_map_transform(
        bench,
        folder,
        name="observe-unchanged",
        what="reconciler, observing a stream that it has seen before",
        records=data.contacts,
        ledger=ledger,
        mode=OBSERVE,
        streams=(again, data.phoneiq_nothing),
        floor=Contender(
            command=hand_loop(folder, again), empty=hand_loop(folder, data.phoneiq_nothing)
        ),
        target=3.0,
    )
    return Found([row])


def map_transform(bench: Bench, folder: Path, stream: Path) -> Command:
    """meltano-map-transform on a stream of either side."""
    maps: dict[str, dict[str, str | None]] = {}
    for name, (renamed, kept) in _MAPS.items():
        maps[name] = {new: old for old, new in renamed.items()} | dict.fromkeys(renamed)
        maps[name]["__filter__"] = kept
    executable = bench.peer("meltano-map-transform")
    return singer(executable, {"stream_maps": maps}, folder, reads=stream)


def bare_insert(folder: Path, stream: Path) -> Command:
    """The loop that decodes a stream and puts it into an SQLite table."""
    database = folder / "bare.db"
    return yardstick("bare_insert", [database], folder, reads=stream)


def hand_loop(folder: Path, stream: Path) -> Command:
    """The loop that decodes a stream and writes it again."""
    return yardstick("hand_loop", [], folder, reads=stream)


def _against_map_transform(
    bench: Bench,
    folder: Path,
    *,
    name: str,
    what: str,
    records: int,
    ledger: LedgerFile,
    mode: str,
    streams: tuple[Path, Path],
    floor: Contender,
    target: float,
) -> Row:
    full, empty = streams
    ours = Contender(
        command=reconciler(mode, ledger.url, folder, reads=full, prepare=ledger.restore),
        empty=reconciler(mode, ledger.url, folder, reads=empty, prepare=ledger.restore),
    )
    theirs = Contender(
        command=map_transform(bench, folder, full), empty=map_transform(bench, folder, empty)
    )
    measured = in_turn([ours, theirs, floor], bench.sizes.rounds)
    return compared(
        name,
        what,
        "meltano-map-transform",
        records=records,
        ours=measured[0],
        theirs=measured[1],
        target=target,
        floor=measured[2],
    )
