"""Which accounts the local Secret Manager allows, and what it keeps of them.

python -m sandbox.accounts                 # every account and its newest version
python -m sandbox.accounts allow alice     # as ./deploy.sh account does in the cloud
python -m sandbox.accounts token alice     # the newest version's payload, as a bot reads it
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, NotFound
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.types import Secret

from sandbox.secret_manager.server import DEFAULT_PORT, DEFAULT_PROJECT
from token_keeper.account import KEEPER, MANAGED_BY, secret_id_for
from token_keeper.store import connect

_ONCE: dict[str, Any] = {"retry": None, "timeout": 5.0}  # on this machine, waiting would not help


def allow(client: SecretManagerServiceClient, project: str, username: str) -> bool:
    """Make the account's secret; tell whether it is new."""
    secret = Secret(replication={"automatic": {}}, labels={MANAGED_BY: KEEPER})
    try:
        client.create_secret(parent=f"projects/{project}", secret_id=_secret_id(username), secret=secret, **_ONCE)
    except AlreadyExists:
        return False
    return True


def token(client: SecretManagerServiceClient, project: str, username: str) -> str:
    """Read the newest version, whatever put it there."""
    name = f"projects/{project}/secrets/{_secret_id(username)}/versions/latest"
    return client.access_secret_version(name=name, **_ONCE).payload.data.decode()


def _secret_id(username: str) -> str:
    secret_id = secret_id_for(username)
    if secret_id is None:
        raise SystemExit(f"Not a Threads username: {username!r}.")
    return secret_id


def _list(client: SecretManagerServiceClient, project: str) -> None:
    for secret in client.list_secrets(parent=f"projects/{project}", **_ONCE):
        facts = secret.annotations
        kept = (
            f"version {facts['version']}, expires {facts['expires-at']}" if "version" in facts else "nothing kept yet"
        )
        print(f"{secret.name.rpartition('/')[2]}: {kept}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.accounts", description="Look after the local Secret Manager.")
    parser.add_argument("what", nargs="?", choices=["list", "allow", "token"], default="list")
    parser.add_argument("usernames", nargs="*")
    parser.add_argument("--secret-manager", default=f"127.0.0.1:{DEFAULT_PORT}", metavar="HOST:PORT")
    parser.add_argument("--project", default=DEFAULT_PROJECT)
    args = parser.parse_args()
    if args.what != "list" and not args.usernames:
        parser.error(f"{args.what}: whose? Give a username.")
    client = connect(args.secret_manager)
    try:
        if args.what == "list":
            _list(client, args.project)
        for username in args.usernames:
            if args.what == "allow":
                new = allow(client, args.project, username)
                print(f"{username} {'may sign in now' if new else 'may sign in already'}.")
            elif args.what == "token":
                print(token(client, args.project, username))
    except NotFound:
        sys.exit("There is no such secret, or it has no version yet.")
    except GoogleAPICallError as error:
        what = type(error).__name__
        sys.exit(f"The local Secret Manager at {args.secret_manager} did not answer ({what}). Is `make run` running?")


if __name__ == "__main__":
    main()
