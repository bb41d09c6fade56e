"""The job `contact-sync` in one process: real pipes of the reconciler between two platforms."""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from reconciler.cli import main as contact_sync
from reconciler.mapper import Reconciler
from reconciler.tap import TapContactSync
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import _ConfigInput
from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import Engine, make_url

from tests.reconciler.platforms import Clock, PhoneIQ, Salesforce, deliver

Message = dict[str, Any]

OBSERVE = "observe-phoneiq"
OBSERVE_SALESFORCE = "observe-salesforce"
TO_PHONEIQ = "salesforce-to-phoneiq"
TO_SALESFORCE = "phoneiq-to-salesforce"
PIPES = (OBSERVE, TO_PHONEIQ, TO_SALESFORCE)


#: SQL that was compiled for one ledger, for all of them: half of a small pipe's time is compiling.
_compiled: dict[Any, Any] = {}
_dialects: dict[str, Any] = {}


@event.listens_for(Engine, "engine_connect")
def _share_compiled_sql(connection: Any) -> None:
    connection.dialect = _dialects.setdefault(connection.dialect.name, connection.dialect)
    connection.execution_options(compiled_cache=_compiled)


class Killed(BaseException):
    """Stands for a signal that ends the mapper where it is."""


@dataclass
class Passed:
    """What one pipe did.

    Attributes:
        pipe: Its name.
        code: The mapper's exit code.
        messages: What the mapper wrote, in order.
        log: What it logged, line by line.
    """

    pipe: str
    code: int
    messages: list[Message]
    log: list[str]

    @property
    def records(self) -> list[Message]:
        """The writes."""
        return [message["record"] for message in self.messages if message["type"] == "RECORD"]

    @property
    def states(self) -> list[Message]:
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def summary(self) -> dict[str, Any]:
        """The machine-readable line."""
        return json.loads(next(line for line in reversed(self.log) if line.startswith("{")))

    @property
    def text(self) -> str:
        return "\n".join(self.log)


