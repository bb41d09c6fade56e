"""Help, completion, and the page that is made of them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from reconciler.cli import main
from reconciler.cli.manual import manual

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(main.commands)


def ask(*args, **env):
    return CliRunner().invoke(main, args, env={"RECONCILER_LEDGER_URL": None} | env)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_it_understands(name):
    result = ask(name, "--help")
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    example = main.commands[name].help.partition("Example: ")[2].strip()
    assert f"Example: {example}" in text
    program, command, *args = shlex.split(example)
    assert (program, command) == ("contact-sync", name)
    with click.Context(main) as context:
        main.commands[name].make_context(command, args, parent=context)


def test_the_page_is_what_the_commands_say():
    page = ROOT / "docs" / "commands.md"
    assert page.read_text() == manual(main), (
        "type: python -m reconciler.cli.manual docs/commands.md"
    )


def test_without_a_ledger():
    result = ask("status")
    assert result.exit_code == 2
    assert "RECONCILER_LEDGER_URL" in result.output
    assert "meltano invoke reconciler:status" in result.output


@pytest.mark.parametrize("url", ["nonsense", "mysql://root:secret@host/db", "sqlite://"])
def test_a_ledger_that_cannot_be(url):
    result = ask("status", RECONCILER_LEDGER_URL=url)
    assert result.exit_code == 1
    assert "setting 'ledger_url'" in result.output
    assert "secret" not in result.output


def test_completion():
    program = Path(sys.executable).parent / "contact-sync"
    result = subprocess.run(
        [program],
        env=os.environ
        | {
            "_CONTACT_SYNC_COMPLETE": "bash_complete",
            "COMP_WORDS": "contact-sync ex",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "plain,explain" in result.stdout.splitlines()
