"""A plan that does more than the limits allow writes nothing, and one that does not is written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import example, given

from tests.properties.machine import AS_LONG_AS_IT_TAKES, FOLDER, profile, sides
from tests.reconciler.job import Job

#: By what people do to many pairs at once: the limit, its default, and how many are always allowed.
LIMITS = {
    "delete": ("max_delete_percent", 10, 0),
    "clear": ("max_clear_percent", 10, 20),
    "update": ("max_update_percent", 50, 100),
}


@AS_LONG_AS_IT_TAKES
@profile(share=0.05)
@given(
    action=st.sampled_from([*LIMITS]),
    side=sides,
    on_delete=st.sampled_from(["keep", "propagate"]),
    few=st.booleans(),
    percent=st.sampled_from([None, 5, 40]),
    above=st.sampled_from([1, 0, -1]),
)
@example(action="delete", side="phoneiq", on_delete="keep", few=True, percent=None, above=1)
@example(action="clear", side="salesforce", on_delete="keep", few=False, percent=40, above=1)
@example(action="update", side="salesforce", on_delete="keep", few=False, percent=None, above=1)
def test_a_plan_beyond_a_limit_writes_nothing(action, side, on_delete, few, percent, above):
    """Just below the limit, at it and just above it, on either side."""
    setting, default, always = LIMITS[action]
    limit = default if percent is None else percent
    pairs = max(always, 20) if few else max(always * 100 // limit, always, 20) + 20
    affected = min(pairs, max(always, pairs * limit // 100) + above)
    stops = affected > always and affected * 100 > pairs * limit
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        job = Job(Path(folder), on_delete=on_delete)
        # The job of tests allows more than the product does.
        job.settings.pop(setting, None)
        if percent is not None:
            job.settings[setting] = percent
        for number in range(pairs):
            job.salesforce.create(
                "Contact",
                FirstName=f"P{number}",
                LastName="Doe",
                MobilePhone=f"+1415{2_000_000 + number}",
                Title="before",
            )
        job.settle()
        for record in _records(job, side)[:affected]:
            _act(job, side, record, action)
        _check(job, side, action, affected, stops=stops, setting=setting)


def _records(job, side):
    if side == "salesforce":
        return [row["Id"] for row in job.salesforce.live()]
    return [row["id"] for row in job.phoneiq.live()]


def _act(job, side, record, action):
    platform = job.salesforce if side == "salesforce" else job.phoneiq
    if action == "delete":
        platform.delete(record)
    else:
        name = "Title" if side == "salesforce" else "job_title"
        platform.edit(record, **{name: "after" if action == "update" else None})


def _check(job, side, action, affected, *, stops, setting):
    """Every run stops as long as the plan is beyond the limit; with a higher one it is written."""
    other = "phoneiq" if side == "salesforce" else "salesforce"
    before = len(_records(job, other)), _titles(job, other)
    if stops:
        for _ in range(2):
            passed = job.run()
            assert passed[-1].code == 1, f"{affected} {action}: nothing stopped it"
            assert setting in passed[-1].text
            assert not any(one.records for one in passed)
            assert before == (len(_records(job, other)), _titles(job, other))
        job.settings[setting] = 100
    passed = job.settle()
    assert not any(one.records for one in passed)
    if action != "delete":
        assert _titles(job, side) == _titles(job, other)
    elif job.settings["on_delete"] == "propagate":
        assert len(_records(job, other)) == before[0] - affected
    else:
        assert len(_records(job, other)) == before[0]


def _titles(job, side):
    """How many records show each title."""
    rows = job.salesforce.live() if side == "salesforce" else job.phoneiq.live()
    titles = [row["Title" if side == "salesforce" else "job_title"] for row in rows]
    return {title: titles.count(title) for title in set(titles)}
