"""Faults on order: wrong statuses, broken connections and refused rows, by method and path."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Side = Literal["phoneiq", "salesforce"]
Kind = Literal["status", "disconnect", "cut_body", "empty_body", "html", "row_error"]

_CODES = {
    "phoneiq": {
        401: "unauthorized",
        403: "forbidden",
        404: "not_found",
        429: "rate_limited",
        500: "internal_error",
        502: "bad_gateway",
        503: "unavailable",
        504: "gateway_timeout",
    },
    "salesforce": {
        401: "INVALID_SESSION_ID",
        403: "REQUEST_LIMIT_EXCEEDED",
        404: "NOT_FOUND",
        500: "UNKNOWN_EXCEPTION",
        503: "SERVER_UNAVAILABLE",
    },
}
_ROW_CODES = {"phoneiq": "invalid_field", "salesforce": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}
_NO_BODY = (204, 304)


@dataclass(kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        side: The side that fails.
        kind: `status` answers with a status and does nothing; `disconnect` does the work and
            breaks the connection in the middle of the answer; `cut_body` and `empty_body` do the
            work and answer with half of the body, or none, as if that were all; `html` answers
            with a web page and does nothing; `row_error` refuses rows.
        method: Only requests of this method.
        path: Only requests whose path this regular expression finds something in.
        after: How many matching requests (rows) go well first.
        times: How many fail then; None goes on until the fault is cleared.
        status: What `status` answers with.
        code: The error's code.
        message: The error's message.
        retry_after: Seconds for a `Retry-After` header.
        object: Only rows of this object (`row_error`); PhoneIQ's is `contact`.
    """

    side: Side
    kind: Kind
    method: str | None = None
    path: str | None = None
    after: int = 0
    times: int | None = None
    status: int = 503
    code: str | None = None
    message: str | None = None
    retry_after: int | None = None
    object: str | None = None
    _pattern: re.Pattern[str] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._pattern = None if self.path is None else re.compile(self.path)

    @classmethod
    def parse(cls, order: Mapping[str, Any]) -> Fault:
        """Make a fault of what the admin API was sent.

        Raises:
            ValueError: A key is unknown, missing or of the wrong type. The message names it.
        """
        allowed = [item.name for item in fields(cls) if item.init]
        for key in order:
            if key not in allowed:
                raise ValueError(f"unknown key {key!r} of a fault; known: {', '.join(allowed)}")
        for key, values in (("side", get_args(Side)), ("kind", get_args(Kind))):
            if order.get(key) not in values:
                raise ValueError(
                    f"{key} of a fault is {order.get(key)!r}; allowed: {', '.join(values)}"
                )
        for key in ("after", "times", "status", "retry_after"):
            value = order.get(key)
            if value is not None and (type(value) is not int or value < 0):
                raise ValueError(f"{key} of a fault is {value!r}; allowed: a whole number")
        for key in ("method", "path", "code", "message", "object"):
            value = order.get(key)
            if value is not None and not isinstance(value, str):
                raise ValueError(f"{key} of a fault is {value!r}; allowed: text")
        try:
            return cls(**{key: value for key, value in order.items() if value is not None})
        except re.error as error:
            raise ValueError(f"path of a fault is no regular expression: {error}") from error

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as the admin API shows it, with the counts that are left."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

    def matches(self, method: str, path: str) -> bool:
        """Say whether a request is one of those that the fault is for."""
        return (self.method is None or self.method.upper() == method) and (
            self._pattern is None or self._pattern.search(path) is not None
        )

    def strike(self) -> bool:
        """Count one matching request (row), and say whether it is to fail."""
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is None:
            return True
        if self.times == 0:
            return False
        self.times -= 1
        return True


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        with self._lock:
            self._faults.append(fault)

    def list(self) -> list[dict[str, Any]]:
        """Return the faults in force, oldest first, with the counts that are left."""
        with self._lock:
            return [fault.as_dict() for fault in self._faults]

    def clear(self) -> None:
        """Lift every fault."""
        with self._lock:
            self._faults.clear()

    def row_error(self, side: Side, object: str) -> tuple[str, str] | None:  # noqa: A002
        """Return the code and message with which the next row is to be refused, if it is."""
        with self._lock:
            for fault in self._faults:
                if (
                    fault.kind == "row_error"
                    and fault.side == side
                    and fault.object in (None, object)
                    and fault.strike()
                ):
                    code = fault.code or _ROW_CODES[side]
                    return code, fault.message or "The sandbox was told to refuse this row."
        return None

    def _request_fault(self, side: Side, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if (
                    fault.kind != "row_error"
                    and fault.side == side
                    and fault.matches(method, path)
                    and fault.strike()
                ):
                    return fault
        return None

    def middleware(self, app: ASGIApp, *, side: Side) -> ASGIApp:
        """Wrap `app` so that requests to it fail as the faults of `side` say."""

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            fault = self._request_fault(side, scope["method"], scope["path"])
            if fault is None:
                await app(scope, receive, send)
            elif fault.kind == "status":
                await _read_all(receive)
                await _answer(fault, scope["path"], send)
            elif fault.kind == "html":
                await _read_all(receive)
                await _answer_page(send)
            else:
                await _break_off(app, scope, receive, send, fault.kind)

        return faulty


async def _read_all(receive: Receive) -> None:
    # A client that is still sending would see a broken connection instead of the answer.
    while (await receive()).get("more_body", False):
        pass


async def _answer(fault: Fault, path: str, send: Send) -> None:
    code = fault.code or _CODES[fault.side].get(fault.status, "sandbox_fault")
    message = fault.message or "The sandbox was told to fail here."
    content: Any
    if fault.side == "phoneiq":
        content = {"error": {"code": code, "message": message, "field": None}}
    elif path == "/services/oauth2/token":
        content = {"error": code, "error_description": message}
    else:
        content = [{"message": message, "errorCode": code}]
    body = msgspec.json.encode(content)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer_page(send: Send) -> None:
    body = b"<!DOCTYPE html><html><title>Please log in</title></html>"
    headers = [(b"content-type", b"text/html"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _break_off(app: ASGIApp, scope: Scope, receive: Receive, send: Send, kind: Kind) -> None:
    """Let `app` do its work and send less than its answer.

    With `disconnect` the answer announces more than is sent: the server then hangs up.
    """
    start: Message = {}
    body = bytearray()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, keep)
    if start["status"] in _NO_BODY:
        # Such an answer has no middle. This one has, and the client sees that it is cut short.
        start["status"] = 200
    body = body or bytearray(b"{}")
    sent = bytes(body[: 0 if kind == "empty_body" else len(body) // 2])
    hangs_up = kind == "disconnect"
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    length = len(body) if hangs_up else len(sent)
    start["headers"] = [*headers, (b"content-length", str(length).encode())]
    await send(start)
    await send({"type": "http.response.body", "body": sent, "more_body": hangs_up})
