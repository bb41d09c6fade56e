"""Commands of the product's programs and of others that take their settings likewise."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.measuring import Command
from benchmarks.rows import BIN

OBSERVE: Final = "observe-phoneiq"
TO_PHONEIQ: Final = "salesforce-to-phoneiq"
TO_SALESFORCE: Final = "phoneiq-to-salesforce"


def settings_file(name: str, config: dict[str, Any], folder: Path) -> Path:
    """A new file for a program's settings."""
    number = len(list(folder.glob("settings-*.json")))
    path = folder / f"settings-{number:03}-{name}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


def singer(
    executable: Path,
    config: dict[str, Any],
    folder: Path,
    *,
    reads: Path | None = None,
    prepare: Callable[[], object] = lambda: None,
) -> Command:
    """A tap, mapper or target.

    Args:
        executable: Its program.
        config: Its settings.
        folder: Where its settings, its output and its log go.
        reads: The messages that it gets.
        prepare: Called before each start.
    """
    settings = settings_file(executable.name, config, folder)
    return Command(
        name=executable.name,
        arguments=[executable, "--config", settings],
        reads=reads,
        writes=settings.with_suffix(".out"),
        log=settings.with_suffix(".log"),
        prepare=prepare,
    )


def reconciler(
    mode: str,
    ledger: str,
    folder: Path,
    *,
    reads: Path,
    prepare: Callable[[], object] = lambda: None,
) -> Command:
    """One pass of the reconciler.

    Args:
        mode: Which pipe of the job.
        ledger: The `ledger_url`.
        folder: Where its settings, its output and its log go.
        reads: What the tap sends.
        prepare: Called before each start.
    """
    config = {"mode": mode, "ledger_url": ledger}
    return singer(BIN / "reconciler", config, folder, reads=reads, prepare=prepare)


def yardstick(
    name: str, arguments: list[object], folder: Path, *, reads: Path | None = None
) -> Command:
    """One of the programs in `benchmarks.yardsticks`.

    Args:
        name: Its module.
        arguments: Its arguments.
        folder: Where its output and its log go.
        reads: The messages that it gets.
    """
    return Command(
        name=name,
        arguments=[sys.executable, "-m", f"benchmarks.yardsticks.{name}", *map(str, arguments)],
        reads=reads,
        writes=folder / f"{name}.out",
        log=folder / f"{name}.log",
    )


class LedgerFile:
    """An SQLite ledger that is put back to what it was before each measurement.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved = path.with_suffix(".saved")

    @property
    def url(self) -> str:
        """Its `ledger_url`."""
        return f"sqlite:///{self._path}"

    @property
    def bytes(self) -> int:
        """How large it is."""
        return sum(file.stat().st_size for file in self._files())

    def save(self) -> None:
        """Take what it is now as what it is put back to."""
        shutil.copyfile(self._path, self._saved)

    def restore(self) -> None:
        """Put it back."""
        for file in self._files():
            file.unlink()
        shutil.copyfile(self._saved, self._path)
        self._path.chmod(0o600)

    def _files(self) -> list[Path]:
        names = ("", "-wal", "-shm")
        files = [self._path.with_name(self._path.name + name) for name in names]
        return [file for file in files if file.exists()]
