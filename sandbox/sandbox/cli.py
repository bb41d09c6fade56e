"""The command `contact-sync-sandbox`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sandbox import server
from sandbox.people import MAX_CONTACTS
from sandbox.phoneiq.app import API_KEY

if TYPE_CHECKING:
    from sandbox.world import World

_PORT = click.IntRange(0, 65535)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="contact-sync-sandbox")
def main() -> None:
    """Run a PhoneIQ and a Salesforce on 127.0.0.1, for demos and tests."""


@main.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".sandbox"),
    help="Where the data lives.",
)
@click.option(
    "--contacts",
    type=click.IntRange(0, MAX_CONTACTS),
    default=1000,
    help="How many contacts to make on each side.",
)
@click.option("--seed", type=int, default=1, help="The same seed makes the same people.")
@click.option("--fresh", is_flag=True, help="Throw away the data in the folder first.")
@click.option("--phoneiq-port", type=_PORT, default=8701, help="0: any free port.")
@click.option("--salesforce-port", type=_PORT, default=8702, help="0: any free port.")
@click.option("--proxy-port", type=_PORT, default=8703, help="0: any free port.")
def serve(
    folder: Path,
    contacts: int,
    seed: int,
    fresh: bool,
    phoneiq_port: int,
    salesforce_port: int,
    proxy_port: int,
) -> None:
    """Serve both sides until Ctrl-C.

    Data that is in the folder already is kept; --contacts and --seed count when there is none,
    or with --fresh.
    """
    options = server.Options(
        folder=folder,
        contacts=contacts,
        seed=seed,
        fresh=fresh,
        phoneiq_port=phoneiq_port,
        salesforce_port=salesforce_port,
        proxy_port=proxy_port,
    )
    try:
        asyncio.run(server.serve(options, on_ready=_banner))
    except server.StartError as error:
        raise click.ClickException(str(error)) from error


def _banner(ready: server.Ready, world: World, kept: bool) -> None:
    salesforce = ", ".join(
        f"{world.salesforce.count(name):,} {plural}"
        for name, plural in (("Account", "accounts"), ("Contact", "contacts"), ("Lead", "leads"))
    )
    click.echo(
        f"""\
PhoneIQ     {ready.phoneiq_url}  ({world.phoneiq.count():,} contacts)
            API key         {API_KEY}
Salesforce  {ready.salesforce_url}  ({salesforce})
            client id       sandbox-client-id
            client secret   sandbox-client-secret
            refresh token   sandbox-refresh-token
            username        admin@sandbox.example
            password        sandbox-password
            security token  sandbox-security-token
For clients that insist on https://login.salesforce.com
            HTTPS_PROXY={ready.proxy_url} REQUESTS_CA_BUNDLE={ready.ca_bundle}
Admin API   {ready.phoneiq_url}/_sandbox/
Data        {"kept from before; --fresh makes it anew" if kept else "made anew"}
Ctrl-C stops it."""
    )


if __name__ == "__main__":
    main()
