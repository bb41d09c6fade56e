"""Requests to one Salesforce instance: login, renewal, retry.

simple-salesforce's own request methods are not used past the login: its REST calls lose custom
headers when they renew a session, never renew one that came from a refresh token, and its Bulk 2.0
client never renews at all.
"""

from __future__ import annotations

from random import SystemRandom
from time import sleep
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import NewConnectionError

from target_salesforce.errors import (
    Failure,
    LimitReachedError,
    OutcomeUnknownError,
    RefusedError,
    RunStoppedError,
    failure_from,
)
from target_salesforce.login import LoginUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from logging import Logger

    from target_salesforce.login import Login, Token

API = "/services/data/v61.0/"

# Seconds to connect, and between two bytes of an answer: a request of 200 records runs an
# organisation's automation 200 times before it answers.
TIMEOUT = (10, 180)
LONGEST_RETRY_AFTER = 60.0

_random = SystemRandom()


def pauses() -> Iterator[float]:
    """Seconds to wait before each further try: six of them, a minute in all, jittered."""
    for step in range(6):
        yield _random.uniform(0.5, 1.0) * 2**step


class _Http(requests.Session):
    """A requests session whose time-out also holds for calls that a library makes with it."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", TIMEOUT)
        return super().request(*args, **kwargs)


class SalesforceSession:
    """Sends requests and deals with everything that is not about a record."""

    def __init__(self, login: Login, logger: Logger) -> None:
        self._login = login
        self._logger = logger
        self._http = _Http()
        self._token: Token | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> requests.Response:
        """Send one request; log in, renew the session and try again as needed.

        Args:
            method: the HTTP method.
            path: what comes after `/services/data/vNN.0/`.
            body: sent as JSON unless `headers` name another Content-Type.
            params: the query.
            headers: more headers; they are sent again with every try.
            repeatable: False where carrying it out twice would do harm.

        Returns:
            The answer, its status below 300.

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
                _check_certificate(error)
                if not repeatable and not _never_sent(error):
                    raise OutcomeUnknownError(type(error).__name__) from None
                self._wait(waits, type(error).__name__)
                continue
            status = response.status_code
            if status < 300:
                return response
            failure = _failure(response)
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

    def close(self) -> None:
        """Close the connections; a further request opens new ones."""
        self._http.close()

    def _log_in(self) -> Token:
        waits = pauses()
        while isinstance(token := self._try_to_log_in(), str):
            self._wait(waits, f"login, {token}")
        self._token = token
        return token

    def _try_to_log_in(self) -> Token | str:
        """Return a token, or why another try is worth it."""
        try:
            return self._login.token(self._http)
        except LoginUnavailableError as error:
            return str(error)
        except requests.RequestException as error:
            _check_certificate(error)
            return type(error).__name__

    def _wait(self, waits: Iterator[float], reason: str, at_least: float = 0) -> None:
        seconds = next(waits, None)
        if seconds is None:
            raise RunStoppedError(
                f"Salesforce can't be reached ({reason}), given up after 7 tries. Records without "
                f"STATE are read again by the next run."
            ) from None
        seconds = max(seconds, at_least)
        self._logger.warning("Salesforce: %s, trying again in %.1f s", reason, seconds)
        sleep(seconds)


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


def _failure(response: requests.Response) -> Failure:
    try:
        answer = response.json()
    except requests.JSONDecodeError:
        answer = None
    if isinstance(answer, list) and answer and isinstance(answer[0], dict):
        return failure_from(answer)
    return Failure(code=response.reason or "UNKNOWN_EXCEPTION", message="")


def _retry_after(response: requests.Response) -> float:
    value = response.headers.get("Retry-After", "")
    return min(float(value), LONGEST_RETRY_AFTER) if value.isdecimal() else 0
