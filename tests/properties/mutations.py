"""Breaks fourteen rules on purpose, one at a time, and shows that the property tests notice each.

    python tests/properties/mutations.py            all fourteen, a few minutes
    python tests/properties/mutations.py baseline   those with a word in their name

Each mutation is one edit of a copy of the reconciler; a copy that cannot be edited as described
means that the code has moved on, and the mutation has to follow it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Mutation(NamedTuple):
    """One rule broken.

    Attributes:
        name: What the broken code does.
        file: Where, inside the package.
        old: The text that is there once.
        new: What stands in its place.
    """

    name: str
    file: str
    old: str
    new: str


MUTATIONS = (
    Mutation(
        "the wrong side wins a conflict",
        "rules/merging.py",
        'kept: Side = SALESFORCE if on_conflict == "keep_salesforce" else PHONEIQ',
        'kept: Side = PHONEIQ if on_conflict == "keep_salesforce" else SALESFORCE',
    ),
    Mutation(
        "the baseline is ignored",
        "plan.py",
        "self._arrived(before, exchange, held, unseen),",
        "[UNSET] * len(before),",
    ),
    Mutation(
        "a cleared field is filled again",
        "rules/merging.py",
        "if isinstance(baseline, Unset):",
        "if isinstance(baseline, Unset) or salesforce is None or phoneiq is None:",
    ),
    Mutation(
        "a released record is created again",
        "plan.py",
        "released=True",
        "released=False",
    ),
    Mutation(
        "a record without a first name takes part",
        "rules/eligibility.py",
        'text(fields.get("FirstName")) is None',
        "False",
    ),
    Mutation(
        "the direction of the sync is ignored",
        "settings.py",
        "return to if allows(self.sync_direction, to) else None",
        "return to",
    ),
    Mutation(
        "STATE is passed on before what it covers is committed",
        "mapper.py",
        "        self.run.commit()\n"
        "        state = _decoded(self._state)\n"
        "        self._pass_on_state()\n",
        "        state = _decoded(self._state)\n"
        "        self._pass_on_state()\n"
        "        self.run.commit()\n",
    ),
    Mutation(
        "a write goes out again before its side was observed",
        "plan.py",
        "        if opened.run > self._observed.get(self._side, 0):\n"
        "            return None, None\n",
        "",
    ),
    Mutation(
        "writes are planned from an incomplete extract",
        "mapper.py",
        "not (self._state_is_newest and _is_closing(state))",
        "False",
    ),
    Mutation(
        "nobody follows merges and conversions",
        "ledger/pairs.py",
        "while moves := connection.execute(found).all():",
        "while moves := []:",
    ),
    Mutation(
        "a number is read again under another country",
        "fields/phones.py",
        "return before if reads_as(raw, before) else now",
        "return now",
    ),
    Mutation(
        "created records are paired by age",
        "rules/matching.py",
        "else self._created.get((source.row, record.row), 0)",
        "else record.row",
    ),
    Mutation(
        "a refused run counts for the marker",
        "run.py",
        "known.token == token and ",
        "",
    ),
    Mutation(
        "a guard is never asked",
        "rules/guards.py",
        "return number > allowed and number * 100 > pairs * percent",
        "return False",
    ),
)


def is_caught(mutation: Mutation) -> bool:
    """Whether the property tests fail on a reconciler with one rule broken."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "reconciler"
        shutil.copytree(ROOT / "reconciler" / "reconciler", package)
        file = package / mutation.file
        source = file.read_text()
        if source.count(mutation.old) != 1:
            sys.exit(f"'{mutation.name}' does not fit {mutation.file} any more: edit mutations.py")
        file.write_text(source.replace(mutation.old, mutation.new))
        result = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", "--dist", "loadfile"),
                *("-p", "no:cacheprovider", "tests/properties"),
            ],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": folder, "HYPOTHESIS_PROFILE": "mutations"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    # With -x and several workers a failure interrupts the others, which is a code of its own.
    if re.search(r"^\d+ failed", result.stdout, re.MULTILINE):
        return True
    if result.returncode == 0:
        return False
    sys.exit(result.stdout)


def main() -> None:
    chosen = [one for one in MUTATIONS if all(word in one.name for word in sys.argv[1:])]
    caught = 0
    for mutation in chosen:
        found = is_caught(mutation)
        caught += found
        print(f"{'caught' if found else 'MISSED'}  {mutation.name}", flush=True)
    print(f"caught {caught} of {len(chosen)}")
    sys.exit(caught != len(chosen))


if __name__ == "__main__":
    main()
