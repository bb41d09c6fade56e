"""The ways to log in, against the sandbox's token endpoint and SOAP login."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

NO_REFRESH = {"refresh_token": None, "client_id": None, "client_secret": None}


def private_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def flows():
    return {
        "refresh token": {},
        "password": {
            **NO_REFRESH,
            "username": "admin@sandbox.example",
            "password": "sandbox-password",
            "security_token": "sandbox-security-token",
        },
        "jwt": {
            **NO_REFRESH,
            "jwt_client_id": "sandbox-client-id",
            "jwt_username": "admin@sandbox.example",
            "jwt_private_key": private_key(),
        },
        "client credentials": {"refresh_token": None, "domain": "sandbox.my"},
        "a sandbox": {"domain": "test"},
    }


@pytest.mark.parametrize("flow", flows())
def test_every_login_writes_and_shows_no_secret(box, target, singer, flow, monkeypatch):
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    config = flows()[flow]
    run = target(singer.schema(), singer.record(LastName="New"), **config)
    assert run.code == 0, run.log
    assert [row["LastName"] for row in box.admin.salesforce.list("Contact")] == ["New"]
    for secret in (
        "sandbox-client-secret",
        "sandbox-refresh-token",
        "sandbox-password",
        "sandbox-security-token",
        "PRIVATE KEY",
        "Bearer",
    ):
        assert secret not in run.log


@pytest.mark.parametrize(
    ("flow", "wrong", "named"),
    [
        ("refresh token", {"client_secret": "wrong-secret"}, "client_secret"),
        ("password", {"password": "wrong-secret"}, "username, password, security_token"),
        ("client credentials", {"client_secret": "wrong-secret"}, "client_id, client_secret"),
        ("jwt", {"jwt_client_id": "wrong-secret"}, "jwt_client_id"),
        ("jwt", {"jwt_private_key": "wrong-secret"}, "jwt_private_key"),
    ],
)
def test_a_refused_login_names_the_settings_to_check(box, target, singer, flow, wrong, named):
    run = target(singer.schema(), singer.record(LastName="New"), **{**flows()[flow], **wrong})
    assert run.code == 1
    assert named in run.log
    assert "wrong-secret" not in run.log
    assert "Traceback" not in run.log


def test_a_session_of_a_password_login_is_renewed_too(box, target, singer):
    box.admin.fault(
        side="salesforce",
        kind="status",
        method="POST",
        path="composite/sobjects",
        status=401,
        times=1,
    )
    run = target(singer.schema(), singer.record(LastName="New"), **flows()["password"])
    assert run.code == 0
    assert [row["LastName"] for row in box.admin.salesforce.list("Contact")] == ["New"]


def test_a_host_with_a_certificate_of_nobody_we_trust_gets_no_secret(
    box, target, singer, monkeypatch
):
    monkeypatch.setattr(type(box), "salesforce_env", {"HTTPS_PROXY": box.proxy_url, "NO_PROXY": ""})
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    run = target(singer.schema(), singer.record(LastName="New"))
    assert run.code == 1
    assert "REQUESTS_CA_BUNDLE" in run.log
    assert box.admin.requests(side="salesforce") == []
    assert "Traceback" not in run.log
