"""The reject file: records that are not in Salesforce, each with the reason."""

from __future__ import annotations

import os
import stat
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from target_salesforce.errors import RunStoppedError

if TYPE_CHECKING:
    from target_salesforce.errors import Failure
    from target_salesforce.writes import Write

_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


class RejectFile:
    """JSON lines, appended to; created with the first reject, readable by its owner alone.

    Attributes:
        counts: rejects of this run by error code.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None
        self.counts: Counter[str] = Counter()

    def add(self, stream: str, write: Write, failure: Failure) -> None:
        """Append one record.

        Args:
            stream: the stream's name.
            write: what was to be done.
            failure: why it was not.

        Raises:
            RunStoppedError: the file can't be written, so the record would be lost.
        """
        line = _encode(
            {
                "time": datetime.now(timezone.utc)
                .isoformat(timespec="milliseconds")
                .replace("+00:00", "Z"),
                "target": "target-salesforce",
                "stream": stream,
                "action": write.operation.value,
                "id": write.id,
                "external_id": write.external_id,
                "error": {
                    "code": failure.code,
                    "message": failure.message,
                    "fields": failure.fields,
                },
                "record": write.record,
            }
        )
        try:
            if self._file is None:
                self._file = self._open()
            os.write(self._file, line + b"\n")
        except OSError as error:
            raise RunStoppedError(
                f"rejects_path: {self._path!r} can't be written ({error.strerror}); allowed is a "
                f"file in a folder that this user may write to"
            ) from None
        self.counts[failure.code] += 1

    def _open(self) -> int:
        """Open the file at its end, on a fresh line where a crash cut the last one."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        # A file that was there before may have been open to others.
        Path(self._path).chmod(0o600)
        state = os.fstat(file)
        filled = stat.S_ISREG(state.st_mode) and state.st_size
        if filled and os.pread(file, 1, state.st_size - 1) != b"\n":
            os.write(file, b"\n")
        return file

    def sync(self) -> None:
        """Make sure that what was added survives a crash of the machine."""
        if self._file is not None:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file; the next reject opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
