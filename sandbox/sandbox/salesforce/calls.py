"""What every endpoint shares: the org, the session check, JSON in and out, errors in shape."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.schema import seconds_to_text
from sandbox.salesforce.sessions import Sessions
from sandbox.salesforce.writes import Writer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from sandbox.salesforce.store import SalesforceStore

# Large, so that a demo of any size stays under the quota that clients watch.
DAILY_REQUESTS = 1_000_000

_VERSION = re.compile(r"v[2-9]\d\.0")


class JsonResponse(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return msgspec.json.encode(content)


@dataclass
class Org:
    """The org that the app serves.

    Attributes:
        store: Its records.
        writer: Writes them for clients.
        public_url: Where clients find it: scheme, host and port.
        sessions: Who is logged in.
        requests: How many API requests it has answered.
    """

    store: SalesforceStore
    writer: Writer
    public_url: str
    sessions: Sessions = field(default_factory=Sessions)
    requests: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now_text(self) -> str:
        """Return the org's present time as answers have it."""
        return seconds_to_text(self.store.now()) + ".000+0000"

    def count_request(self) -> None:
        """Count an API request against the daily quota."""
        with self._lock:
            self.requests += 1


@dataclass(frozen=True)
class Call:
    """One request to an endpoint: the org, the request, its body and its API version."""

    org: Org
    request: Request
    body: bytes

    @property
    def version(self) -> str:
        """The API version of the path, as ``v61.0``."""
        return str(self.request.path_params["version"])

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query string."""
        return self.request.query_params.get(name)

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            SalesforceError: JSON_PARSER_ERROR.
        """
        try:
            content = msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise SalesforceError("JSON_PARSER_ERROR", f"The body is no JSON: {error}") from None
        if not isinstance(content, dict):
            raise SalesforceError("JSON_PARSER_ERROR", "The body must be a JSON object.")
        return content


def rest(
    org: Org, handlers: Mapping[str, Callable[[Call], Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint of the REST API: session, version, quota header, errors as a list.

    Args:
        org: The org.
        handlers: What answers each HTTP method; runs in a thread.
    """

    async def endpoint(request: Request) -> Response:
        call = Call(org, request, await request.body())
        handler = handlers["GET" if request.method == "HEAD" else request.method]
        return await run_in_threadpool(answer, call, handler)

    return endpoint


def answer(call: Call, handler: Callable[[Call], Response]) -> Response:
    """Run a handler behind the checks that all of the REST API has."""
    call.org.count_request()
    try:
        check(call.org, call.request)
        response = handler(call)
    except SalesforceError as error:
        response = JsonResponse([error.as_answer()], error.status)
    response.headers["Sforce-Limit-Info"] = f"api-usage={call.org.requests}/{DAILY_REQUESTS}"
    return response


def check(org: Org, request: Request) -> None:
    """Check that a request comes from someone logged in, for a version that exists.

    Raises:
        SalesforceError: INVALID_SESSION_ID or NOT_FOUND.
    """
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() not in {"bearer", "oauth"} or not org.sessions.known(token):
        raise SalesforceError("INVALID_SESSION_ID", "Session expired or invalid")
    if not _VERSION.fullmatch(request.path_params["version"]):
        raise SalesforceError("NOT_FOUND", "The requested resource does not exist")
