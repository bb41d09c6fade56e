"""Logging in: the OAuth token endpoint, the SOAP login and the sessions they give.

The sandbox has one user and one connected app, with fixed credentials. A session lives as long as
the sandbox runs, or until it is revoked.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import threading
import time
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import jwt

from sandbox.salesforce import ids

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_ID = "sandbox-client-id"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105  Printed in the README, opens nothing else.
REFRESH_TOKEN = "sandbox-refresh-token"  # noqa: S105
USERNAME = "admin@sandbox.example"
PASSWORD = "sandbox-password"  # noqa: S105
SECURITY_TOKEN = "sandbox-security-token"  # noqa: S105

ORG_ID = "00DSb0000000001MAA"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_AUDIENCE = re.compile(r"https://(?:[a-z0-9-]+\.)+salesforce\.com/?", re.IGNORECASE)
_PARTNER = "{urn:partner.soap.sforce.com}"
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<soapenv:Body>{}</soapenv:Body></soapenv:Envelope>"
)


class LoginError(Exception):
    """A refused login.

    Attributes:
        code: OAuth's ``error``.
        description: OAuth's ``error_description``.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class Sessions:
    """The sessions of an org; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: set[str] = set()

    def open(self) -> str:
        """Return the token of a new session."""
        token = f"{ORG_ID[:15]}!{secrets.token_urlsafe(48)}"
        with self._lock:
            self._tokens.add(token)
        return token

    def known(self, token: str) -> bool:
        """Return whether a token is that of a session."""
        with self._lock:
            return token in self._tokens

    def revoke(self, token: str) -> bool:
        """End a session; False where there is none."""
        with self._lock:
            if token not in self._tokens:
                return False
            self._tokens.remove(token)
            return True


def form(body: bytes) -> dict[str, str]:
    """Return the fields of a form body, the first value of each."""
    parsed = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in parsed.items()}


def log_in(
    sessions: Sessions, fields: Mapping[str, str], authorization: str, public_url: str
) -> dict[str, Any]:
    """Answer a request to the token endpoint.

    Args:
        sessions: Where the session is opened.
        fields: The form.
        authorization: The request's Authorization header, "" for none.
        public_url: The org's address, given as ``instance_url``.

    Returns:
        The answer's JSON.

    Raises:
        LoginError: The credentials or the kind of grant are not accepted.
    """
    grant = fields.get("grant_type", "")
    if grant == JWT_BEARER:
        _check_assertion(fields.get("assertion", ""))
    elif grant in {"refresh_token", "password", "client_credentials"}:
        _check_client(fields, authorization)
        if grant == "refresh_token" and not _same(fields.get("refresh_token"), REFRESH_TOKEN):
            raise LoginError("invalid_grant", "expired access/refresh token")
        if grant == "password":
            known = fields.get("password") in {PASSWORD, PASSWORD + SECURITY_TOKEN}
            if fields.get("username") != USERNAME or not known:
                raise LoginError("invalid_grant", "authentication failure")
    else:
        raise LoginError("unsupported_grant_type", "grant type not supported")
    issued_at = str(int(time.time() * 1000))
    identity = f"https://login.salesforce.com/id/{ORG_ID}/{ids.make('User', 1)}"
    signature = hmac.digest(CLIENT_SECRET.encode(), (identity + issued_at).encode(), "sha256")
    return {
        "access_token": sessions.open(),
        "signature": base64.b64encode(signature).decode(),
        "scope": "refresh_token api",
        "instance_url": public_url,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }


def soap_log_in(sessions: Sessions, body: bytes, version: str, public_url: str) -> tuple[int, str]:
    """Answer a SOAP login: the HTTP status and the XML.

    The password is accepted alone, as from a trusted address, and with the security token behind.
    """
    try:
        # The parser resolves no external entities, and expat bounds the expansion of others.
        envelope = ET.fromstring(body)  # noqa: S314
    except ET.ParseError:
        return 500, _fault("INVALID_ARGUMENT", "The request is no XML.")
    username = envelope.findtext(f".//{_PARTNER}username", "")
    password = envelope.findtext(f".//{_PARTNER}password", "")
    if username != USERNAME or password not in {PASSWORD, PASSWORD + SECURITY_TOKEN}:
        return 500, _fault(
            "INVALID_LOGIN",
            "Invalid username, password, security token; or user locked out.",
        )
    result = {
        "serverUrl": f"{public_url}/services/Soap/u/{version}/{ORG_ID[:15]}",
        "metadataServerUrl": f"{public_url}/services/Soap/m/{version}/{ORG_ID[:15]}",
        "passwordExpired": "false",
        "sandbox": "true",
        "sessionId": sessions.open(),
        "userId": ids.make("User", 1),
    }
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in result.items())
    return 200, _ENVELOPE.format(f"<loginResponse><result>{inner}</result></loginResponse>")


def _fault(code: str, message: str) -> str:
    return _ENVELOPE.format(
        f"<soapenv:Fault><faultcode>sf:{code}</faultcode>"
        f"<faultstring>{code}: {escape(message)}</faultstring><detail>"
        f'<sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>{code}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{escape(message)}</sf:exceptionMessage></sf:LoginFault>"
        "</detail></soapenv:Fault>"
    )


def _check_client(fields: Mapping[str, str], authorization: str) -> None:
    client_id, secret = fields.get("client_id"), fields.get("client_secret")
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise LoginError("invalid_client", "invalid client credentials") from None
    if not _same(client_id, CLIENT_ID):
        raise LoginError("invalid_client_id", "client identifier invalid")
    if not _same(secret, CLIENT_SECRET):
        raise LoginError("invalid_client", "invalid client credentials")


def _check_assertion(assertion: str) -> None:
    """Check the claims of a JWT; its signature is taken on trust, no key was ever uploaded."""
    try:
        algorithm = jwt.get_unverified_header(assertion).get("alg")
        claims = jwt.decode(assertion, options={"verify_signature": False})
        expires = int(claims.get("exp", 0))
    except (jwt.InvalidTokenError, ValueError):
        raise LoginError("invalid_grant", "invalid assertion") from None
    if algorithm != "RS256":
        raise LoginError("invalid_grant", "invalid assertion")
    if claims.get("iss") != CLIENT_ID:
        raise LoginError("invalid_client_id", "client identifier invalid")
    if not _AUDIENCE.fullmatch(str(claims.get("aud", ""))):
        raise LoginError("invalid_grant", "audience is invalid")
    if expires < time.time():
        raise LoginError("invalid_grant", "expired authorization code")
    if claims.get("sub") != USERNAME:
        raise LoginError("invalid_grant", "user hasn't approved this consumer")


def _same(given: str | None, expected: str) -> bool:
    return hmac.compare_digest((given or "").encode(), expected.encode())
