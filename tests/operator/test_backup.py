"""backup and restore; and who can read the ledger's files."""

from __future__ import annotations

import stat

import pytest
from reconciler.ledger import Ledger

from tests.reconciler.job import PIPES


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def backup_of(answer):
    return answer.text.splitlines()[-1].split()[1].rstrip(".")


@pytest.mark.both_ledgers
def test_a_backup_is_a_ledger_of_its_own(seat, tmp_path):
    record, contact = seat.job.pair_up()
    folder = tmp_path / "safe"
    path = folder / backup_of(seat.done("backup", "--to", str(folder))).rpartition("/")[2]
    assert list(folder.iterdir()) == [path]
    assert mode(path) == 0o600
    url = seat.job.ledger_url
    seat.job.ledger_url = f"sqlite:///{path}"
    (told,) = seat.json("explain", record)
    assert {one["id"] for one in told["records"]} == {record, contact}
    seat.job.ledger_url = url


@pytest.mark.sqlite_only
def test_older_backups_are_removed(seat, start, tmp_path):
    seat.job.run()
    for _ in range(4):
        newest = backup_of(seat.done("backup", "--keep", "3"))
    folder = tmp_path / "backups"
    assert len(list(folder.iterdir())) == 3
    assert newest in map(str, folder.iterdir())
    other = start()
    other.job.ledger_url = f"sqlite:///{tmp_path / 'other.db'}"
    other.job.run()
    other.done("backup", "--keep", "1")
    assert len(list(folder.iterdir())) == 4, "those of another ledger stay"


def test_a_folder_that_cannot_be_written(seat, tmp_path):
    seat.job.run()
    (tmp_path / "file").write_text("")
    answer = seat.refused("backup", "--to", str(tmp_path / "file" / "folder"))
    assert "a backup cannot be written to" in answer.words


@pytest.mark.sqlite_only
def test_a_backup_that_is_put_back_is_refused_until_everything_is_read_again(seat):
    record, contact = seat.job.pair_up()
    path = backup_of(seat.done("backup"))
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.settle()
    seat.job.ledger.write_bytes(b"damaged" * 2_000)
    assert "--full-refresh" in seat.done("restore", path, "--yes").words
    assert mode(seat.job.ledger) == 0o600
    assert seat.job.pipe(PIPES[0]).code == 1
    seat.job.states.clear()
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"
    assert len(seat.job.phoneiq.live()) == 1
    assert [one for one in seat.job.ledger.parent.iterdir() if ".before-" in one.name]


@pytest.mark.sqlite_only
def test_what_is_no_backup_is_not_put_back(seat, tmp_path):
    seat.job.pair_up()
    before = seat.job.ledger.read_bytes()
    other = tmp_path / "other"
    assert "there is no such file" in seat.refused("restore", str(other), "--yes").words
    other.write_text("Lovelace" * 1_000)
    answer = seat.refused("restore", str(other), "--yes")
    assert "it is no ledger" in answer.words
    assert "Lovelace" not in answer.text
    assert "is the ledger itself" in seat.refused("restore", str(seat.job.ledger)).words
    assert seat.job.ledger.read_bytes() == before


@pytest.mark.sqlite_only
def test_a_ledger_that_a_run_works_on_is_not_replaced(seat):
    seat.job.pair_up()
    path = backup_of(seat.done("backup"))
    ledger = Ledger(seat.job.ledger_url)
    with ledger.alone("observe-phoneiq, process 7"):
        assert "observe-phoneiq, process 7" in seat.refused("restore", path, "--yes").words
    ledger.close()


def test_a_backup_is_made_before_a_revert(seat, tmp_path):
    seat.job.pair_up()
    seat.done("delete", "--revert", "--yes", "--force")
    assert len(list((tmp_path / "backups").iterdir())) == 1


@pytest.mark.sqlite_only
def test_a_ledger_that_was_put_back_readable_by_others_is_closed_to_them(seat):
    seat.job.pair_up()
    for file in seat.job.ledger.parent.glob("ledger.db*"):
        file.chmod(0o644)
    seat.ask("status")
    assert {mode(file) for file in seat.job.ledger.parent.glob("ledger.db*")} == {0o600}
    seat.job.ledger.chmod(0o666)
    seat.job.run()
    assert mode(seat.job.ledger) == 0o600
