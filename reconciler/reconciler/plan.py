"""The plan: the writes that one side still needs so that both agree.

Decided here, committed to the ledger, then handed out: a write that a crash swallows is seen to
be missing by the next run, since the tap of its side does not show it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from reconciler.errors import GuardError
from reconciler.fields.defaults import MATCHING_PHONES, REQUIRED
from reconciler.fields.phones import is_valid
from reconciler.fields.record_mapper import Exchange, Held
from reconciler.ledger import Ledger
from reconciler.ledger.plans import (
    Alone,
    Emission,
    FieldSkip,
    OpenPair,
    OpenWrite,
    Outcome,
    Related,
    Shard,
    Shown,
)
from reconciler.model import (
    PHONEIQ,
    SALESFORCE,
    SIDES,
    UNSET,
    Change,
    Side,
    SkipReason,
    Undo,
    Value,
    Write,
    allows,
    other,
)
from reconciler.rules.delivery import is_parked
from reconciler.rules.eligibility import salesforce_skip
from reconciler.rules.guards import Limits, deletions_message, need_counting, updates_message
from reconciler.rules.matching import Candidate, pair_by_phone
from reconciler.rules.merging import Decision, is_as_agreed, merge
from reconciler.rules.routing import route
from reconciler.rules.undoing import standing
from reconciler.settings import Settings
from reconciler.summary import Summary

logger = logging.getLogger(__name__)

_encode: Final = msgspec.json.Encoder().encode

#: A value flaps that arrived this often in place of the same old value within so many passes. Where
#: the old value was also sent back as often, it may have taken longer.
_ROUNDS: Final = 3
_LATELY: Final = 15
_LONG: Final = 60

#: Reference fields of a PhoneIQ contact.
_SALESFORCE_ID: Final = "salesforce_id"
_SALESFORCE_OBJECT: Final = "salesforce_object"


def exchanges(ledger: Ledger, settings: Settings) -> dict[str, Exchange]:
    """The mapping of each object that is synced."""
    lengths = _max_lengths(ledger.observations.schemas(PHONEIQ).get("contacts", {}))
    return {name: Exchange(name, settings, lengths) for name in settings.objects}


def related_fields(settings: Settings) -> Related:
    """The mapped fields behind a relationship."""
    return tuple(
        (row.salesforce, *row.related)
        for rows in settings.mappings.values()
        for row in rows
        if row.related
    )


class _TakenBack(NamedTuple):
    """What is taken back of what was written to a pair's records.

    Attributes:
        wanted: By side, what has to be written for it now.
        apart: The positions of the fields on which the sides differ for that reason.
        done: Row and field of what is seen to be done.
        over: Row and field of what is taken back no more.
    """

    wanted: dict[Side, list[Undo]]
    apart: set[int]
    done: list[tuple[int, str]]
    over: list[tuple[int, str]]


class Planner:
    """Plans the writes of one run.

    Args:
        ledger: The open ledger, whose lease this run holds.
        settings: The settings of the run.
        side: The side that is written to.
        run: The run's number.
        summary: Where the run counts.
        shard: The share of the pairs and records whose writes are planned, or None for all.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        side: Side,
        run: int,
        summary: Summary,
        shard: Shard | None = None,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._side = side
        self._run = run
        self._summary = summary
        self._shard = shard
        #: Pairs, and records without a pair, that were decided so far.
        self.decided = 0
        self._exchanges = exchanges(ledger, settings)
        self._nothing = Exchange("", settings, {})
        self._observed = ledger.runs.complete()
        self._related = related_fields(settings)

    def pair(self) -> None:
        """Find out who is who, for all records that changed since they were last planned."""
        pairs = self._ledger.pairs
        self._ledger.observations.index()
        pairs.move_by_reference(self._run)
        if pairs.are_open():
            # Matching by reference wins over matching by successor.
            self._pair_by_reference()
        if self._follow_successors():
            self._pair_by_reference()
        pairs.replace_deleted(self._run)
        if pairs.are_waiting():
            # Who is opened from here on waits for the next pairing.
            pairs.end_waiting()
        if pairs.are_open():
            self._pair_open()

    def _pair_by_reference(self) -> None:
        self._summary.paired += self._ledger.pairs.by_reference(
            self._run, has_shadows="PersonAccount" in self._settings.objects
        )

    def _follow_successors(self) -> bool:
        return self._ledger.pairs.follow_successors(
            self._settings.renamed_keys, self._observed.get(PHONEIQ, 0)
        )

    def _pair_open(self) -> None:
        settings = self._settings
        by_phone = self._ledger.pairs.by_phone_alone(
            self._run, skip_mismatches=settings.on_name_mismatch == "skip"
        )
        separated = self._ledger.pairs.separated()
        for groups, holders in self._ledger.pairs.groups_by_phone():
            made: list[tuple[int, int]] = []
            duplicates: dict[int, int] = {}
            for group in groups:
                found = pair_by_phone(
                    group,
                    holders,
                    objects=settings.objects,
                    shared_phone=settings.shared_phone,
                    on_name_mismatch=settings.on_name_mismatch,
                    created=self._created_values(group),
                    separated=separated,
                )
                made += found.pairs
                duplicates |= found.duplicates
            self._ledger.pairs.store(made, duplicates, self._run)
            by_phone += len(made)
        self._summary.paired += by_phone
        if by_phone:
            self._summary.name_mismatches = self._ledger.pairs.count_name_mismatches(self._run)
        # Those of them whose creates were under way when they were merged or converted.
        self._follow_successors()
        self._ledger.plans.settle_gone(self._side, self._observed.get(self._side, 0))
        if not allows(self._settings.sync_direction, other(self._side)):
            self._ledger.plans.settle_alone(self._side)

    def _created_values(self, group: Sequence[Candidate]) -> dict[tuple[int, int], int]:
        """How many of the values that a create sent each record shows that may come from it.

        Args:
            group: Records that share numbers.

        Returns:
            By the rows of the source and of the record, only where at least half of them are shown.
        """
        sources = [one for one in group if one.creating is not None]
        if not sources:
            return {}
        plans = self._ledger.plans
        shown = plans.delivered([one.row for one in group])
        sent = plans.sent([one.row for one in sources], self._run).unseen
        found: dict[tuple[int, int], int] = {}
        for source in sources:
            to = other(source.side)
            opened = sent.get((source.row, to))
            made_from = (opened and opened.made_from) or shown[source.row]
            for record in group:
                if record.side != to:
                    continue
                name = record.object if to == SALESFORCE else source.object
                exchange = self._exchanges.get(name, self._nothing)
                values = exchange.held(source.side, made_from).canonical
                there = exchange.held(to, shown[record.row]).canonical
                travelled = [
                    (value, there[position])
                    for position, (value, rule) in enumerate(
                        zip(values, exchange.rules, strict=True)
                    )
                    if value is not None and value is not UNSET and rule.leads(to)
                ]
                equal = sum(one == two for one, two in travelled)
                if equal * 2 >= len(travelled):
                    found[source.row, record.row] = equal
        return found

    def writes(self) -> Iterator[list[Write]]:
        """The writes, in chunks; each chunk is committed before it is handed out."""
        plans = self._ledger.plans
        if stale := self._stale_references():
            # Before the writes that give these references to others.
            yield stale
        for planned in self._planned_pairs(self._shard):
            yield self._commit(planned)
        self._pair_waiting()
        while True:
            for alone in plans.open_alone(other(self._side), self._related, self._shard):
                rows = [record.row for record in alone]
                self._sent, self._parked = plans.sent(rows, self._run), plans.parked(rows)
                yield self._commit([self._plan_create(record) for record in alone])
            if not self._pair_waiting():
                break

    def _stale_references(self) -> list[Write]:
        """Take references away that an operator's word has made wrong, until they are gone."""
        field = (
            _SALESFORCE_ID if self._side == PHONEIQ else self._settings.salesforce_external_id_field
        )
        # Of several shards, the first one takes them.
        if field is None or (self._shard is not None and self._shard[0]):
            return []
        stale = self._ledger.pairs.stale_references(self._side)
        self._summary.updated += len(stale)
        return [
            Write.update(
                self._side, one.object, one.id, {field: _set_to(None, "unpaired", one.reference)}
            )
            for one in stale
        ]

    def _planned_pairs(self, shard: Shard | None) -> Iterator[list[tuple[Outcome, Write | None]]]:
        """What planning the open pairs comes to, in chunks; nothing is committed."""
        plans, runs = self._ledger.plans, self._ledger.runs
        self._lately = runs.passes_before(self._run, _LATELY)
        self._long = runs.passes_before(self._run, _LONG)
        for pairs in plans.open_pairs(self._related, shard):
            rows = [row for pair in pairs for row in (pair.salesforce.row, pair.phoneiq.row)]
            self._sent = plans.sent(rows, self._long)
            self._flapping = plans.flapping(rows)
            self._parked = plans.parked(rows)
            self._undos = self._ledger.undos.of(rows)
            yield [self._plan_pair(pair) for pair in pairs]

    def _pair_waiting(self) -> bool:
        """Pair those that planning has opened, if there are any."""
        # Beside other shards nobody may pair: there the next round does.
        if self._shard is not None or not self._ledger.pairs.are_waiting():
            return False
        self.pair()
        return True

    def _commit(self, planned: list[tuple[Outcome, Write | None]]) -> list[Write]:
        self._ledger.plans.store([one for one, _ in planned], self._side, self._run)
        self.decided += len(planned)
        for one, _ in planned:
            self._summary.confirmed += len(one.confirmed)
            self._summary.conflicts.update(resolution for _, resolution, _, _ in one.conflicts)
        writes = [write for _, write in planned if write is not None]
        for write in writes:
            if write.action == "create":
                self._summary.created += 1
            elif write.action == "update":
                self._summary.updated += 1
            else:
                self._summary.deleted += 1
        return writes

    # --- pairs ------------------------------------------------------------------------------

    def _unseen(self, pair: OpenPair) -> dict[Side, OpenWrite]:
        """By side, the pair's write to it that was not shown yet."""
        unseen = self._sent.unseen
        if not unseen:
            return {}
        return {
            side: opened
            for side in (SALESFORCE, PHONEIQ)
            if (opened := unseen.get((_ends(pair, side)[0].row, side))) is not None
        }

    def _with_phone(
        self, pair: OpenPair, recalled: Sequence[tuple[Side, int, str, bool]]
    ) -> OpenPair:
        """The pair, whose Salesforce record may have a valid number after all."""
        record = pair.salesforce
        if record.skip != "no_valid_phone" or not any(
            side == SALESFORCE and can_pair for side, _, _, can_pair in recalled
        ):
            return pair
        fields = dict(zip(record.delivered.layout.fields, record.delivered.values, strict=True))
        skip = salesforce_skip(
            record.object, fields, objects=self._settings.objects, has_phone=True
        )
        return msgspec.structs.replace(pair, salesforce=msgspec.structs.replace(record, skip=skip))

    def _plan_pair(self, pair: OpenPair) -> tuple[Outcome, Write | None]:
        exchange = self._exchanges.get(pair.salesforce.object, self._nothing)
        held: dict[Side, Held] = {
            SALESFORCE: exchange.held(SALESFORCE, pair.salesforce.delivered),
            PHONEIQ: exchange.held(PHONEIQ, pair.phoneiq.delivered),
        }
        unseen = self._unseen(pair)
        before, others = exchange.aligned(pair.keys, pair.baseline)
        if "missing" in {pair.salesforce.skip, pair.phoneiq.skip}:
            return self._leave_as_it_is(pair, unseen), None
        if pair.salesforce.deleted or pair.phoneiq.deleted:
            agreed = self._arrived(before, exchange, held, unseen)
            return self._plan_deletion(pair, held, agreed, unseen)
        recalled = exchange.recall_numbers(
            {SALESFORCE: pair.salesforce.delivered, PHONEIQ: pair.phoneiq.delivered}, held, before
        )
        pair = self._with_phone(pair, recalled)
        stored = list(before)
        taken_back = self._take_back(pair, exchange, held, before, unseen)
        merged = merge(
            exchange.rules,
            held[SALESFORCE].canonical,
            held[PHONEIQ].canonical,
            self._arrived(before, exchange, held, unseen),
            self._settings.on_conflict,
        )
        unmade = self._unmade(pair, held, merged.baseline)
        if unmade is not None:
            return self._plan_delete(pair, unmade, unseen)
        taken_back.over.extend(
            (record.row, "")
            for record in (pair.salesforce, pair.phoneiq)
            if self._is_to_be_unmade(record)
        )
        seen = self._seen(pair, exchange, held, unseen)
        decisions = [
            one
            for one in merged.decisions
            if one.travels
            and one.position not in taken_back.apart
            and (self._takes_part(pair, one.to) or self._gives_up_its_number(pair, held, one))
        ]
        regions = {
            side: exchange.region_after(
                side, _ends(pair, side)[1].delivered, held[other(side)], decisions
            )
            for side in {one.to for one in decisions}
        }
        changes, skips, contested = self._changes(pair, exchange, held, decisions, regions, seen)
        for side, region in regions.items():
            changes[side] |= exchange.numbers_beside(
                side, _ends(pair, side)[1].delivered, changes[side], region
            )
        for side, undos in taken_back.wanted.items():
            changes[side] |= exchange.given_back(
                side, _ends(pair, side)[1].delivered, undos, regions.get(side)
            )
        self._add_reference(pair, changes)
        skips += self._leave_parked(pair, changes)
        source, target = _ends(pair, self._side)
        if self._side not in seen:
            skips += self._park_refused(source.row, changes[self._side], unseen.get(self._side))
        awaited = self._awaited(unseen, seen)
        closed = {
            side: opened
            for side, opened in unseen.items()
            if side not in awaited and not (opened.action == "update" and changes[side])
        }
        opened = unseen.get(self._side) if self._side not in closed else None
        emitted, write = (
            self._emit(
                opened,
                Write.update(self._side, pair.salesforce.object, target.id, changes[self._side]),
                target.stamp,
                has_arrived=self._side in seen,
            )
            if changes[self._side] and self._side not in awaited
            else (None, None)
        )
        replaced = _overtaken(opened, emitted)
        outcome = Outcome(
            rows=(pair.salesforce.row, pair.phoneiq.row),
            source_row=source.row,
            settled=not (changes[SALESFORCE] or changes[PHONEIQ] or awaited),
            pair=pair.pair,
            baseline=exchange.baseline(merged.baseline, others)
            if merged.baseline != stored
            else None,
            emitted=emitted,
            field_skips=skips,
            conflicts=[conflict for field, conflict in contested if field in changes[self._side]]
            if write is not None
            else (),
            confirmed=[one.write for side, one in closed.items() if side in seen],
            rewritten=replaced if self._side in seen else (),
            overtaken=[
                *(one.write for side, one in closed.items() if side not in seen),
                *(replaced if self._side not in seen else ()),
            ],
            made=self._made(pair, unseen),
            recalled=[
                (_ends(pair, other(side))[0].row, place, number, can_pair)
                for side, place, number, can_pair in recalled
            ],
            recalled_skip=(pair.salesforce.row, pair.salesforce.skip) if recalled else None,
            originals=(target.row, {field: target.delivered.get(field) for field in write.sent})
            if write is not None and self._side == PHONEIQ and not target.made
            else None,
            shown=_shown_before(write, target),
            given_back=taken_back.done,
            undone=taken_back.over,
        )
        return outcome, write

    def _changes(
        self,
        pair: OpenPair,
        exchange: Exchange,
        held: Mapping[Side, Held],
        decisions: Sequence[Decision],
        regions: Mapping[Side, str | None],
        seen: Mapping[Side, OpenWrite],
    ) -> tuple[
        dict[Side, dict[str, Change]],
        list[FieldSkip],
        list[tuple[str, tuple[str, str, Any, Any]]],
    ]:
        """What the decisions come to.

        Args:
            pair: The pair.
            exchange: The mapping of its object.
            held: By side, its mapped values.
            decisions: The decisions whose values travel.
            regions: By side that gets values, the region of its numbers then.
            seen: By side, the open write to it that is seen to have arrived.

        Returns:
            By side, its changes by field; the fields that are left out; and the conflicts that are
            decided by this write: field, and what `Outcome.conflicts` keeps of it.
        """
        changes: dict[Side, dict[str, Change]] = {SALESFORCE: {}, PHONEIQ: {}}
        skips: list[FieldSkip] = []
        contested: list[tuple[str, tuple[str, str, Any, Any]]] = []
        for decision in decisions:
            change, skip = self._change(exchange, held, decision, regions[decision.to])
            field = exchange.field(decision.position, decision.to)
            if skip is None and exchange.keeps_its_text(
                decision.position, decision.to, _ends(pair, decision.to)[1].delivered
            ):
                skip = "several_numbers"
            if skip is not None:
                skips.append(FieldSkip(_ends(pair, decision.to)[0].row, field, skip))
                continue
            if self._flaps(pair, exchange, decision, change, seen):
                turns = _encode([change.old, change.new]).decode()
                source_row = _ends(pair, decision.to)[0].row
                skips.append(FieldSkip(source_row, field, "flapping", turns))
                continue
            changes[decision.to][field] = change
            if decision.to == self._side and decision.why in {"keep_salesforce", "keep_phoneiq"}:
                conflict = (
                    exchange.rules[decision.position].key,
                    decision.why,
                    held[SALESFORCE].canonical[decision.position],
                    held[PHONEIQ].canonical[decision.position],
                )
                contested.append((field, conflict))
        return changes, skips, contested

    # --- taking back ------------------------------------------------------------------------

    def _take_back(
        self,
        pair: OpenPair,
        exchange: Exchange,
        held: Mapping[Side, Held],
        baseline: list[Any],
        unseen: Mapping[Side, OpenWrite],
    ) -> _TakenBack:
        """What is taken back of what was written to a pair's records.

        Args:
            pair: The pair.
            exchange: The mapping of its object.
            held: By side, its mapped values.
            baseline: What the sides last agreed on; corrected where they have differed since.
            unseen: By side, the write to it that was not shown yet.
        """
        found = _TakenBack({SALESFORCE: [], PHONEIQ: []}, set(), [], [])
        if not self._undos:
            return found
        under_way = {opened.write for opened in unseen.values()}
        # One that is done counts again once its field is mapped again.
        positioned = {
            side: {
                exchange.fields(side).index(undo.field): undo
                for undo in self._undos.get(_of(pair, side).row, ())
                if undo.field in exchange.fields(side)
            }
            for side in SIDES
        }
        for side in SIDES:
            for position, undo in positioned[side].items():
                state, agreed = standing(
                    undo,
                    held[side].canonical[position],
                    held[other(side)].canonical[position],
                    is_under_way=undo.write in under_way,
                    opposite=positioned[other(side)].get(position),
                )
                if state == "over":
                    found.over.append((undo.row, undo.field))
                    baseline[position] = agreed if agreed is not UNSET else baseline[position]
                    continue
                if state == "waits":
                    continue
                found.apart.add(position)
                if state == "done" and undo.given != undo.old:
                    found.done.append((undo.row, undo.field))
                if state == "open" and self._may_write(pair, side):
                    found.wanted[side].append(undo)
        return found

    def _unmade(
        self, pair: OpenPair, held: Mapping[Side, Held], agreed: Sequence[Any]
    ) -> Side | None:
        """The side whose record is deleted, since its create is taken back.

        Not where somebody has edited it since.
        """
        for side in SIDES if self._undos else ():
            if (
                self._is_to_be_unmade(_of(pair, side))
                and self._may_write(pair, side)
                and is_as_agreed(held[side].canonical, agreed)
            ):
                return side
        return None

    def _is_to_be_unmade(self, record: Shown) -> bool:
        return any(not undo.field for undo in self._undos.get(record.row, ()))

    def _may_write(self, pair: OpenPair, side: Side) -> bool:
        return allows(self._settings.sync_direction, side) and self._takes_part(pair, side)

    @staticmethod
    def _leave_as_it_is(pair: OpenPair, unseen: Mapping[Side, OpenWrite]) -> Outcome:
        """Write nothing for a pair one of whose records is missing; its baseline stays."""
        return Outcome(
            rows=(pair.salesforce.row, pair.phoneiq.row),
            source_row=pair.salesforce.row,
            settled=True,
            pair=pair.pair,
            overtaken=[one.write for one in unseen.values()],
        )

    def _awaited(
        self, unseen: Mapping[Side, OpenWrite], seen: Mapping[Side, OpenWrite]
    ) -> set[Side]:
        """The sides whose update may have arrived: nobody has looked since it went out.

        Until then it is neither given up nor replaced, or what it leaves there would pass for
        somebody's edit.
        """
        return {
            side
            for side, opened in unseen.items()
            if opened.action == "update"
            and side not in seen
            and opened.run > self._observed.get(side, 0)
        }

    @staticmethod
    def _made(pair: OpenPair, unseen: Mapping[Side, OpenWrite]) -> tuple[int, ...]:
        """Which of the pair's records the sync is seen to have created.

        A contact that was merely found by its phone was there before.
        """
        return tuple(
            _ends(pair, side)[1].row
            for side, opened in unseen.items()
            if opened.action == "create" and (pair.why == "reference" or side == SALESFORCE)
        )

    def _flaps(
        self,
        pair: OpenPair,
        exchange: Exchange,
        decision: Decision,
        change: Change,
        seen: Mapping[Side, OpenWrite],
    ) -> bool:
        """Whether a value goes back and forth: a platform rewrites what it is given.

        It arrived a few times lately in place of the same old value. It starts again when
        someone enters another value.
        """

        def rounds(to: Side, turns: list[Value], since: int) -> int:
            field = exchange.field(decision.position, to)
            sent = self._sent.lately.get((_ends(pair, to)[0].row, to), [])
            if to in seen and (changes := seen[to].changes) is not None:
                sent = [*sent, (seen[to].run, changes)]
            return sum(
                run >= since and changes.get(field, ())[:2] == turns for run, changes in sent
            )

        to, turns = decision.to, [change.old, change.new]
        source_row = _ends(pair, to)[0].row
        if self._flapping.get((source_row, exchange.field(decision.position, to))) == turns:
            return True
        if rounds(to, turns, self._lately) >= _ROUNDS:
            return True
        return all(
            rounds(side, order, self._long) >= _ROUNDS
            for side, order in ((to, turns), (other(to), turns[::-1]))
        )

    @staticmethod
    def _seen(
        pair: OpenPair,
        exchange: Exchange,
        held: Mapping[Side, Held],
        unseen: Mapping[Side, OpenWrite],
    ) -> dict[Side, OpenWrite]:
        """The open writes that are seen to have arrived, whatever became of their values.

        A field of the record has changed that was written; or the record was saved, and nothing in
        it has changed: it was rewritten at once. But where all that was sent was to clear fields,
        that is what a target does that never clears one.
        """
        seen: dict[Side, OpenWrite] = {}
        for side, opened in unseen.items():
            if opened.changes is None:
                seen[side] = opened
                continue
            _, target = _ends(pair, side)
            mapped = dict(zip(exchange.fields(side), held[side].canonical, strict=True))
            shown = {
                field: mapped.get(field, target.delivered.get(field)) for field in opened.changes
            }
            if target.run <= opened.run:
                arrived = target.stamp != opened.stamp and any(
                    new is not None for _, new, _ in opened.changes.values()
                )
            else:
                arrived = any(
                    shown[field] is not UNSET and old != new and shown[field] != old
                    for field, (old, new, _) in opened.changes.items()
                )
            if arrived:
                seen[side] = opened
        return seen

    @staticmethod
    def _arrived(
        before: Sequence[Any],
        exchange: Exchange,
        held: Mapping[Side, Held],
        unseen: Mapping[Side, OpenWrite],
    ) -> Sequence[Any]:
        """The baseline with the values that were sent and are shown now: on those the sides agreed.

        Their source may have changed again since; that is its change, and no conflict.
        """
        agreed = list(before)
        for side, opened in unseen.items():
            sent = exchange.sent(side, opened.changes, opened.made_from)
            for position, value in sent.items():
                if held[side].canonical[position] == value:
                    agreed[position] = value
        return agreed

    def _takes_part(self, pair: OpenPair, to: Side) -> bool:
        """Whether the side that a value comes from takes part now."""
        if to == PHONEIQ:
            return pair.salesforce.skip is None
        return pair.salesforce.object in self._exchanges and pair.salesforce.skip not in {
            "converted_lead",
            "person_account_shadow",
        }

    def _gives_up_its_number(
        self, pair: OpenPair, held: Mapping[Side, Held], decision: Decision
    ) -> bool:
        """Whether a record that lost its last number has lost this one to another of its side."""
        number = held[PHONEIQ].canonical[decision.position]
        return (
            decision.to == PHONEIQ
            and pair.salesforce.skip == "no_valid_phone"
            and held[SALESFORCE].canonical[decision.position] is None
            and isinstance(number, str)
            and is_valid(number)
            and self._ledger.pairs.shows_number(SALESFORCE, number, pair.salesforce.row)
        )

    @staticmethod
    def _change(
        exchange: Exchange, held: Mapping[Side, Held], decision: Decision, region: str | None
    ) -> tuple[Change, SkipReason | None]:
        winner = held[other(decision.to)]
        position = decision.position
        sent, skip = exchange.outgoing(position, decision.to, winner.values[position], region)
        old, new = held[decision.to].canonical[position], winner.canonical[position]
        return Change(old, new, decision.why, sent), skip

    def _add_reference(self, pair: OpenPair, changes: dict[Side, dict[str, Change]]) -> None:
        """One of the two records names the other, so that a lost ledger finds the pair again.

        Neither names a third one.
        """
        salesforce, phoneiq = pair.salesforce, pair.phoneiq
        is_named = phoneiq.id == salesforce.reference, salesforce.id == phoneiq.reference
        names_another = (
            salesforce.reference is not None and not is_named[0],
            phoneiq.reference is not None and not is_named[1],
        )
        external_id = self._settings.salesforce_external_id_field
        direction = self._settings.sync_direction
        may_write_to_phoneiq = allows(direction, PHONEIQ) and self._takes_part(pair, PHONEIQ)
        if may_write_to_phoneiq and not is_named[0] and not is_named[1]:
            changes[PHONEIQ] |= {
                _SALESFORCE_ID: _set_to(salesforce.id, "paired", phoneiq.reference),
                _SALESFORCE_OBJECT: _set_to(
                    salesforce.object, "paired", phoneiq.delivered.get(_SALESFORCE_OBJECT)
                ),
            }
        elif may_write_to_phoneiq and names_another[1]:
            # Blank, since the id may still stand on the contact that the record had before.
            changes[PHONEIQ][_SALESFORCE_ID] = _set_to(None, "paired", phoneiq.reference)
        if (
            external_id is None
            or is_named[0]
            or not (allows(direction, SALESFORCE) and self._takes_part(pair, SALESFORCE))
        ):
            return
        if names_another[0] and (is_named[1] or may_write_to_phoneiq):
            changes[SALESFORCE][external_id] = _set_to(None, "paired", salesforce.reference)
        elif not is_named[1] and not allows(direction, PHONEIQ):
            changes[SALESFORCE][external_id] = _set_to(phoneiq.id, "paired", salesforce.reference)

    # --- deletions --------------------------------------------------------------------------

    def check_guards(self) -> None:
        """Refuse a plan that ends, clears or updates too much, before its first write.

        Raises:
            GuardError: It would do more than the settings allow.
        """
        pairs, controls = self._ledger.pairs, self._ledger.controls.read("active_since", "planned")
        is_active = controls["active_since"] is not None
        planned = controls["planned"] or {}
        is_limited = is_active and planned.get(self._side) == self._settings.rules_fingerprint
        limits = Limits(
            self._settings.max_delete_percent,
            self._settings.max_clear_percent,
            self._settings.max_update_percent if is_limited else None,
        )
        total = pairs.count()
        message = deletions_message(len(pairs.ending()), total, limits)
        if message is None and need_counting(pairs.count_open(is_active=is_active), total, limits):
            message = updates_message(*self._count_updates(), total, limits)
        if message is not None:
            raise GuardError(message)

    def _count_updates(self) -> tuple[int, Counter[str]]:
        """How many pairs the plan updates, and in how many it clears each PhoneIQ field.

        What is sent again counted when it was sent first.
        """
        updated = 0
        cleared: Counter[str] = Counter()
        names = {
            name: dict(zip(one.fields(self._side), one.fields(PHONEIQ), strict=True))
            for name, one in self._exchanges.items()
        }
        for planned in self._planned_pairs(None):
            for outcome, write in planned:
                if write is None or write.action != "update":
                    continue
                if outcome.emitted is None or outcome.emitted.again is not None:
                    continue
                updated += 1
                mapped = names.get(write.object, {})
                cleared.update(
                    mapped[field]
                    for field, change in write.changes.items()
                    if field in mapped and change.new is None and change.old is not None
                )
        return updated, cleared

    def _plan_deletion(
        self,
        pair: OpenPair,
        held: Mapping[Side, Held],
        before: Sequence[Any],
        unseen: Mapping[Side, OpenWrite],
    ) -> tuple[Outcome, Write | None]:
        rows = (pair.salesforce.row, pair.phoneiq.row)
        source, _ = _ends(pair, self._side)
        arrived = [opened.write for opened in unseen.values() if opened.action == "delete"]
        if pair.salesforce.deleted and pair.phoneiq.deleted:
            return (
                Outcome(
                    rows,
                    source.row,
                    settled=True,
                    pair=pair.pair,
                    dissolved=True,
                    confirmed=arrived,
                ),
                None,
            )
        gone: Side = SALESFORCE if pair.salesforce.deleted else PHONEIQ
        left = other(gone)
        if (
            self._is_to_be_unmade(_of(pair, gone))
            or self._settings.on_delete == "keep"
            or not allows(self._settings.sync_direction, left)
        ):
            return (
                Outcome(
                    rows,
                    source.row,
                    settled=True,
                    pair=pair.pair,
                    dissolved=True,
                    released=True,
                    made=self._made(pair, unseen),
                ),
                None,
            )
        edited = any(
            agreed is not UNSET and value is not UNSET and value != agreed
            for agreed, value in zip(before, held[left].canonical, strict=True)
        )
        if edited and self._settings.on_conflict == f"keep_{left}":
            # The edit stands: the record is created again across.
            return (
                Outcome(rows, source.row, settled=False, pair=pair.pair, dissolved=True),
                None,
            )
        return self._plan_delete(pair, left, unseen)

    def _plan_delete(
        self, pair: OpenPair, side: Side, unseen: Mapping[Side, OpenWrite]
    ) -> tuple[Outcome, Write | None]:
        """Delete a pair's record of a side, once that side is written to."""
        rows = (pair.salesforce.row, pair.phoneiq.row)
        source, target = _ends(pair, self._side)
        if side != self._side:
            return Outcome(rows, source.row, settled=False, pair=pair.pair), None
        opened = unseen.get(self._side)
        wanted = [target.stamp, None]
        if self._parked.get((source.row, "")) == wanted or (
            opened is not None and opened.action == "delete" and self._is_refused(opened)
        ):
            return (
                Outcome(
                    rows,
                    source.row,
                    settled=True,
                    pair=pair.pair,
                    field_skips=[
                        FieldSkip(source.row, "", "not_accepted", _encode(wanted).decode())
                    ],
                    overtaken=[opened.write] if opened is not None else (),
                ),
                None,
            )
        emitted, write = self._emit(
            opened,
            Write.delete(self._side, pair.salesforce.object, target.id),
            target.stamp,
        )
        outcome = Outcome(
            rows,
            source.row,
            settled=False,
            pair=pair.pair,
            emitted=emitted,
            overtaken=_overtaken(opened, emitted),
        )
        return outcome, write

    # --- creates ----------------------------------------------------------------------------

    def _plan_create(self, record: Alone) -> tuple[Outcome, Write | None]:
        if record.skip == "missing":
            return Outcome((record.row,), record.row, settled=True), None
        name, skip = self._route(record)
        if skip is not None:
            return self._leave_out(record, skip), None
        exchange = self._exchanges[name]
        sent, skips = exchange.copied(self._side, record.delivered)
        sent.update(self._required(exchange, sent))
        sent.update(self._source(record))
        if self._side == SALESFORCE and any(field not in sent for field in REQUIRED[name]):
            return self._leave_out(record, "missing_required_field"), None
        opened = self._sent.unseen.get((record.row, self._side))
        wanted = [None, sent]
        if self._parked.get((record.row, "")) == wanted or (
            opened is not None
            and opened.action == "create"
            and opened.made_from is None
            and self._is_refused(opened)
        ):
            return self._park_create(record, wanted, opened), None
        explain = partial(self._created, record, exchange)
        create = Write(self._side, name, None, "create", sent, explain)
        emitted, write = self._emit(opened, create, None)
        outcome = Outcome(
            (record.row,),
            record.row,
            settled=False,
            emitted=emitted,
            field_skips=[FieldSkip(record.row, *skip) for skip in skips],
            overtaken=_overtaken(opened, emitted),
        )
        return outcome, write

    def _leave_out(self, record: Alone, skip: SkipReason) -> Outcome:
        """Skip a record, and give up its create if that is lost."""
        opened = self._sent.unseen.get((record.row, self._side))
        is_lost = opened is not None and opened.run < self._observed.get(self._side, 0)
        return Outcome(
            (record.row,),
            record.row,
            settled=True,
            skip=skip,
            overtaken=[opened.write] if opened is not None and is_lost else (),
        )

    def _park_create(self, record: Alone, wanted: list[Any], opened: OpenWrite | None) -> Outcome:
        """Leave out a create that its side does not accept, until the record changes."""
        return Outcome(
            (record.row,),
            record.row,
            settled=True,
            field_skips=[FieldSkip(record.row, "", "not_accepted", _encode(wanted).decode())],
            overtaken=[opened.write] if opened is not None else (),
        )

    def _created(self, record: Alone, exchange: Exchange) -> dict[str, Change]:
        """What a create consists of."""
        changes = exchange.created(self._side, record.delivered)
        for values, why in (
            (self._required(exchange, changes), "required"),
            (self._source(record), "created"),
        ):
            changes.update({field: _set_to(value, why) for field, value in values.items()})
        return changes

    def _route(self, record: Alone) -> tuple[str, SkipReason | None]:
        if self._side == PHONEIQ:
            return record.object, record.skip
        settings = self._settings
        fields = record.delivered.layout.fields
        named = record.delivered.get(_SALESFORCE_OBJECT)
        return route(
            named_object=named if isinstance(named, str) else None,
            reference=record.reference,
            has_phone=any(
                fields[place] in MATCHING_PHONES and is_valid(number)
                for place, number in record.delivered.numbers.items()
            ),
            objects=settings.objects,
            default_object=settings.default_object,
            has_external_id=settings.salesforce_external_id_field is not None,
        )

    def _required(self, exchange: Exchange, given: Collection[str]) -> dict[str, str]:
        """What Salesforce requires of a new record beside what it is given."""
        if self._side == PHONEIQ:
            return {}
        return {
            field: fallback for field, fallback in exchange.required().items() if field not in given
        }

    def _source(self, record: Alone) -> dict[str, str]:
        """How a new record names the one that it is made from."""
        if self._side == PHONEIQ:
            return {_SALESFORCE_ID: record.id, _SALESFORCE_OBJECT: record.object}
        external_id = self._settings.salesforce_external_id_field
        return {external_id: record.id} if external_id else {}

    # --- parking ----------------------------------------------------------------------------

    def _is_refused(self, opened: OpenWrite) -> bool:
        """Whether a write that was not seen to arrive is not sent again."""
        return opened.run <= self._observed.get(self._side, 0) and is_parked(
            opened.refused, was_delivered=opened.was_delivered
        )

    def _leave_parked(
        self, pair: OpenPair, changes: Mapping[Side, dict[str, Change]]
    ) -> list[FieldSkip]:
        """Take out the changes that their side did not accept, while both values are the same."""
        skips: list[FieldSkip] = []
        if not self._parked:
            return skips
        for side, wanted in changes.items():
            row = _ends(pair, side)[0].row
            parked = {
                field: change
                for field, change in wanted.items()
                if self._parked.get((row, field)) == [change.old, change.new]
            }
            skips += _parked_fields(row, parked)
            for field in parked:
                del wanted[field]
        return skips

    def _park_refused(
        self, source_row: int, changes: dict[str, Change], opened: OpenWrite | None
    ) -> list[FieldSkip]:
        """Take out changes that were delivered often enough and did not arrive."""
        if opened is None or opened.changes != _journaled(changes) or not self._is_refused(opened):
            return []
        skips = _parked_fields(source_row, changes)
        changes.clear()
        return skips

    # --- emitting ---------------------------------------------------------------------------

    def _emit(
        self,
        opened: OpenWrite | None,
        write: Write,
        stamp: int | None,
        *,
        has_arrived: bool = False,
    ) -> tuple[Emission | None, Write | None]:
        """Whether a write goes out now: not again before its side was observed after it did.

        Args:
            opened: The last write from this source that was not seen to arrive.
            write: What is needed now.
            stamp: That of the record that is written.
            has_arrived: Whether that last write did arrive, and its values were replaced.
        """
        if write.action == "update" and not write.sent:
            return None, None
        changes = None if write.action == "create" else _journaled(write.changes)
        if opened is None or opened.action != write.action or opened.changes != changes:
            return Emission(write.action, changes, stamp, None), write
        if opened.run > self._observed.get(self._side, 0):
            return None, None
        again = None if has_arrived else opened.write
        return Emission(write.action, changes, stamp, again, opened.was_delivered), write


