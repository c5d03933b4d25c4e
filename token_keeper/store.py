"""The account secrets in Google Secret Manager: found, read, added to, described, cleaned up.

Source: Google Cloud, Secret Manager: "REST Resource: projects.secrets.versions", "Data integrity".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import google_crc32c
from google.api_core import exceptions as gcp
from google.cloud.secretmanager_v1.types import Secret, SecretPayload, SecretVersion
from google.protobuf.field_mask_pb2 import FieldMask

from token_keeper.access_token import bare, looks_like_token
from token_keeper.account import (
    KEEPER,
    MANAGED_BY,
    SECRET_PREFIX,
    USER_ID,
    Account,
    looks_like_user_id,
    printable,
    secret_id_for,
)
from token_keeper.errors import (
    AccountNotAllowed,
    BoundToAnother,
    KeeperError,
    KeyUnavailable,
    NotAToken,
    StoreConflict,
    StoreRefused,
    StoreUnavailable,
)
from token_keeper.secret_manager import SecretManager, reason_of, translated

_PAGE_SIZE = 500
_ENABLED, _DISABLED, _DESTROYED = (
    SecretVersion.State.ENABLED,
    SecretVersion.State.DISABLED,
    SecretVersion.State.DESTROYED,
)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an account's secret that is not destroyed. `destroyed_on` is set while a destruction waits."""

    number: int
    created_at: datetime
    enabled: bool = True
    destroyed_on: datetime | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """What a version holds. `is_bare` is False where there are blanks, line ends or a byte order mark around it."""

    token: str
    is_bare: bool

    def __repr__(self) -> str:
        return f"Payload('**********', {self.is_bare!r})"


