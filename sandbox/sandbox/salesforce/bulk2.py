"""Bulk API 2.0: query jobs and ingest jobs.

A query job runs when it is created. An ingest job takes one upload, then works through it 200 rows
at a time, as Salesforce does, while the client polls; aborting it leaves the rest unprocessed. The
upload and the results are unnamed temporary files, so memory stays flat and nothing remains when
the sandbox stops. Jobs live as long as the process.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import OrderedDict
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.salesforce import ids
from sandbox.salesforce.calls import Call, JsonResponse, Org, answer, rest
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.ingest import IngestWork
from sandbox.salesforce.jobs import DELIMITERS, LINE_ENDINGS, OPERATIONS, IngestJob, QueryJob
from sandbox.salesforce.results import bulk_plan, csv_lines
from sandbox.salesforce.schema import find_object
from sandbox.salesforce.writes import upsert_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from sandbox.salesforce.schema import SObject

KEPT_JOBS = 100
COPY_CHUNK = 256 * 1024
MAX_UPLOAD = 150 * 1024 * 1024

_INGEST = "/services/data/{version}/jobs/ingest"
_QUERY = "/services/data/{version}/jobs/query"
_RESULTS = {
    "successfulresults": "successful",
    "failedresults": "failed",
    "unprocessedrecords": "unprocessed",
}


_AnyJob = TypeVar("_AnyJob", QueryJob, IngestJob)


class _Jobs(Generic[_AnyJob]):
    """The jobs of one kind; the oldest is forgotten for a new one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, _AnyJob] = OrderedDict()

    def add(self, job: _AnyJob) -> None:
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > KEPT_JOBS:
                _, oldest = self._jobs.popitem(last=False)
                if isinstance(oldest, IngestJob):
                    oldest.close()

    def find(self, call: Call) -> _AnyJob:
        with self._lock:
            job = self._jobs.get(ids.canonical(call.path("job")) or "")
        if job is None:
            raise SalesforceError("NOT_FOUND", "The requested resource does not exist")
        return job

    def remove(self, job: _AnyJob) -> None:
        with self._lock:
            self._jobs.pop(job.id, None)

    def all(self) -> list[_AnyJob]:
        with self._lock:
            return list(self._jobs.values())


def routes(org: Org) -> list[Route]:
    """Return the routes of Bulk 2.0."""
    api = _Api(org)
    found: list[tuple[str, dict[str, Callable[[Call], Response]]]] = [
        (_QUERY, {"GET": api.list_queries, "POST": api.create_query}),
        (
            _QUERY + "/{job}",
            {"GET": api.show_query, "PATCH": api.abort_query, "DELETE": api.delete_query},
        ),
        (_QUERY + "/{job}/results", {"GET": api.query_results}),
        (_INGEST, {"GET": api.list_ingests, "POST": api.create_ingest}),
        (_INGEST + "/{job}/{results}", {"GET": api.ingest_results}),
    ]
    return [
        # These two are coroutines: one takes an upload as it comes, one starts work in the loop.
        Route(_INGEST + "/{job}/batches", api.upload, methods=["PUT"]),
        Route(_INGEST + "/{job}", api.ingest, methods=["GET", "PATCH", "DELETE"]),
        *(Route(path, rest(org, handlers), methods=list(handlers)) for path, handlers in found),
    ]


