"""What the six packages have in common: one version, types, a README, a wheel that is complete."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
VERSION = (ROOT / "VERSION").read_text().strip()
WORKSPACE = tomllib.loads((ROOT / "pyproject.toml").read_text())
MEMBERS: list[str] = WORKSPACE["tool"]["uv"]["workspace"]["members"]
PROJECTS = {
    member: tomllib.loads((ROOT / member / "pyproject.toml").read_text()) for member in MEMBERS
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """By folder, the wheel that is built from it."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [Path(sys.executable).with_name("uv"), "build", "--all-packages", "--wheel", "-o", out],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=240,
    )
    built = {path.name.split("-")[0]: zipfile.ZipFile(path) for path in out.glob("*.whl")}
    return {
        member: built[project["project"]["name"].replace("-", "_")]
        for member, project in PROJECTS.items()
    }


@pytest.mark.parametrize("member", MEMBERS)
def test_wheel_is_complete(wheels: dict[str, zipfile.ZipFile], member: str) -> None:
    wheel = wheels[member]
    package = member.replace("-", "_")
    names = set(wheel.namelist())
    source = {
        path.relative_to(ROOT / member).as_posix()
        for path in (ROOT / member / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert source - names == set()
    assert f"{package}/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.parametrize("member", MEMBERS)
def test_wheel_has_the_version_of_the_workspace(
    wheels: dict[str, zipfile.ZipFile], member: str
) -> None:
    wheel = wheels[member]
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    headers = HeaderParser().parsestr(wheel.read(metadata).decode())
    assert headers["Version"] == VERSION
    # The reconciler has names of countries from CLDR.
    data = " AND Unicode-3.0" if member == "reconciler" else ""
    assert headers["License-Expression"] == f"Apache-2.0{data}"
    assert set(headers["Requires-Python"].split(",")) == {">=3.10", "<3.15"}
    assert headers.get_payload().strip() == (ROOT / member / "README.md").read_text().strip()


def test_changelog_names_the_version() -> None:
    assert f"## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text()


def locked() -> dict[str, list[tuple[str, str]]]:
    """By package, its locked versions with the Pythons that each is for."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if "==" in line and not line.startswith((" ", "-")):
            pin, _, marker = line.removesuffix(" \\").partition(" ; ")
            name, _, version = pin.partition("==")
            found.setdefault(canonicalize_name(name), []).append((version, marker))
    return found


def test_lock_satisfies_every_dependency() -> None:
    pins = locked()
    ours = {canonicalize_name(project["project"]["name"]) for project in PROJECTS.values()}
    wanted = [text for project in PROJECTS.values() for text in project["project"]["dependencies"]]
    wanted += WORKSPACE["dependency-groups"]["dev"]
    stale = []
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name in ours:
            continue
        versions = [version for version, _ in pins.get(name, [])]
        if not versions or not all(requirement.specifier.contains(v) for v in versions):
            stale.append(f"{requirement}: locked {versions or 'nowhere'}")
    assert not stale, "run `make lock`"


@pytest.mark.parametrize("lock", ["requirements.lock", "benchmarks/peers.lock"])
def test_lock_pins_contents_and_names_no_registry(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = [line for line in text.splitlines() if line and line[0].isalnum()]
    assert entries
    assert all(line.endswith("\\") for line in entries), "each is followed by its hashes"
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "index" not in text.replace("importlib", "")
