"""`contact-sync check`: whether everything that a sync needs is there."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import yaml
from rich.text import Text

from reconciler.cli.operator import Operator, ago
from reconciler.commands import job
from reconciler.errors import LedgerError, SettingsError
from reconciler.fields.defaults import NEEDED, stream_of
from reconciler.ledger import Ledger
from reconciler.model import PHONEIQ, SALESFORCE, SIDES, allows
from reconciler.settings import HIDDEN, Settings

_TAP: Final = "tap-salesforce"
_TARGET: Final = "target-salesforce"
#: How a connection is tried through Meltano; each reads something and writes nothing.
_CONNECTIONS: Final = {
    "PhoneIQ": ("tap-phoneiq", "--test"),
    "Salesforce": (_TAP, "--discover"),
}
#: What a command exits with that does not know an option.
_USAGE: Final = 2
#: Seconds; tap-salesforce describes every object of the org.
_PATIENCE: Final = 300
_MARKS: Final = {True: ("✓", "green"), False: ("✗", "red"), None: ("-", "bright_black")}


class Finding(NamedTuple):
    """One line.

    Attributes:
        what: What was looked at.
        holds: Whether it is as it should be; None where it could not be looked at.
        says: What was found; where it is wrong, with what to do.
    """

    what: str
    holds: bool | None
    says: str


@click.command()
@click.option("--offline", is_flag=True, help="Do not try the connections.")
@click.pass_obj
def check(operator: Operator, offline: bool) -> None:
    """Check what a sync needs: ledger, settings, fields, selection, connections, permissions.

    Exits with 1 where something is wrong.

    Example: contact-sync check --offline
    """
    wrong = 0
    for finding in _findings(operator, offline=offline):
        mark, style = _MARKS[finding.holds]
        wrong += finding.holds is False
        line = Text.assemble((f"{mark} ", style), (f"{finding.what}  ", "bold"), finding.says)
        operator.console.print(line)
    if wrong:
        raise SystemExit(1)


def _findings(operator: Operator, *, offline: bool) -> Iterator[Finding]:
    ledger: Ledger | None = None
    settings: Settings | None = None
    try:
        ledger = Ledger.existing(operator.ledger_url)
    except LedgerError as error:
        yield Finding("ledger", False, str(error))
    try:
        if ledger is not None:
            yield from _of_ledger(ledger)
        settings = operator.settings_over(ledger)
        yield Finding("settings", True, f"{len(settings.objects)} objects: "
                      f"{', '.join(settings.objects)}; {settings.sync_direction}")  # fmt: skip
        if ledger is not None:
            yield from _of_fields(ledger, settings)
        yield _of_selection(settings)
    except SettingsError as error:
        yield Finding(
            "settings",
            False,
            f"{error}. Correct it in meltano.yml, plugin reconciler, or in the environment",
        )
    finally:
        if ledger is not None:
            ledger.close()
    for side, (plugin, option) in _CONNECTIONS.items():
        yield Finding(side, None, "not tried") if offline else _connect(side, plugin, option)
    if settings is not None and allows(settings.sync_direction, SALESFORCE) and not offline:
        yield _of_permissions(settings)


def _of_ledger(ledger: Ledger) -> Iterator[Finding]:
    yield Finding("ledger", True, f"{ledger.id[:8]}, {ledger.runs.latest():,} runs")
    holders = ", ".join(one.holder for one in ledger.holders())
    yield Finding("lease", True, f"held by {holders}" if holders else "free")
    read_at, missing = ledger.overview.read_at(), ledger.runs.missing()
    for side in SIDES:
        if side in read_at:
            yield Finding(f"{side} read", True, ago(read_at[side]))
        else:
            streams = f"; missing: {', '.join(missing[side])}" if side in missing else ""
            yield Finding(f"{side} read", False, f"never completely yet{streams}: {job()}")


def _of_fields(ledger: Ledger, settings: Settings) -> Iterator[Finding]:
    """Whether both sides have the mapped fields, and the taps deliver them."""
    for side in SIDES:
        schemas = ledger.observations.schemas(side)
        streams = {name: "contacts" if side == PHONEIQ else stream_of(name)
                   for name in settings.objects}  # fmt: skip
        for stream in dict.fromkeys(streams.values()):
            what = f"{side} {stream}"
            if stream not in schemas:
                yield Finding(
                    what,
                    False,
                    f"not extracted yet: add {stream}.* to the select of {_TAP} and type: {job()}"
                    if side == SALESFORCE
                    else f"not extracted yet: {job()}",
                )
                continue
            names = [name for name, where in streams.items() if where == stream]
            fields = schemas[stream]["properties"]
            hidden: list[str] = []
            try:
                for name in names:
                    hidden += [
                        f"{name}.{field}" for field in settings.check_fields(side, name, fields)
                    ]
            except SettingsError as error:
                yield Finding(what, False, str(error))
                continue
            absent = _undelivered(ledger, settings, side, stream, names)
            if absent:
                yield Finding(
                    what,
                    False,
                    f"{', '.join(absent)}: mapped, but not delivered. Add it to the tap's select, "
                    f"then type: {job('--full-refresh')}",
                )
            else:
                yield Finding(
                    what,
                    True,
                    HIDDEN % ", ".join(hidden)
                    if hidden
                    else f"has all mapped fields, {len(fields)} in all",
                )


def _undelivered(
    ledger: Ledger, settings: Settings, side: Any, stream: str, names: list[Any]
) -> list[str]:
    """The mapped fields that the newest record of a stream came without."""
    absent: set[str] = set()
    for name in names:
        delivered = ledger.overview.delivered(side, "Contact" if side == PHONEIQ else name)
        if delivered is None:
            continue
        for row in settings.mappings[name]:
            field = row.phoneiq
            if side == SALESFORCE:
                field = row.related[0] if row.related else row.salesforce
            if field not in delivered:
                absent.add(f"{stream}.{field}")
    return sorted(absent)


def _of_selection(settings: Settings) -> Finding:
    """Whether the Meltano project selects what the settings need of Salesforce."""
    what = "selection"
    folder = Path(os.environ.get("MELTANO_PROJECT_ROOT", "."))
    if not (folder / "meltano.yml").is_file():
        return Finding(what, None, f"no meltano.yml in {folder}; start this in the project")
    found = _selected(folder)
    if found is None:
        return Finding(what, None, f"{folder / 'meltano.yml'} has no `select` of {_TAP}")
    path, patterns = found
    wanted: set[str] = set()
    for name in settings.objects:
        stream = stream_of(name)
        wanted |= {f"{stream}.{field}" for field in (*NEEDED[stream], "SystemModstamp")}
        for row in settings.mappings[name]:
            wanted.add(f"{stream}.{row.related[0] if row.related else row.salesforce}")
            if row.related:
                wanted |= {f"Account.{field}" for field in (*NEEDED["Account"], row.related[1])}
        if settings.salesforce_external_id_field:
            wanted.add(f"{stream}.{settings.salesforce_external_id_field}")
    missing = sorted(field for field in wanted if not _is_selected(field, patterns))
    if missing:
        return Finding(what, False, f"add to the select of {_TAP} in {path}: {', '.join(missing)}")
    return Finding(what, True, f"{len(wanted)} fields of Salesforce in {path}")


def _selected(folder: Path) -> tuple[Path, list[str]] | None:
    """The file of a Meltano project that has the tap's `select`, and its patterns.

    Args:
        folder: The project's. Its meltano.yml may include further files.
    """
    try:
        main = yaml.safe_load((folder / "meltano.yml").read_text())
        included = [path for glob in main.get("include_paths") or () for path in folder.glob(glob)]
        for path in (folder / "meltano.yml", *included):
            project = yaml.safe_load(path.read_text())
            for tap in (project.get("plugins") or {}).get("extractors") or ():
                if tap["name"] == _TAP and tap.get("select"):
                    return path, tap["select"]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, OSError):
        return None
    return None


def _is_selected(field: str, patterns: list[str]) -> bool:
    """Whether Meltano's select patterns take a field in; `!` takes out whatever takes in."""
    matching = [one for one in patterns if fnmatch.fnmatchcase(field, one.removeprefix("!"))]
    return bool(matching) and not any(one.startswith("!") for one in matching)


