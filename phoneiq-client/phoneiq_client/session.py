"""One session with PhoneIQ: auth, time-outs, connection reuse and retries in one place."""

from __future__ import annotations

import random
import time
import uuid
from hashlib import blake2b
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from phoneiq_client.errors import (
    ApiError,
    BrokenAnswerError,
    NotFoundError,
    PhoneIQError,
    RateLimitedError,
    ServerError,
    UnexpectedAnswerError,
    UnreachableError,
    error_class,
)
from phoneiq_client.model import Account, ContactField, ContactPage, ErrorDetail, Operation, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from typing_extensions import Self

T = TypeVar("T")

ATTEMPTS = 6
BACKOFF_BASE = 0.5
BACKOFF_CAP = 30.0
LONGEST_WAIT = 600.0
"""Seconds that one request may wait for a rate limit, all its waits together."""

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two parts of an answer."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The most that an answer may hold once it is decompressed. Pages and batches stay below 5 MB."""

MAX_ANSWER_SECONDS = 300.0
"""How long an answer may take from its first to its last byte."""

_CHUNK_BYTES = 1 << 16

# The settings as a user sets them: in Meltano, or in the environment.
_API_URL = "api_url (PHONEIQ_API_URL)"
_API_KEY = "api_key (PHONEIQ_API_KEY)"

_BROKEN = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    # What breaks while the body is read.
    urllib3.exceptions.HTTPError,
)


class _ContactFieldList(msgspec.Struct, frozen=True):
    data: list[ContactField]


class _Results(msgspec.Struct, frozen=True):
    results: list[Result]


class _Error(msgspec.Struct, frozen=True):
    error: ErrorDetail


class _Bearer(AuthBase):
    """Sends the key, and keeps requests from replacing it with one from a netrc file."""

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


class _Patience:
    """How long one call waits before each repeat, and when it gives up."""

    def __init__(self) -> None:
        self._failures = 0
        self._waited = 0.0

    def wait_after(self, error: PhoneIQError) -> float | None:
        """Return the seconds to wait before the next attempt, or None where there is none."""
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        if isinstance(error, RateLimitedError) and retry_after is not None:
            # Waiting for one's turn is not a failure: only its length is limited.
            wait = retry_after + random.uniform(0, BACKOFF_BASE)  # noqa: S311
            self._waited += wait
            return wait if self._waited <= LONGEST_WAIT else None
        self._failures += 1
        if self._failures == ATTEMPTS:
            return None
        longest = min(BACKOFF_CAP, BACKOFF_BASE * 2 ** (self._failures - 1))
        wait = random.uniform(0, longest)  # noqa: S311
        return wait + min(retry_after or 0.0, BACKOFF_CAP)


