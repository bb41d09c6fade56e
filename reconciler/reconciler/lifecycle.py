"""The life of a sync: which state it is in, why, and what helps."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from reconciler.commands import command, job
from reconciler.ledger import Ledger
from reconciler.ledger.runs import Run
from reconciler.model import SALESFORCE, SIDES, Side

StateName: TypeAlias = Literal["initial", "active", "paused", "error", "deleted"]
Colour: TypeAlias = Literal["orange", "green", "grey", "red"]

COLOURS: Final[dict[StateName, Colour]] = {
    "initial": "orange",
    "active": "green",
    "paused": "grey",
    "error": "red",
    "deleted": "grey",
}

#: What `contact-sync status` exits with.
EXIT_CODES: Final[dict[StateName, int]] = {
    "active": 0,
    "initial": 3,
    "paused": 4,
    "deleted": 4,
    "error": 5,
}


class Facts(NamedTuple):
    """What the state follows from.

    Attributes:
        paused_at: When the operator paused the sync, or None.
        deleted_at: When the operator deleted it, or None.
        reverting: While a revert is under way, how many contacts it has yet to delete.
        active_since: When the first pass over both sides was confirmed, or None.
        failed: (pipe, error) of the pipes whose last run failed.
        parked: Writes that their side did not accept.
        pairs: Pairs.
        max_rejects_percent: Above which share of the pairs parked writes are an error.
        unseen: The sides that were never read completely, with what is missing of them.
        open_writes: Writes that are not seen to arrive yet.
        writes: All writes so far.
    """

    paused_at: str | None
    deleted_at: str | None
    reverting: int | None
    active_since: str | None
    failed: tuple[tuple[str, str], ...]
    parked: int
    pairs: int
    max_rejects_percent: float
    unseen: tuple[str, ...]
    open_writes: int
    writes: int


class State(NamedTuple):
    """The state of a sync.

    Attributes:
        name: Its name.
        why: One sentence for people.
        next: The next command to type, or None where none is needed.
    """

    name: StateName
    why: str
    next: str | None

    @property
    def colour(self) -> Colour:
        """The colour that it is shown in."""
        return COLOURS[self.name]


def current_state(ledger: Ledger) -> State:
    """The state of the sync that a ledger is of."""
    controls = ledger.controls
    observed = ledger.runs.complete()
    return state_of(
        Facts(
            paused_at=controls.get("paused_at"),
            deleted_at=controls.get("deleted_at"),
            reverting=ledger.removals.count_made() if controls.get("revert") else None,
            active_since=controls.get("active_since"),
            failed=_failed(ledger),
            parked=ledger.overview.parked_writes(),
            pairs=ledger.pairs.count(),
            max_rejects_percent=float(
                (controls.get("settings") or {}).get("max_rejects_percent", 1)
            ),
            unseen=_unseen(ledger, observed),
            open_writes=ledger.overview.open_writes(),
            writes=ledger.overview.writes(),
        )
    )


def _unseen(ledger: Ledger, observed: Collection[Side]) -> tuple[str, ...]:
    missing, complete = ledger.runs.missing(), {side for side, _ in ledger.runs.streams_complete()}
    return tuple(
        # What the workers that share a side have not brought yet.
        f"{side} ({', '.join(missing[side])})" if side in complete & set(missing) else side
        for side in SIDES
        if side not in observed
    )


def _failed(ledger: Ledger) -> tuple[tuple[str, str], ...]:
    at_work = {one.run for one in ledger.holders()}
    killed = [run for run in ledger.runs.running() if run.run not in at_work]
    return (
        *((run.name, "it was killed") for run in killed),
        *((run.name, run.error or "") for run in _standing(ledger) if run.outcome == "failed"),
    )


def _standing(ledger: Ledger) -> Iterator[Run]:
    """The newest run of each pipe, or of each of its parts as the work is shared now."""
    complete = ledger.runs.streams_complete()
    by_pipe: dict[str, Run] = {}
    for run in ledger.runs.newest():
        newest = by_pipe.setdefault(run.pipe, run)
        if run is newest:
            yield run
        elif run.pipe == "observe-salesforce":
            # A stream may have come with another worker since.
            streams = run.part.split(", ") if run.part else []
            if any(complete.get((SALESFORCE, one), 0) < run.run for one in streams):
                yield run
        elif _shards(run) == _shards(newest):
            yield run


def _shards(run: Run) -> str:
    """Into how many shards the work of a run's pipe was split."""
    return (run.part or "").partition("/")[2]


