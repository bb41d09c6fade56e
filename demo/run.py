"""Watch two address books become the same: `make demo`.

Starts a PhoneIQ and a Salesforce on 127.0.0.1, both with their own contacts, runs the job through
Meltano until a run has nothing left to write, and shows what was done.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from rich.console import Console
from rich.table import Table
from sandbox.client import AdminClient

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parent.parent
BIN = PROJECT / ".venv" / "bin"
FOLDER = PROJECT / ".sandbox"
OUTPUT = PROJECT / "output"
LEDGER = PROJECT / ".meltano" / "contact-sync-sandbox.db"
PORTS = {"PhoneIQ": 8701, "Salesforce": 8702, "the proxy": 8703}
#: A record that one run completes can take part in the next one; more rounds than this are a fault.
MOST_RUNS = 3
PIPES = ("observe-phoneiq", "salesforce-to-phoneiq", "phoneiq-to-salesforce")

#: By pipe, what a run said at its end: counts by name, and `skipped` and `conflicts` as counts by
#: reason and by resolution.
Summaries: TypeAlias = dict[str, dict[str, Any]]

console = Console(highlight=False)


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


def check_ports() -> None:
    """Refuse to start where another program listens on a port of the sandbox."""
    taken = []
    for name, port in PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(f"{port} ({name})")
    if taken:
        raise DemoError(
            f"another program listens on {', '.join(taken)}: stop it first. If it is a sandbox of "
            "an earlier demo, its process id is in .sandbox/ready.json."
        )


@contextmanager
def sandbox(contacts: int) -> Iterator[None]:
    """Both sides with new data, until the block is left."""
    log = OUTPUT / "sandbox.log"
    options = {
        "--folder": FOLDER,
        "--contacts": contacts,
        "--phoneiq-port": PORTS["PhoneIQ"],
        "--salesforce-port": PORTS["Salesforce"],
        "--proxy-port": PORTS["the proxy"],
    }
    command = [f"{BIN}/contact-sync-sandbox", "serve", "--fresh"]
    for option, value in options.items():
        command += [option, str(value)]
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, cwd=PROJECT)
    try:
        while not ready(process.pid):
            if process.poll() is not None:
                raise DemoError(f"the sandbox did not start:\n{log.read_text().strip()}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def ready(pid: int) -> bool:
    """Whether the sandbox of this process listens, not one that was there before."""
    try:
        state = json.loads((FOLDER / "ready.json").read_text())
    except FileNotFoundError:
        return False
    return bool(state["pid"] == pid)


def environment() -> dict[str, str]:
    """The environment for Meltano: no setting of the shell or of .env may lead it elsewhere."""
    ours = ("TAP_", "TARGET_", "RECONCILER_", "RECONCILE_", "MELTANO_", "PYTHON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    phoneiq = {"API_URL": f"http://127.0.0.1:{PORTS['PhoneIQ']}", "API_KEY": "sandbox-phoneiq-key"}
    return (
        inherited
        | {f"TAP_PHONEIQ_{name}": value for name, value in phoneiq.items()}
        | {f"TARGET_PHONEIQ_{name}": value for name, value in phoneiq.items()}
        | {"RECONCILER_LEDGER_URL": f"sqlite:///{LEDGER}"}
    )


def run_job(number: int, *options: str) -> Summaries:
    """Run the job once, with a line for each of its steps.

    Args:
        number: Which run it is; its log is `output/run-<number>.log`.
        options: More options for `meltano run`.

    Returns:
        What each pipe said at its end.

    Raises:
        DemoError: It failed; the message holds the end of its log.
    """
    console.print(f"[bold]run {number}[/]")
    log = OUTPUT / f"run-{number}.log"
    command = [f"{BIN}/meltano", "--environment=sandbox", "run", *options, "contact-sync"]
    with log.open("w") as stream:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            env=environment(),
            text=True,
        )
        try:
            show_steps(process, stream)
            code = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if code:
        end = "\n".join(log.read_text().splitlines()[-30:])
        raise DemoError(f"{end}\nthe job failed (exit code {code}); all of its log is in {log}")
    summaries = {entry["pipe"]: entry["summary"] for entry in history()}
    console.print(f"  {writes(summaries):,} records written")
    return summaries


def writes(summaries: Summaries) -> int:
    """Records that a run created, updated or deleted, on either side."""
    return sum(
        summary[action]
        for summary in summaries.values()
        for action in ("created", "updated", "deleted")
    )


def show_steps(process: subprocess.Popen[str], log: IO[str]) -> None:
    """Copy Meltano's lines to the log and say which step runs, and how long each one took."""
    pipes = iter(PIPES)
    step, since = "", time.monotonic()

    def done() -> None:
        if step:
            console.print(f"  {step:<24}{time.monotonic() - since:6.1f} s")

    assert process.stdout is not None  # noqa: S101  # a pipe was asked for
    with console.status("starting") as status:
        for line in process.stdout:
            log.write(line)
            if "Installing " in line:
                new = "installing plugins"
            elif "Running job with name" in line:
                new = next(pipes)
            else:
                continue
            if new != step:
                done()
                step, since = new, time.monotonic()
                status.update(f"{step} …")
    done()


