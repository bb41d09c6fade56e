"""The operator's commands."""

from __future__ import annotations

from typing import Any

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


class _Commands(click.Group):
    """Commands whose errors that a user can cause are one message, without a traceback."""

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


for command in (
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
    forget,
    delete,
    export,
    import_,
    backup,
    restore,
):
    main.add_command(command)