class TokenStore:
    """The account secrets of one project.

    Raises the Secret Manager errors of `token_keeper.errors`: passing ones are StoreUnavailable, permanent ones
    StoreRefused.
    """

    def __init__(self, secret_manager: SecretManager, project: str) -> None:
        self._calls, self._project = secret_manager, project

    def until(self, ends: float, patience: float, refusal_patience: float) -> TokenStore:
        """Return the same store for calls that end at `ends`: see `SecretManager`."""
        return TokenStore(self._calls.until(ends, patience, refusal_patience), self._project)

    # Finding accounts

    def accounts(self) -> Iterator[Account]:
        """Yield the allowed accounts, and those that are known and have lost the keeper's label."""
        for secret in self._secrets(f"labels.{MANAGED_BY}={KEEPER} OR name:{SECRET_PREFIX}"):
            account = _account(secret)
            if account.managed or (account.secret_id.startswith(SECRET_PREFIX) and account.is_known):
                yield account

    def accounts_of(self, user_id: str) -> Iterator[Account]:
        """Yield the accounts that are bound to a Threads user id, also those that have lost the keeper's label.

        A secret whose name stands for no account holds something else, whatever labels somebody copied to it.
        """
        if looks_like_user_id(user_id):
            for secret in self._secrets(f"labels.{USER_ID}={user_id}"):
                account = _account(secret)
                if account.user_id == user_id and account.well_named:
                    yield account

    def allowed_account(self, username: str | None, user_id: str) -> Account:
        """Return the account of a profile: the one bound to its id, else the unbound one of its username.

        Raises AccountNotAllowed if there is none. The list of allowed accounts is the set of these secrets.
        """
        named = self._named(username)
        if named and named.managed and named.user_id == user_id:
            return named
        if bound := [one for one in self.accounts_of(user_id) if one.managed]:
            return bound[-1]  # the oldest: a copy of a secret, with its labels, comes later
        who = printable(username) or "of this person"
        if named is None:
            raise AccountNotAllowed(f"The account {who} is not on the list.")
        if not named.managed:
            raise AccountNotAllowed(f"The secret of the account {who} does not carry the keeper's label.")
        if named.user_id:
            raise BoundToAnother(f"The secret of the account {who} is bound to another person.")
        return named

    def _named(self, username: str | None) -> Account | None:
        """Return the secret of a username, None if there is none that this service account may see.

        Only a missing right on this one secret can mean that it is not there. Another reason is about the project.
        """
        secret_id = secret_id_for(username or "")
        if secret_id is None:
            return None
        try:
            return _account(self._calls.read("get_secret", name=self._secret(secret_id)))
        except gcp.NotFound:
            return None
        except gcp.PermissionDenied as error:
            if reason_of(error) in (None, "IAM_PERMISSION_DENIED"):
                return None
            raise translated(error) from None
        except gcp.GoogleAPICallError as error:
            raise translated(error) from None

    def _secrets(self, wanted: str) -> Iterator[Secret]:
        request = {"parent": f"projects/{self._project}", "filter": wanted, "page_size": _PAGE_SIZE}
        with _translating(missing=StoreRefused):
            for page in self._calls.pages("list_secrets", **request):
                yield from page.secrets

    # Versions

    def versions(self, account: Account) -> list[Version]:
        """Return the enabled versions, newest first."""
        return self._versions(account, "state:ENABLED", {_ENABLED})

    def undestroyed_versions(self, account: Account) -> list[Version]:
        """Return every version that still holds a token, disabled ones too, newest first."""
        return self._versions(account, "", {_ENABLED, _DISABLED})

    def _versions(self, account: Account, wanted: str, states: set[Any]) -> list[Version]:
        request = {"parent": self.secret_name(account), "filter": wanted, "page_size": _PAGE_SIZE}
        with _translating():
            pages = self._calls.pages("list_secret_versions", **request)
            found = [_version(one) for page in pages for one in page.versions if one.state in states]
        return sorted(found, key=lambda version: version.number, reverse=True)

    def access(self, account: Account, version: Version) -> Payload:
        """Return what a version holds; raise NotAToken if it can be no token, KeyUnavailable if nobody can read it."""
        name = self.version_name(account, version.number)
        try:
            payload = self._calls.access(name=name).payload
        except gcp.FailedPrecondition:
            raise self._why_not_read(name) from None
        except gcp.GoogleAPICallError as error:
            raise translated(error) from None
        if "data_crc32c" in payload and payload.data_crc32c != google_crc32c.value(payload.data):
            raise StoreUnavailable("A token was damaged on its way from Secret Manager.")
        text = payload.data.decode("utf-8", errors="replace")
        token = bare(text)
        if not looks_like_token(token):
            raise NotAToken(f"Version {version.number} does not hold an access token.")
        return Payload(token, is_bare=token == text)

    def _why_not_read(self, name: str) -> KeeperError:
        with _translating():
            if self._calls.read("get_secret_version", name=name).state != _ENABLED:
                return StoreConflict("The version was disabled or destroyed in the meantime.")
        return KeyUnavailable(f"Version {_number(name)} cannot be decrypted: see the key (CMEK) of its secret.")

    def add(self, account: Account, token: str, before_again: Callable[[], None] = lambda: None) -> int:
        """Add a version that holds this token and return its number: see `SecretManager.add`.

        Raises KeyUnavailable if it cannot be encrypted: nothing else about a secret is a failed precondition here.
        """
        data = token.encode("ascii")
        payload = SecretPayload(data=data, data_crc32c=google_crc32c.value(data))
        with _translating():
            try:
                return _number(self._calls.add(before_again, parent=self.secret_name(account), payload=payload).name)
            except gcp.FailedPrecondition:
                raise KeyUnavailable("No version can be encrypted: see the key (CMEK) of the secret.") from None

    def destroy(self, account: Account, version: Version) -> datetime | None:
        """Destroy a version. Return when it will be destroyed if the secret delays that, None if it is already.

        Raises StoreRefused if it is still there afterwards.
        """
        name = self.version_name(account, version.number)
        with _translating():
            try:
                left = self._calls.write("destroy_secret_version", name=name)
            except (gcp.FailedPrecondition, gcp.NotFound):
                left = self._as_it_is(name)
        if left is None or left.state == _DESTROYED:
            return None
        later = _version(left).destroyed_on
        if left.state == _DISABLED and later:
            return later
        raise StoreRefused(f"Secret Manager does not destroy version {version.number}.")

    def _as_it_is(self, name: str) -> Any:
        """Return a version as it is now, None if it is not there."""
        try:
            return self._calls.read("get_secret_version", name=name)
        except gcp.NotFound:
            return None

    # Labels and annotations

    def save(self, account: Account) -> Account:
        """Write an account's labels and annotations and return it as saved.

        Raises StoreConflict if they changed since it was read: the whole maps are written, and the etag keeps what
        others changed since from being lost.
        """
        secret = Secret(
            name=self.secret_name(account), labels=account.labels, annotations=account.annotations, etag=account.etag
        )
        mask = FieldMask(paths=["labels", "annotations"])
        with _translating():
            return _account(self._calls.write("update_secret", secret=secret, update_mask=mask))

    def describe(self, account: Account, before: Account) -> Account:
        """Save what is known of an account, `before` being how it was read, over changes by others.

        A description of a newer version is left as it is. Raises StoreConflict if the account is bound otherwise than
        before: somebody's data was deleted, or somebody else signed in, in the meantime.
        """
        try:
            return self.save(account)
        except StoreConflict:
            current = self.reread(account)
            if current.user_id not in (before.user_id, account.user_id) or (before.user_id and not current.user_id):
                raise
            if before.facts and not current.facts:
                raise  # its person took it away meanwhile
            if current.facts and (not account.facts or current.facts.number > account.facts.number):
                return current
            return self.save(replace(current, facts=account.facts, problem=account.problem, user_id=account.user_id))

    def reread(self, account: Account) -> Account:
        """Return the account as it is now."""
        with _translating():
            return _account(self._calls.read("get_secret", name=self.secret_name(account)))

    # Names

    def secret_name(self, account: Account) -> str:
        return self._secret(account.secret_id)

    def version_name(self, account: Account, number: int) -> str:
        """Return a version's name with the project's id; Secret Manager itself answers with the project's number."""
        return f"{self.secret_name(account)}/versions/{number}"

    def _secret(self, secret_id: str) -> str:
        return f"projects/{self._project}/secrets/{secret_id}"


@contextmanager
def _translating(missing: type[KeeperError] | None = None) -> Iterator[None]:
    """Raise our exceptions for Google's. `missing` is the one for what is not there."""
    try:
        yield
    except gcp.GoogleAPICallError as error:
        if missing and isinstance(error, (gcp.FailedPrecondition, gcp.NotFound)):
            raise missing("Secret Manager: what was asked for is not there.") from None
        raise translated(error) from None


def _account(secret: Secret) -> Account:
    secret_id = secret.name.rpartition("/")[2]
    labels, annotations = dict(secret.labels), dict(secret.annotations)
    return Account.from_secret(secret_id, labels, annotations, secret.etag, _utc(secret.expire_time))


def _version(version: SecretVersion) -> Version:
    return Version(
        number=_number(version.name),
        # One without a time of creation counts as new, which destroys nothing.
        created_at=_utc(version.create_time) or datetime.max.replace(tzinfo=UTC),
        enabled=version.state == _ENABLED,
        destroyed_on=_utc(version.scheduled_destroy_time),
    )


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])


def _utc(moment: Any) -> datetime | None:
    return datetime.fromtimestamp(moment.timestamp(), UTC) if moment else None