def history() -> list[dict[str, Any]]:
    """What the ledger says of the newest run of each pipe."""
    result = subprocess.run(
        [BIN / "contact-sync", "history", "--json", "--limit", str(len(PIPES))],
        env=environment(),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise DemoError(f"contact-sync history: {result.stderr.strip()}")
    runs: list[dict[str, Any]] = json.loads(result.stdout)
    return runs


def table(runs: list[Summaries]) -> Table:
    """What the runs did, with a column for each side.

    Reads and skips are those of the first run, which read everything; what was done is summed up.
    """
    result = Table("", "Salesforce", "PhoneIQ", title="What was done")
    for column in result.columns[1:]:
        column.justify = "right"

    def row(name: str, salesforce: int, phoneiq: int) -> None:
        result.add_row(name, f"{salesforce:,}", f"{phoneiq:,}")

    def total(pipe: str, count: str) -> int:
        return sum(summaries[pipe][count] for summaries in runs)

    observed, to_phoneiq, to_salesforce = PIPES
    row("read", runs[0][to_phoneiq]["read"], runs[0][observed]["read"])
    row("paired", *(sum(total(pipe, "paired") for pipe in PIPES),) * 2)
    for action in ("created", "updated"):
        row(action, total(to_salesforce, action), total(to_phoneiq, action))
    for name, pipes in (
        ("conflicts", (to_salesforce, to_phoneiq)),
        ("skipped", (to_phoneiq, to_salesforce)),
    ):
        salesforce, phoneiq = (Counter[str](runs[0][pipe][name]) for pipe in pipes)
        for kind in sorted(salesforce | phoneiq):
            row(f"{name}: {kind}", salesforce[kind], phoneiq[kind])
    return result


def main() -> None:
    """Parse the command line, run the demo, say in one line why it could not go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=1000, help="contacts on each side")
    contacts = parser.parse_args().contacts
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        demo(contacts)
    except DemoError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: stopped")


def demo(contacts: int) -> None:
    """Start both sides from nothing, run the job until they agree, show what was done.

    Raises:
        DemoError: Something did not start, the job failed, or the sides still differ.
    """
    check_ports()
    for leftover in LEDGER.parent.glob(f"{LEDGER.name}*"):
        leftover.unlink()
    with sandbox(contacts):
        console.print(f"PhoneIQ and Salesforce are up on 127.0.0.1, {contacts:,} contacts a side")
        # The bookmarks of an earlier demo are worth nothing to a new ledger.
        runs = [run_job(1, "--full-refresh")]
        while writes(runs[-1]) and len(runs) < MOST_RUNS:
            runs.append(run_job(len(runs) + 1))
        someone = pair()
    console.print()
    console.print(table(runs))
    megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    console.print(f"The largest process of all took {megabytes:,.0f} MB.")
    if left := writes(runs[-1]):
        details = ", ".join(
            f"{summary['created']} created and {summary['updated']} updated by {pipe}"
            for pipe, summary in runs[-1].items()
        )
        raise DemoError(f"not in sync, run {len(runs)} still wrote {left} records: {details}")
    console.print("[bold green]in sync: the next run has nothing to write[/]")
    console.print(what_now(*someone), soft_wrap=True)


def pair() -> tuple[str, str]:
    """The ids of a Salesforce Contact and of the PhoneIQ contact that is the same person."""
    admin = AdminClient(f"http://127.0.0.1:{PORTS['PhoneIQ']}")
    for contact in admin.phoneiq.list():
        if contact["salesforce_object"] == "Contact":
            return contact["salesforce_id"], contact["id"]
    raise DemoError("no contact of PhoneIQ names a Contact of Salesforce")


def what_now(contact: str, phoneiq_id: str) -> str:
    """The next commands to try."""
    admin = f"http://127.0.0.1:{PORTS['PhoneIQ']}/_sandbox"
    return f"""
Now change something yourself. Start both sides again, with the data of this demo:
  .venv/bin/contact-sync-sandbox serve
and in another terminal:
  curl -X PATCH {admin}/salesforce/Contact/{contact} -d '{{"Title": "Head of Rain"}}'
  .venv/bin/meltano --environment sandbox run contact-sync
  curl {admin}/phoneiq/contacts/{phoneiq_id}
  .venv/bin/meltano --environment sandbox invoke reconciler:explain {phoneiq_id}
  .venv/bin/meltano --environment sandbox invoke reconciler:status
"""


if __name__ == "__main__":
    main()
