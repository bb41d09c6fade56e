"""Measures how fast the product is: `make bench`, `make bench-quick`.

Prints a table, writes `results-SIZE.json` into the folder, and ends with one line of JSON that says
for every row its records a second, its ratio to the yardstick, the target, and whether it is met.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import mapper, matching, page, phoneiq, postgresql, stages
from benchmarks.measuring import ROOT
from benchmarks.results import Results
from benchmarks.rows import SIZES, Bench, Benchmark, NotMeasuredError

BENCHMARKS: Final[dict[str, Benchmark]] = {
    "first-sync": mapper.first_sync,
    "observe-unchanged": mapper.observe_unchanged,
    "target-at-once": phoneiq.target_at_once,
    "target-100-ms": phoneiq.target_slow,
    "tap": phoneiq.tap,
    "matching": matching.both,
    "job": stages.job,
    "postgresql-ledger": postgresql.first_sync,
    "workers": postgresql.workers,
}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = list(BENCHMARKS)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--only", choices=names, nargs="+", default=names, help="Some of them.")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".bench", help="For data, peers and results."
    )
    parser.add_argument("--page", type=Path, help="Renew this page, its JSON file and chart.")
    options = parser.parse_args()
    os.umask(0o077)
    bench = Bench(options.folder.resolve(), SIZES[options.size])
    bench.folder.mkdir(exist_ok=True)
    results = Results(options.size)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 110
    for name in options.only:
        started = time.monotonic()
        try:
            results.add(BENCHMARKS[name](bench))
        except NotMeasuredError as reason:
            console.print(f"{name}: not measured: {reason}")
        else:
            console.print(f"{name}: {time.monotonic() - started:.0f} s")
    for table in results.tables():
        console.print(table)
    results.save(bench.folder / f"results-{options.size}.json")
    if options.page:
        results.save(options.page.with_suffix(".json"))
        page.renew(options.page)
    print(results.closing_line())


if __name__ == "__main__":
    main()
