"""The HTTP interface of the sandbox's Salesforce, one ASGI app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from sandbox.salesforce import bulk1, bulk2, rest, sessions
from sandbox.salesforce.calls import JsonResponse, Org
from sandbox.salesforce.writes import RowFaults, Writer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from sandbox.salesforce.store import SalesforceStore


def build(store: SalesforceStore, faults: RowFaults, *, public_url: str) -> ASGIApp:
    """Return the app that serves a store as Salesforce does.

    Args:
        store: The records.
        faults: Asked before each row that a client writes.
        public_url: Scheme, host and port of the app, told to clients as their instance.
    """
    org = Org(store, Writer(store, faults), public_url)

    async def token(request: Request) -> Response:
        try:
            content = sessions.log_in(
                org.sessions,
                sessions.form(await request.body()),
                request.headers.get("Authorization", ""),
                public_url,
            )
        except sessions.LoginError as error:
            return JsonResponse({"error": error.code, "error_description": error.description}, 400)
        return JsonResponse(content, headers={"Cache-Control": "no-store"})

    async def revoke(request: Request) -> Response:
        fields = {**request.query_params, **sessions.form(await request.body())}
        if org.sessions.revoke(fields.get("token", "")):
            return Response(status_code=200)
        return JsonResponse(
            {"error": "unsupported_token_type", "error_description": "this token is not known"}, 400
        )

    async def soap(request: Request) -> Response:
        status, content = sessions.soap_log_in(
            org.sessions, await request.body(), request.path_params["version"], public_url
        )
        return Response(content, status, media_type="text/xml")

    app = Starlette(
        routes=[
            Route("/services/oauth2/token", token, methods=["POST"]),
            Route("/services/oauth2/revoke", revoke, methods=["POST"]),
            Route("/services/Soap/u/{version}", soap, methods=["POST"]),
            *bulk1.routes(org),
            *bulk2.routes(org),
            *rest.routes(org),
        ],
        exception_handlers={404: _not_found, 405: _not_allowed},
    )
    return _without_trailing_slash(app)


def _without_trailing_slash(app: ASGIApp) -> ASGIApp:
    """Let clients end any path with a slash, as some of them do with some."""

    async def normalised(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if len(path) > 1 and path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/")}
        await app(scope, receive, send)

    return normalised


async def _not_found(_request: Request, _error: Exception) -> Response:
    return JsonResponse(
        [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}], 404
    )


async def _not_allowed(request: Request, error: Exception) -> Response:
    allowed = error.headers if isinstance(error, HTTPException) else None
    message = (
        f"HTTP Method '{request.method}' not allowed. Allowed are {(allowed or {}).get('Allow')}"
    )
    return JsonResponse(
        [{"message": message, "errorCode": "METHOD_NOT_ALLOWED"}], 405, headers=allowed
    )