class Job:
    """Two platforms, three pipes, one ledger, and the STATE that Meltano keeps of each pipe.

    Args:
        folder: Where SQLite ledgers go.
        new_ledger: Gives the URL of an empty ledger; SQLite files by default.
        settings: The reconciler's settings that differ from their defaults.
    """

    def __init__(
        self, folder: Path, new_ledger: Callable[[], str] | None = None, **settings: Any
    ) -> None:
        self.clock = Clock()
        self.salesforce = Salesforce(self.clock)
        self.phoneiq = PhoneIQ(self.clock)
        self._new_ledger = new_ledger or files(folder)
        self.ledger_url = self._new_ledger()
        # In a world of a few people each deletion is a large share of them.
        self.settings: dict[str, Any] = {"max_delete_percent": 100} | settings
        self.states: dict[str, Message] = {}

    def run(self) -> list[Passed]:
        """All three pipes; a pipe that fails stops the job, as in Meltano."""
        passed: list[Passed] = []
        for pipe in PIPES:
            passed.append(self.pipe(pipe))
            if passed[-1].code:
                break
        return passed

    def settle(self, runs: int = 3) -> list[Passed]:
        """Clean runs until nothing is left to write; the last run's pipes."""
        for _ in range(runs):
            passed = self.run()
            assert [one.code for one in passed] == [0, 0, 0], passed[-1].text
            if not any(one.records for one in passed):
                return passed
        raise AssertionError(f"still writing after {runs} runs: {passed[-1].records}")

    def pipe(
        self,
        pipe: str,
        *,
        streams: Sequence[str] | None = None,
        tap: Callable[[list[Message]], list[Message]] = list,
        target: Callable[[list[Message]], list[Message]] = list,
        kill_at_commit: int | None = None,
        kill_after: int = 0,
    ) -> Passed:
        """One pipe: tap, mapper, target.

        Args:
            pipe: Which one.
            streams: For a worker of its own, the streams of Salesforce that it brings.
            tap: What becomes of the tap's messages before the mapper has them.
            target: What becomes of the mapper's messages before the target has them.
                kill_at_commit: The mapper dies instead of its nth commit, and commits no more.
            kill_after: How many messages it has to have written before commits are counted.
        """
        writes = self.salesforce if pipe == TO_SALESFORCE else self.phoneiq
        state_id = f"{pipe} {streams}" if streams else pipe
        extract = tap(self.extract(pipe, streams, state_id))
        passed = self.reconcile(pipe, extract, kill_at_commit=kill_at_commit, kill_after=kill_after)
        state = deliver(writes, target(passed.messages))
        if state is not None:
            self.states[state_id] = state
        return passed

    def extract(
        self, pipe: str, streams: Sequence[str] | None = None, state_id: str | None = None
    ) -> list[Message]:
        """What the tap of a pipe sends."""
        state = self.states.get(state_id or pipe, {})
        if pipe in {OBSERVE_SALESFORCE, TO_PHONEIQ}:
            return list(self.salesforce.extract(state, streams))
        return list(self.phoneiq.extract(state))

    def reconcile(
        self,
        pipe: str,
        extract: Sequence[Message],
        *,
        kill_at_commit: int | None = None,
        kill_after: int = 0,
    ) -> Passed:
        """The mapper alone, on messages."""
        lines = b"".join(json.dumps(message).encode() + b"\n" for message in extract)
        return self.read(pipe, lines, kill_at_commit=kill_at_commit, kill_after=kill_after)

    def read(
        self, pipe: str, lines: bytes, *, kill_at_commit: int | None = None, kill_after: int = 0
    ) -> Passed:
        """The mapper alone, on its input as bytes."""
        source = io.BytesIO(lines)

        def invoke() -> None:
            Reconciler.invoke(
                config=self._config(pipe),
                file_input=source,  # type: ignore[arg-type]
            )

        return self._passed(pipe, invoke, kill_at_commit=kill_at_commit, kill_after=kill_after)

    def shard(
        self, pipe: str, shard: str, *, target: Callable[[list[Message]], list[Message]] = list
    ) -> Passed:
        """A shard of the writes of a pipe, and what the target makes of them."""
        state_id = f"{pipe} {shard}"
        given = io.StringIO(json.dumps(self.states.get(state_id, {})))
        config = self._config(pipe, shard=shard)
        passed = self._passed(pipe, lambda: TapContactSync.invoke(config=config, state=given))
        writes = self.salesforce if pipe == TO_SALESFORCE else self.phoneiq
        state = deliver(writes, target(passed.messages))
        if state is not None:
            self.states[state_id] = state
        return passed

    def _config(self, pipe: str, **more: str) -> _ConfigInput:
        config = {"mode": pipe, "ledger_url": self.ledger_url} | self.settings | more
        return _ConfigInput(config=config, parse_env=False)

    def _passed(
        self,
        pipe: str,
        invoke: Callable[[], None],
        *,
        kill_at_commit: int | None = None,
        kill_after: int = 0,
    ) -> Passed:
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        code = 0

        def may_die() -> bool:
            return output.buffer.getvalue().count(b"\n") >= kill_after  # type: ignore[attr-defined]

        killed = _killed_at(kill_at_commit, may_die)
        with (
            _logged() as log,
            killed,
            _garbage_of_its_own(),
            contextlib.redirect_stdout(output),
        ):
            try:
                invoke()
            except ConfigValidationError as error:
                # The command line logs it and exits with 1.
                log.append(str(error))
                code = 1
            except SystemExit as stop:
                code = int(stop.code or 0)
            except Killed:
                code = 137
        if code == 137:
            self._bury_the_holder()
        output.flush()
        lines = output.buffer.getvalue().splitlines()  # type: ignore[attr-defined]
        return Passed(pipe, code, [json.loads(line) for line in lines], log)

    def _bury_the_holder(self) -> None:
        """Let the lease be one of a process that is dead: this one lives on."""
        engine = create_engine(self.ledger_url)
        with engine.begin() as connection:
            if inspect(connection).has_table("lease"):
                connection.execute(text(f"UPDATE lease SET pid = {2**30}"))
        engine.dispose()

    def pair_up(self, object_: str = "Contact", **fields: Any) -> tuple[str, str]:
        """A Salesforce record and its PhoneIQ contact, synced and quiet; their ids."""
        given = {"FirstName": "Ada", "LastName": "Lovelace", "MobilePhone": "+14155550132"}
        record = self.salesforce.create(object_, **(given | fields))
        self.settle()
        self.forget_written()
        return record, self.contact_of(record)["id"]

    # --- the ledger -------------------------------------------------------------------------

    @property
    def ledger(self) -> Path:
        """The SQLite file."""
        url = make_url(self.ledger_url)
        assert url.get_backend_name() == "sqlite"
        assert url.database is not None
        return Path(url.database)

    def lose_ledger(self) -> None:
        """Go on with an empty one."""
        self.ledger_url = self._new_ledger()

    # --- looking at both sides ------------------------------------------------------------

    def contact_of(self, salesforce_id: str) -> dict[str, Any]:
        """The PhoneIQ contact that names a Salesforce record."""
        (found,) = [row for row in self.phoneiq.live() if row["salesforce_id"] == salesforce_id]
        return found

    def record_of(self, phoneiq_id: str) -> dict[str, Any]:
        """The Salesforce record that a PhoneIQ contact names."""
        return self.salesforce.get(self.phoneiq.get(phoneiq_id)["salesforce_id"])

    def ask(self, *command: str) -> Any:
        """What an operator's command says to programs."""
        return ask(self.ledger_url, *command)

    def history(self) -> list[dict[str, Any]]:
        """The recorded runs as the operator's command shows them, newest first."""
        return history(self.ledger_url)

    def forget_written(self) -> None:
        """Start noting writes anew."""
        for side in (self.salesforce, self.phoneiq):
            side.written.clear()
            side.refused.clear()


