"""Both APIs as a client without any of our own code sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.client import Sandbox


class PhoneIQ:
    """Plain HTTP to a sandbox's PhoneIQ."""

    def __init__(self, box: Sandbox) -> None:
        self._url = box.phoneiq_url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {box.phoneiq_key}"

    def call(self, method: str, path: str, content: Any = None, **rest: Any) -> requests.Response:
        return self.session.request(method, self._url + path, json=content, timeout=30, **rest)

    def create(self, **fields: Any) -> dict[str, Any]:
        answer = self.call("POST", "/v1/contacts", fields)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def batch(self, *operations: Any) -> list[dict[str, Any]]:
        answer = self.call("POST", "/v1/contacts/batch", {"operations": operations})
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    def page(self, **query: Any) -> dict[str, Any]:
        answer = self.call("GET", "/v1/contacts", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def every(self, **query: Any) -> list[dict[str, Any]]:
        page = self.page(**query)
        contacts = page["data"]
        while page["next_cursor"]:
            page = self.page(cursor=page["next_cursor"], limit=query.get("limit", 100))
            contacts += page["data"]
        return contacts


@pytest.fixture
def phoneiq(box: Sandbox) -> Iterator[PhoneIQ]:
    api = PhoneIQ(box)
    yield api
    api.session.close()


class Salesforce:
    """Plain HTTP to a sandbox's Salesforce, logged in."""

    def __init__(self, box: Sandbox) -> None:
        self._url = box.salesforce_url
        self.session = requests.Session()
        self.session.trust_env = False
        token = self.session.post(
            f"{self._url}/services/oauth2/token",
            {
                "grant_type": "refresh_token",
                "client_id": "sandbox-client-id",
                "client_secret": "sandbox-client-secret",
                "refresh_token": "sandbox-refresh-token",
            },
            timeout=30,
        ).json()
        self.session.headers["Authorization"] = f"Bearer {token['access_token']}"

    def call(self, method: str, path: str, content: Any = None, **rest: Any) -> requests.Response:
        """Send a request; a path that does not start at the root is one of the REST API."""
        if not path.startswith("/"):
            path = f"/services/data/v61.0/{path}"
        return self.session.request(method, self._url + path, json=content, timeout=60, **rest)

    def create(self, name: str, **fields: Any) -> str:
        answer = self.call("POST", f"sobjects/{name}", fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def error(self, method: str, path: str, content: Any = None, **rest: Any) -> dict[str, Any]:
        """Send a request that is refused; return status, code, message and fields."""
        answer = self.call(method, path, content, **rest)
        (error,) = answer.json()
        return {"status": answer.status_code, "fields": [], **error}

    def query(self, soql: str, *, everything: bool = False, **rest: Any) -> list[dict[str, Any]]:
        """Return the records of a query, of all its pages, without their attributes."""
        path = "queryAll" if everything else "query"
        page = self.call("GET", path, params={"q": soql}, **rest).json()
        records = page["records"]
        while not page["done"]:
            page = self.call("GET", page["nextRecordsUrl"]).json()
            records += page["records"]
        return [{k: v for k, v in each.items() if k != "attributes"} for each in records]


@pytest.fixture
def salesforce(box: Sandbox) -> Iterator[Salesforce]:
    api = Salesforce(box)
    yield api
    api.session.close()
