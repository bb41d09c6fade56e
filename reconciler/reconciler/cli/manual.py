"""docs/commands.md, made from the commands: python -m reconciler.cli.manual docs/commands.md."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

_INTRODUCTION = """\
# The operator's commands

`contact-sync` shows and steers what the job does. It works on the ledger of the job and on nothing
else, so it can be typed while a run is under way.

Through Meltano, with the settings that the job uses:

    meltano --environment prod invoke reconciler:status
    meltano --environment prod invoke reconciler:explain 003Sb0000004OtZIAU

On its own, the ledger is named by the option `--ledger-url` or in the environment; other settings
are those that the ledger was last planned with, or `RECONCILER_` variables:

    export RECONCILER_LEDGER_URL=sqlite:////srv/sync/.meltano/contact-sync-prod.db
    contact-sync status

Colours are left out where the output is no terminal, and with `NO_COLOR=1`.

## Completion

With the tab key, in bash, zsh or fish:

    eval "$(_CONTACT_SYNC_COMPLETE=bash_source contact-sync)"      # in ~/.bashrc
    eval "$(_CONTACT_SYNC_COMPLETE=zsh_source contact-sync)"       # in ~/.zshrc
    _CONTACT_SYNC_COMPLETE=fish_source contact-sync | source       # in config.fish
"""


def manual(group: click.Group) -> str:
    """The page, in Markdown."""
    parts = [_INTRODUCTION]
    for name, command in group.commands.items():
        parts.append("\n".join(_section(name, command)))
    return "\n".join(parts)


def _section(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"contact-sync {name}")
    text, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    yield f"## {name}\n"
    yield f"    contact-sync {name} {' '.join(command.collect_usage_pieces(context))}\n"
    yield text.strip() + "\n"
    options = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts
        if (record := parameter.get_help_record(context)) is not None
    ]
    if options:
        yield "| option | does |"
        yield "| --- | --- |"
        for option, meaning in options:
            cell = option.replace("|", "\\|")
            yield f"| `{cell}` | {meaning.replace('|', chr(92) + '|')} |"
        yield ""
    yield f"Example: `{example.strip()}`\n"


if __name__ == "__main__":
    from reconciler.cli import main

    Path(sys.argv[1]).write_text(manual(main))