def state_of(facts: Facts) -> State:
    """The state that follows from the facts; what the operator asked for comes first."""
    if facts.deleted_at:
        return State(
            "deleted",
            f"deleted on {_said(facts.deleted_at)}; the records stay on both sides",
            command("resume"),
        )
    if facts.paused_at:
        return State(
            "paused",
            f"paused since {_said(facts.paused_at)}: runs store what they see and write nothing",
            command("resume"),
        )
    if facts.reverting is not None:
        return State(
            "deleted",
            f"being reverted: {facts.reverting:,} contacts that the sync created in PhoneIQ are "
            "left to be deleted by the next run",
            job(),
        )
    if facts.failed:
        pipe, error = facts.failed[0]
        return State("error", f"the last run of {pipe} failed: {error}", _remedy(error))
    if facts.parked * 100 > facts.pairs * facts.max_rejects_percent:
        return State(
            "error",
            f"{facts.parked:,} writes were not accepted, with {facts.pairs:,} pairs more than "
            f"max_rejects_percent allows ({facts.max_rejects_percent:g}%)",
            command("skips --reason not_accepted"),
        )
    if facts.unseen:
        sides = " and ".join(facts.unseen)
        return State("initial", f"{sides} not read completely yet; nothing is written", job())
    if facts.active_since is None and not facts.open_writes:
        return State("initial", "the first pass is to be confirmed by the next run", job())
    if facts.active_since is None:
        return State(
            "initial",
            f"the first pass sent {facts.writes:,} writes; {waiting(facts.open_writes)}",
            job(),
        )
    parked = f"; {facts.parked:,} parked" if facts.parked else ""
    if facts.open_writes:
        return State(
            "active",
            f"active since {_said(facts.active_since)}; {waiting(facts.open_writes)}{parked}",
            job(),
        )
    return State("active", f"in sync since {_said(facts.active_since)}{parked}", None)


def waiting(open_writes: int) -> str:
    """What is said of writes that were sent and are not seen to have arrived."""
    return f"{open_writes:,} writes wait to be seen by the next read"


def _remedy(error: str) -> str:
    """The command that helps against what stopped a run."""
    if "--full-refresh" in error:
        return job("--full-refresh")
    if "approve PLAN" in error:
        return command("plan")
    if error.startswith("setting '"):
        return command("check")
    if "approved plan" in error:
        return command("plan")
    return job()


def _said(moment: str) -> str:
    """An RFC 3339 moment as people read it, in UTC."""
    return f"{moment[:16].replace('T', ' ')} UTC"


_REMEDIES: Final[dict[str, str]] = {
    "no_valid_phone": "give it a valid phone number in a mapped field, with its country code or "
    "with its country",
    "no_first_name": "fill in its first name in Salesforce",
    "object_not_synced": "add its object to setting 'objects'",
    "converted_lead": "nothing: its Contact takes its place",
    "person_account_shadow": "nothing: its Person Account takes its place",
    "duplicate_phone": "give it a number of its own, or set 'shared_phone' to allow",
    "merged_away": "nothing: what it was merged into has a contact of its own. To create it all "
    "the same, type: {resync}",
    "missing": "nothing where it is gone for good; else let the tap show it (its start_date, "
    "its filters, its permissions) and type: {full_refresh}",
    "released": "edit it, or type: {resync}",
    "value_too_long": "shorten the value",
    "invalid_phone": "correct the number",
    "invalid_email": "correct the e-mail address",
    "several_numbers": "keep one number in the field; put the others into fields of their own",
    "missing_required_field": "map a PhoneIQ field to the required Salesforce field",
    "value_not_mapped": "add the value to the mapping's 'values'",
    "not_accepted": "see what the target said ({rejects}) and change one of the two values, or "
    "type: {resync}",
    "flapping": "enter another value, stop what rewrites it, or type: {resync}",
}


def remedy_of(reason: str, id_: str = "ID") -> str:
    """What would change that a record, or a field of it, is skipped.

    Args:
        reason: Why it is skipped.
        id_: Its id, for the command that takes it up again.
    """
    return _REMEDIES[reason].format(
        resync=command(f"resync {id_}"),
        rejects=command("rejects"),
        full_refresh=job("--full-refresh"),
    )
