"""The ways to log in, chosen by which settings are there.

simple-salesforce does SOAP, JWT bearer and client credentials. It has no refresh-token grant, so
that one is a request of our own to the same token endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import requests
from jwt import PyJWTError
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin
from singer_sdk.exceptions import ConfigValidationError

from target_salesforce.errors import RunStoppedError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Token:
    """An open session.

    Attributes:
        value: the access token or session id, a secret.
        host: the instance's host, with a port where it has one; always spoken to over https.
    """

    value: str
    host: str

    def __repr__(self) -> str:
        return f"Token(host={self.host!r})"


class LoginRefusedError(RunStoppedError):
    """Salesforce does not accept the credentials."""

    def __init__(self, code: object, message: object, settings: str) -> None:
        super().__init__(
            f"Salesforce refused the login ({code}: {message}). Check {settings} and domain."
        )


class LoginUnavailableError(Exception):
    """The login could not be tried to its end: worth another try."""


class Login(Protocol):
    """One way to log in."""

    def token(self, http: requests.Session) -> Token:
        """Open a new session.

        Args:
            http: carries time-outs, proxy and certificates.

        Raises:
            LoginRefusedError: the credentials are wrong, expired or revoked.
            LoginUnavailableError: Salesforce failed on its side; try again.
            requests.RequestException: no answer.
        """


@dataclass(slots=True, repr=False)
class RefreshTokenLogin:
    """OAuth 2.0 refresh token of a connected app."""

    client_id: str
    client_secret: str
    refresh_token: str
    domain: str

    def token(self, http: requests.Session) -> Token:
        """See `Login.token`. A rotated refresh token is kept for the next login of this run."""
        response = http.post(
            f"https://{self.domain}.salesforce.com/services/oauth2/token",
            data={
                "grant_type": "refresh_token",
                "client_id": self.client_id,
                "client_secret": self.client_secret,
                "refresh_token": self.refresh_token,
            },
        )
        try:
            answer = response.json()
        except requests.JSONDecodeError:
            answer = {}
        if response.status_code == requests.codes.ok and "access_token" in answer:
            self.refresh_token = answer.get("refresh_token") or self.refresh_token
            return Token(answer["access_token"], urlsplit(answer["instance_url"]).netloc)
        if response.status_code >= 500 or "error" not in answer:
            raise LoginUnavailableError(f"HTTP {response.status_code}")
        raise LoginRefusedError(
            answer["error"],
            answer.get("error_description"),
            "client_id, client_secret, refresh_token",
        )


@dataclass(frozen=True, slots=True, repr=False)
class LibraryLogin:
    """A way to log in that simple-salesforce knows.

    Attributes:
        arguments: what its login function takes for this way, `domain` included.
        settings: names of our settings to check when Salesforce refuses.
    """

    arguments: dict[str, Any]
    settings: str

    def token(self, http: requests.Session) -> Token:
        """See `Login.token`."""
        try:
            value, host = SalesforceLogin(session=http, **self.arguments)
        except SalesforceAuthenticationFailed as error:
            # Where the answer was no login answer at all, its HTTP status stands for the code.
            if isinstance(error.code, int):
                raise LoginUnavailableError(f"HTTP {error.code}") from None
            raise LoginRefusedError(error.code, error.message, self.settings) from None
        except (PyJWTError, ValueError, TypeError):
            # The cause is left out: it may quote the key.
            raise RunStoppedError(
                "jwt_private_key: found a text that is no RSA private key; allowed is a key in "
                "PEM format (-----BEGIN PRIVATE KEY-----)"
            ) from None
        return Token(value, host)


def domain_from(config: Mapping[str, Any]) -> str:
    """Decide which login host to use, `https://{domain}.salesforce.com`.

    Raises:
        ConfigValidationError: `domain` is no host prefix, or contradicts `is_sandbox`.
    """
    domain: str = config.get("domain") or "login"
    if "/" in domain or domain.endswith(".salesforce.com"):
        raise _refused(
            f"domain: found {domain!r}; allowed is the part before .salesforce.com, such as "
            f"'login', 'test' or 'mycompany.my'"
        )
    is_sandbox = config.get("is_sandbox")
    if is_sandbox and domain == "login":
        return "test"
    if (is_sandbox is True and domain != "test") or (is_sandbox is False and domain == "test"):
        raise _refused(
            f"is_sandbox: found {is_sandbox} together with domain {domain!r}; set domain alone "
            f"('test' for a sandbox)"
        )
    return domain


def login_from(config: Mapping[str, Any]) -> Login:
    """Choose the way to log in: JWT bearer, refresh token, password, client credentials.

    Args:
        config: the target's settings; the first way whose settings are all there is taken.

    Raises:
        ConfigValidationError: no way's settings are complete, or a setting is not allowed.
    """
    domain = domain_from(config)

    def present(*names: str) -> bool:
        return all(config.get(name) for name in names)

    if present("jwt_client_id", "jwt_username", "jwt_private_key"):
        return LibraryLogin(
            {
                "consumer_key": config["jwt_client_id"],
                "username": config["jwt_username"],
                # A PEM in an environment variable often has its line ends written out.
                "privatekey": config["jwt_private_key"].replace("\\n", "\n"),
                "domain": domain,
            },
            "jwt_client_id, jwt_username, jwt_private_key",
        )
    if present("client_id", "client_secret", "refresh_token"):
        return RefreshTokenLogin(
            config["client_id"], config["client_secret"], config["refresh_token"], domain
        )
    if present("username", "password"):
        arguments = {name: config[name] for name in ("username", "password")}
        # Left out for a user from a trusted network, which has no security token.
        if present("security_token"):
            arguments["security_token"] = config["security_token"]
        return LibraryLogin({**arguments, "domain": domain}, "username, password, security_token")
    if present("client_id", "client_secret"):
        if domain in {"login", "test"}:
            raise _refused(
                f"domain: found {domain!r}; client credentials (client_id and client_secret "
                f"without refresh_token) need the organisation's own, such as 'mycompany.my'"
            )
        return LibraryLogin(
            {
                "consumer_key": config["client_id"],
                "consumer_secret": config["client_secret"],
                "domain": domain,
            },
            "client_id, client_secret",
        )
    raise _refused(
        "no complete credentials: set jwt_client_id, jwt_username and jwt_private_key; or "
        "client_id, client_secret and refresh_token; or username, password and security_token; "
        "or client_id and client_secret with domain 'mycompany.my'"
    )


def _refused(message: str) -> ConfigValidationError:
    return ConfigValidationError(message, errors=[message])
