"""Requests to one Salesforce instance: login, renewal, retry.

simple-salesforce's own request methods are not used past the login: its REST calls lose custom
headers when they renew a session, never renew one that came from a refresh token, and its Bulk 2.0
client never renews at all.
"""

from __future__ import annotations

import io
from random import SystemRandom
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import requests
from urllib3.exceptions import HTTPError, NewConnectionError

from target_salesforce.errors import (
    Failure,
    LimitReachedError,
    OutcomeUnknownError,
    RefusedError,
    RunStoppedError,
    failure_from,
)
from target_salesforce.login import LoginRefusedError, LoginUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from logging import Logger

    from target_salesforce.login import Login, Token

API = "/services/data/v61.0/"

# Seconds to connect, and between two bytes of an answer: a request of 200 records runs an
# organisation's automation 200 times before it answers.
TIMEOUT = (10, 180)
LONGEST_RETRY_AFTER = 60.0

# The most that an answer may hold once it is unpacked: the results of a Bulk job repeat its upload.
MAX_ANSWER_BYTES = 256 * 1024 * 1024
# How long an answer may take from its first to its last byte.
MAX_ANSWER_SECONDS = 600.0
_CHUNK_BYTES = 1 << 16

T = TypeVar("T")

_random = SystemRandom()


def pauses() -> Iterator[float]:
    """Seconds to wait before each further try: six of them, a minute in all, jittered."""
    for step in range(6):
        yield _random.uniform(0.5, 1.0) * 2**step


class _AnswerLimitError(requests.RequestException):
    """An answer is too large, or does not come to an end."""


class _Http(requests.Session):
    """A requests session whose limits also hold for calls that a library makes with it."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", TIMEOUT)
        return super().request(*args, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request and read its answer, up to the limits."""
        kwargs["stream"] = True
        response = super().send(request, **kwargs)
        raw = response.raw
        if isinstance(raw, io.BytesIO):
            # The answer that a redirect led to: it was read already.
            return response
        try:
            response.raw = io.BytesIO(_body(raw))
        except HTTPError as error:
            raise requests.ConnectionError(error, request=request) from error
        finally:
            raw.close()
            raw.release_conn()
        return response