class _Api:
    def __init__(self, org: Org) -> None:
        self._org = org
        self._queries: _Jobs[QueryJob] = _Jobs()
        self._ingests: _Jobs[IngestJob] = _Jobs()
        self._running: set[asyncio.Task[None]] = set()
        self._lock = threading.Lock()
        self._made = 0

    # Query jobs

    def create_query(self, call: Call) -> Response:
        order = call.json()
        operation = str(order.get("operation"))
        if operation not in {"query", "queryAll"}:
            raise SalesforceError("INVALIDJOB", f"operation {operation!r} is not query or queryAll")
        plan = bulk_plan(str(order.get("query") or ""), all_rows=operation == "queryAll")
        job = QueryJob(
            **self._common(call, order, plan.sobject),
            state="JobComplete",
            plan=plan,
            numbers=plan.numbers(self._org.store),
        )
        self._queries.add(job)
        return JsonResponse({**job.info(), "state": "UploadComplete"})

    def show_query(self, call: Call) -> Response:
        return JsonResponse(self._queries.find(call).info())

    def abort_query(self, call: Call) -> Response:
        self._queries.find(call)
        raise SalesforceError("INVALIDJOBSTATE", "Aborting already Completed Job not allowed")

    def delete_query(self, call: Call) -> Response:
        self._queries.remove(self._queries.find(call))
        return Response(status_code=204)

    def list_queries(self, _call: Call) -> Response:
        return _listing([job.info() for job in self._queries.all()])

    def query_results(self, call: Call) -> Response:
        job = self._queries.find(call)
        if job.plan is None or job.numbers is None:
            raise RuntimeError("a query job without its query")
        start = _whole(call, "locator", 0)
        end = min(len(job.numbers), start + _whole(call, "maxRecords", len(job.numbers)))
        lines = csv_lines(
            self._org.store,
            job.plan,
            job.numbers[start:end],
            delimiter=DELIMITERS[job.delimiter],
            line_ending=LINE_ENDINGS[job.line_ending],
        )
        headers = {
            "Sforce-NumberOfRecords": str(end - start),
            "Sforce-Locator": str(end) if end < len(job.numbers) else "null",
        }
        return StreamingResponse(lines, media_type="text/csv", headers=headers)

    # Ingest jobs

    def create_ingest(self, call: Call) -> Response:
        order = call.json()
        operation = str(order.get("operation"))
        if operation == "hardDelete":
            raise SalesforceError(
                "FEATURENOTENABLED",
                "hardDelete operation requires special user profile permission, please contact "
                "your system administrator",
            )
        if operation not in OPERATIONS:
            raise SalesforceError(
                "INVALIDJOB", f"operation {operation!r} is not one of {', '.join(OPERATIONS)}"
            )
        sobject = find_object(str(order.get("object")))
        key_name = order.get("externalIdFieldName")
        if operation == "upsert" and not key_name:
            raise SalesforceError(
                "INVALIDJOB",
                f"External ID was blank for {sobject.name}. An External ID must be specified for "
                "upsert.",
            )
        key = upsert_key(sobject, str(key_name)) if operation == "upsert" else None
        job = IngestJob(**self._common(call, order, sobject), state="Open", key=key)
        self._ingests.add(job)
        return JsonResponse(job.info())

    async def upload(self, request: Request) -> Response:
        """Take the CSV of a job."""
        file = tempfile.TemporaryFile()  # noqa: SIM115  The job closes it.
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size <= MAX_UPLOAD:
                await run_in_threadpool(file.write, chunk)
        call = Call(self._org, request, b"")
        response = await run_in_threadpool(
            answer, call, lambda call: self._accept(call, file, size)
        )
        if response.status_code != 201:
            file.close()
        return response

    def _accept(self, call: Call, file: IO[bytes], size: int) -> Response:
        job = self._ingests.find(call)
        if size > MAX_UPLOAD:
            raise SalesforceError("EXCEEDED_MAX_SIZE_REQUEST", "The upload is over 150 MB")
        with job.lock:
            if job.state != "Open":
                raise SalesforceError("INVALIDJOBSTATE", f"Job {job.id} is {job.state}, not Open")
            if job.upload is not None:
                raise SalesforceError(
                    "INVALIDJOBSTATE",
                    f"Found multiple contents for job: {job.id}, please 'Close' / 'Abort' / "
                    "'Delete' the current Job then create a new Job and make sure you only do "
                    "'PUT' once on a given Job.",
                )
            job.upload = file
        return Response(status_code=201)

    async def ingest(self, request: Request) -> Response:
        """Show, close, abort or delete a job."""
        call = Call(self._org, request, await request.body())
        handlers = {"PATCH": self._change_ingest, "DELETE": self._delete_ingest}
        handler = handlers.get(request.method, self._show_ingest)
        response = await run_in_threadpool(answer, call, handler)
        if request.method == "PATCH" and response.status_code == 200:
            self._start(self._ingests.find(call))
        return response

    def _start(self, job: IngestJob) -> None:
        """Work on a job that was just closed, or write down what an abort left undone."""
        with job.lock:
            if job.working or job.settled:
                return
            job.working = True
            if job.state == "UploadComplete":
                job.state = "InProgress"
        task = asyncio.get_running_loop().create_task(self._process(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _show_ingest(self, call: Call) -> Response:
        return JsonResponse(self._ingests.find(call).info())

    def _change_ingest(self, call: Call) -> Response:
        job = self._ingests.find(call)
        state = str(call.json().get("state"))
        with job.lock:
            allowed = {
                "UploadComplete": {"Open"},
                "Aborted": {"Open", "UploadComplete", "InProgress"},
            }
            if state not in allowed:
                raise SalesforceError(
                    "INVALIDJOBSTATE", f"state {state!r} is not UploadComplete or Aborted"
                )
            if job.state not in allowed[state]:
                raise SalesforceError("INVALIDJOBSTATE", f"Job {job.id} is {job.state} already")
            job.state = state
            job.changed = self._org.now_text()
            return JsonResponse(job.info())

    def _delete_ingest(self, call: Call) -> Response:
        job = self._ingests.find(call)
        if job.state not in {"UploadComplete", "JobComplete", "Aborted", "Failed"}:
            raise SalesforceError("INVALIDJOBSTATE", f"Job {job.id} is {job.state}; abort it first")
        self._ingests.remove(job)
        job.close()
        return Response(status_code=204)

    def list_ingests(self, _call: Call) -> Response:
        return _listing([job.info() for job in self._ingests.all()])

    def ingest_results(self, call: Call) -> Response:
        job = self._ingests.find(call)
        kind = _RESULTS.get(call.path("results").lower())
        if kind is None:
            raise SalesforceError("NOT_FOUND", "The requested resource does not exist")
        if not job.settled:
            raise SalesforceError("INVALIDJOBSTATE", f"Job {job.id} is {job.state}, not finished")
        file = job.results.get(kind)
        body = iter(()) if file is None else _read(file, job.lock)
        return StreamingResponse(body, media_type="text/csv")

    async def _process(self, job: IngestJob) -> None:
        work = IngestWork(self._org, job)
        while await run_in_threadpool(work.step):
            pass

    def _common(self, call: Call, order: dict[str, Any], sobject: SObject) -> dict[str, Any]:
        delimiter = str(order.get("columnDelimiter", "COMMA"))
        line_ending = str(order.get("lineEnding", "LF"))
        if delimiter not in DELIMITERS:
            raise SalesforceError("INVALIDJOB", f"columnDelimiter {delimiter!r} is none")
        if line_ending not in LINE_ENDINGS:
            raise SalesforceError("INVALIDJOB", f"lineEnding {line_ending!r} is not LF or CRLF")
        if order.get("contentType", "CSV") != "CSV":
            raise SalesforceError("INVALIDJOB", "contentType must be CSV")
        with self._lock:
            self._made += 1
            # Clear of Bulk 1.0, whose jobs share the prefix.
            number = 1_000_000 + self._made
        return {
            "id": ids.make("Job", number),
            "operation": order["operation"],
            "sobject": sobject,
            "delimiter": delimiter,
            "line_ending": line_ending,
            "version": call.version,
            "created": self._org.now_text(),
        }


def _read(file: IO[bytes], lock: threading.Lock) -> Iterator[bytes]:
    position = 0
    while True:
        with lock:
            file.seek(position)
            chunk = file.read(COPY_CHUNK)
        if not chunk:
            return
        position += len(chunk)
        yield chunk


def _listing(records: list[dict[str, Any]]) -> Response:
    return JsonResponse({"done": True, "records": records, "nextRecordsUrl": None})


def _whole(call: Call, name: str, default: int) -> int:
    given = call.parameter(name)
    if given is None:
        return default
    if not given.isdigit():
        raise SalesforceError("INVALID_QUERY_LOCATOR", f"{name} {given!r} is no whole number")
    return int(given)
