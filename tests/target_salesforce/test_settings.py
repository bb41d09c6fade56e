"""Settings: which login they choose, and what is said about one that is not allowed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from singer_sdk.exceptions import ConfigValidationError
from target_salesforce.login import LibraryLogin, RefreshTokenLogin, domain_from, login_from
from target_salesforce.target import TargetSalesforce

REFRESH = {"client_id": "id", "client_secret": "se-cret", "refresh_token": "to-ken"}
PASSWORD = {"username": "me@example.com", "password": "pass-word", "security_token": "se-token"}
JWT = {"jwt_client_id": "id", "jwt_username": "me@example.com", "jwt_private_key": "a\\nb"}


@pytest.mark.parametrize(
    ("config", "kind", "grant"),
    [
        ({**JWT, **REFRESH, **PASSWORD}, LibraryLogin, {"consumer_key", "username", "privatekey"}),
        ({**REFRESH, **PASSWORD}, RefreshTokenLogin, None),
        (PASSWORD, LibraryLogin, {"username", "password", "security_token"}),
        (
            {"username": "me@example.com", "password": "pass-word"},
            LibraryLogin,
            {"username", "password"},
        ),
        (
            {"client_id": "id", "client_secret": "se-cret", "domain": "acme.my"},
            LibraryLogin,
            {"consumer_key", "consumer_secret"},
        ),
    ],
)
def test_the_settings_that_are_there_choose_the_login(config, kind, grant):
    login = login_from(config)
    assert isinstance(login, kind)
    if grant is not None:
        assert set(login.arguments) == grant | {"domain"}


def test_a_login_shows_no_secret():
    for config in (REFRESH, PASSWORD, JWT):
        shown = repr(login_from(config))
        assert not any(value in shown for value in config.values() if value != "id")


def test_a_private_key_from_an_environment_variable_gets_its_line_ends_back():
    assert login_from(JWT).arguments["privatekey"] == "a\nb"


@pytest.mark.parametrize(
    ("config", "domain"),
    [
        ({}, "login"),
        ({"domain": "acme.my"}, "acme.my"),
        ({"is_sandbox": True}, "test"),
        ({"is_sandbox": True, "domain": "login"}, "test"),
        ({"is_sandbox": False, "domain": "login"}, "login"),
    ],
)
def test_the_domain(config, domain):
    assert domain_from(config) == domain


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, ["no complete credentials", "client_id, client_secret and refresh_token"]),
        ({"client_id": "id", "refresh_token": "to-ken"}, ["no complete credentials"]),
        ({"client_id": "id", "client_secret": "s"}, ["domain", "'login'", "mycompany.my"]),
        ({**REFRESH, "domain": "https://acme.my.salesforce.com"}, ["domain", "before .salesforce"]),
        ({**REFRESH, "domain": "acme.my.salesforce.com"}, ["domain", "before .salesforce"]),
        ({**REFRESH, "domain": "acme.my", "is_sandbox": True}, ["is_sandbox", "acme.my"]),
        ({**REFRESH, "domain": "test", "is_sandbox": False}, ["is_sandbox", "test"]),
        ({**REFRESH, "action": "hard_delete"}, ["action", "hard_delete", "'update'"]),
        ({**REFRESH, "action": "merge"}, ["merge", "action"]),
        ({**REFRESH, "bulk_threshold": 0}, ["bulk_threshold", "0"]),
        ({**REFRESH, "batch_size_rows": 0}, ["batch_size_rows", "0"]),
        ({**REFRESH, "max_rejects": -1}, ["max_rejects", "-1"]),
        ({**REFRESH, "max_rejects": 5, "allow_failures": False}, ["allow_failures", "max_rejects"]),
        ({**REFRESH, "rejects_path": "no/such/folder/r.jsonl"}, ["rejects_path", "no/such/folder"]),
    ],
)
def test_a_setting_that_is_not_allowed_is_named(config, words):
    with pytest.raises(ConfigValidationError) as caught:
        TargetSalesforce(config=dict(config))
    told = " ".join(caught.value.errors)
    assert all(word in told for word in words), told


def test_a_wrong_setting_ends_with_one_line_and_no_traceback(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**REFRESH, "bulk_threshold": "many"}))
    run = subprocess.run(
        [sys.executable, "-m", "target_salesforce", "--config", str(config)],
        input="",
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert run.returncode == 1
    assert "'many' is not of type 'integer'" in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


@pytest.mark.parametrize("value", [31415926, ["31415926"], {"a": "31415926"}])
def test_an_error_about_a_secret_does_not_quote_it(value):
    with pytest.raises(ConfigValidationError) as caught:
        TargetSalesforce(config={**REFRESH, "client_secret": value})
    told = " ".join(caught.value.errors)
    assert "client_secret" in told
    assert "31415926" not in told


def test_every_setting_is_explained_and_secrets_are_marked():
    settings = TargetSalesforce.config_jsonschema["properties"]
    ours = {name: settings[name] for name in settings if "title" in settings[name]}
    assert {"client_id", "jwt_private_key", "bulk_threshold", "max_rejects"} <= ours.keys()
    assert all(setting.get("description") for setting in settings.values())
    assert {name for name, setting in ours.items() if setting.get("secret")} == {
        "client_secret",
        "refresh_token",
        "password",
        "security_token",
        "jwt_private_key",
    }


def test_permissions_are_told_by_object_and_field(target):
    process = target.start("--permissions", "Contact", "--permissions", "Lead")
    out, _ = process.communicate()
    assert process.returncode == 0
    may = json.loads(out)
    assert list(may) == ["Contact", "Lead"]
    assert all(may["Contact"][action] for action in ("create", "update", "delete"))
    assert may["Contact"]["fields"]["FirstName"] == {"create": True, "update": True}
    assert may["Contact"]["fields"]["Name"] == {"create": False, "update": False}


def test_permissions_for_an_object_that_is_not_there(target):
    process = target.start("--permissions", "Nope")
    _, log = process.communicate()
    assert process.returncode == 1
    assert "Salesforce has no object 'Nope'" in log
    assert "Traceback" not in log
