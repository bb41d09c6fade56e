"""How the target ends when it cannot work."""

from __future__ import annotations

import subprocess

import pytest


def test_a_wrong_key_ends_with_one_message_that_does_not_show_it(target, say):
    load = target(
        say.schema(), say.record(first_name="Ada"), say.state(1), api_key="sk-wrong-secret"
    )
    assert load.code == 1
    (line,) = load.errors
    assert "401 unauthorized" in line
    assert "sk-wrong-secret" not in load.log
    assert load.states == []


def test_an_unreachable_phoneiq_ends_with_one_message(target, say):
    messages = [say.schema(), say.record(first_name="Ada"), say.state(1)]
    load = target(*messages, api_url="http://127.0.0.1:9")
    assert load.code == 1
    (line,) = load.errors
    assert "PhoneIQ at http://127.0.0.1:9 cannot be reached" in line
    assert load.states == []
    assert load.rejects == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"api_url": "phoneiq.example"}, "api_url is 'phoneiq.example'"),
        ({"api_key": ""}, "api_key"),
        ({"api_key": 1234567890}, "api_key must be a text"),
        ({"batch_size": 201}, "batch_size"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"max_rejects": -1}, "max_rejects"),
        ({"rejects_path": "no/such/folder/rejects.jsonl"}, "rejects_path"),
    ],
)
def test_a_wrong_setting_ends_with_one_message_that_names_it(target, say, changed, said):
    load = target(say.schema(), say.record(first_name="Ada"), **changed)
    assert load.code == 1
    (line,) = load.errors
    assert said in line
    assert "1234567890" not in load.log


def test_a_setting_that_is_null_has_its_default(target, say):
    load = target(say.schema(), say.record(first_name="Ada"), batch_size=None, max_rejects=None)
    assert load.code == 0, load.log


def test_about_names_every_setting(command):
    told = subprocess.run(
        [*command(), "--about", "--format=json"], capture_output=True, text=True, check=True
    )
    for setting in (
        *("api_url", "api_key", "batch_size", "max_in_flight"),
        *("rejects_path", "max_rejects", "user_agent"),
    ):
        assert f'"{setting}"' in told.stdout
    assert "load_method" not in told.stdout