def _connect(side: str, plugin: str, option: str) -> Finding:
    """Try a connection."""
    result = _invoke(side, plugin, option)
    if isinstance(result, Finding):
        return result
    return _failed(side, result) if result.returncode else Finding(side, True, f"answers {plugin}")


def _of_permissions(settings: Settings) -> Finding:
    """Whether the user of target-salesforce may write what the settings send to Salesforce."""
    what = "permissions"
    # A Person Account is an Account to Salesforce.
    objects = {name: stream_of(name) for name in settings.objects}
    options = [f"--permissions={name}" for name in dict.fromkeys(objects.values())]
    result = _invoke(what, _TARGET, *options)
    if isinstance(result, Finding):
        return result
    if result.returncode == _USAGE:
        return Finding(what, None, f"this project's {_TARGET} does not tell them")
    if result.returncode:
        return _failed(what, result)
    may = json.loads(result.stdout)
    lacking: list[str] = []
    for name, object_ in objects.items():
        actions = ["create", "update"] + ["delete"] * (settings.on_delete == "propagate")
        lacking += [f"{action} {object_}" for action in actions if not may[object_][action]]
        fields = [
            row.salesforce
            for row in settings.mappings[name]
            if allows(row.direction, SALESFORCE) and not row.related
        ]
        if settings.salesforce_external_id_field:
            fields.append(settings.salesforce_external_id_field)
        for field in fields:
            allowed = may[object_]["fields"].get(field, {})
            actions = [one for one in ("create", "update") if not allowed.get(one)]
            if actions:
                lacking.append(f"{'/'.join(actions)} {object_}.{field}")
    if lacking:
        return Finding(
            what,
            False,
            f"the user of {_TARGET} may not {', '.join(dict.fromkeys(lacking))}. Grant it in "
            "Salesforce (object and field-level security), or map the field with direction: "
            "salesforce_to_phoneiq",
        )
    return Finding(what, True, f"may write all mapped fields of {', '.join(may)}")


def _invoke(what: str, plugin: str, *options: str) -> subprocess.CompletedProcess[str] | Finding:
    """Start a plugin through Meltano, with the settings that the job uses.

    Returns:
        What became of it; a finding where it could not be started, or did not end.
    """
    beside = Path(os.environ.get("MELTANO_PROJECT_ROOT", "."), ".venv", "bin")
    meltano = shutil.which("meltano") or shutil.which("meltano", path=str(beside))
    if meltano is None:
        return Finding(what, None, "not tried: meltano is not on the PATH")
    command = ["invoke", plugin, *options]
    try:
        return subprocess.run(  # noqa: S603
            [meltano, *command], capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(
            what, False, f"no answer within {_PATIENCE} s; try it: meltano {' '.join(command)}"
        )


def _failed(what: str, result: subprocess.CompletedProcess[str]) -> Finding:
    # What the plugin says may hold secrets, so it is not repeated.
    _, *command = result.args
    return Finding(
        what,
        False,
        f"{command[1]} exits with {result.returncode}; what it says: meltano {' '.join(command)}",
    )
