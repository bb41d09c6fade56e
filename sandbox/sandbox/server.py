"""Starting and stopping the sandbox: both sides and the proxy in one asyncio process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

import sandbox.admin
import sandbox.phoneiq.app
import sandbox.salesforce.app
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.phoneiq.store import ContactStore
from sandbox.proxy import Proxy
from sandbox.requestlog import RequestLog
from sandbox.salesforce.store import SalesforceStore
from sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

HOST = "127.0.0.1"
_ADMIN = "/_sandbox"
_CA_FILE = "ca.pem"
_GRACE = 5  # seconds for requests under way when the sandbox stops
_KEEP_ALIVE = 75  # seconds that a client may be silent between two requests


class StartError(Exception):
    """The sandbox cannot start with these options; the message says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `contact-sync-sandbox serve` was asked for. Port 0 takes any free port."""

    folder: Path
    contacts: int
    seed: int
    fresh: bool
    phoneiq_port: int
    salesforce_port: int
    proxy_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Where a running sandbox is found: the content of `ready.json`."""

    phoneiq_url: str
    salesforce_url: str
    proxy_url: str
    ca_bundle: str
    pid: int


async def serve(options: Options, *, on_ready: Callable[[Ready, World, bool], None]) -> None:
    """Serve both sides until SIGINT or SIGTERM.

    Data in the folder is kept, and made anew where there is none, where it is incomplete, or
    where `fresh` asks for it.

    Args:
        options: Folder, data and ports.
        on_ready: Called once everything listens, before `ready.json` says so, with whether the
            data was there before.

    Raises:
        StartError: A port is taken, or the folder or a database in it cannot be used.
    """
    os.umask(0o077)
    folder = options.folder.resolve()
    ready_file = folder / "ready.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ready_file.unlink(missing_ok=True)
    except OSError as error:
        raise StartError(f"--folder {folder}: {error.strerror}") from error
    phoneiq_socket = _listen(options.phoneiq_port)
    salesforce_socket = _listen(options.salesforce_port)
    world, kept = _open(options, folder)
    try:
        async with _proxy(options, folder / _CA_FILE, salesforce_socket) as proxy:
            ready = Ready(
                phoneiq_url=_url(phoneiq_socket),
                salesforce_url=_url(salesforce_socket),
                proxy_url=f"http://{HOST}:{proxy.port}",
                ca_bundle=str(folder / _CA_FILE),
                pid=os.getpid(),
            )
            phoneiq, salesforce = _apps(world, public_url=ready.salesforce_url)

            def announce() -> None:
                on_ready(ready, world, kept)
                _write(ready_file, asdict(ready))

            await _serve_until_stopped(
                {_Server(phoneiq): phoneiq_socket, _Server(salesforce): salesforce_socket},
                on_listening=announce,
            )
    finally:
        ready_file.unlink(missing_ok=True)
        world.phoneiq.close()
        world.salesforce.close()


async def _serve_until_stopped(
    servers: dict[_Server, socket.socket], *, on_listening: Callable[[], None]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    tasks = [asyncio.create_task(server.serve([at])) for server, at in servers.items()]
    for server in servers:
        await server.listening.wait()
    on_listening()
    await stop.wait()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)


class _Server(uvicorn.Server):
    """A uvicorn server that shares its process with another one."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,
                lifespan="off",
                log_level="error",
                timeout_graceful_shutdown=_GRACE,
                timeout_keep_alive=_KEEP_ALIVE,
            )
        )
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`, which stops every server at once."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.listening.set()


def _open(options: Options, folder: Path) -> tuple[World, bool]:
    """Open both stores, and make the data if need be; say whether it was kept instead."""
    clock = Clock()
    try:
        world = World(
            clock=clock,
            faults=Faults(),
            requests=RequestLog(clock),
            phoneiq=ContactStore(folder / "phoneiq.db", clock),
            salesforce=SalesforceStore(folder / "salesforce.db", clock),
        )
    except sqlite3.DatabaseError as error:
        raise StartError(
            f"--folder {folder}: a database in it cannot be used ({error}). Delete the folder, or"
            " choose another one."
        ) from error
    # Written last: data without it was never finished.
    complete = folder / "data.json"
    kept = complete.exists() and not options.fresh
    if not kept:
        complete.unlink(missing_ok=True)
        world.start_over(contacts=options.contacts, seed=options.seed)
        _write(complete, {"contacts": options.contacts, "seed": options.seed})
    return world, kept


def _apps(world: World, *, public_url: str) -> tuple[ASGIApp, ASGIApp]:
    """Return the apps of both ports: a side, its faults, its log, and the admin API beside it."""
    admin = sandbox.admin.build(world)
    phoneiq = sandbox.phoneiq.app.build(world.phoneiq, world.faults)
    salesforce = sandbox.salesforce.app.build(world.salesforce, world.faults, public_url=public_url)
    salesforce = world.faults.middleware(salesforce, side="salesforce")
    return (
        _beside(admin, world.requests.middleware(phoneiq, side="phoneiq")),
        _beside(admin, world.requests.middleware(salesforce, side="salesforce")),
    )


def _beside(admin: ASGIApp, app: ASGIApp) -> ASGIApp:
    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == _ADMIN or path.startswith(f"{_ADMIN}/"):
            scope = {**scope, "path": path[len(_ADMIN) :] or "/"}
            await admin(scope, receive, send)
        else:
            await app(scope, receive, send)

    return either


@asynccontextmanager
async def _proxy(
    options: Options, ca_path: Path, salesforce_socket: socket.socket
) -> AsyncIterator[Proxy]:
    port = salesforce_socket.getsockname()[1]
    proxy = Proxy(ca_path, port=options.proxy_port, upstream_port=port)
    try:
        await proxy.start()
    except OSError as error:
        raise _taken(options.proxy_port, error) from error
    try:
        yield proxy
    finally:
        await proxy.close()


def _listen(port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only for sockets that say they are TCP; with it on,
    # every answer would wait 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise _taken(port, error) from error
    return listener


def _taken(port: int, error: OSError) -> StartError:
    return StartError(
        f"port {port} of {HOST}: {os.strerror(error.errno or 0)}. Stop what listens there, or"
        " choose another port with --phoneiq-port, --salesforce-port or --proxy-port."
    )


def _url(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that is either complete or not there."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(path)
