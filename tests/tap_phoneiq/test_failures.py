"""How the tap ends when it cannot work."""

from __future__ import annotations

import os

import pytest

MODES = [(), ("--discover",), ("--test",)]


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_key_ends_with_one_message_that_does_not_show_it(tap, errors, mode):
    ended = tap(*mode, api_key="sk-wrong-secret")
    assert ended.code == 1
    (line,) = errors(ended.log)
    assert "401 unauthorized" in line
    assert "set api_key (PHONEIQ_API_KEY) to a key of the account" in line
    assert "sk-wrong-secret" not in ended.log
    assert ended.messages == []


@pytest.mark.parametrize("mode", MODES)
def test_an_unreachable_phoneiq_ends_with_one_message(tap, errors, mode):
    ended = tap(*mode, api_url="http://127.0.0.1:9")
    assert ended.code == 1
    (line,) = errors(ended.log)
    assert "PhoneIQ at http://127.0.0.1:9 cannot be reached" in line
    assert ended.messages == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"api_url": "phoneiq.example"}, "api_url is 'phoneiq.example'"),
        ({"api_url": None}, "api_url is not set: set it, or PHONEIQ_API_URL in the environment"),
        (
            {"api_url": "https://api.phoneiq.example/v1/"},
            "leave out /v1: set api_url (PHONEIQ_API_URL) to https://api.phoneiq.example",
        ),
        ({"api_key": ""}, "api_key"),
        ({"api_key": 1234567890}, "api_key must be a text"),
        ({"page_size": 501}, "page_size"),
        ({"page_size": 0}, "page_size"),
        ({"start_date": "yesterday"}, "start_date is 'yesterday'"),
    ],
)
def test_a_wrong_setting_ends_with_one_message_that_names_it(tap, errors, mode, changed, said):
    ended = tap(*mode, **changed)
    assert ended.code == 1
    (line,) = errors(ended.log)
    assert said in line
    assert "1234567890" not in ended.log


@pytest.mark.parametrize("name", ["state", "catalog"])
@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'"x"', b"7", b"null", b"\xff{}", b"[" * 100_000, b'{"streams": 7}']
)
def test_a_file_that_is_none_of_this_tap(tap, errors, tmp_path, name, text):
    if name == "state" and text.startswith(b'{"'):
        text = b'{"bookmarks": 7}'
    (tmp_path / "odd.json").write_bytes(text)
    ended = tap(f"--{name}", str(tmp_path / "odd.json"))
    assert ended.code == 1
    (line,) = errors(ended.log)
    assert f"the {name} " in line
    assert ("--full-refresh" if name == "state" else "--discover") in line


@pytest.mark.parametrize(
    "bookmark", [7, None, [], {"replication_key_value": 7}, {"replication_key_value": "yesterday"}]
)
def test_a_bookmark_that_is_none(tap, errors, bookmark):
    ended = tap(state={"bookmarks": {"contacts": bookmark}})
    assert ended.code == 1
    (line,) = errors(ended.log)
    assert "the state is none of this tap" in line


def test_a_number_from_the_environment_that_is_none(tap, errors):
    env = os.environ | {"TAP_PHONEIQ_PAGE_SIZE": "many"}
    ended = tap("--config", "ENV", env=env)
    assert ended.code == 1
    (line,) = errors(ended.log)
    assert "'many'" in line


def test_the_key_is_in_no_output(box, tap):
    box.admin.phoneiq.create(first_name="Ada")
    env = os.environ | {"TAP_PHONEIQ_LOGLEVEL": "DEBUG"}
    for mode in MODES:
        extract = tap(*mode, env=env)
        assert extract.code == 0
        assert box.phoneiq_key not in extract.log + str(extract.messages)


def test_names_and_numbers_are_in_no_log_line(box, tap):
    box.admin.phoneiq.create(first_name="Adalheid", mobile_phone="+14155550199")
    extract = tap()
    assert "Adalheid" in str(extract.records())
    assert "Adalheid" not in extract.log
    assert "5550199" not in extract.log


def test_about_names_every_setting(tap):
    told = tap("--about", "--format=json")
    assert told.code == 0
    for setting in ("api_url", "api_key", "start_date", "page_size", "user_agent"):
        assert f'"{setting}"' in told.log


def test_the_connection_can_be_tested(box, tap, errors):
    for n in range(3):
        box.admin.phoneiq.create(first_name=str(n))
    tested = tap("--test")
    assert tested.code == 0
    assert errors(tested.log) == []
    assert tested.log.count('"type":"RECORD","stream":"contacts"') == 1
