"""One pass of the reconciler that says how long it took once Python had started.

    python -m benchmarks.passes CONFIG EXTRACT WRITES

Prints the seconds from opening the ledger to having written the last message.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from pathlib import Path

from reconciler.mapper import Reconciler
from singer_sdk.plugin_base import _ConfigInput


def main(config: Path, extract: Path, writes: Path) -> None:
    """Run the pass."""
    settings = json.loads(config.read_text())
    with (
        extract.open("rb") as source,
        writes.open("w", encoding="utf-8") as sink,
        contextlib.redirect_stdout(sink),
    ):
        started = time.perf_counter()
        Reconciler.invoke(
            config=_ConfigInput(config=settings, parse_env=False),
            file_input=source,  # type: ignore[arg-type]
        )
        sink.flush()
        taken = time.perf_counter() - started
    print(taken)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main(*map(Path, sys.argv[1:4]))
