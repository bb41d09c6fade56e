"""PhoneIQ's API as a client without any of our own code sees it."""

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