def history(ledger_url: str) -> list[dict[str, Any]]:
    """What `contact-sync history` says of a ledger; nothing where there is none yet."""
    return ask(ledger_url, "history")


def ask(ledger_url: str, *command: str) -> Any:
    """What an operator's command says to programs; nothing where there is no ledger yet."""
    result = CliRunner().invoke(contact_sync, ["--ledger-url", ledger_url, *command, "--json"])
    if "there is no ledger" in result.output:
        return []
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def files(folder: Path) -> Callable[[], str]:
    """Gives the URLs of SQLite ledgers in a folder, the first one `ledger.db`."""
    numbers = itertools.count(1)

    def new() -> str:
        number = next(numbers)
        return f"sqlite:///{folder / ('ledger.db' if number == 1 else f'ledger-{number}.db')}"

    return new


def lost_from(position: int) -> Callable[[list[Message]], list[Message]]:
    """Messages from a position on do not arrive: whoever read or sent them crashed."""
    return lambda messages: messages[:position]


@contextlib.contextmanager
def _garbage_of_its_own() -> Iterator[None]:
    """A pipe tunes the cycle collector for the one process that it expects to be."""
    before = gc.get_threshold()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@contextlib.contextmanager
def _logged() -> Iterator[list[str]]:
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Handler(logging.INFO)
    loggers = [logging.getLogger(name) for name in ("reconciler", "tap-contact-sync")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield lines
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


@contextlib.contextmanager
def _killed_at(commit: int | None, may_die: Callable[[], bool]) -> Iterator[None]:
    if commit is None:
        yield
        return
    left = commit

    def count(connection: Any) -> None:
        nonlocal left
        left -= may_die()
        if left <= 0:
            raise Killed

    event.listen(Engine, "commit", count)
    try:
        yield
    finally:
        event.remove(Engine, "commit", count)
