"""The plugins in a Meltano project that was made by `meltano init`, and in another place."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
from typing import TYPE_CHECKING

import pytest

from .conftest import BIN, ROOT, copy_project, environment

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.client import Sandbox

    from .conftest import Project

pytestmark = pytest.mark.pipeline

FENCED = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def recipe() -> list[tuple[str, str]]:
    """Language and text of the blocks in the README's section on a project that is there."""
    readme = (ROOT / "README.md").read_text()
    section = readme.split("## Add it to a Meltano project that you have\n")[1].split("\n## ")[0]
    return [(kind, textwrap.dedent(text)) for _, kind, text in FENCED.findall(section)]


def test_the_readme_followed_word_by_word(box: Sandbox, tmp_path: Path) -> None:
    shell = environment() | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    # What leads to the sandbox in the place of login.salesforce.com.
    to_sandbox = {name: value for name, value in shell.items() if "proxy" not in name.lower()}
    to_sandbox |= box.salesforce_env

    def do(command: str, env: dict[str, str], folder: Path) -> None:
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}"
        assert "Traceback" not in result.stdout

    do("meltano init --no-usage-stats mine", shell, tmp_path)
    project = tmp_path / "mine"
    values = {
        "PHONEIQ_API_URL": box.phoneiq_url,
        "PHONEIQ_API_KEY": box.phoneiq_key,
        "SALESFORCE_CLIENT_ID": "sandbox-client-id",
        "SALESFORCE_CLIENT_SECRET": "sandbox-client-secret",
        "SALESFORCE_REFRESH_TOKEN": "sandbox-refresh-token",
    }
    ada = box.admin.salesforce.create(
        "Contact", FirstName="Ada", LastName="Reyes", Phone="+14155552671"
    )
    box.admin.phoneiq.create(first_name="Kim", last_name="Sato", mobile_phone="+442079460123")

    steps = recipe()
    assert [kind for kind, _ in steps] == ["sh", "yaml", "sh"]
    for kind, text in steps:
        if kind == "yaml":
            settings = project / "meltano.yml"
            settings.write_text(f"{settings.read_text()}\n{text}")
            variables = (project / ".env").read_text()
            for name, value in values.items():
                variables = variables.replace(f"\n{name}=\n", f"\n{name}={value}\n")
            (project / ".env").write_text(variables)
            continue
        for line in text.splitlines():
            if line.startswith("git clone "):
                copy_project(project / line.split()[-1])
            else:
                do(line, shell if "install" in line else to_sandbox, project)

    assert {contact["first_name"] for contact in box.admin.phoneiq.list()} == {"Ada", "Kim"}
    contacts = box.admin.salesforce.list("Contact")
    assert {contact["FirstName"] for contact in contacts} == {"Ada", "Kim"}
    assert ada["Id"] in {contact["Id"] for contact in contacts}
    assert (project / ".meltano" / "contact-sync-prod.db").is_file()


def test_meltanos_own_folder_is_elsewhere(installed: Project, tmp_path: Path) -> None:
    plugin = installed.folder / ".meltano" / "extractors" / "tap-salesforce"
    shutil.copytree(plugin, tmp_path / "extractors" / "tap-salesforce", symlinks=True)
    outcome = installed.meltano(
        "--environment=sandbox", "invoke", "--no-install", "tap-salesforce", "--help",
        MELTANO_SYS_DIR_ROOT=str(tmp_path),
    )  # fmt: skip
    assert outcome.code == 0, outcome.log
    assert "usage: tap-salesforce" in outcome.log
