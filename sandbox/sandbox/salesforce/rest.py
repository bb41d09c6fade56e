"""The REST API: metadata, queries, single records and Collections."""

from __future__ import annotations

import re
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from sandbox.salesforce import describe, ids
from sandbox.salesforce.calls import DAILY_REQUESTS, Call, JsonResponse, Org, rest
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.query import Plan, attributes
from sandbox.salesforce.records import record_number, render
from sandbox.salesforce.schema import OBJECTS, SObject, find_object
from sandbox.salesforce.writes import Change, Operation, Outcome, from_json, upsert_key

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

    from sandbox.salesforce.schema import Field

VERSIONS = range(50, 67)
MAX_PAGE = 2000
MIN_PAGE = 200
MAX_COLLECTION = 200
OPEN_CURSORS = 20

_DATA = "/services/data/{version}"


class Cursors:
    """Queries that have pages left. The least recently used one is dropped for a new one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[str, tuple[Plan, array[int], int]] = OrderedDict()

    def keep(self, plan: Plan, numbers: array[int], size: int) -> str:
        """Remember a query and return its locator."""
        locator = f"01gSb{secrets.token_hex(6).upper()}"
        with self._lock:
            self._open[locator] = (plan, numbers, size)
            while len(self._open) > OPEN_CURSORS:
                self._open.popitem(last=False)
        return locator

    def find(self, locator: str) -> tuple[Plan, array[int], int]:
        """Return a query: its plan, its records and its page size.

        Raises:
            SalesforceError: INVALID_QUERY_LOCATOR.
        """
        with self._lock:
            if locator not in self._open:
                raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
            self._open.move_to_end(locator)
            return self._open[locator]


def routes(org: Org) -> list[Route]:
    """Return the routes of the REST API."""
    api = _Api(org)
    found: list[tuple[str, dict[str, Callable[[Call], Response]]]] = [
        ("", {"GET": api.resources}),
        ("/limits", {"GET": api.limits}),
        ("/query", {"GET": api.query}),
        ("/queryAll", {"GET": api.query_all}),
        ("/query/{locator}", {"GET": api.query_more}),
        ("/queryAll/{locator}", {"GET": api.query_more}),
        ("/sobjects", {"GET": api.describe_global}),
        ("/sobjects/{object}", {"GET": api.describe_basic, "POST": api.insert}),
        ("/sobjects/{object}/describe", {"GET": api.describe}),
        (
            "/sobjects/{object}/{id}",
            {"GET": api.retrieve, "PATCH": api.update, "DELETE": api.delete},
        ),
        (
            "/sobjects/{object}/{field}/{value:path}",
            {"GET": api.retrieve_by_key, "PATCH": api.upsert, "DELETE": api.delete_by_key},
        ),
        (
            "/composite/sobjects",
            {"POST": api.insert_many, "PATCH": api.update_many, "DELETE": api.delete_many},
        ),
        ("/composite/sobjects/{object}", {"GET": api.retrieve_many, "POST": api.retrieve_many}),
        ("/composite/sobjects/{object}/{field}", {"PATCH": api.upsert_many}),
    ]
    return [
        Route("/services/data", _versions, methods=["GET"]),
        *(
            Route(_DATA + path, rest(org, handlers), methods=list(handlers))
            for path, handlers in found
        ),
    ]


async def _versions(_request: Any) -> Response:
    return JsonResponse(
        [
            {
                "label": f"Sandbox {number}",
                "url": f"/services/data/v{number}.0",
                "version": f"{number}.0",
            }
            for number in VERSIONS
        ]
    )


class _Api:
    def __init__(self, org: Org) -> None:
        self._org = org
        self._cursors = Cursors()

    # Metadata

    def resources(self, call: Call) -> Response:
        base = f"/services/data/{call.version}"
        names = ("composite", "jobs", "limits", "query", "queryAll", "sobjects")
        return JsonResponse({name: f"{base}/{name}" for name in names})

    def limits(self, _call: Call) -> Response:
        quotas = {
            "DailyApiRequests": (DAILY_REQUESTS, self._org.requests),
            "DailyBulkApiBatches": (15_000, 0),
            "DailyBulkV2QueryFileStorageMB": (976_562, 0),
            "DailyBulkV2QueryJobs": (10_000, 0),
        }
        return JsonResponse(
            {
                name: {"Max": allowed, "Remaining": max(0, allowed - used)}
                for name, (allowed, used) in quotas.items()
            }
        )

    def describe_global(self, call: Call) -> Response:
        return JsonResponse(describe.describe_global(call.version))

    def describe_basic(self, call: Call) -> Response:
        return JsonResponse(describe.describe_basic(_object(call), call.version))

    def describe(self, call: Call) -> Response:
        return JsonResponse(describe.describe_object(_object(call), call.version))

    # Queries

    def query(self, call: Call) -> Response:
        return self._start(call, include_deleted=False)

    def query_all(self, call: Call) -> Response:
        return self._start(call, include_deleted=True)

    def query_more(self, call: Call) -> Response:
        locator, _, position = call.path("locator").rpartition("-")
        if not position.isdigit():
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        plan, numbers, size = self._cursors.find(locator)
        if int(position) >= len(numbers):
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(call, plan, numbers, size, locator, int(position))

    def _start(self, call: Call, *, include_deleted: bool) -> Response:
        text = call.parameter("q")
        if not text:
            raise SalesforceError("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
        plan = Plan(text, include_deleted=include_deleted)
        numbers = plan.numbers(self._org.store)
        if plan.counts:
            return JsonResponse({"totalSize": len(numbers), "done": True, "records": []})
        size = _page_size(call.request.headers.get("Sforce-Query-Options", ""))
        locator = self._cursors.keep(plan, numbers, size) if len(numbers) > size else ""
        return self._page(call, plan, numbers, size, locator, 0)

    def _page(
        self, call: Call, plan: Plan, numbers: array[int], size: int, locator: str, start: int
    ) -> Response:
        end = min(start + size, len(numbers))
        rows = plan.rows(self._org.store, numbers[start:end])
        content: dict[str, Any] = {"totalSize": len(numbers), "done": end == len(numbers)}
        if end < len(numbers):
            # "query" also for queryAll, as Salesforce has it.
            content["nextRecordsUrl"] = f"/services/data/{call.version}/query/{locator}-{end}"
        content["records"] = [plan.as_json(row, call.version) for row in rows]
        return JsonResponse(content)

    # Single records

    def insert(self, call: Call) -> Response:
        sobject = _object(call)
        outcome = self._write_one(from_json(sobject, "insert", call.json()))
        return _saved(call, sobject, outcome)

    def retrieve(self, call: Call) -> Response:
        sobject = _object(call)
        return self._record(call, sobject, record_number(sobject, call.path("id")))

    def update(self, call: Call) -> Response:
        sobject = _object(call)
        fields = call.json()
        if any(name.lower() == "id" for name in fields):
            raise SalesforceError(
                "INVALID_FIELD", "The Id field should not be specified in the sobject data."
            )
        self._write_one(from_json(sobject, "update", {**fields, "Id": call.path("id")}))
        return Response(status_code=204)

    def delete(self, call: Call) -> Response:
        sobject = _object(call)
        number = record_number(sobject, call.path("id"))
        self._write_one(Change(sobject, "delete", number))
        return Response(status_code=204)

    def retrieve_by_key(self, call: Call) -> Response:
        sobject, key, value = _key(call)
        return self._for_match(
            call, sobject, key, value, lambda number: self._record(call, sobject, number)
        )

    def delete_by_key(self, call: Call) -> Response:
        sobject, key, value = _key(call)

        def delete(number: int) -> Response:
            self._write_one(Change(sobject, "delete", number))
            return Response(status_code=204)

        return self._for_match(call, sobject, key, value, delete)

    def upsert(self, call: Call) -> Response:
        sobject, key, value = _key(call)
        fields = call.json()
        if any(name.lower() == key.name.lower() for name in fields):
            raise SalesforceError(
                "INVALID_FIELD",
                f"The {key.name} field should not be specified in the sobject data.",
            )
        change = from_json(sobject, "upsert", {**fields, key.name: value}, key)
        outcome = self._org.writer.apply([change])[0]
        if outcome.matches:
            return _several(call, sobject, outcome.matches)
        _raise(outcome)
        return _saved(call, sobject, outcome, upsert=True)

    def _for_match(
        self,
        call: Call,
        sobject: SObject,
        key: Field,
        value: str,
        use: Callable[[int], Response],
    ) -> Response:
        matches = self._org.store.matching(sobject, key, key.from_text(value))
        if not matches:
            raise SalesforceError("NOT_FOUND", "The requested resource does not exist")
        return use(matches[0]) if len(matches) == 1 else _several(call, sobject, matches)

    def _record(self, call: Call, sobject: SObject, number: int) -> Response:
        found = self._org.store.fetch(sobject, [number])
        if not found:
            raise SalesforceError("NOT_FOUND", "The requested resource does not exist")
        record = render(sobject, found[0])
        if record["IsDeleted"]:
            raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted")
        wanted = _wanted(sobject, call.parameter("fields"))
        return JsonResponse(
            {
                **attributes(sobject, number, call.version),
                **{
                    name: value
                    for name, value in record.items()
                    if wanted is None or name in wanted
                },
            }
        )

    def _write_one(self, change: Change) -> Outcome:
        outcome = self._org.writer.apply([change])[0]
        _raise(outcome)
        return outcome

    # Collections

    def insert_many(self, call: Call) -> Response:
        return self._collection(call, "insert")

    def update_many(self, call: Call) -> Response:
        return self._collection(call, "update")

    def upsert_many(self, call: Call) -> Response:
        sobject = _object(call)
        return self._collection(call, "upsert", sobject, upsert_key(sobject, call.path("field")))

    def delete_many(self, call: Call) -> Response:
        given = [each for each in (call.parameter("ids") or "").split(",") if each]
        _check_size(given)
        all_or_none = (call.parameter("allOrNone") or "").lower() == "true"
        changes = [_deletion(each) for each in given]
        return _results(self._org.writer.apply(changes, all_or_none=all_or_none), changes)

    def retrieve_many(self, call: Call) -> Response:
        sobject = _object(call)
        if call.request.method == "POST":
            content = call.json()
            given, fields = content.get("ids"), content.get("fields")
        else:
            given = (call.parameter("ids") or "").split(",")
            fields = (call.parameter("fields") or "").split(",")
        wanted = _wanted(sobject, ",".join(_texts("fields", fields)))
        numbers = [record_number(sobject, each) for each in _texts("ids", given)]
        records = {row[0]: row for row in self._org.store.fetch(sobject, numbers)}
        return JsonResponse(
            [
                {
                    **attributes(sobject, number, call.version),
                    **{
                        name: value
                        for name, value in render(sobject, records[number]).items()
                        if wanted is None or name in wanted
                    },
                }
                if number in records
                else None
                for number in numbers
            ]
        )

    def _collection(
        self,
        call: Call,
        operation: Operation,
        sobject: SObject | None = None,
        key: Field | None = None,
    ) -> Response:
        content = call.json()
        records = content.get("records")
        if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
            raise SalesforceError("JSON_PARSER_ERROR", "records must be a list of objects")
        _check_size(records)
        changes = []
        for record in records:
            named = _type_of(record)
            if sobject is not None and named is not sobject:
                raise SalesforceError(
                    "INVALID_TYPE", f"an upsert of {sobject.name} cannot hold a {named.name}"
                )
            changes.append(from_json(named, operation, record, key))
        all_or_none = content.get("allOrNone", False) is True
        outcomes = self._org.writer.apply(changes, all_or_none=all_or_none)
        return _results(outcomes, changes, upsert=operation == "upsert")


def _object(call: Call) -> SObject:
    return find_object(call.path("object"))


def _key(call: Call) -> tuple[SObject, Field, str]:
    sobject = _object(call)
    try:
        key = upsert_key(sobject, call.path("field"))
    except SalesforceError as error:
        raise SalesforceError("NOT_FOUND", error.message) from None
    return sobject, key, call.path("value")


def _wanted(sobject: SObject, fields: str | None) -> set[str] | None:
    if not fields:
        return None
    wanted = {"Id"}
    for name in fields.split(","):
        field = sobject.find(name.strip())
        if field is None:
            raise SalesforceError(
                "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}"
            )
        wanted.add(field.name)
    return wanted


def _page_size(options: str) -> int:
    match = re.search(r"batchSize=(\d+)", options)
    return min(MAX_PAGE, max(MIN_PAGE, int(match[1]))) if match else MAX_PAGE


def _raise(outcome: Outcome) -> None:
    error = outcome.error
    if error is None:
        return
    if error.code == "INVALID_CROSS_REFERENCE_KEY" and not error.fields:
        # About the record itself, whose id is in the path here.
        raise SalesforceError("NOT_FOUND", "The requested resource does not exist")
    raise error


def _saved(call: Call, sobject: SObject, outcome: Outcome, *, upsert: bool = False) -> Response:
    record_id = ids.make(sobject.name, outcome.number or 0)
    content: dict[str, Any] = {"id": record_id, "success": True, "errors": []}
    if upsert:
        content["created"] = outcome.created
    location = f"/services/data/{call.version}/sobjects/{sobject.name}/{record_id}"
    status = 201 if outcome.created else 200
    return JsonResponse(content, status, headers={"Location": location})


def _several(call: Call, sobject: SObject, numbers: Sequence[int]) -> Response:
    urls = [attributes(sobject, each, call.version)["attributes"]["url"] for each in numbers]
    return JsonResponse(urls, 300)


def _type_of(record: dict[str, Any]) -> SObject:
    described = record.get("attributes")
    name = described.get("type") if isinstance(described, dict) else None
    if not isinstance(name, str) or name not in OBJECTS:
        raise SalesforceError(
            "INVALID_TYPE", f"attributes.type of a record is {name!r}, not one of {[*OBJECTS]}"
        )
    return OBJECTS[name]


def _deletion(record_id: str) -> Change:
    for sobject in OBJECTS.values():
        number = ids.parse(sobject.name, record_id)
        if number is not None:
            return Change(sobject, "delete", number)
    error = SalesforceError("MALFORMED_ID", f"malformed id {record_id}", ("Id",))
    return Change(next(iter(OBJECTS.values())), "delete", error=error)


def _check_size(given: Sequence[Any]) -> None:
    if len(given) > MAX_COLLECTION:
        raise SalesforceError(
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {MAX_COLLECTION} records in this call",
        )


def _results(
    outcomes: Sequence[Outcome], changes: Sequence[Change], *, upsert: bool = False
) -> Response:
    return JsonResponse(
        [
            _result(outcome, change.sobject, upsert=upsert)
            for outcome, change in zip(outcomes, changes, strict=True)
        ]
    )


def _result(outcome: Outcome, sobject: SObject, *, upsert: bool) -> dict[str, Any]:
    error = outcome.error
    result: dict[str, Any] = {
        "success": error is None,
        "errors": [] if error is None else [error.as_row_error()],
    }
    if outcome.number is not None:
        result["id"] = ids.make(sobject.name, outcome.number)
    if upsert and error is None:
        result["created"] = outcome.created
    return result


def _texts(name: str, values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise SalesforceError("JSON_PARSER_ERROR", f"{name} must be a list of text")
    return values
