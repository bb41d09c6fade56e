"""Logins, as raw requests and as simple-salesforce makes them, and what it does then."""

from __future__ import annotations

import base64
import time

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce import Salesforce, SalesforceAuthenticationFailed
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

CLIENT = {"client_id": "sandbox-client-id", "client_secret": "sandbox-client-secret"}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "sandbox-refresh-token", **CLIENT}
PERSON = {"username": "admin@sandbox.example", "password": "sandbox-password"}
BASIC = base64.b64encode(b"sandbox-client-id:sandbox-client-secret").decode()


def _token(box, form, **headers):
    return requests.post(
        f"{box.salesforce_url}/services/oauth2/token", data=form, headers=headers, timeout=30
    )


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        (REFRESH, {}),
        ({"grant_type": "client_credentials", **CLIENT}, {}),
        ({"grant_type": "client_credentials"}, {"Authorization": f"Basic {BASIC}"}),
        ({"grant_type": "password", **CLIENT, **PERSON}, {}),
        (
            {
                "grant_type": "password",
                **CLIENT,
                **PERSON,
                "password": "sandbox-passwordsandbox-security-token",
            },
            {},
        ),
    ],
)
def test_a_token_opens_the_api(box, form, headers):
    answer = _token(box, form, **headers)
    assert answer.status_code == 200
    token = answer.json()
    assert token["instance_url"] == box.salesforce_url
    assert token["token_type"] == "Bearer"
    header = {"Authorization": f"Bearer {token['access_token']}"}
    url = f"{box.salesforce_url}/services/data/v61.0/limits"
    assert requests.get(url, headers=header, timeout=30).status_code == 200
    revoke = f"{box.salesforce_url}/services/oauth2/revoke"
    for status in (200, 400):
        answer = requests.post(revoke, data={"token": token["access_token"]}, timeout=30)
        assert answer.status_code == status
    assert requests.get(url, headers=header, timeout=30).status_code == 401


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({**REFRESH, "refresh_token": "other"}, "invalid_grant"),
        ({**REFRESH, "client_id": "other"}, "invalid_client_id"),
        ({**REFRESH, "client_secret": "other"}, "invalid_client"),
        ({"grant_type": "password", **CLIENT, **PERSON, "password": "x"}, "invalid_grant"),
        ({"grant_type": "client_credentials"}, "invalid_client_id"),
    ],
)
def test_a_refused_token(box, form, error):
    answer = _token(box, form)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.json()["error_description"]


@pytest.fixture(scope="module")
def private_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({}, None),
        ({"aud": "https://test.salesforce.com"}, None),
        ({"iss": "other"}, "invalid_client_id"),
        ({"sub": "someone@else.example"}, "invalid_grant"),
        ({"aud": "https://elsewhere.example"}, "invalid_grant"),
        ({"exp": 1}, "invalid_grant"),
    ],
)
def test_claims_of_a_jwt(box, private_key, changed, error):
    claims = {
        "iss": "sandbox-client-id",
        "sub": "admin@sandbox.example",
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 180,
        **changed,
    }
    assertion = jwt.encode(claims, private_key, algorithm="RS256")
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    answer = _token(box, {"grant_type": grant, "assertion": assertion})
    assert answer.json().get("error") == error


def test_a_jwt_that_is_none(box):
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    unsigned = jwt.encode({"iss": "sandbox-client-id"}, None, algorithm="none")
    for assertion in ("nonsense", unsigned):
        answer = _token(box, {"grant_type": grant, "assertion": assertion})
        assert answer.json()["error"] == "invalid_grant"


# simple-salesforce, which forces https, through the proxy


@pytest.fixture
def https(box, monkeypatch):
    for name, value in box.salesforce_env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def org(box, https):
    token = _token(box, REFRESH).json()
    return Salesforce(session_id=token["access_token"], instance_url=token["instance_url"])


def test_simple_salesforce_logs_in_every_way_it_knows(box, https, private_key):
    consumer = {"consumer_key": "sandbox-client-id"}
    secret = {"consumer_secret": "sandbox-client-secret"}
    for way in (
        {**PERSON, "security_token": "sandbox-security-token"},
        {**PERSON, "security_token": "sandbox-security-token", "domain": "test"},
        {**PERSON, "organizationId": "00DSb0000000001"},
        {**PERSON, **consumer, **secret},
        {"username": PERSON["username"], **consumer, "privatekey": private_key},
        {**consumer, **secret, "domain": "phoneiq--demo.sandbox.my"},
    ):
        org = Salesforce(**way)
        assert org.sf_instance == box.salesforce_url.partition("://")[2]
        assert len(org.describe()["sobjects"]) == 3


