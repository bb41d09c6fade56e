"""Whether everything that a sync needs is there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
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


def test_a_run_that_holds_the_lease(seat):
    seat.job.run()
    ledger = Ledger(f"sqlite:///{seat.job.ledger}")
    with ledger.lease("salesforce-to-phoneiq, process 1"):
        answer = seat.done("check", "--offline")
    ledger.close()
    assert "lease  held by salesforce-to-phoneiq, process 1" in answer.text


def meltano(folder, code):
    """A `meltano` that says what it was asked, and a secret."""
    folder.mkdir()
    path = folder / "meltano"
    path.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"open({str(folder / 'asked')!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
        f"print('secret-key'); sys.exit({code})\n"
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
    ]
    assert "secret-key" not in answer.text
    assert f"{'✗' if code else '✓'} Salesforce" in answer.text
    if code:
        assert "meltano invoke tap-phoneiq --test" in answer.words


def test_without_meltano(seat):
    seat.job.run()
    answer = seat.done("check", PATH="")
    assert "- Salesforce  not tried: meltano is not on the PATH" in answer.text
