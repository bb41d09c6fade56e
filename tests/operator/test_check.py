"""Whether everything that a sync needs is there."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from reconciler.fields.defaults import DEFAULT_MAPPINGS
from reconciler.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Not in a Meltano project."""
    monkeypatch.chdir(tmp_path)


def lines(answer):
    """Mark and text by what was looked at."""
    return answer.text.splitlines()


def wrong(answer):
    return [line for line in lines(answer) if line.startswith("✗")]


def test_all_is_well(seat):
    seat.job.pair_up()
    answer = seat.done("check", "--offline")
    assert not wrong(answer)
    for part in ("✓ ledger", "✓ lease  free", "✓ settings  2 objects: Contact, Lead; both",
                 "✓ salesforce Contact", "✓ phoneiq contacts", "- PhoneIQ  not tried"):  # fmt: skip
        assert part in answer.text


@pytest.mark.sqlite_only
def test_no_ledger_yet(seat):
    answer = seat.ask("check", "--offline")
    assert answer.code == 1
    assert "✗ ledger  there is no ledger" in answer.text
    assert "meltano run contact-sync" in answer.words
    assert not seat.job.ledger.exists()


def test_a_wrong_setting(seat):
    seat.job.run()
    answer = seat.ask("check", "--offline", RECONCILER_ON_CONFLICT="maybe")
    assert answer.code == 1
    assert "✗ settings  setting 'on_conflict' is \"maybe\"" in answer.text


def test_a_side_that_was_never_read(seat):
    seat.job.pipe("observe-phoneiq")
    answer = seat.ask("check", "--offline")
    assert answer.code == 1
    assert "✗ salesforce read  never completely yet" in answer.text
    assert "✗ salesforce Contact not extracted yet: add Contact.*" in answer.words


def test_an_external_id_field_that_salesforce_does_not_have(seat):
    seat.job.run()
    answer = seat.ask("check", "--offline", RECONCILER_SALESFORCE_EXTERNAL_ID_FIELD="Nope__c")
    assert answer.code == 1
    assert "setting 'salesforce_external_id_field' is Nope__c" in answer.words


def test_a_mapped_field_that_is_not_delivered(seat):
    seat.job.salesforce.unselected.add("Title")
    seat.job.pair_up()
    answer = seat.ask("check", "--offline")
    assert answer.code == 1
    assert "Contact.Title: mapped, but not delivered" in answer.words
    assert "--full-refresh" in answer.words


def test_the_selection_of_this_project(seat):
    seat.job.run()
    answer = seat.done("check", "--offline", MELTANO_PROJECT_ROOT=str(ROOT))
    assert "✓ selection" in answer.text


@pytest.mark.parametrize(
    ("select", "missing"),
    [
        (["Contact.*", "Lead.*", "Account.*"], None),
        (["Contact.*", "Lead.*", "Account.*", "!Contact.Title"], "Contact.Title"),
        (["Contact.*", "Account.*"], "Lead.Company"),
        (["Contact.*", "Lead.*"], "Account.Name"),
    ],
)
def test_a_selection(seat, tmp_path, select, missing):
    seat.job.run()
    (tmp_path / "meltano.yml").write_text(
        "plugins:\n  extractors:\n  - name: tap-salesforce\n    select: " + repr(select) + "\n"
    )
    answer = seat.ask("check", "--offline", MELTANO_PROJECT_ROOT=str(tmp_path))
    if missing is None:
        assert "✓ selection" in answer.text
    else:
        assert answer.code == 1
        assert wrong(answer)
        assert missing in answer.text


def test_a_selection_in_an_included_file(seat, tmp_path):
    seat.job.run()
    (tmp_path / "meltano.yml").write_text("include_paths: ['sync/*.yml']\n")
    (tmp_path / "sync").mkdir()
    (tmp_path / "sync" / "plugins.yml").write_text(
        "plugins: {extractors: [{name: tap-salesforce, select: ['Contact.*', 'Account.*']}]}"
    )
    answer = seat.ask("check", "--offline", MELTANO_PROJECT_ROOT=str(tmp_path))
    assert answer.code == 1
    assert "in " + str(tmp_path / "sync" / "plugins.yml") in answer.words
    assert "Lead.Company" in answer.text


def test_a_run_that_holds_the_lease(seat):
    seat.job.run()
    ledger = Ledger(seat.job.ledger_url)
    with ledger.alone("salesforce-to-phoneiq, process 1"):
        answer = seat.done("check", "--offline")
    ledger.close()
    assert "lease  held by salesforce-to-phoneiq, process 1" in answer.text


def permissions(**withheld):
    """What a user may do with Contact and Lead who lacks some rights: by object, field or None."""
    may = {}
    for name in ("Contact", "Lead"):
        fields = {row.salesforce for row in DEFAULT_MAPPINGS[name]} | {"Key__c"}
        lacks = withheld.get(name, {})
        may[name] = {
            action: action not in lacks.get(None, ()) for action in ("create", "update", "delete")
        } | {
            "fields": {
                field: {
                    action: action not in lacks.get(field, ()) for action in ("create", "update")
                }
                for field in fields
            }
        }
    return may