class PhoneIQ:
    """A session with one PhoneIQ account. Threads may share it.

    429, 5xx, broken connections, time-outs and answers that were cut are retried with exponential
    backoff and full jitter, after `Retry-After` where PhoneIQ sends it. Every POST carries an
    `Idempotency-Key`, so a repeat never makes a second change. Nothing else is retried.

    Every method raises `ApiError` or one of its classes where PhoneIQ answers with an error,
    `UnreachableError` where no answer comes, and `UnexpectedAnswerError` where the answer is not
    what `openapi.yaml` says.
    """

    def __init__(
        self,
        api_url: str,
        api_key: str,
        *,
        user_agent: str | None = None,
        connections: int = 1,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Prepare the session; nothing is sent yet.

        Args:
            api_url: Base URL of the API, without `/v1`.
            api_key: The account's key. It is in no message and no repr.
            user_agent: Replaces `phoneiq-client/<version>`.
            connections: How many threads use the session at once.
            sleep: Waits the given number of seconds between attempts; what it raises ends the call.

        Raises:
            ValueError: If `api_url` or `api_key` cannot be one.
        """
        self.api_url = _checked_url(api_url)
        self._api_key = _checked_key(api_key)
        self._sleep = sleep
        self._page_decoder = msgspec.json.Decoder(ContactPage)
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._session = requests.Session()
        self._session.auth = _Bearer(api_key)
        self._session.headers["User-Agent"] = (
            user_agent or f"phoneiq-client/{version('phoneiq-client')}"
        )
        self._session.headers["Accept"] = "application/json"
        # The requests that repeat, by their path, all but their body.
        self._posts: dict[str, requests.PreparedRequest] = {}
        # Cookies are the only state that threads would share and change.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        # Proxies and certificates of the environment: requests would look them up for each call.
        found = self._session.merge_environment_settings(self.api_url, {}, None, None, None)
        self._session.proxies = found["proxies"]
        self._session.verify = found["verify"]
        self._session.trust_env = False

    def __repr__(self) -> str:
        return f"PhoneIQ({self.api_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def account(self) -> Account:
        """Return the account that the key belongs to."""
        return self._send("GET", "/v1/account", _decoder(Account))

    def contact_fields(self) -> list[ContactField]:
        """Return every field of the account's contacts, custom fields included."""
        return self._send("GET", "/v1/contact_fields", _decoder(_ContactFieldList)).data

    def contact_pages(
        self,
        *,
        updated_since: datetime | str | None = None,
        include_deleted: bool = False,
        limit: int = 500,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of a list of contacts, in the order of (`updated_at`, `id`).

        Args:
            updated_since: Only contacts with this `updated_at` or a later one (with a time zone).
            include_deleted: Whether tombstones are listed too.
            limit: The most contacts a page may hold, 1 to 500.
        """
        params: dict[str, str] = {"limit": str(limit)}
        if include_deleted:
            params["include_deleted"] = "true"
        if updated_since is not None:
            params["updated_since"] = (
                updated_since if isinstance(updated_since, str) else updated_since.isoformat()
            )
        # Of each cursor so far, to notice a list that goes round in circles.
        seen: set[bytes] = set()
        while True:
            page = self._send("GET", "/v1/contacts", self._page_decoder.decode, params=params)
            yield page.data
            if page.next_cursor is None:
                return
            digest = blake2b(page.next_cursor.encode(), digest_size=16).digest()
            if digest in seen:
                message = (
                    f"PhoneIQ's list of contacts does not move on: the next_cursor of page "
                    f"{len(seen) + 1} has been there before. Try again; if it stays so, PhoneIQ's "
                    "support has to look at it"
                )
                raise UnexpectedAnswerError(message)
            seen.add(digest)
            params["cursor"] = page.next_cursor

    def get_contact(self, contact_id: str) -> dict[str, Any]:
        """Return one contact."""
        return self._send("GET", _path(contact_id), _decoder(dict[str, Any]))

    def create_contact(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create a contact and return it."""
        return self._send("POST", "/v1/contacts", _decoder(dict[str, Any]), body=fields)

    def update_contact(
        self, contact_id: str, fields: Mapping[str, Any], *, version: int | None = None
    ) -> dict[str, Any]:
        """Change the given fields of a contact (None clears one) and return the contact.

        Args:
            contact_id: The contact.
            fields: The fields to write; `custom_fields` is merged key by key.
            version: The version that the change is meant for; None for whichever there is.

        Raises:
            PreconditionFailedError: If the contact has another version.
        """
        headers = {} if version is None else {"If-Match": str(version)}
        return self._send(
            "PATCH", _path(contact_id), _decoder(dict[str, Any]), body=fields, headers=headers
        )

    def delete_contact(self, contact_id: str) -> None:
        """Delete a contact.

        Raises:
            NotFoundError: If there is none.
        """
        try:
            self._send("DELETE", _path(contact_id), len)
        except NotFoundError as error:
            # An attempt whose answer was lost may have deleted it.
            if error.attempts == 1:
                raise

    def batch(self, operations: Sequence[Operation | msgspec.Raw]) -> list[Result]:
        """Carry out up to 200 operations in their order, and return a result for each.

        Args:
            operations: The operations, or their JSON.

        Raises:
            TooLargeError: If PhoneIQ finds them too many, or too large.
        """
        body = {"operations": operations}
        results = self._send("POST", "/v1/contacts/batch", _decoder(_Results), body=body).results
        if len(results) != len(operations):
            message = f"PhoneIQ answered {len(results)} results to {len(operations)} operations"
            raise UnexpectedAnswerError(message)
        return [
            result
            if result.error is None
            else msgspec.structs.replace(result, error=self._without_key(result.error))
            for result in results
        ]

    def _send(
        self,
        method: str,
        path: str,
        decode: Callable[[bytes], T],
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Send a request until it is answered with success or with an error that stays.

        Args:
            method: HTTP method.
            path: Path of the URL.
            decode: Makes the result of an answer's body.
            params: The query.
            body: Sent as JSON.
            headers: More headers.
        """
        request = self._request(method, path, params, body, headers or {})
        patience = _Patience()
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._attempt(request, attempt, decode)
            except (UnreachableError, RateLimitedError, ServerError, BrokenAnswerError) as error:
                # A change that asks for a version is refused once it has been made.
                if isinstance(error, BrokenAnswerError) and "If-Match" in request.headers:
                    raise
                wait = patience.wait_after(error)
                if wait is None:
                    raise
            self._sleep(wait)

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: object,
        headers: Mapping[str, str],
    ) -> requests.PreparedRequest:
        if body is None:
            return self._prepared(method, path, params, headers)
        data = self._encoder.encode(body)
        headers = {"Content-Type": "application/json", **headers}
        if method != "POST":
            request = self._prepared(method, path, params, headers)
        else:
            # To prepare one takes requests as long as to send it, and all of a path are alike.
            if path not in self._posts:
                self._posts[path] = self._prepared(method, path, params, headers)
            request = self._posts[path].copy()
            request.headers["Idempotency-Key"] = uuid.uuid4().hex
        request.prepare_body(data, None)
        return request

    def _prepared(
        self, method: str, path: str, params: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> requests.PreparedRequest:
        request = requests.Request(method, self.api_url + path, params=params, headers=headers)
        try:
            return self._session.prepare_request(request)
        except requests.RequestException as refused:
            raise self._not_sent(refused) from None

    def _attempt(
        self, request: requests.PreparedRequest, attempt: int, decode: Callable[[bytes], T]
    ) -> T:
        try:
            answer = self._session.send(
                request,
                timeout=TIMEOUT,
                allow_redirects=False,
                proxies=self._session.proxies,
                stream=True,
            )
            with answer:
                content = self._content(answer)
        except _BROKEN as broken:
            reason = self._redacted(_reason(broken))
            attempts = "1 attempt" if attempt == 1 else f"{attempt} attempts"
            message = f"PhoneIQ at {self.api_url} cannot be reached ({attempts}): {reason}"
            if "WRONG_VERSION_NUMBER" in reason:
                plain = self.api_url.replace("https://", "http://", 1)
                message += f". The server there does not speak https; set {_API_URL} to {plain}"
            raise UnreachableError(message) from None
        except requests.RequestException as refused:
            raise self._not_sent(refused) from None
        if answer.status_code >= 300:
            raise self._error(answer, content, attempt)
        try:
            return decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._not_decoded(answer, content, error, attempt) from None

    def _content(self, answer: requests.Response) -> bytes:
        """Read an answer's body, decompressed, up to the limits.

        Raises:
            UnexpectedAnswerError: If it is too large or takes too long.
        """
        until = time.monotonic() + MAX_ANSWER_SECONDS
        content = bytearray()
        while chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                found = f"is larger than {MAX_ANSWER_BYTES:,} bytes"
            elif time.monotonic() > until:
                found = f"took longer than {MAX_ANSWER_SECONDS:.0f} seconds"
            else:
                continue
            message = (
                f"the answer to {self._call(answer)} {found} and was not read to its end. Run it "
                "again; if it stays so, look at the proxy, or ask for smaller pages or batches"
            )
            raise UnexpectedAnswerError(message)
        return bytes(content)

    def _not_sent(self, refused: requests.RequestException) -> PhoneIQError:
        message = f"the request to {self.api_url} cannot be sent: {_reason(refused)}"
        return PhoneIQError(self._redacted(message))

    def _not_decoded(
        self, answer: requests.Response, content: bytes, why: Exception, attempt: int
    ) -> PhoneIQError:
        """Say what came with a 2xx instead of what was expected."""
        if isinstance(why, msgspec.ValidationError):
            return self._unexpected(answer, f"its body is not what was expected: {why}")
        if content.lstrip()[:1] == b"<":
            return self._unexpected(
                answer,
                f"its body is a web page of {len(content)} bytes, as a proxy or a login sends",
            )
        found = f"is not JSON (cut after {len(content)} bytes)" if content else "is empty"
        attempts = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        return BrokenAnswerError(
            f"PhoneIQ's answer to {self._call(answer)} cannot be read ({attempts}): status "
            f"{answer.status_code} with a body that {found}. Run it again; if it stays so, look at "
            "the proxy between here and PhoneIQ"
        )

    def _error(self, answer: requests.Response, content: bytes, attempts: int) -> PhoneIQError:
        request_id = answer.headers.get("X-Request-Id")
        try:
            detail = msgspec.json.decode(content, type=_Error).error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            if answer.status_code < 400 or answer.status_code == 404:
                return self._unexpected(answer, "it does not look like PhoneIQ's")
            # A gateway in front of PhoneIQ answers in its own words.
            detail = ErrorDetail(code="no_code", message=answer.reason or "no details")
        if answer.status_code == 401:
            advice = f"PhoneIQ refuses the key; set {_API_KEY} to a key of the account"
            detail = msgspec.structs.replace(detail, message=f"{detail.message}. {advice}")
        return error_class(answer.status_code)(
            answer.status_code,
            self._without_key(detail),
            request_id=request_id and self._redacted(request_id),
            attempts=attempts,
            retry_after=_seconds(answer.headers.get("Retry-After")),
        )

    def _without_key(self, detail: ErrorDetail) -> ErrorDetail:
        """Return an error's details without the key, which PhoneIQ may have echoed."""
        return ErrorDetail(
            code=self._redacted(detail.code),
            message=self._redacted(detail.message),
            field=detail.field and self._redacted(detail.field),
        )

    def _unexpected(self, answer: requests.Response, why: str) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"unexpected answer {answer.status_code} to {self._call(answer)}: "
            f"{self._redacted(why)}; check api_url: set {_API_URL} to PhoneIQ's address"
        )

    def _call(self, answer: requests.Response) -> str:
        path = urlsplit(answer.request.url or "").path
        return self._redacted(f"{answer.request.method} {path} from {self.api_url}")

    def _redacted(self, text: str) -> str:
        """Return a text without the key, as it is and as a part of a URL."""
        quoted = quote(self._api_key, safe="")
        return text.replace(self._api_key, "***").replace(quoted, "***")


def _decoder(kind: type[T]) -> Callable[[bytes], T]:
    return msgspec.json.Decoder(kind).decode


def _path(contact_id: str) -> str:
    return f"/v1/contacts/{quote(contact_id, safe='')}"


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isascii() and value.isdigit() else None


def _reason(error: BaseException) -> str:
    """Return the innermost reason of requests' and urllib3's nested exceptions."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        if inner is None:
            return str(error) or type(error).__name__
        error = inner


def _checked_url(api_url: str) -> str:
    """Return the URL without a trailing slash."""
    try:
        parts = urlsplit(api_url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        message = (
            f"api_url is {api_url!r}; it must be an http or https URL, "
            f"such as https://api.phoneiq.example: set {_API_URL}"
        )
        raise ValueError(message)
    if parts.path.rstrip("/").endswith("/v1") and not (parts.query or parts.fragment):
        shorter = api_url.rstrip("/").removesuffix("/v1")
        message = f"api_url is {api_url!r}; leave out /v1: set {_API_URL} to {shorter}"
        raise ValueError(message)
    if parts.username is not None or parts.query or parts.fragment:
        message = "api_url must hold no user, password, query or fragment"
        raise ValueError(message)
    return api_url.rstrip("/")


def _checked_key(api_key: str) -> str:
    if not (api_key and api_key.isascii() and api_key.isprintable() and " " not in api_key):
        message = (
            "api_key must be visible ASCII characters without spaces; it is not shown here. "
            f"Set {_API_KEY}"
        )
        raise ValueError(message)
    return api_key