def _body(raw: Any) -> bytes:
    """Read a body, unpacked.

    Raises:
        _AnswerLimitError: it is too large, or takes too long.
    """
    until = monotonic() + MAX_ANSWER_SECONDS
    content = bytearray()
    while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise _AnswerLimitError(f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")
        if monotonic() > until:
            raise _AnswerLimitError(f"an answer that took over {MAX_ANSWER_SECONDS:.0f} seconds")
    return bytes(content)


class SalesforceSession:
    """Sends requests and deals with everything that is not about a record."""

    def __init__(self, login: Login, logger: Logger, secrets: Collection[str] = ()) -> None:
        """Prepare the session; nothing is sent yet.

        Args:
            login: how to log in.
            logger: for retries and renewals.
            secrets: texts that no message may show, even where Salesforce repeats them.
        """
        self._login = login
        self._secrets = list(filter(None, secrets))
        self._logger = logger
        self._http = _Http()
        self._token: Token | None = None

    def request(
        self,
        method: str,
        path: str,
        decode: Callable[[bytes], T],
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> T:
        """Send one request; log in, renew the session and try again as needed.

        Args:
            method: the HTTP method.
            path: what comes after `/services/data/vNN.0/`.
            decode: reads the body of an answer below 300; a ValueError says that it is cut.
            body: sent as JSON unless `headers` name another Content-Type.
            params: the query.
            headers: more headers; they are sent again with every try.
            repeatable: False where carrying it out twice would do harm.

        Returns:
            What `decode` makes of the answer.

        Raises:
            RefusedError: an error that repeating does not mend.
            OutcomeUnknownError: no usable answer to a request that is not repeatable.
            RunStoppedError: no login, no answer after all tries, or the day's limit is used up.
        """
        waits = pauses()
        renewed = False
        while True:
            token = self._token or self._log_in()
            try:
                response = self._http.request(
                    method,
                    f"https://{token.host}{API}{path}",
                    data=body,
                    params=params,
                    headers={
                        "Content-Type": "application/json",
                        **(headers or {}),
                        "Authorization": f"Bearer {token.value}",
                    },
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                reason = self._unanswered(f"{method} {path}", error, repeatable=repeatable)
                self._wait(waits, reason)
                continue
            status = response.status_code
            if status < 300:
                try:
                    return decode(response.content)
                except (ValueError, RecursionError) as error:
                    reason = f"HTTP {status} with {_found(response.content, error)}"
                if not repeatable:
                    raise OutcomeUnknownError(reason)
                self._wait(waits, f"{method} {path}: {reason}")
                continue
            failure = self._failure(response)
            if status == requests.codes.unauthorized and not renewed:
                self._logger.info("The Salesforce session has ended (%s), logging in", failure.code)
                self._token = None
                renewed = True
            elif failure.limit_reached:
                raise LimitReachedError(failure)
            elif status >= 500 or status == requests.codes.too_many_requests or failure.concurrency:
                # 503 says that the request was not begun, other 5xx leave it open.
                if not repeatable and status >= 500 and status != requests.codes.unavailable:
                    raise OutcomeUnknownError(f"HTTP {status}")
                self._wait(waits, f"HTTP {status} {failure.code}", _retry_after(response))
            else:
                raise RefusedError(status, failure)

    def _unanswered(self, call: str, error: requests.RequestException, *, repeatable: bool) -> str:
        """Return why no answer came, where another try is worth it.

        Raises:
            OutcomeUnknownError: the request may have been carried out, and must not be twice.
            RunStoppedError: another try would end the same.
        """
        _check_certificate(error)
        over_limit = isinstance(error, _AnswerLimitError)
        reason = str(error) if over_limit else type(error).__name__
        if not repeatable and not _never_sent(error):
            raise OutcomeUnknownError(reason) from None
        if over_limit:
            raise RunStoppedError(
                f"Salesforce's answer to {call} was not read to its end: {reason}. Look at the "
                f"proxy; records without STATE are read again by the next run."
            ) from None
        return reason

    def close(self) -> None:
        """Close the connections; a further request opens new ones."""
        self._http.close()

    def _log_in(self) -> Token:
        waits = pauses()
        while isinstance(token := self._try_to_log_in(), str):
            self._wait(waits, f"login, {token}")
        self._token = token
        self._secrets.append(token.value)
        return token

    def _try_to_log_in(self) -> Token | str:
        """Return a token, or why another try is worth it."""
        try:
            return self._login.token(self._http)
        except LoginUnavailableError as error:
            return str(error)
        except LoginRefusedError as error:
            error.args = (self._redacted(str(error)),)
            raise
        except requests.RequestException as error:
            _check_certificate(error)
            return type(error).__name__

    def _wait(self, waits: Iterator[float], reason: str, at_least: float = 0) -> None:
        seconds = next(waits, None)
        if seconds is None:
            raise RunStoppedError(
                f"Salesforce gives no usable answer ({reason}), given up after 7 tries. Records "
                f"without STATE are read again by the next run."
            ) from None
        seconds = max(seconds, at_least)
        self._logger.warning("Salesforce: %s, trying again in %.1f s", reason, seconds)
        sleep(seconds)

    def _failure(self, response: requests.Response) -> Failure:
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, list) and answer and isinstance(answer[0], dict):
            found = failure_from(answer)
            return Failure(self._redacted(found.code), self._redacted(found.message), found.fields)
        return Failure(code=self._redacted(response.reason or "UNKNOWN_EXCEPTION"), message="")

    def _redacted(self, text: str) -> str:
        """Return a text without the secrets that Salesforce may have repeated."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _found(content: bytes, why: Exception) -> str:
    """Say what came with a success instead of what was expected."""
    if not content:
        return "an empty body"
    if content.lstrip()[:1] == b"<":
        return "a web page instead of an answer, as a proxy sends"
    if isinstance(why, msgspec.ValidationError):
        return f"a body that is not what was expected ({why})"
    return f"a body that is not complete (cut after {len(content)} bytes)"


def _check_certificate(error: requests.RequestException) -> None:
    """Stop where trying again can't help: the other end is not who it should be."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        raise RunStoppedError(
            "The certificate of the Salesforce host is not accepted. Behind a proxy that opens "
            "TLS, set REQUESTS_CA_BUNDLE to the file with its authority."
        ) from None


def _never_sent(error: requests.RequestException) -> bool:
    """Say whether no connection was made, so that nothing can have been carried out."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _retry_after(response: requests.Response) -> float:
    value = response.headers.get("Retry-After", "")
    return min(float(value), LONGEST_RETRY_AFTER) if value.isdecimal() else 0
