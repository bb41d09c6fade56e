"""Where the time goes at each stage: flame graphs, sampled from outside by py-spy.

    python -m benchmarks.profiles      or: make profile

Draws one picture for each stage into `docs/`. Start-up and imports are left out.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.data import MATCHING, TWO_NUMBERS, Data
from benchmarks.measuring import ROOT, Command, run
from benchmarks.phoneiq import server, tap_phoneiq, target
from benchmarks.pipes import OBSERVE, TO_PHONEIQ, LedgerFile, reconciler
from benchmarks.rows import SIZES, Bench

_CONTACTS: Final = 50_000
_SAMPLES_A_SECOND: Final = 200

_WIDTH: Final = 880
_ROW: Final = 17
_TOP: Final = 34
#: Frames with less than this share of the time are left out.
_LEAST_SHARE: Final = 0.006
_WARM: Final = ("#ffd8a8", "#ffc078", "#ffe8cc", "#fcc419", "#ffec99")


def main() -> None:
    """Profile every stage."""
    os.umask(0o077)
    bench = Bench(ROOT / ".bench", SIZES["full"])
    folder = bench.work("profiles")
    two_numbers, matching = bench.data(TWO_NUMBERS, _CONTACTS), bench.data(MATCHING, _CONTACTS)
    for name, command in _stages(folder, two_numbers, matching):
        stacks = _sampled(bench, command, folder / f"{name}.stacks")
        picture = ROOT / "docs" / f"profile-{name}.svg"
        picture.write_text(drawn(stacks, f"{name}, {_CONTACTS:,} contacts"), encoding="utf-8")
        print(picture.relative_to(ROOT))


def _stages(folder: Path, new: Data, matching: Data) -> Iterator[tuple[str, Command]]:
    """Name and command of each stage, each prepared by the ones before."""
    seen = LedgerFile(folder / "seen.db")
    yield "observe", reconciler(OBSERVE, seen.url, folder, reads=matching.phoneiq_extract)
    yield "observe-unchanged", reconciler(OBSERVE, seen.url, folder, reads=matching.phoneiq_extract)
    ledger = LedgerFile(folder / "ledger.db")
    run(reconciler(OBSERVE, ledger.url, folder, reads=new.phoneiq_nothing))
    creates = reconciler(TO_PHONEIQ, ledger.url, folder, reads=new.salesforce_extract)
    yield "first-sync", creates
    pairs = reconciler(TO_PHONEIQ, seen.url, folder, reads=matching.salesforce_extract)
    yield "first-sync-of-pairs", pairs
    assert creates.writes is not None
    messages = folder / "creates.jsonl"
    with creates.writes.open("rb") as written, messages.open("wb") as kept:
        # The sampler says on the same output what it does.
        kept.writelines(line for line in written if line.startswith(b"{"))
    with server(folder, contacts=matching.phoneiq_extract) as url:
        yield "target", target(url, folder, messages)
        yield "tap", tap_phoneiq(url, folder)


def _sampled(bench: Bench, command: Command, to: Path) -> Counter[tuple[str, ...]]:
    """How many samples found which functions at work, outermost first."""
    sampler: list[str | Path] = [bench.peer("py-spy"), "record", "--rate", str(_SAMPLES_A_SECOND)]
    sampler += ["--format", "raw", "--output", to, "--"]
    run(replace(command, arguments=[*sampler, *command.arguments]))
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in to.read_text().splitlines():
        path, _, samples = line.rpartition(" ")
        frames = tuple(map(_without_line, path.split(";")))
        is_start_up = any(frame.startswith("_find_and_load ") for frame in frames)
        if len(frames) > 1 and not is_start_up:
            stacks[frames] += int(samples)
    return stacks


def _without_line(frame: str) -> str:
    """`commit (reconciler/run.py:12)` without the 12."""
    return frame.rpartition(":")[0] + ")" if frame.endswith(")") and ":" in frame else frame


@dataclass
class _Frame:
    """A function, called from where it stands, and what it called."""

    name: str
    samples: int = 0
    calls: dict[str, _Frame] = field(default_factory=dict)

    def add(self, stack: tuple[str, ...], samples: int) -> None:
        frame = self
        frame.samples += samples
        for name in stack:
            frame = frame.calls.setdefault(name, _Frame(name))
            frame.samples += samples


def drawn(stacks: Counter[tuple[str, ...]], title: str) -> str:
    """A flame graph as SVG: a function lies above those that it was called from.

    Args:
        stacks: Samples by stack, outermost function first.
        title: What was profiled.
    """
    root = _Frame("")
    for stack, samples in stacks.items():
        root.add(stack, samples)
    # What every sample has in common says nothing.
    while len(root.calls) == 1 and next(iter(root.calls.values())).samples == root.samples:
        (root,) = root.calls.values()
    boxes = list(_boxes(root, 0, 0.0, _WIDTH / root.samples))
    depth = max((level for level, *_ in boxes), default=0) + 1
    height = _TOP + depth * _ROW + 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-labelledby="t" font-size="11" '
        "font-family=\"-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\">"
    )
    parts = [
        head,
        f'<title id="t">{escape(title)}: where the time goes</title>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#f6f8fa"/>',
        f'<text x="8" y="20" font-size="14" font-weight="600">{escape(title)}</text>',
    ]
    for number, (level, x, width, name) in enumerate(boxes):
        y = height - 8 - (level + 1) * _ROW
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width - 0.5:.1f}" height="{_ROW - 1}" '
            f'fill="{_WARM[number % len(_WARM)]}"/>'
        )
        letters = int(width / 6.2)
        if letters > 3:
            label = name if len(name) <= letters else name[: letters - 1] + "…"
            parts.append(f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(label)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _boxes(
    frame: _Frame, level: int, x: float, scale: float
) -> Iterator[tuple[int, float, float, str]]:
    for call in sorted(frame.calls.values(), key=lambda call: call.name):
        width = call.samples * scale
        if width >= _LEAST_SHARE * _WIDTH:
            yield level, x, width, f"{call.name} {width / _WIDTH:.0%}"
            yield from _boxes(call, level + 1, x, scale)
        x += width


if __name__ == "__main__":
    main()