def _parked_fields(source_row: int, changes: Mapping[str, Change]) -> list[FieldSkip]:
    return [
        FieldSkip(source_row, field, "not_accepted", _encode([change.old, change.new]).decode())
        for field, change in changes.items()
    ]


def _overtaken(opened: OpenWrite | None, emitted: Emission | None) -> Sequence[int]:
    if opened is None or emitted is None:
        return ()
    return () if emitted.again == opened.write else (opened.write,)


def _ends(pair: OpenPair, to: Side) -> tuple[Shown, Shown]:
    """The record that a write to a side takes its values from, and the one that it changes."""
    if to == PHONEIQ:
        return pair.salesforce, pair.phoneiq
    return pair.phoneiq, pair.salesforce


def _shown_before(write: Write | None, target: Shown) -> dict[str, Any]:
    """What a record shows before an update, by field, where that is not the canonical value."""
    return {
        field: shown
        for field, change in (write.changes if write else {}).items()
        if (shown := target.delivered.get(field)) is not UNSET and shown != change.old
    }


def _of(pair: OpenPair, side: Side) -> Shown:
    """A pair's record of a side."""
    return pair.salesforce if side == SALESFORCE else pair.phoneiq


def _journaled(changes: Mapping[str, Change]) -> dict[str, list[Value]]:
    """Changes as the journal keeps them: [old, new, why] by field."""
    return {field: [change.old, change.new, change.why] for field, change in changes.items()}


def _set_to(value: Value, why: str, old: Value = None) -> Change:
    """A change of a field that has one form only."""
    return Change(old, value, why, value)


def _max_lengths(schema: Mapping[str, Any]) -> dict[str, int]:
    return {
        field: definition["maxLength"]
        for field, definition in schema.get("properties", {}).items()
        if "maxLength" in definition
    }