def meltano(folder, code=0, may=None, of_target=None, log=""):
    """A `meltano` that says what it was asked, and a secret or the permissions."""
    folder.mkdir()
    path = folder / "meltano"
    path.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"open({str(folder / 'asked')!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
        "if sys.argv[2] == 'target-salesforce':\n"
        f"    print({json.dumps(may or permissions())!r}); sys.exit({of_target or 0})\n"
        f"print('secret-key'); sys.stderr.write({log!r}); sys.exit({code})\n"
    )
    path.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("code", [0, 2])
def test_both_connections_through_meltano(seat, tmp_path, code):
    seat.job.run()
    env = meltano(tmp_path / "bin", code)
    answer = seat.ask("check", **env)
    assert answer.code == (1 if code else 0)
    assert (tmp_path / "bin" / "asked").read_text().splitlines() == [
        "invoke tap-phoneiq --test",
        "invoke tap-salesforce --discover",
        "invoke target-salesforce --permissions=Contact --permissions=Lead",
    ]
    assert "secret-key" not in answer.text
    assert f"{'✗' if code else '✓'} Salesforce" in answer.text
    if code:
        assert "meltano invoke tap-phoneiq --test" in answer.words


@pytest.mark.parametrize(
    ("withheld", "settings", "lacking"),
    [
        ({}, {}, None),
        ({"Contact": {"Title": ["create", "update"]}}, {}, "create/update Contact.Title"),
        ({"Lead": {None: ["create"]}}, {}, "create Lead"),
        ({"Lead": {None: ["delete"]}}, {}, None),
        ({"Lead": {None: ["delete"]}}, {"ON_DELETE": "propagate"}, "delete Lead"),
        ({"Contact": {"Key__c": ["update"]}}, {}, None),
        (
            {"Contact": {"Key__c": ["update"]}},
            {"SALESFORCE_EXTERNAL_ID_FIELD": "Key__c"},
            "update Contact.Key__c",
        ),
    ],
)
def test_what_the_user_of_the_target_may_write(seat, tmp_path, withheld, settings, lacking):
    env = meltano(tmp_path / "bin", may=permissions(**withheld))
    answer = seat.ask("check", **env, **{f"RECONCILER_{name}": settings[name] for name in settings})
    if lacking is None:
        assert "✓ permissions  may write all mapped fields of Contact, Lead" in answer.text
    else:
        assert f"✗ permissions the user of target-salesforce may not {lacking}." in answer.words


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            "2026-12-01 03:00:13,250 | ERROR    | tap-phoneiq        | api_key is not set",
            (
                "tap-phoneiq exits with 1: api_key is not set. Its account is set by "
                "PHONEIQ_API_URL and PHONEIQ_API_KEY in .env"
            ),
        ),
        (
            "INFO Starting\nCRITICAL Config is missing required keys: ['refresh_token']\nended\n",
            (
                "tap-salesforce exits with 1: Config is missing required keys: ['refresh_token']. "
                "Its account is set by SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET and"
            ),
        ),
        ("CRITICAL the login of my-own-secret was refused", "the login of *** was refused"),
        ("nothing that is an error", "tap-phoneiq exits with 1. Its account is set by"),
    ],
)
def test_no_or_wrong_credentials(seat, tmp_path, log, said):
    seat.job.run()
    env = meltano(tmp_path / "bin", 1, log=log) | {
        "SALESFORCE_CLIENT_SECRET": "my-own-secret",
        "MELTANO_ENVIRONMENT": "prod",
    }
    answer = seat.ask("check", **env)
    assert answer.code == 1
    assert said in answer.words
    assert "meltano --environment prod invoke tap-phoneiq --test" in answer.words
    assert "my-own-secret" not in answer.text


def test_permissions_do_not_matter_where_nothing_is_written(seat, tmp_path):
    env = meltano(tmp_path / "bin") | {"RECONCILER_SYNC_DIRECTION": "salesforce_to_phoneiq"}
    assert " permissions  " not in seat.ask("check", **env).text


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (1, "✗ permissions target-salesforce exits with 1. All that it says: meltano invoke"),
        # MeltanoLabs' target does not know the option.
        (2, "- permissions this project's target-salesforce does not tell them"),
    ],
)
def test_a_target_that_does_not_tell_permissions(seat, tmp_path, code, says):
    assert says in seat.ask("check", **meltano(tmp_path / "bin", of_target=code)).words


def test_without_meltano(seat):
    seat.job.run()
    answer = seat.done("check", PATH="")
    assert "- Salesforce  not tried: meltano is not on the PATH" in answer.text
