"""The way in for clients that insist on ``https://login.salesforce.com``.

``Proxy`` is an HTTP proxy that knows one verb, CONNECT, and one destination: the sandbox's own
Salesforce. It accepts the tunnel, ends TLS with a certificate of its own authority and passes the
decrypted bytes on, whatever Salesforce host the client named. Any other host is refused with 403,
so nothing leaves the machine through it.

A client is pointed at it with two environment variables and needs no change::

    HTTPS_PROXY=http://127.0.0.1:<port>  REQUESTS_CA_BUNDLE=<ca_path>
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

CHUNK = 256 * 1024
MAX_REQUEST_HEAD = 16 * 1024
SALESFORCE_HOST = re.compile(
    r"(?:login|test)\.salesforce\.com|[a-z0-9-]+(?:\.sandbox)?\.my\.salesforce\.com", re.IGNORECASE
)
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost"})
CERTIFICATE_NAMES = (
    "login.salesforce.com",
    "test.salesforce.com",
    "*.my.salesforce.com",
    "*.sandbox.my.salesforce.com",
    "127.0.0.1",
    "localhost",
)


class Proxy:
    """A CONNECT proxy on 127.0.0.1 in front of one plain HTTP server on 127.0.0.1.

    Use it as an async context manager, or call `start` and `close`::

        async with Proxy(folder / "ca.pem", port=0, upstream_port=8702) as proxy:
            print(proxy.port)

    `start` makes a new certificate authority, writes its certificate to ``ca_path`` (PEM, usable
    as ``REQUESTS_CA_BUNDLE``; the file is complete before the port accepts) and listens. The
    authority's key stays in memory. It must be started and closed in the same event loop.

    Args:
        ca_path: Where the certificate authority's certificate is written.
        port: The port to listen on; 0 picks a free one.
        upstream_port: The port of the Salesforce server on 127.0.0.1.

    Attributes:
        port: The port in use; the real one once `start` returned.
    """

    def __init__(self, ca_path: Path, port: int, upstream_port: int) -> None:
        self.port = port
        self._ca_path = ca_path
        self._upstream_port = upstream_port
        self._server: asyncio.Server | None = None
        self._tls: ssl.SSLContext | None = None
        self._tunnels: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Write the certificate and listen.

        Raises:
            OSError: The port is taken or the certificate cannot be written.
        """
        authority = trustme.CA()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._tls.set_alpn_protocols(["http/1.1"])
        authority.issue_cert(*CERTIFICATE_NAMES).configure_cert(self._tls)
        unfinished = self._ca_path.with_name(self._ca_path.name + ".new")
        authority.cert_pem.write_to_path(str(unfinished))
        unfinished.replace(self._ca_path)
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, limit=MAX_REQUEST_HEAD
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop the tunnels that are open."""
        if self._server is None:
            return
        self._server.close()
        for tunnel in self._tunnels:
            tunnel.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Proxy:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Our own task, not start_server's: close() has to be able to end it.
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tunnels.add(task)
        task.add_done_callback(self._tunnels.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers = [writer]
        try:
            refusal = self._refusal(await reader.readuntil(b"\r\n\r\n"))
            if refusal is not None:
                writer.write(refusal)
                await writer.drain()
                return
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
            open_writers.append(up_writer)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            tls_reader, tls_writer = await self._end_tls(writer)
            open_writers[0] = tls_writer
            await asyncio.gather(_pump(tls_reader, up_writer), _pump(up_reader, tls_writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # The client sees its connection close; there is nobody else to tell.
        except asyncio.CancelledError:
            # Closing politely would wait for clients that keep idle connections.
            for each in open_writers:
                each.transport.abort()
            raise
        finally:
            for each in open_writers:
                each.close()
            for each in open_writers:
                with contextlib.suppress(OSError):
                    await each.wait_closed()

    def _refusal(self, head: bytes) -> bytes | None:
        """Return the answer to a request that is not for Salesforce, None for one that is."""
        method, _, rest = head.decode("latin-1").partition(" ")
        if method != "CONNECT":
            return _answer("405 Method Not Allowed", "This proxy only does CONNECT.")
        target = rest.partition(" ")[0]
        host, _, port = target.rpartition(":")
        if SALESFORCE_HOST.fullmatch(host) and port == "443":
            return None
        if host in LOCAL_HOSTS and port == str(self._upstream_port):
            return None
        return _answer(
            "403 Forbidden",
            f"The sandbox's proxy leads to its own Salesforce only, not to {target}.",
        )

    async def _end_tls(
        self, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Answer the TLS handshake and return the decrypted streams of the tunnel."""
        # StreamWriter.start_tls does this from Python 3.11 on.
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=CHUNK)
        protocol = asyncio.StreamReaderProtocol(reader)
        if self._tls is None:
            raise RuntimeError("the proxy was not started")
        transport = await loop.start_tls(writer.transport, protocol, self._tls, server_side=True)
        if transport is None:
            raise ConnectionResetError("the client left during the TLS handshake")
        protocol.connection_made(transport)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then close the other side."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def _answer(status: str, text: str) -> bytes:
    body = (text + "\n").encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
