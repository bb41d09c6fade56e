"""The operator's commands."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

import click

from reconciler.cli.backing_up import backup, restore
from reconciler.cli.checking import check
from reconciler.cli.controlling import delete, forget, pause, resume, resync
from reconciler.cli.explaining import explain
from reconciler.cli.listing import conflicts, history, pairs, rejects, skips
from reconciler.cli.moving import export, import_
from reconciler.cli.operator import Operator, shown_errors
from reconciler.cli.pairing import pair, unpair
from reconciler.cli.planning import approve, plan
from reconciler.cli.showing import status
from reconciler.cli.undoing import undo
from reconciler.commands import command

#: In the help of a command, how it is typed without Meltano.
_EXAMPLE: Final = re.compile(r"(?<=Example: )contact-sync (.*)")


class _Commands(click.Group):
    """Commands whose errors that a user can cause are one message, without a traceback."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, with an example that its user can type."""
        found = super().get_command(ctx, cmd_name)
        if found is None:
            return None
        found = copy.copy(found)
        found.help = _EXAMPLE.sub(lambda match: command(match[1]), found.help or "")
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was typed."""
        with shown_errors():
            return super().invoke(ctx)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="contact-sync-reconciler")
@click.option(
    "--ledger-url",
    envvar="RECONCILER_LEDGER_URL",
    show_envvar=True,
    help="SQLAlchemy URL of the ledger: sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
)
@click.pass_context
def main(context: click.Context, ledger_url: str | None) -> None:
    """See and steer what the contact sync does.

    Through Meltano: meltano invoke reconciler:status

    Completion: eval "$(_CONTACT_SYNC_COMPLETE=bash_source contact-sync)"
    """
    context.obj = Operator(ledger_url)
    context.call_on_close(context.obj.close)


for each in (
    status,
    plan,
    approve,
    check,
    explain,
    skips,
    conflicts,
    pairs,
    rejects,
    history,
    pause,
    resume,
    resync,
    pair,
    unpair,
    undo,
    forget,
    delete,
    export,
    import_,
    backup,
    restore,
):
    main.add_command(each)
