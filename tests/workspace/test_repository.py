"""What a reader of the repository relies on: the files that text names, and no words of ours."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTED = subprocess.run(
    ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout
TRACKED = [path for path in LISTED.split("\0") if path and (ROOT / path).exists()]
PAGES = [path for path in TRACKED if path.endswith(".md")]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    broken = [
        target
        for target in LINK.findall(text_of(page))
        if not target.startswith(("http://", "https://", "#", "mailto:"))
        and not (ROOT / page).parent.joinpath(target.split("#")[0]).exists()
    ]
    assert broken == []


def test_readme_shows_the_two_commands() -> None:
    text = text_of("README.md")
    assert "\nmake demo" in text
    assert "\nmake test" in text


def test_readme_shows_every_setting() -> None:
    from reconciler.settings import JSON_SCHEMA

    text = text_of("README.md")
    missing = [name for name in JSON_SCHEMA["properties"] if f"`{name}`" not in text]
    assert missing == ["mode"], "the mode belongs to the mappings, everything else to the reader"


def test_no_machine_paths_and_no_leftovers() -> None:
    # The brackets keep this file from finding itself.
    words = re.compile(
        r"(?<!\w)/(work|tmp)/[a-z]"
        r"|\b(FIX[M]E|TO[D]O)\b"
        r"|files\.pythonhosted|pypi\.org/simple"
    )
    found = [
        f"{path}: {match.group()}"
        for path in TRACKED
        if not path.endswith((".lock", ".svg", ".png"))
        for match in words.finditer(text_of(path))
    ]
    assert found == []
