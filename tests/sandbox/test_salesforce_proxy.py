"""The CONNECT proxy: the way in for clients that insist on https, and out for nobody."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sandbox.proxy import Proxy


@pytest.fixture
def through(box):
    with requests.Session() as session:
        session.trust_env = False
        session.proxies["https"] = box.proxy_url
        session.verify = str(box.ca_bundle)
        yield session


@pytest.mark.parametrize(
    "host",
    [
        "login.salesforce.com",
        "test.salesforce.com",
        "phoneiq.my.salesforce.com",
        "phoneiq--demo.sandbox.my.salesforce.com",
    ],
)
def test_every_salesforce_host_leads_to_the_sandbox(through, host):
    answer = through.get(f"https://{host}/services/data", timeout=30)
    assert answer.json()[-1]["label"].startswith("Sandbox")


def test_the_instance_itself_over_https(box, through):
    port = box.salesforce_url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        assert through.get(f"https://{host}:{port}/services/data", timeout=30).ok


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://login.salesforce.com.example.com/",
        "https://evil-salesforce.com/",
        "https://login.salesforce.com:8443/",
        "https://127.0.0.1:1/",
    ],
)
def test_any_other_host_is_refused(through, url):
    with pytest.raises(requests.exceptions.ProxyError, match="403 Forbidden"):
        through.get(url, timeout=30)


def test_plain_requests_are_refused(box, through):
    through.proxies["http"] = box.proxy_url
    assert through.get("http://login.salesforce.com/", timeout=30).status_code == 405


def test_a_client_that_does_not_know_the_authority_gets_nothing(through):
    through.verify = True
    with pytest.raises(requests.exceptions.SSLError):
        through.get("https://login.salesforce.com/services/data", timeout=30)


def test_one_connection_serves_many_requests_and_large_bodies(box, through, salesforce):
    port = box.salesforce_url.rpartition(":")[2]
    base = f"https://127.0.0.1:{port}/services/data/v61.0"
    through.headers["Authorization"] = salesforce.session.headers["Authorization"]
    order = {"operation": "insert", "object": "Contact"}
    for _ in range(3):
        job = through.post(f"{base}/jobs/ingest", json=order, timeout=30).json()
        text = "LastName,Description\n" + f"A,{'x' * 30_000}\n" * 300
        url = f"{base}/jobs/ingest/{job['id']}"
        assert through.put(f"{url}/batches", data=text.encode(), timeout=60).status_code == 201
        through.patch(url, json={"state": "UploadComplete"}, timeout=30)
        while through.get(url, timeout=30).json()["state"] != "JobComplete":
            pass
        assert len(through.get(f"{url}/successfulResults", timeout=60).content) > 9_000_000


def test_many_clients_at_once(box):
    def one(_):
        return requests.get(
            "https://test.salesforce.com/services/data",
            proxies={"https": box.proxy_url},
            verify=str(box.ca_bundle),
            timeout=60,
        ).status_code

    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(one, range(96))) == [200] * 96


def test_a_client_that_talks_nonsense_does_not_disturb_others(box, through):
    host, _, port = box.proxy_url.partition("://")[2].partition(":")
    for nonsense in (b"\r\n\r\n", os.urandom(64) + b"\r\n\r\n", b"CONNECT \r\n\r\n", b"x" * 70_000):
        with socket.create_connection((host, int(port)), timeout=30) as client:
            client.sendall(nonsense)
            client.shutdown(socket.SHUT_WR)
            try:
                while client.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(b"CONNECT login.salesforce.com:443 HTTP/1.1\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")  # where a TLS handshake belongs
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert through.get("https://login.salesforce.com/services/data", timeout=30).ok


def test_it_closes_although_a_client_keeps_its_connection(tmp_path):
    async def answer(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async def scenario():
        upstream = await asyncio.start_server(answer, "127.0.0.1", 0)
        proxy = Proxy(tmp_path / "ca.pem", 0, upstream.sockets[0].getsockname()[1])
        await proxy.start()
        session = requests.Session()
        session.trust_env = False
        get = functools.partial(
            session.get,
            "https://login.salesforce.com/",
            proxies={"https": f"http://127.0.0.1:{proxy.port}"},
            verify=str(tmp_path / "ca.pem"),
            timeout=10,
        )
        assert (await asyncio.to_thread(get)).text == "ok"
        await asyncio.wait_for(proxy.close(), 10)
        with pytest.raises(requests.exceptions.ConnectionError):
            await asyncio.to_thread(get)
        session.close()
        upstream.close()

    asyncio.run(scenario())


def test_the_authority_is_readable_by_its_owner_only(box):
    assert box.ca_bundle.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert box.ca_bundle.stat().st_mode & 0o077 == 0
