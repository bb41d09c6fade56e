"""The reject file: what PhoneIQ refused, with the reason, one JSON object a line."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING

from target_phoneiq.errors import StopError

if TYPE_CHECKING:
    from phoneiq_client import ErrorDetail

    from target_phoneiq.writes import Write


class RejectFile:
    """Appends rejects to a file that only its owner may read; it is opened with the first one."""

    def __init__(self, path: str) -> None:
        """Check that the file could be written.

        Args:
            path: Where it is, or will be.

        Raises:
            StopError: If its folder is missing.
        """
        self.path = Path(path)
        self.codes: Counter[str] = Counter()
        self._file: IO[str] | None = None
        if not self.path.absolute().parent.is_dir() or self.path.is_dir():
            message = f"rejects_path is {path!r}; it must be a file in a folder that exists"
            raise StopError(message)

    @property
    def count(self) -> int:
        """How many records were rejected in this run."""
        return sum(self.codes.values())

    def add(self, write: Write, error: ErrorDetail) -> None:
        """Write one line, and hand it to the operating system.

        Args:
            write: What was refused.
            error: Why.

        Raises:
            StopError: If the file cannot be written.
        """
        line = json.dumps(
            {
                "time": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"),
                "target": "target-phoneiq",
                "stream": write.stream,
                "action": write.action,
                "id": write.id,
                "external_id": write.external_id,
                "error": {
                    "code": error.code,
                    "message": error.message,
                    "fields": [error.field] if error.field else [],
                },
                "record": write.record,
            },
            default=str,
        )
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as failure:
            message = f"rejects_path {str(self.path)!r} cannot be written: {failure.strerror}"
            raise StopError(message) from failure
        self.codes[error.code] += 1

    def _open(self) -> IO[str]:
        """Open the file at its end, on a fresh line where a crash cut the last one."""
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        # The file may be an older one that others can read.
        self.path.chmod(0o600)
        state = os.fstat(file)
        filled = stat.S_ISREG(state.st_mode) and state.st_size
        if filled and os.pread(file, 1, state.st_size - 1) != b"\n":
            os.write(file, b"\n")
        return os.fdopen(file, "a", encoding="utf-8")