@pytest.mark.parametrize(
    "way",
    [
        {**PERSON, "security_token": "other"},
        {**PERSON, "password": "&<other>", "security_token": ""},
        {**PERSON, "password": "x", "consumer_key": "y", "consumer_secret": "z"},
    ],
)
def test_simple_salesforce_is_refused(https, way):
    with pytest.raises(SalesforceAuthenticationFailed) as caught:
        Salesforce(**way)
    assert caught.value.code in {"INVALID_LOGIN", "invalid_client_id"}


def test_simple_salesforce_single_records(org):
    record_id = org.Contact.create({"LastName": "Rossi", "Email": "a@b.co"})["id"]
    assert org.Contact.update(record_id, {"Phone": "1"}) == 204
    assert org.Contact.get(record_id)["Phone"] == "1"
    assert org.Contact.upsert("PhoneIQ_Contact_ID__c/pc_1", {"LastName": "B"}) == 201
    assert org.Contact.upsert("PhoneIQ_Contact_ID__c/pc_1", {"Phone": "2"}) == 200
    assert org.Contact.get_by_custom_id("PhoneIQ_Contact_ID__c", "pc_1")["Phone"] == "2"
    assert "fields" in org.Contact.describe()
    assert org.limits()["DailyApiRequests"]["Max"] >= 1_000_000
    assert org.Contact.delete(record_id) == 204
    found = org.query_all("SELECT Id, IsDeleted FROM Contact", include_deleted=True)
    assert [each["IsDeleted"] for each in found["records"]] == [True, False]


def test_simple_salesforce_sees_errors_as_its_own(org):
    for _ in range(2):
        org.Contact.create({"LastName": "Rossi", "Email": "a@b.co"})
    with pytest.raises(SalesforceMalformedRequest) as caught:
        org.Contact.create({"FirstName": "A"})
    assert caught.value.content[0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    with pytest.raises(SalesforceResourceNotFound):
        org.Contact.get("003Sb0000000099IAA")
    with pytest.raises(SalesforceMoreThanOneRecord):
        org.Contact.upsert("Email/a@b.co", {"LastName": "B"})


def test_simple_salesforce_reads_every_page(org):
    for start in range(0, 2200, 200):
        rows = [
            {"attributes": {"type": "Contact"}, "LastName": f"P{start + at}"} for at in range(200)
        ]
        org.restful("composite/sobjects", method="POST", json={"records": rows})
    found = list(org.query_all_iter("SELECT LastName FROM Contact"))
    assert [each["LastName"] for each in found] == [f"P{at}" for at in range(2200)]


def test_simple_salesforce_notices_that_its_session_ended(org):
    org.restful("limits")
    org.session.post(
        f"{org.oauth2_url}revoke", data={"token": org.session_id}, headers={}, timeout=30
    )
    with pytest.raises(SalesforceExpiredSession) as caught:
        org.query("SELECT Id FROM Contact")
    assert caught.value.content[0]["errorCode"] == "INVALID_SESSION_ID"


def test_simple_salesforce_bulk_2(org):
    contacts = org.bulk2.Contact
    rows = [{"LastName": f"P{at}", "PhoneIQ_Contact_ID__c": f"pc_{at}"} for at in range(450)]
    (done,) = contacts.insert(records=rows, wait=0)
    assert (done["numberRecordsProcessed"], done["numberRecordsFailed"]) == (450, 0)
    (done,) = contacts.upsert(
        records=[
            {"Phone": "1", "PhoneIQ_Contact_ID__c": "pc_0"},
            {"Phone": "1", "PhoneIQ_Contact_ID__c": "pc_x"},
        ],
        external_id_field="PhoneIQ_Contact_ID__c",
        wait=0,
    )
    assert done["numberRecordsFailed"] == 1
    assert "REQUIRED_FIELD_MISSING" in contacts.get_failed_records(done["job_id"])
    assert '"pc_0"' in contacts.get_successful_records(done["job_id"])
    assert contacts.get_unprocessed_records(done["job_id"]).count("\n") == 1
    ids = [each["Id"] for each in org.query("SELECT Id FROM Contact LIMIT 2")["records"]]
    (done,) = contacts.update(records=[{"Id": ids[0], "Title": "Dr"}], wait=0)
    assert done["numberRecordsFailed"] == 0
    (done,) = contacts.delete(records=[{"Id": ids[1]}], wait=0)
    assert done["numberRecordsFailed"] == 0
    pages = list(contacts.query("SELECT Id, Title FROM Contact", max_records=200, wait=0))
    assert [page.count("\n") - 1 for page in pages] == [200, 200, 49]
    pages = list(contacts.query_all("SELECT Id FROM Contact", wait=0))
    assert sum(page.count("\n") - 1 for page in pages) == 450
