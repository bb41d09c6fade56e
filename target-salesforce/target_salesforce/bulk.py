"""Large batches: Bulk API 2.0 ingest, a job for each upload, answered when Salesforce is done."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from time import sleep
from typing import TYPE_CHECKING, Any

import msgspec

from target_salesforce.errors import (
    OUTCOME_UNKNOWN,
    Failure,
    LimitReachedError,
    OutcomeUnknownError,
    RefusedError,
    RunStoppedError,
)
from target_salesforce.sobject_collections import Result
from target_salesforce.writes import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from logging import Logger

    from target_salesforce.session import SalesforceSession
    from target_salesforce.writes import Write

# Salesforce takes 150 MB of base64, which 100 MB of CSV stay below.
MAX_UPLOAD_BYTES = 100 * 1000 * 1000
NULL = "#N/A"

_VERBS = {
    Operation.CREATE: "insert",
    Operation.UPDATE: "update",
    Operation.UPSERT: "upsert",
    Operation.DELETE: "delete",
}

# `CODE:message:Field Field --`, the fields possibly missing.
_ERROR = re.compile(r"(?P<code>\w+):(?P<message>.*?)(?::(?P<fields>[\w, ]*))?\s*--", re.DOTALL)


class _Created(msgspec.Struct):
    """The answer to the creation of a job."""

    id: str


class _Job(msgspec.Struct):
    """What Salesforce says of a job."""

    state: str
    processed: int | None = msgspec.field(name="numberRecordsProcessed", default=None)
    failed: int | None = msgspec.field(name="numberRecordsFailed", default=None)
    error: str | None = msgspec.field(name="errorMessage", default=None)


_decode_created = msgspec.json.Decoder(_Created).decode
# A count may be a text.
_decode_job = msgspec.json.Decoder(_Job, strict=False).decode


class Upload:
    """A CSV of writes of one kind, and the way back from a result line to its write."""

    def __init__(self, operation: Operation, key: str | None, columns: list[str]) -> None:
        """Start with the header alone.

        Args:
            operation: the kind of all writes.
            key: column that identifies a record; None for inserts, whose whole line does.
            columns: the CSV's, the key among them.
        """
        self.operation = operation
        self._key = key
        self._columns = columns
        self._buffer = io.StringIO()
        # CRLF makes the writer quote both characters, so that a line break within a value stays.
        self._writer = csv.writer(self._buffer, lineterminator="\r\n")
        self._writer.writerow(columns)
        self._waiting: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        self.writes: list[Write] = []
        self.size = len(self._buffer.getvalue())

    def add(self, write: Write, cells: list[str], size: int) -> None:
        """Append a line.

        Args:
            write: what it is about.
            cells: its values, in the order of the columns.
            size: the most bytes that it takes.
        """
        self._waiting[self._identity(dict(zip(self._columns, cells, strict=True)))].append(
            len(self.writes)
        )
        self.writes.append(write)
        self._writer.writerow(cells)
        self.size += size

    def content(self) -> bytes:
        """Return the CSV in UTF-8."""
        return self._buffer.getvalue().encode()

    def take(self, line: dict[str, str]) -> int | None:
        """Find the write that a result line is about, each at most once.

        Args:
            line: a line of Salesforce's results by column; it repeats what was uploaded.

        Returns:
            The write's index, None for a line that was not uploaded.
        """
        waiting = self._waiting.get(self._identity(line))
        return waiting.pop(0) if waiting else None

    def _identity(self, line: dict[str, str]) -> tuple[str, ...]:
        if self._key is not None:
            return (line.get(self._key, ""),)
        return tuple(line.get(column, "") for column in self._columns)


def uploads(
    operation: Operation,
    writes: Sequence[Write],
    external_id_field: str | None,
    limit: int = MAX_UPLOAD_BYTES,
) -> Iterator[Upload]:
    """Put writes into as many CSV files as their size asks for.

    Records with different fields share a file: Salesforce leaves a field alone where the cell is
    empty, and clears it where the cell says `#N/A`.

    Args:
        operation: the kind of all writes.
        writes: each record at most once among them.
        external_id_field: the field that upserts match on.
        limit: bytes that a file may have.

    Yields:
        Files with at least one write each.
    """
    key = {
        Operation.UPDATE: "Id",
        Operation.DELETE: "Id",
        Operation.UPSERT: external_id_field,
        Operation.CREATE: None,
    }[operation]
    columns = ["Id"] if key == "Id" else []
    if operation is not Operation.DELETE:
        columns += dict.fromkeys(name for write in writes for name in write.fields)
    upload = Upload(operation, key, columns)
    for write in writes:
        cells = [
            str(write.id) if column == "Id" else _cell(write.fields, column) for column in columns
        ]
        size = _line_bytes(cells)
        if upload.writes and upload.size + size > limit:
            yield upload
            upload = Upload(operation, key, columns)
        upload.add(write, cells, size)
    if upload.writes:
        yield upload


def _cell(fields: dict[str, Any], column: str) -> str:
    if column not in fields:
        return ""
    value = fields[column]
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _line_bytes(cells: list[str]) -> int:
    """Return the most bytes that a CSV line can have: every cell quoted, every quote doubled."""
    return sum(len(cell.encode()) + cell.count('"') + 3 for cell in cells) + 2


def failure_of(error: str) -> Failure:
    """Read the `sf__Error` cell of a failed line."""
    match = _ERROR.match(error)
    if match is None:
        return Failure("UNKNOWN_EXCEPTION", error)
    fields = tuple((match["fields"] or "").replace(",", " ").split())
    return Failure(match["code"], match["message"], fields)


class Bulk:
    """Writes to one object."""

    def __init__(
        self,
        session: SalesforceSession,
        object_name: str,
        *,
        external_id_field: str | None,
        logger: Logger,
    ) -> None:
        self._session = session
        self._object = object_name
        self._external_id_field = external_id_field
        self._logger = logger

    def send(self, operation: Operation, writes: Sequence[Write]) -> list[Result]:
        """Carry out writes of one kind, each record at most once among them.

        Args:
            operation: the kind of all of them.
            writes: any number.

        Returns:
            A result for each write, in their order.

        Raises:
            RunStoppedError: nothing more can be written.
        """
        results: list[Result] = []
        try:
            for upload in uploads(operation, writes, self._external_id_field):
                results += self._run(upload)
        except RefusedError as error:
            raise RunStoppedError(
                f"Salesforce refuses a Bulk job for {self._object} ({error.failure.code}: "
                f"{error.failure.message}). With a larger bulk_threshold the records go "
                f"through sObject Collections."
            ) from None
        return results

    def _run(self, upload: Upload) -> list[Result]:
        job = self._start(upload)
        self._logger.info(
            "Bulk job %s: %s of %d %s records",
            job,
            _VERBS[upload.operation],
            len(upload.writes),
            self._object,
        )
        state = self._wait(job)
        return self._results(upload, job, state)

    def _start(self, upload: Upload) -> str:
        """Create a job and upload; Salesforce begins only when all of it is there."""
        request = {
            "object": self._object,
            "operation": _VERBS[upload.operation],
            "contentType": "CSV",
            "lineEnding": "CRLF",
        }
        if upload.operation is Operation.UPSERT:
            request["externalIdFieldName"] = str(self._external_id_field)
        content = upload.content()
        tries = 3
        while True:
            job = self._session.request(
                "POST", "jobs/ingest", _decode_created, body=msgspec.json.encode(request)
            ).id
            tries -= 1
            try:
                self._session.request(
                    "PUT",
                    f"jobs/ingest/{job}/batches",
                    len,
                    body=content,
                    headers={"Content-Type": "text/csv; charset=UTF-8"},
                    repeatable=False,
                )
            except OutcomeUnknownError as error:
                # A job takes one upload. This one has not begun, so another takes its place.
                self._set_state(job, "Aborted")
                if not tries:
                    raise RunStoppedError(
                        f"Salesforce does not take the upload of a Bulk job ({error})"
                    ) from None
                continue
            self._set_state(job, "UploadComplete")
            return job

    def _set_state(self, job: str, state: str) -> None:
        try:
            self._session.request(
                "PATCH", f"jobs/ingest/{job}", len, body=msgspec.json.encode({"state": state})
            )
        except RefusedError:
            # Repeating after a lost answer is refused since the job has moved on already.
            if self._job(job).state == "Open":
                raise

    def _job(self, job: str) -> _Job:
        return self._session.request("GET", f"jobs/ingest/{job}", _decode_job)

    def _wait(self, job: str) -> _Job:
        """Wait until Salesforce is done; it gives a job up by itself after a day at the most."""
        pause = 0.2
        while True:
            sleep(pause)
            pause = min(pause * 2, 15.0)
            state = self._job(job)
            if state.state in {"JobComplete", "Failed", "Aborted"}:
                return state
            self._logger.debug("Bulk job %s: %s", job, state.state)

    def _results(self, upload: Upload, job: str, state: _Job) -> list[Result]:
        complete = state.state == "JobComplete"
        failed = state.failed or 0
        if complete and not failed and upload.operation is not Operation.UPSERT:
            done = Result(created=upload.operation is Operation.CREATE)
            return [done] * len(upload.writes)
        found: dict[str, Callable[[Operation, dict[str, str]], Result]] = {
            "failedResults": _failed,
            "successfulResults": _succeeded,
        }
        if not complete:
            failure = _job_failure(state)
            found["unprocessedrecords"] = lambda _operation, _line: Result(failure=failure)
        expected = {"failedResults": failed, "successfulResults": (state.processed or 0) - failed}
        results: dict[int, Result] = {}
        unmatched: list[Result] = []
        for kind, result_of in found.items():
            for line in self._lines(job, kind, expected.get(kind, 0)):
                index, result = upload.take(line), result_of(upload.operation, line)
                if index is not None:
                    results[index] = result
                elif result.failure is not None:
                    unmatched.append(result)
        # An inserted line that Salesforce repeats in another form is not found. As many results
        # are left over as records: which failure belongs to which is all that stays open.
        unknown = Result(
            failure=Failure(
                OUTCOME_UNKNOWN, f"the results of Bulk job {job} do not name the record"
            )
        )
        leftover = iter(unmatched)
        return [
            results[index] if index in results else next(leftover, unknown)
            for index in range(len(upload.writes))
        ]

    def _lines(self, job: str, kind: str, expected: int) -> Iterator[dict[str, str]]:
        def decode(content: bytes) -> str:
            # Every line of Salesforce's ends with a line break.
            if not content.endswith(b"\n") and (content or expected > 0):
                raise ValueError("cut")
            return content.decode()

        text = self._session.request(
            "GET", f"jobs/ingest/{job}/{kind}", decode, headers={"Accept": "text/csv"}
        )
        return csv.DictReader(io.StringIO(text, newline=""))


def _succeeded(_operation: Operation, line: dict[str, str]) -> Result:
    return Result(id=line["sf__Id"], created=line["sf__Created"] == "true")


def _failed(operation: Operation, line: dict[str, str]) -> Result:
    failure = failure_of(line["sf__Error"])
    # What was to be deleted is deleted.
    if operation is Operation.DELETE and failure.code == "ENTITY_IS_DELETED":
        return Result(id=line["Id"])
    return Result(failure=failure)


def _job_failure(state: _Job) -> Failure:
    """Say why a job left records unprocessed.

    Raises:
        LimitReachedError: because the limit of the day is used up.
    """
    reason = state.error or f"its state is {state.state}"
    match = re.match(r"\s*(\w+)\s*:", reason)
    failure = Failure(
        match[1] if match else "UNPROCESSED", f"not processed by the Bulk job: {reason}"
    )
    if failure.limit_reached:
        raise LimitReachedError(failure)
    return failure
