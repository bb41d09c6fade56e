"""Starts workers on shards at the same time, and ends when the last of them has.

    python -m benchmarks.side_by_side SETTINGS-FILE…

Each settings file belongs to one worker, whose messages go into a file beside it.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from benchmarks.rows import BIN


def main(settings: list[Path]) -> int:
    """Run the workers; 0 where all have ended well."""
    with ExitStack() as files:
        workers = [
            subprocess.Popen(
                [BIN / "tap-contact-sync", "--config", one],
                stdout=files.enter_context(one.with_suffix(".out").open("wb")),
            )
            for one in settings
        ]
        return max([worker.wait() for worker in workers], key=abs)


if __name__ == "__main__":
    sys.exit(main([Path(one) for one in sys.argv[1:]]))
