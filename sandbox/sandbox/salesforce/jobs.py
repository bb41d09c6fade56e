"""The jobs of Bulk API 2.0 and what clients see of them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from sandbox.salesforce import ids

if TYPE_CHECKING:
    from array import array

    from sandbox.salesforce.query import Plan
    from sandbox.salesforce.schema import Field, SObject
    from sandbox.salesforce.writes import Operation

DELIMITERS = {
    "BACKQUOTE": "`",
    "CARET": "^",
    "COMMA": ",",
    "PIPE": "|",
    "SEMICOLON": ";",
    "TAB": "\t",
}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
OPERATIONS: dict[str, Operation] = {
    "insert": "insert",
    "update": "update",
    "upsert": "upsert",
    "delete": "delete",
}


@dataclass
class Job:
    """What query and ingest jobs have in common."""

    id: str
    operation: str
    sobject: SObject
    delimiter: str
    line_ending: str
    version: str
    created: str
    state: str
    changed: str = ""
    started: float = field(default_factory=time.monotonic)
    milliseconds: int = 0

    def info(self) -> dict[str, Any]:
        """Return what a client sees of any job."""
        return {
            "id": self.id,
            "operation": self.operation,
            "object": self.sobject.name,
            "createdById": ids.make("User", 1),
            "createdDate": self.created,
            "systemModstamp": self.changed or self.created,
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.version.lstrip("v")),
            "lineEnding": self.line_ending,
            "columnDelimiter": self.delimiter,
            "retries": 0,
            "totalProcessingTime": self.milliseconds,
        }


@dataclass
class QueryJob(Job):
    """A query job: finished when it is created."""

    plan: Plan | None = None
    numbers: array[int] | None = None

    def info(self) -> dict[str, Any]:
        """Return what a client sees of the job."""
        return {
            **super().info(),
            "jobType": "V2Query",
            "numberRecordsProcessed": len(self.numbers or ()),
            "isPkChunkingSupported": False,
        }


@dataclass
class IngestJob(Job):
    """An ingest job, its upload and its results.

    ``settled`` says that nothing works on it any more and its results are complete.
    """

    key: Field | None = None
    upload: IO[bytes] | None = None
    results: dict[str, IO[bytes]] = field(default_factory=dict)
    processed: int = 0
    failed: int = 0
    error: str | None = None
    working: bool = False
    settled: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def info(self) -> dict[str, Any]:
        """Return what a client sees of the job."""
        info = {
            **super().info(),
            "jobType": "V2Ingest",
            "contentUrl": f"services/data/{self.version}/jobs/ingest/{self.id}/batches",
            "apexProcessingTime": 0,
            "apiActiveProcessingTime": self.milliseconds,
            "numberRecordsProcessed": self.processed,
            "numberRecordsFailed": self.failed,
        }
        if self.key is not None:
            info["externalIdFieldName"] = self.key.name
        if self.error is not None:
            info["errorMessage"] = self.error
        return info

    def close(self) -> None:
        """Drop the job's files."""
        for file in (self.upload, *self.results.values()):
            if file is not None:
                file.close()
