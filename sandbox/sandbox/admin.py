"""The admin API under `/_sandbox`, on both ports: what people do in the two products, and more.

It edits records as their users would (the same checks, the same timestamps), moves the clock,
orders faults and shows the request log. There is no key: it listens on 127.0.0.1 only.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.clock import rfc3339
from sandbox.faults import Fault
from sandbox.people import MAX_CONTACTS
from sandbox.phoneiq.fields import RefusedError
from sandbox.salesforce.errors import SalesforceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from sandbox.world import World

_PAGE_SIZE = 500
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _OrderError(ValueError):
    """The admin API was asked for something that makes no sense; the message says what."""


def build(world: World) -> ASGIApp:
    """Return the admin API of `world`, with paths relative to where it is mounted."""
    admin = _Admin(world)
    return Starlette(
        routes=[
            Route("/", admin.overview, methods=["GET"]),
            Route("/reset", admin.reset, methods=["POST"]),
            Route("/clock", admin.show_clock, methods=["GET"]),
            Route("/clock", admin.move_clock, methods=["POST"]),
            Route("/faults", admin.list_faults, methods=["GET"]),
            Route("/faults", admin.add_fault, methods=["POST"]),
            Route("/faults", admin.clear_faults, methods=["DELETE"]),
            Route("/requests", admin.list_requests, methods=["GET"]),
            Route("/requests", admin.clear_requests, methods=["DELETE"]),
            Route("/phoneiq/contacts", admin.list_contacts, methods=["GET"]),
            Route("/phoneiq/contacts", admin.create_contact, methods=["POST"]),
            Route("/phoneiq/contacts/{id}", admin.get_contact, methods=["GET"]),
            Route("/phoneiq/contacts/{id}", admin.edit_contact, methods=["PATCH"]),
            Route("/phoneiq/contacts/{id}", admin.delete_contact, methods=["DELETE"]),
            Route("/salesforce/{object}", admin.list_records, methods=["GET"]),
            Route("/salesforce/{object}", admin.create_record, methods=["POST"]),
            Route("/salesforce/Lead/{id}/convert", admin.convert_lead, methods=["POST"]),
            Route("/salesforce/{object}/{id}/merge", admin.merge_records, methods=["POST"]),
            Route("/salesforce/{object}/{id}", admin.get_record, methods=["GET"]),
            Route("/salesforce/{object}/{id}", admin.edit_record, methods=["PATCH"]),
            Route("/salesforce/{object}/{id}", admin.delete_record, methods=["DELETE"]),
        ],
        exception_handlers={
            _OrderError: _bad_order,
            RefusedError: _refused_by_phoneiq,
            SalesforceError: _refused_by_salesforce,
            HTTPException: _unrouted,
        },
    )


class _Admin:
    def __init__(self, world: World) -> None:
        self._world = world

    async def overview(self, _request: Request) -> Response:
        world = self._world
        counts = await run_in_threadpool(
            lambda: {
                "phoneiq": {"contacts": world.phoneiq.count()},
                "salesforce": {
                    name: world.salesforce.count(name) for name in ("Account", "Contact", "Lead")
                },
            }
        )
        return _json(
            200, {"time": rfc3339(world.clock.now()), "faults": world.faults.list()} | counts
        )

    async def reset(self, request: Request) -> Response:
        order = await _order(request, "contacts", "seed")
        contacts, seed = order.get("contacts", 0), order.get("seed", 1)
        if type(contacts) is not int or not 0 <= contacts <= MAX_CONTACTS:
            raise _OrderError(f"contacts is {contacts!r}; allowed: 0 to {MAX_CONTACTS}")
        if type(seed) is not int:
            raise _OrderError(f"seed is {seed!r}; allowed: a whole number")
        await run_in_threadpool(self._world.start_over, contacts=contacts, seed=seed)
        return Response(status_code=204)

    async def show_clock(self, _request: Request) -> Response:
        return _json(200, {"now": rfc3339(self._world.clock.now())})

    async def move_clock(self, request: Request) -> Response:
        order = await _order(request, "advance", "set")
        if len(order) != 1:
            raise _OrderError('send either {"advance": SECONDS} or {"set": TIME}')
        if "advance" in order:
            seconds = order["advance"]
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
                raise _OrderError(f"advance is {seconds!r}; allowed: a number of seconds")
            self._world.clock.advance(seconds)
        else:
            try:
                self._world.clock.set(msgspec.convert(order["set"], _Moment))
            except msgspec.ValidationError as error:
                raise _OrderError(
                    f"set is {order['set']!r}; allowed: an RFC 3339 time with its zone"
                ) from error
        return await self.show_clock(request)

    async def list_faults(self, _request: Request) -> Response:
        return _json(200, {"data": self._world.faults.list()})

    async def add_fault(self, request: Request) -> Response:
        order = await _order(request)
        try:
            fault = Fault.parse(order)
        except ValueError as error:
            raise _OrderError(str(error)) from error
        self._world.faults.add(fault)
        return _json(201, fault.as_dict())

    async def clear_faults(self, _request: Request) -> Response:
        self._world.faults.clear()
        return Response(status_code=204)

    async def list_requests(self, request: Request) -> Response:
        query = request.query_params
        since = query.get("since", "0")
        if not since.isdecimal():
            raise _OrderError(f"since is {since!r}; allowed: the number of a request")
        entries = self._world.requests.read(
            side=query.get("side"), method=query.get("method"), since=int(since)
        )

        def lines() -> Iterator[bytes]:
            comma = b""
            yield b'{"data":['
            for entry in entries:
                yield comma + msgspec.json.encode(entry)
                comma = b","
            yield b"]}"

        return StreamingResponse(lines(), media_type="application/json")

    async def clear_requests(self, _request: Request) -> Response:
        self._world.requests.clear()
        return Response(status_code=204)

    async def list_contacts(self, request: Request) -> Response:
        query = request.query_params
        after = query.get("after", "0")
        if not after.isdecimal():
            raise _OrderError(f"after is {after!r}; allowed: what `next` of the page before said")
        bodies, place = await run_in_threadpool(
            self._world.phoneiq.page,
            after=int(after),
            include_deleted=query.get("include_deleted") == "true",
            limit=_PAGE_SIZE,
        )
        return _json(200, {"data": [msgspec.Raw(body.encode()) for body in bodies], "next": place})

    async def create_contact(self, request: Request) -> Response:
        fields = await _order(request)
        return _json(201, await run_in_threadpool(self._world.phoneiq.create, fields))

    async def get_contact(self, request: Request) -> Response:
        contact = await run_in_threadpool(
            self._world.phoneiq.get, request.path_params["id"], include_deleted=True
        )
        return _json(200, contact)

    async def edit_contact(self, request: Request) -> Response:
        fields = await _order(request)
        contact = await run_in_threadpool(
            self._world.phoneiq.update, request.path_params["id"], fields
        )
        return _json(200, contact)

    async def delete_contact(self, request: Request) -> Response:
        await run_in_threadpool(self._world.phoneiq.delete, request.path_params["id"])
        return Response(status_code=204)

    async def list_records(self, request: Request) -> Response:
        query = request.query_params
        rows = await run_in_threadpool(
            self._world.salesforce.list,
            request.path_params["object"],
            include_deleted=query.get("include_deleted") == "true",
            limit=_PAGE_SIZE,
            after_id=query.get("after"),
        )
        place = rows[-1]["Id"] if len(rows) == _PAGE_SIZE else None
        return _json(200, {"data": rows, "next": place})

    async def create_record(self, request: Request) -> Response:
        fields = await _order(request)
        name = request.path_params["object"]
        salesforce = self._world.salesforce
        row = await run_in_threadpool(lambda: salesforce.get(name, salesforce.create(name, fields)))
        return _json(201, row)

    async def get_record(self, request: Request) -> Response:
        return _json(200, await self._record(request))

    async def edit_record(self, request: Request) -> Response:
        fields = await _order(request)
        await run_in_threadpool(
            self._world.salesforce.edit,
            request.path_params["object"],
            request.path_params["id"],
            fields,
        )
        return _json(200, await self._record(request))

    async def delete_record(self, request: Request) -> Response:
        await run_in_threadpool(
            self._world.salesforce.delete,
            request.path_params["object"],
            request.path_params["id"],
        )
        return Response(status_code=204)

    async def merge_records(self, request: Request) -> Response:
        order = await _order(request, "losers")
        losers = order.get("losers")
        if not isinstance(losers, list) or not losers:
            raise _OrderError("losers is missing; allowed: a list of ids")
        await run_in_threadpool(
            self._world.salesforce.merge,
            request.path_params["object"],
            request.path_params["id"],
            losers,
        )
        return _json(200, await self._record(request))

    async def convert_lead(self, request: Request) -> Response:
        order = await _order(request, "account_id")
        converted = await run_in_threadpool(
            self._world.salesforce.convert, request.path_params["id"], order.get("account_id")
        )
        return _json(200, converted)

    async def _record(self, request: Request) -> dict[str, Any]:
        row: dict[str, Any] = await run_in_threadpool(
            self._world.salesforce.get, request.path_params["object"], request.path_params["id"]
        )
        return row


async def _order(request: Request, *allowed: str) -> dict[str, Any]:
    """Return the request's JSON object, empty where there is no body."""
    body = await request.body()
    try:
        order = msgspec.json.decode(body) if body else {}
    except msgspec.DecodeError as error:
        raise _OrderError(f"the body is not JSON: {error}") from error
    if not isinstance(order, dict):
        raise _OrderError("the body is not a JSON object")
    for key in order:
        if allowed and key not in allowed:
            raise _OrderError(f"unknown key {key!r}; known: {', '.join(allowed)}")
    return order


def _json(status: int, content: Any) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


def _error(status: int, code: str, message: str) -> Response:
    return _json(status, {"error": {"code": code, "message": message}})


async def _bad_order(_request: Request, error: Exception) -> Response:
    return _error(400, "bad_order", str(error))


async def _refused_by_phoneiq(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)  # noqa: S101 - registered for this class only
    where = "" if error.field is None else f"{error.field}: "
    return _error(error.status, error.code, where + error.message)


async def _refused_by_salesforce(_request: Request, error: Exception) -> Response:
    assert isinstance(error, SalesforceError)  # noqa: S101 - registered for this class only
    return _error(error.status if error.status == 404 else 422, error.code, error.message)


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    return _error(error.status_code, "not_found", f"no such admin call: {request.url.path}")
