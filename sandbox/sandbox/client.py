"""The sandbox from outside: start one as a process, and do with it what its admin API can."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from sandbox.phoneiq.app import API_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType


_START_TIMEOUT = 300.0  # seconds; a million contacts take a while
_STOP_TIMEOUT = 15.0


class SandboxError(Exception):
    """The sandbox did not start, or its admin API refused a call; the message says why."""


class Sandbox:
    """A running sandbox, stopped at the end of its `with` block.

    Attributes:
        folder: Where its data lives.
        phoneiq_url: PhoneIQ's base URL.
        phoneiq_key: An API key that may do everything.
        salesforce_url: The URL of the Salesforce instance.
        proxy_url: The CONNECT proxy to it, for clients that insist on https.
        ca_bundle: The certificate authority that such clients have to trust.
        admin: What people do on both sides.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        ready = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
        self._process = process
        self.folder = folder
        self.phoneiq_url: str = ready["phoneiq_url"]
        self.phoneiq_key = API_KEY
        self.salesforce_url: str = ready["salesforce_url"]
        self.proxy_url: str = ready["proxy_url"]
        self.ca_bundle = Path(ready["ca_bundle"])
        self.admin = AdminClient(self.phoneiq_url)

    @classmethod
    def start(cls, folder: Path, *, contacts: int = 0, seed: int = 1) -> Sandbox:
        """Start a sandbox on free ports and wait until it is ready.

        Args:
            folder: Where its data lives; data that is there is kept.
            contacts: How many contacts to make on each side where there is no data yet.
            seed: The same seed makes the same people.

        Raises:
            SandboxError: It did not start; the message holds what it printed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        ready_file = folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        log = folder / "sandbox.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [
                    *(sys.executable, "-m", "sandbox.cli", "serve"),
                    *("--folder", str(folder), "--contacts", str(contacts), "--seed", str(seed)),
                    *("--phoneiq-port", "0", "--salesforce-port", "0", "--proxy-port", "0"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while not ready_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise SandboxError(f"the sandbox did not start:\n{log.read_text()}")
            time.sleep(0.02)
        return cls(process, folder)

    def stop(self) -> None:
        """Stop it; its data stays in the folder."""
        self.admin.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise SandboxError(f"the sandbox did not stop in {_STOP_TIMEOUT:g} s") from None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def salesforce_env(self) -> dict[str, str]:
        """Environment of a subprocess that insists on https://login.salesforce.com."""
        return {
            "HTTPS_PROXY": self.proxy_url,
            "REQUESTS_CA_BUNDLE": str(self.ca_bundle),
            "NO_PROXY": "",
        }


class AdminClient:
    """The admin API of a running sandbox."""

    def __init__(self, url: str) -> None:
        """Talk to the sandbox that has a side at `url`."""
        self._http = _Http(f"{url}/_sandbox")
        self.phoneiq = PhoneIQAdmin(self._http)
        self.salesforce = SalesforceAdmin(self._http)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def reset(self, *, contacts: int = 0, seed: int = 1) -> None:
        """Go back to a fresh start: real time, no faults, no requests, new data."""
        self._http.call("POST", "/reset", {"contacts": contacts, "seed": seed})

    def requests(
        self, *, side: str | None = None, method: str | None = None, since: int = 0
    ) -> list[dict[str, Any]]:
        """Return the requests that the sides were sent, oldest first."""
        query = {"side": side, "method": method, "since": since}
        entries: list[dict[str, Any]] = self._http.call("GET", "/requests", query=query)["data"]
        return entries

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._http.call("DELETE", "/requests")

    def fault(self, **fault: Any) -> None:
        """Order a fault, see `sandbox.faults.Fault`."""
        self._http.call("POST", "/faults", fault)

    def clear_faults(self) -> None:
        """Lift every fault."""
        self._http.call("DELETE", "/faults")

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._http.call("POST", "/clock", {"advance": seconds})


class PhoneIQAdmin:
    """PhoneIQ as one of its users sees it."""

    def __init__(self, http: _Http) -> None:
        self._http = http

    def create(self, **fields: Any) -> dict[str, Any]:
        """Create a contact and return it."""
        return self._contact("POST", "", fields)

    def edit(self, id: str, **fields: Any) -> dict[str, Any]:  # noqa: A002
        """Change these fields of a contact and return it."""
        return self._contact("PATCH", f"/{id}", fields)

    def get(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return a contact, also a deleted one."""
        return self._contact("GET", f"/{id}", None)

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete a contact."""
        self._http.call("DELETE", f"/phoneiq/contacts/{id}")

    def list(self, *, include_deleted: bool = False) -> list[dict[str, Any]]:
        """Return every contact in the order of their last change."""
        return list(self._http.pages("/phoneiq/contacts", include_deleted=include_deleted))

    def _contact(self, method: str, path: str, fields: dict[str, Any] | None) -> dict[str, Any]:
        contact: dict[str, Any] = self._http.call(method, f"/phoneiq/contacts{path}", fields)
        return contact


class SalesforceAdmin:
    """Salesforce as one of its users sees it."""

    def __init__(self, http: _Http) -> None:
        self._http = http

    def create(self, object: str, **fields: Any) -> dict[str, Any]:  # noqa: A002
        """Create a record of an object and return it with all its fields."""
        return self._record("POST", object, fields)

    def edit(self, object: str, id: str, **fields: Any) -> dict[str, Any]:  # noqa: A002
        """Change these fields of a record and return it."""
        return self._record("PATCH", f"{object}/{id}", fields)

    def get(self, object: str, id: str) -> dict[str, Any]:  # noqa: A002
        """Return a record, also a deleted one."""
        return self._record("GET", f"{object}/{id}", None)

    def delete(self, object: str, id: str) -> None:  # noqa: A002
        """Delete a record."""
        self._http.call("DELETE", f"/salesforce/{object}/{id}")

    def list(self, object: str, *, include_deleted: bool = False) -> list[dict[str, Any]]:  # noqa: A002
        """Return every record of an object."""
        return list(self._http.pages(f"/salesforce/{object}", include_deleted=include_deleted))

    def merge(self, object: str, winner: str, losers: Sequence[str]) -> dict[str, Any]:  # noqa: A002
        """Merge records into one, which is returned."""
        return self._record("POST", f"{object}/{winner}/merge", {"losers": [*losers]})

    def convert(self, lead_id: str, account_id: str | None = None) -> dict[str, Any]:
        """Convert a Lead; return `contact_id` and `account_id`."""
        order = {} if account_id is None else {"account_id": account_id}
        return self._record("POST", f"Lead/{lead_id}/convert", order)

    def _record(self, method: str, path: str, fields: dict[str, Any] | None) -> dict[str, Any]:
        record: dict[str, Any] = self._http.call(method, f"/salesforce/{path}", fields)
        return record


class _Http:
    def __init__(self, base: str) -> None:
        self._base = base
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy in the environment is not for 127.0.0.1

    def close(self) -> None:
        self._session.close()

    def call(
        self, method: str, path: str, content: Any = None, *, query: dict[str, Any] | None = None
    ) -> Any:
        answer = self._session.request(
            method, self._base + path, json=content, params=query, timeout=_START_TIMEOUT
        )
        if not answer.ok:
            raise SandboxError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def pages(self, path: str, *, include_deleted: bool) -> Iterator[dict[str, Any]]:
        query = {"include_deleted": "true" if include_deleted else "false"}
        while True:
            page = self.call("GET", path, query=query)
            yield from page["data"]
            if page["next"] is None:
                return
            query["after"] = page["next"]
