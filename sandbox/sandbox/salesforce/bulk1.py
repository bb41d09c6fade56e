"""Bulk API 1.0, as far as query jobs go: what tap-salesforce sends in BULK mode.

A job takes batches, a batch is a SOQL query. The query runs when the batch arrives, so the first
poll finds it finished. Jobs live as long as the process.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.salesforce import ids
from sandbox.salesforce.calls import Call, JsonResponse, Org
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.results import bulk_plan, csv_lines
from sandbox.salesforce.schema import OBJECTS, find_object

if TYPE_CHECKING:
    from array import array
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from sandbox.salesforce.query import Plan


KEPT_JOBS = 50

_JOB = "/services/async/{version}/job"
_NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"
_OPERATIONS = frozenset({"query", "queryAll"})


@dataclass
class Batch:
    """One query of a job: its records, or why it failed."""

    id: str
    plan: Plan | None = None
    numbers: array[int] | None = None
    failure: str | None = None


@dataclass
class Job:
    """One query job."""

    id: str
    sobject: str
    operation: str
    created: str
    state: str = "Open"
    batches: dict[str, Batch] = field(default_factory=dict)


def routes(org: Org) -> list[Route]:
    """Return the routes of Bulk 1.0."""
    api = _Api(org)
    found: list[tuple[str, dict[str, Callable[[Call], Response]]]] = [
        ("", {"POST": api.create_job}),
        ("/{job}", {"GET": api.show_job, "POST": api.change_job}),
        ("/{job}/batch", {"GET": api.list_batches, "POST": api.add_batch}),
        ("/{job}/batch/{batch}", {"GET": api.show_batch}),
        ("/{job}/batch/{batch}/result", {"GET": api.list_results}),
        ("/{job}/batch/{batch}/result/{result}", {"GET": api.read_result}),
    ]
    return [
        Route(_JOB + path, _endpoint(org, handlers), methods=list(handlers))
        for path, handlers in found
    ]


class _BulkError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def _endpoint(
    org: Org, handlers: Mapping[str, Callable[[Call], Response]]
) -> Callable[[Request], Awaitable[Response]]:
    def answer(call: Call, handler: Callable[[Call], Response]) -> Response:
        try:
            _check_session(call)
            return handler(call)
        except _BulkError as error:
            content = {"exceptionCode": error.code, "exceptionMessage": error.message}
            return JsonResponse(content, 400)

    async def endpoint(request: Request) -> Response:
        call = Call(org, request, await request.body())
        handler = handlers["GET" if request.method == "HEAD" else request.method]
        return await run_in_threadpool(answer, call, handler)

    return endpoint


class _Api:
    def __init__(self, org: Org) -> None:
        self._org = org
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._made = 0

    def create_job(self, call: Call) -> Response:
        order = _json(call)
        operation, name = str(order.get("operation")), str(order.get("object"))
        if operation not in _OPERATIONS:
            raise _BulkError(
                "InvalidJob", f"The sandbox's Bulk API 1.0 does queries only, not {operation}"
            )
        if order.get("contentType", "CSV") != "CSV":
            raise _BulkError("InvalidJob", "The sandbox's Bulk API 1.0 answers in CSV only")
        if name not in OBJECTS:
            raise _BulkError("InvalidJob", f"Unable to find object: {name}")
        created = self._org.now_text()
        job = Job(self._next_id("Job"), find_object(name).name, operation, created)
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > KEPT_JOBS:
                self._jobs.popitem(last=False)
        return JsonResponse(_job_info(job), 201)

    def show_job(self, call: Call) -> Response:
        return JsonResponse(_job_info(self._job(call)))

    def change_job(self, call: Call) -> Response:
        job = self._job(call)
        state = _json(call).get("state")
        if state not in {"Closed", "Aborted"}:
            raise _BulkError("InvalidJobState", f"A job can be Closed or Aborted, not {state}")
        job.state = str(state)
        return JsonResponse(_job_info(job))

    def add_batch(self, call: Call) -> Response:
        job = self._job(call)
        if job.state != "Open":
            raise _BulkError("InvalidJobState", f"Job {job.id} is {job.state}")
        batch = Batch(self._next_id("Batch"))
        try:
            plan = bulk_plan(call.body.decode(), all_rows=job.operation == "queryAll")
            batch.plan, batch.numbers = plan, plan.numbers(self._org.store)
        except SalesforceError as error:
            batch.failure = f"InvalidBatch : Failed to process query: {error}"
        job.batches[batch.id] = batch
        return _xml(_batch_info(job, batch), 201)

    def list_batches(self, call: Call) -> Response:
        job = self._job(call)
        infos = "".join(_batch_info(job, each) for each in job.batches.values())
        return _xml(f'<batchInfoList xmlns="{_NAMESPACE}">{infos}</batchInfoList>')

    def show_batch(self, call: Call) -> Response:
        return _xml(_batch_info(self._job(call), self._batch(call)))

    def list_results(self, call: Call) -> Response:
        batch = self._batch(call)
        inside = "" if batch.failure else f"<result>{_result_id(batch)}</result>"
        return _xml(f'<result-list xmlns="{_NAMESPACE}">{inside}</result-list>')

    def read_result(self, call: Call) -> Response:
        batch = self._batch(call)
        if batch.plan is None or batch.numbers is None or call.path("result") != _result_id(batch):
            raise _BulkError("InvalidBatch", f"Batch {batch.id} has no such result")
        if not batch.numbers:
            return Response("Records not found for this query\n", media_type="text/csv")
        lines = csv_lines(self._org.store, batch.plan, batch.numbers)
        return StreamingResponse(lines, media_type="text/csv")

    def _next_id(self, kind: str) -> str:
        with self._lock:
            self._made += 1
            return ids.make(kind, self._made)

    def _job(self, call: Call) -> Job:
        with self._lock:
            job = self._jobs.get(ids.canonical(call.path("job")) or "")
        if job is None:
            raise _BulkError("InvalidJob", "Unable to find job")
        return job

    def _batch(self, call: Call) -> Batch:
        batch = self._job(call).batches.get(ids.canonical(call.path("batch")) or "")
        if batch is None:
            raise _BulkError("InvalidBatch", "Unable to find batch")
        return batch


def _check_session(call: Call) -> None:
    if not call.org.sessions.known(call.request.headers.get("X-SFDC-Session", "")):
        raise _BulkError("InvalidSessionId", "Invalid session id")


def _json(call: Call) -> dict[str, Any]:
    try:
        return call.json()
    except SalesforceError as error:
        raise _BulkError("InvalidJob", error.message) from None


def _result_id(batch: Batch) -> str:
    return ids.make("Result", ids.parse("Batch", batch.id) or 0)


def _job_info(job: Job) -> dict[str, Any]:
    failed = sum(1 for each in job.batches.values() if each.failure)
    return {
        "id": job.id,
        "operation": job.operation,
        "object": job.sobject,
        "createdById": ids.make("User", 1),
        "createdDate": job.created,
        "systemModstamp": job.created,
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "numberBatchesQueued": 0,
        "numberBatchesInProgress": 0,
        "numberBatchesCompleted": len(job.batches) - failed,
        "numberBatchesFailed": failed,
        "numberBatchesTotal": len(job.batches),
    }


def _batch_info(job: Job, batch: Batch) -> str:
    message = f"<stateMessage>{escape(batch.failure)}</stateMessage>" if batch.failure else ""
    return (
        f'<batchInfo xmlns="{_NAMESPACE}"><id>{batch.id}</id><jobId>{job.id}</jobId>'
        f"<state>{'Failed' if batch.failure else 'Completed'}</state>{message}"
        f"<createdDate>{job.created}</createdDate><systemModstamp>{job.created}</systemModstamp>"
        f"<numberRecordsProcessed>{len(batch.numbers or ())}</numberRecordsProcessed></batchInfo>"
    )


def _xml(content: str, status: int = 200) -> Response:
    return Response(
        f'<?xml version="1.0" encoding="UTF-8"?>{content}', status, media_type="application/xml"
    )
