"""The processing of an ingest job: its upload, 200 rows at a time, into its three results."""

from __future__ import annotations

import csv
import io
import tempfile
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from sandbox.salesforce import ids
from sandbox.salesforce.jobs import DELIMITERS, LINE_ENDINGS, OPERATIONS
from sandbox.salesforce.store import ResetError
from sandbox.salesforce.writes import from_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.salesforce.calls import Org
    from sandbox.salesforce.jobs import IngestJob
    from sandbox.salesforce.schema import Field
    from sandbox.salesforce.writes import Outcome

ROWS_AT_ONCE = 200


class _BatchError(Exception):
    """The upload cannot be processed any further."""


class IngestWork:
    """The processing of one ingest job, a step at a time."""

    def __init__(self, org: Org, job: IngestJob) -> None:
        self._org = org
        self._job = job
        self._rows: Iterator[list[str]] = iter(())
        self._header: list[str] = []
        self._fields: list[Field] = []
        self._sinks: dict[str, _Sink] = {}
        # Rows that were read and not processed yet.
        self._pending: list[list[str]] = []
        self._resets = org.store.resets

    def step(self) -> bool:
        """Process up to 200 rows and return whether there are more."""
        job = self._job
        try:
            if not self._header:
                self._open()
            if job.state == "Aborted":
                return self._finish("Aborted")
            self._read_rows()
        except _BatchError as error:
            return self._finish("Failed", f"InvalidBatch : {error}")
        if not self._pending:
            return self._finish("JobComplete")
        changes = [
            from_cells(job.sobject, OPERATIONS[job.operation], self._fields, row, job.key)
            for row in self._pending
        ]
        try:
            outcomes = self._org.writer.apply(changes, resets=self._resets)
        except ResetError:
            return self._finish("Failed", "InternalServerError : The org was reset")
        for row, outcome in zip(self._pending, outcomes, strict=True):
            self._record(row, outcome)
        with job.lock:
            job.processed += len(outcomes)
            job.failed += sum(1 for outcome in outcomes if outcome.error)
        self._pending = []
        return True

    def _open(self) -> None:
        job = self._job
        if job.upload is None:
            raise _BatchError("Records not found")
        job.upload.seek(0)
        first = job.upload.readline()
        job.upload.seek(0)
        found = "CRLF" if first.endswith(b"\r\n") else "LF"
        if first.endswith(b"\n") and found != job.line_ending:
            raise _BatchError(
                "LineEnding is invalid on user data. Current LineEnding setting is "
                f"{job.line_ending}"
            )
        text = io.TextIOWrapper(job.upload, encoding="utf-8-sig", newline="")
        self._rows = csv.reader(text, delimiter=DELIMITERS[job.delimiter], strict=True)
        self._header = self._next_row()
        if not self._header:
            raise _BatchError("Records not found")
        columns = {
            "successful": ["sf__Id", "sf__Created"],
            "failed": ["sf__Id", "sf__Error"],
            "unprocessed": [],
        }
        self._sinks = {kind: _Sink(job, [*own, *self._header]) for kind, own in columns.items()}
        self._fields = self._columns()

    def _columns(self) -> list[Field]:
        job = self._job
        fields = []
        for name in self._header:
            field = job.sobject.find(name)
            if field is None:
                raise _BatchError(f"Field name not found : {name}")
            fields.append(field)
        names = [field.name for field in fields]
        needed = {"insert": None, "upsert": job.key.name if job.key else None}
        missing = needed.get(job.operation, "Id")
        if missing is not None and missing not in names:
            raise _BatchError(f"Field name not found : {missing}")
        if len(set(names)) < len(names):
            raise _BatchError("Field name is given twice in the header")
        return fields

    def _read_rows(self) -> None:
        while len(self._pending) < ROWS_AT_ONCE:
            row = self._next_row()
            if not row:
                return
            self._pending.append(row)
            if len(row) != len(self._header):
                raise _BatchError(
                    f"A row has {len(row)} values where the header has {len(self._header)}"
                )

    def _next_row(self) -> list[str]:
        """Return the next row that is not blank, an empty list at the end."""
        try:
            return next((row for row in self._rows if row), [])
        except (csv.Error, UnicodeDecodeError) as error:
            raise _BatchError(f"Failed to parse CSV: {error}") from None

    def _record(self, row: Sequence[str], outcome: Outcome) -> None:
        number = outcome.number
        record_id = ids.make(self._job.sobject.name, number) if number else ""
        if outcome.error is None:
            created = "true" if outcome.created else "false"
            self._sinks["successful"].write([record_id, created, *row])
        else:
            self._sinks["failed"].write([record_id, outcome.error.as_bulk_error(), *row])

    def _finish(self, state: str, error: str | None = None) -> bool:
        job = self._job
        if self._sinks:
            self._keep_unprocessed()
        with job.lock:
            job.results = {kind: sink.close() for kind, sink in self._sinks.items()}
            if job.state != "Aborted":
                job.state, job.error = state, error
            job.changed = self._org.now_text()
            job.milliseconds = int((time.monotonic() - job.started) * 1000)
            job.settled = True
        return False

    def _keep_unprocessed(self) -> None:
        for row in self._pending:
            self._sinks["unprocessed"].write(row)
        with suppress(_BatchError):
            while row := self._next_row():
                self._sinks["unprocessed"].write(row)


class _Sink:
    """One kind of result, as CSV in a temporary file."""

    def __init__(self, job: IngestJob, header: Sequence[str]) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  The job closes it.
        self._text = io.TextIOWrapper(self.file, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.writer(
            self._text,
            delimiter=DELIMITERS[job.delimiter],
            lineterminator=LINE_ENDINGS[job.line_ending],
            quoting=csv.QUOTE_ALL,
        )
        self.write(header)

    def write(self, cells: Sequence[str]) -> None:
        """Add a row."""
        self._writer.writerow(cells)

    def close(self) -> IO[bytes]:
        """End writing and return the file."""
        self._text.detach()
        return self.file
