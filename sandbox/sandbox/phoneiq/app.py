"""The contact API of `openapi.yaml` as an ASGI app."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from phoneiq_client.model import Account, Limits
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from sandbox.phoneiq.fields import RefusedError, contact_fields
from sandbox.phoneiq.store import microseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sandbox.faults import Faults
    from sandbox.phoneiq.store import ContactStore

API_KEY = "sandbox-phoneiq-key"
READ_ONLY_KEY = "sandbox-phoneiq-read-only-key"
_KEY_LABELS = {API_KEY: "sandbox", READ_ONLY_KEY: "sandbox, read only"}

REQUESTS_PER_MINUTE = 60_000
PAGE_SIZE = 500
BATCH_SIZE = 200
BODY_LIMIT = 5_000_000
"""Bytes of a request's body."""

_DEFAULT_PAGE_SIZE = 100
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
_VERSION = re.compile(r"[0-9]{1,18}")
_CURSOR = re.compile(r"([01]):(0|[1-9][0-9]{0,17})")
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


def build(
    store: ContactStore, faults: Faults, *, requests_per_minute: int = REQUESTS_PER_MINUTE
) -> ASGIApp:
    """Return the API over `store`.

    The faults of PhoneIQ are inside, so that they too carry the headers of every answer.
    """
    app = Starlette(
        routes=[
            Route("/v1/account", _Account),
            Route("/v1/contact_fields", _ContactFields),
            Route("/v1/contacts", _Contacts),
            Route("/v1/contacts/batch", _Batch),
            Route("/v1/contacts/{id}", _Contact),
        ],
        exception_handlers={
            RefusedError: _refused,
            HTTPException: _unrouted,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    app.state.store = store
    app.state.faults = faults
    app.state.requests_per_minute = requests_per_minute
    return _Gate(faults.middleware(app, side="phoneiq"), requests_per_minute)


class _Gate:
    """Keys, the limit of requests a minute, and the headers that every answer carries."""

    def __init__(self, app: ASGIApp, requests_per_minute: int) -> None:
        self._app = app
        self._limit = requests_per_minute
        self._window = 0
        self._used = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Real time: a limit guards real load, so the sandbox's clock does not move it.
        now = time.monotonic()
        if int(now // 60) != self._window:
            self._window, self._used = int(now // 60), 0
        self._used += 1
        remaining = max(self._limit - self._used, 0)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = secrets.token_hex(10)
                headers["X-RateLimit-Limit"] = str(self._limit)
                headers["X-RateLimit-Remaining"] = str(remaining)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        while (await receive()).get("more_body", False):
            pass
        await refusal(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or key.strip() not in _KEY_LABELS:
            answer = _error(401, "unauthorized", "There is no API key, or it is not valid.")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        if key.strip() == READ_ONLY_KEY and scope["method"] not in ("GET", "HEAD"):
            return _error(403, "forbidden", "This API key may only read.")
        if self._used > self._limit:
            answer = _error(429, "rate_limited", "The account's limit of requests is reached.")
            answer.headers["Retry-After"] = str(int(60 - time.monotonic() % 60) + 1)
            return answer
        return None


class _Resource(HTTPEndpoint):
    @property
    def _store(self) -> ContactStore:
        store: ContactStore = self.scope["app"].state.store
        return store

    def _refuse_by_fault(self) -> None:
        faults: Faults = self.scope["app"].state.faults
        error = faults.row_error("phoneiq", "contact")
        if error is not None:
            raise RefusedError(422, *error)

    async def _post_once(
        self, request: Request, work: Callable[[bytes | None], tuple[int, bytes]]
    ) -> Response:
        """Do the work of a POST, or answer as before where its Idempotency-Key is known."""
        key = request.headers.get("idempotency-key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise RefusedError(
                400, "invalid_header", "1 to 255 visible ASCII characters.", "Idempotency-Key"
            )
        body = await _body(request)

        def once() -> tuple[int, bytes]:
            with self._store.transaction():
                kept = key and self._store.kept_answer(request.url.path, key)
                if kept:
                    return kept
                try:
                    status, content = work(body)
                except RefusedError as error:
                    status, content = error.status, _error_content(error)
                if key is not None:
                    self._store.keep_answer(request.url.path, key, status, content)
                return status, content

        status, content = await run_in_threadpool(once)
        return _json(status, content)


class _Account(_Resource):
    async def get(self, request: Request) -> Response:
        key = request.headers["authorization"].partition(" ")[2].strip()
        account = Account(
            id="acc_sandbox",
            name="Sandbox",
            key_label=_KEY_LABELS[key],
            limits=Limits(
                requests_per_minute=request.app.state.requests_per_minute,
                batch_size=BATCH_SIZE,
                page_size=PAGE_SIZE,
            ),
        )
        return _json(200, msgspec.json.encode(account))


class _ContactFields(_Resource):
    async def get(self, _request: Request) -> Response:
        return _json(200, msgspec.json.encode({"data": contact_fields()}))


class _Contacts(_Resource):
    async def get(self, request: Request) -> Response:
        query = request.query_params
        limit = _limit(query.get("limit"))
        include_deleted = _boolean("include_deleted", query.get("include_deleted"))
        after = _moment("updated_since", query.get("updated_since")) - 1
        if "cursor" in query:
            include_deleted, after = _read_cursor(query["cursor"])
        contacts, place = await run_in_threadpool(
            self._store.page, after=after, include_deleted=include_deleted, limit=limit
        )
        cursor = "null" if place is None else f'"{_cursor(include_deleted, place)}"'
        content = f'{{"data":[{",".join(contacts)}],"next_cursor":{cursor}}}'
        return _json(200, content.encode())

    async def post(self, request: Request) -> Response:
        return await self._post_once(request, self._create)

    def _create(self, body: bytes | None) -> tuple[int, bytes]:
        sent = _object(body)
        self._refuse_by_fault()
        return 201, msgspec.json.encode(self._store.create(sent))


class _Contact(_Resource):
    async def get(self, request: Request) -> Response:
        contact = await run_in_threadpool(self._store.get, request.path_params["id"])
        return _json(200, msgspec.json.encode(contact))

    async def patch(self, request: Request) -> Response:
        expected = request.headers.get("if-match")
        if expected is not None and not _VERSION.fullmatch(expected):
            raise RefusedError(400, "invalid_header", "A contact's version.", "If-Match")
        sent = _object(await _body(request))
        self._refuse_by_fault()
        contact = await run_in_threadpool(
            self._store.update,
            request.path_params["id"],
            sent,
            if_version=None if expected is None else int(expected),
        )
        return _json(200, msgspec.json.encode(contact))

    async def delete(self, request: Request) -> Response:
        self._refuse_by_fault()
        await run_in_threadpool(self._store.delete, request.path_params["id"])
        return Response(status_code=204)


class _Batch(_Resource):
    async def post(self, request: Request) -> Response:
        return await self._post_once(request, self._carry_out)

    def _carry_out(self, body: bytes | None) -> tuple[int, bytes]:
        sent = _object(body)
        operations = sent.get("operations")
        if set(sent) != {"operations"} or not isinstance(operations, list) or not operations:
            raise RefusedError(
                400, "malformed_body", "The body is not an object with a list of operations."
            )
        if len(operations) > BATCH_SIZE:
            raise RefusedError(
                413, "too_many_operations", f"A batch holds at most {BATCH_SIZE} operations."
            )
        results = [self._result(operation) for operation in operations]
        return 200, msgspec.json.encode({"results": results})

    def _result(self, operation: Any) -> dict[str, Any]:
        try:
            self._refuse_by_fault()
            status, id_ = self._operate(operation)
        except RefusedError as error:
            return {"status": error.status, "error": error.as_dict()}
        return {"status": status, "id": id_}

    def _operate(self, operation: Any) -> tuple[int, str]:
        match operation:
            case {"op": "upsert", "contact": dict(contact), **rest} if not rest:
                salesforce_id = contact.get("salesforce_id")
                known = self._store.id_of(salesforce_id) if isinstance(salesforce_id, str) else None
                if known is None:
                    return 201, self._store.create(contact)["id"]
                self._store.update(known, contact)
                return 200, known
            case {"op": "update", "id": str(id_), "contact": dict(contact), **rest} if not rest:
                self._store.update(id_, contact)
                return 200, id_
            case {"op": "delete", "id": str(id_), **rest} if not rest:
                self._store.delete(id_)
                return 204, id_
            case _:
                raise RefusedError(422, "invalid_operation", "This is no upsert, update or delete.")


async def _body(request: Request) -> bytes | None:
    """Read the body to its end, and return it; None where it is too large."""
    body = bytearray()
    too_large = False
    async for chunk in request.stream():
        too_large = too_large or len(body) + len(chunk) > BODY_LIMIT
        if not too_large:
            body += chunk
    return None if too_large else bytes(body)


def _object(body: bytes | None) -> dict[str, Any]:
    if body is None:
        raise RefusedError(413, "payload_too_large", f"A body has at most {BODY_LIMIT} bytes.")
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, "malformed_body", "The body is not JSON.") from error
    if not isinstance(content, dict):
        raise RefusedError(400, "malformed_body", "The body is not a JSON object.")
    return content


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_PAGE_SIZE
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= PAGE_SIZE:
        raise RefusedError(400, "invalid_parameter", f"A number from 1 to {PAGE_SIZE}.", "limit")
    return int(text)


def _boolean(name: str, text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise RefusedError(400, "invalid_parameter", "`true` or `false`.", name)
    return text == "true"


def _moment(name: str, text: str | None) -> int:
    if text is None:
        return 0
    try:
        return microseconds(msgspec.convert(text, _Moment))
    except msgspec.ValidationError as error:
        raise RefusedError(
            400, "invalid_parameter", "An RFC 3339 time with its zone.", name
        ) from error


def _cursor(include_deleted: bool, place: int) -> str:
    text = f"{include_deleted:d}:{place}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[bool, int]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    match = _CURSOR.fullmatch(text)
    if match is None or _cursor(match[1] == "1", int(match[2])) != cursor:
        raise RefusedError(400, "invalid_cursor", "This is no cursor of this list.", "cursor")
    return match[1] == "1", int(match[2])


def _json(status: int, content: bytes) -> Response:
    return Response(content, status_code=status, media_type="application/json")


def _error_content(error: RefusedError) -> bytes:
    return msgspec.json.encode({"error": error.as_dict()})


def _error(status: int, code: str, message: str) -> Response:
    return _json(status, _error_content(RefusedError(status, code, message)))


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)  # noqa: S101 - registered for this class only
    return _json(error.status, _error_content(error))


async def _unrouted(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if error.status_code == 405:
        answer = _error(405, "method_not_allowed", "This path has no such method.")
        answer.headers.update(error.headers or {})
        return answer
    return _error(404, "not_found", "There is no such path.")


async def _failed(_request: Request, _cause: Exception) -> Response:
    return _error(500, "internal_error", "The sandbox failed; its log says why.")
