"""Which accounts the local Secret Manager allows, and what it keeps of them.

python -m sandbox.accounts                 # every account and its newest version
python -m sandbox.accounts allow alice     # as ./deploy.sh account does in the cloud
python -m sandbox.accounts forget alice    # as ./deploy.sh forget: off the list, its tokens are deleted
python -m sandbox.accounts token alice     # the newest version's payload, as a bot reads it
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, NotFound
from google.cloud.secretmanager_v1.types import ListSecretsRequest, Secret

from sandbox.secret_manager.server import DEFAULT_PORT, DEFAULT_PROJECT
from token_keeper.account import KEEPER, MANAGED_BY, Account, secret_id_for
from token_keeper.clock import rfc3339
from token_keeper.secret_manager import connect

_ONCE: dict[str, Any] = {"retry": None, "timeout": 5.0}  # on this machine, waiting would not help


class NoSuchAccount(Exception):
    """Not a username, or no account of this name. The text says which."""


class Accounts:
    """The accounts of one local Secret Manager."""

    def __init__(self, address: str, project: str) -> None:
        self._client = connect(address)
        self._parent = f"projects/{project}"

    def all(self) -> Iterator[Account]:
        """Return every account that may sign in, in the order of their names."""
        request = ListSecretsRequest(parent=self._parent, filter=f"labels.{MANAGED_BY}={KEEPER}")
        secrets = self._client.list_secrets(request=request, **_ONCE)
        for secret in sorted(secrets, key=lambda one: one.name):
            yield Account.from_secret(secret.name.rpartition("/")[2], secret.labels, secret.annotations, secret.etag)

    def allow(self, username: str) -> bool:
        """Make the account's secret; return whether it is new."""
        secret = Secret(replication={"automatic": {}}, labels={MANAGED_BY: KEEPER})
        try:
            self._client.create_secret(parent=self._parent, secret_id=_secret_id(username), secret=secret, **_ONCE)
        except AlreadyExists:
            return False
        return True

    def forget(self, username: str) -> None:
        """Delete the account's secret with all its versions."""
        with _named(username):
            self._client.delete_secret(name=self._name(username), **_ONCE)

    def token(self, username: str) -> str:
        """Return the payload of the newest version, whatever added it."""
        with _named(username):
            name = f"{self._name(username)}/versions/latest"
            return self._client.access_secret_version(name=name, **_ONCE).payload.data.decode()

    def _name(self, username: str) -> str:
        return f"{self._parent}/secrets/{_secret_id(username)}"


def _secret_id(username: str) -> str:
    secret_id = secret_id_for(username)
    if secret_id is None:
        raise NoSuchAccount(f"Not a Threads username: {username!r}.")
    return secret_id


@contextmanager
def _named(username: str) -> Iterator[None]:
    """Raise NoSuchAccount, with the username, where Secret Manager finds nothing."""
    try:
        yield
    except NotFound:
        raise NoSuchAccount(f"{username} is no account here, or has no version yet.") from None


# The command


def _list(accounts: Accounts, args: argparse.Namespace) -> None:
    for account in accounts.all():
        facts = account.facts
        kept = f"version {facts.number}, expires {rfc3339(facts.expires_at)}" if facts else "nothing kept yet"
        print(f"{account.username}: {kept}")


def _allow(accounts: Accounts, args: argparse.Namespace) -> None:
    for username in args.usernames:
        print(f"{username} may sign in {'now' if accounts.allow(username) else 'already'}.")


def _forget(accounts: Accounts, args: argparse.Namespace) -> None:
    names = ", ".join(args.usernames)
    if not args.yes and not _agreed(f"This deletes every token that is kept of {names}. Go on? [y/N] "):
        raise SystemExit("Nothing was changed.")
    for username in args.usernames:
        accounts.forget(username)
        print(f"{username} is off the list. What was kept of it is deleted.")


def _token(accounts: Accounts, args: argparse.Namespace) -> None:
    for username in args.usernames:
        print(accounts.token(username))


def _agreed(question: str) -> bool:
    """Ask on the terminal; where there is none, the answer is no."""
    try:
        return sys.stdin.isatty() and input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


_COMMANDS = {"list": _list, "allow": _allow, "forget": _forget, "token": _token}


def main() -> None:
    args = _arguments()
    try:
        _COMMANDS[args.what](Accounts(args.secret_manager, args.project), args)
    except NoSuchAccount as error:
        sys.exit(str(error))
    except GoogleAPICallError as error:
        what = type(error).__name__
        sys.exit(f"The local Secret Manager at {args.secret_manager} did not answer ({what}). Is `make run` running?")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox.accounts", description="Look after the local Secret Manager.")
    parser.add_argument("what", nargs="?", choices=list(_COMMANDS), default="list")
    parser.add_argument("usernames", nargs="*")
    parser.add_argument("--yes", action="store_true", help="forget without asking")
    parser.add_argument("--secret-manager", default=f"127.0.0.1:{DEFAULT_PORT}", metavar="HOST:PORT")
    parser.add_argument("--project", default=DEFAULT_PROJECT)
    args = parser.parse_args()
    if args.what != "list" and not args.usernames:
        parser.error(f"{args.what}: whose? Write a username behind it.")
    return args


if __name__ == "__main__":
    main()
