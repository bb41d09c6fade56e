"""Tap and target of PhoneIQ against bare loops, with a server that costs next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.data import MATCHING, TWO_NUMBERS
from benchmarks.measuring import ROOT, Command, Contender, in_turn, run
from benchmarks.pipes import OBSERVE, TO_PHONEIQ, LedgerFile, reconciler, singer, yardstick
from benchmarks.rows import BIN, Bench, Found, compared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BATCH: Final = 200
IN_FLIGHT: Final = 8
_LATENCY: Final = 0.1
_KEY: Final = "benchmark"


@contextmanager
def server(folder: Path, *, latency: float = 0.0, contacts: Path | None = None) -> Iterator[str]:
    """A PhoneIQ in a process of its own; its URL."""
    command = [sys.executable, "-m", "benchmarks.server", "--latency", str(latency)]
    if contacts is not None:
        command += ["--contacts", str(contacts)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
    with process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def target_at_once(bench: Bench) -> Found:
    """The target where every answer comes at once, against the SDK's own."""
    folder = bench.work("target-at-once")
    full, empty, records = _creates(bench, bench.sizes.target, folder)
    with server(folder) as url:
        ours = Contender(command=target(url, folder, full), empty=target(url, folder, empty))
        theirs = Contender(command=plain_target(folder, full), empty=plain_target(folder, empty))
        measured = in_turn([ours, theirs], bench.sizes.rounds)
    row = compared(
        "target-at-once",
        "target-phoneiq, a server that answers at once",
        "SDK target that does nothing",
        records=records,
        ours=measured[0],
        theirs=measured[1],
        target=10.0,
    )
    return Found([row])


def target_slow(bench: Bench) -> Found:
    """The target where every answer takes 100 ms, against a loop that only sends."""
    folder = bench.work("target-slow")
    full, empty, records = _creates(bench, bench.sizes.slow, folder)
    with server(folder, latency=_LATENCY) as url:
        ours = Contender(command=target(url, folder, full), empty=target(url, folder, empty))
        theirs = Contender(
            command=requests_loop(url, folder, full), empty=requests_loop(url, folder, empty)
        )
        measured = in_turn([ours, theirs], bench.sizes.rounds)
    row = compared(
        "target-100-ms",
        "target-phoneiq, a server that takes 100 ms",
        "requests loop",
        records=records,
        ours=measured[0],
        theirs=measured[1],
        target=0.9,
    )
    return Found([row])


def tap(bench: Bench) -> Found:
    """The tap against a loop that pages, decodes and prints."""
    folder = bench.work("tap")
    data = bench.data(MATCHING, bench.sizes.tap)
    with (
        server(folder, contacts=data.phoneiq_extract) as url,
        server(folder, contacts=data.phoneiq_nothing) as empty_url,
    ):
        ours = Contender(command=tap_phoneiq(url, folder), empty=tap_phoneiq(empty_url, folder))
        theirs = Contender(command=page_loop(url, folder), empty=page_loop(empty_url, folder))
        measured = in_turn([ours, theirs], bench.sizes.rounds)
    row = compared(
        "tap",
        "tap-phoneiq, a server that answers at once",
        "page, decode and print loop",
        records=data.contacts,
        ours=measured[0],
        theirs=measured[1],
        target=0.5,
    )
    return Found([row])


def target(url: str, folder: Path, stream: Path) -> Command:
    """target-phoneiq on a stream."""
    config = {
        "api_url": url,
        "api_key": _KEY,
        "batch_size": BATCH,
        "max_in_flight": IN_FLIGHT,
        "rejects_path": str(folder / "rejects.jsonl"),
    }
    return singer(BIN / "target-phoneiq", config, folder, reads=stream)


def tap_phoneiq(url: str, folder: Path) -> Command:
    """tap-phoneiq, every contact."""
    return singer(BIN / "tap-phoneiq", {"api_url": url, "api_key": _KEY}, folder)


def plain_target(folder: Path, stream: Path) -> Command:
    """The SDK's target on a stream."""
    return yardstick("plain_target", [], folder, reads=stream)


def requests_loop(url: str, folder: Path, stream: Path) -> Command:
    """The loop that sends a stream."""
    return yardstick("requests_loop", [url, BATCH, IN_FLIGHT], folder, reads=stream)


def page_loop(url: str, folder: Path) -> Command:
    """The loop that reads every contact."""
    return yardstick("page_loop", [url], folder)


def _creates(bench: Bench, contacts: int, folder: Path) -> tuple[Path, Path, int]:
    """What the reconciler sends to the target at a first sync: the stream, and one of no record."""
    data = bench.data(TWO_NUMBERS, contacts)
    ledger = LedgerFile(folder / "ledger.db")
    run(reconciler(OBSERVE, ledger.url, folder, reads=data.phoneiq_nothing))
    command = reconciler(TO_PHONEIQ, ledger.url, folder, reads=data.salesforce_extract)
    run(command)
    full, empty = command.writes, folder / "empty.jsonl"
    assert full is not None
    records = 0
    with full.open("rb") as lines, empty.open("wb") as kept:
        for line in lines:
            if line.startswith(b'{"type":"RECORD"'):
                records += 1
            else:
                kept.write(line)
    return full, empty, records
