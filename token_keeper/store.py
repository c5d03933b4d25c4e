"""The account secrets in Google Secret Manager: found by label, read, added to, described, cleaned up.

The one module that uses `google.cloud`. Adding a version has no etag and no idempotency key: a repeated add whose
first reply was lost leaves an extra version, which the next refresh destroys; so repeating it is safe here.
Source: Google Cloud, Secret Manager: "REST Resource: projects.secrets.versions", "Data integrity", "Quotas and limits".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import google_crc32c
import grpc
from google.api_core import exceptions as gcp
from google.api_core.retry import Retry
from google.api_core.timeout import ConstantTimeout
from google.auth.exceptions import GoogleAuthError
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport
from google.cloud.secretmanager_v1.types import Secret, SecretPayload, SecretVersion
from google.protobuf.field_mask_pb2 import FieldMask

from token_keeper.account import (
    KEEPER,
    MANAGED_BY,
    USER_ID,
    Account,
    looks_like_token,
    looks_like_user_id,
    secret_id_for,
)
from token_keeper.errors import (
    AccountNotAllowed,
    KeeperError,
    NotAToken,
    StoreConflict,
    StoreRefused,
    StoreUnavailable,
)
from token_keeper.pace import Pace

CALL_TIMEOUT = 10.0  # seconds, of one attempt
QUOTA_PER_MINUTE = 600  # reads, and as many writes, of one project
_BURST = 12  # calls that need not wait
_LEFT_TO_OTHERS = 6  # calls a minute, for people who sign in meanwhile
_PASSING = (
    gcp.ServiceUnavailable,
    gcp.DeadlineExceeded,
    gcp.ResourceExhausted,
    gcp.InternalServerError,
    gcp.BadGateway,
    gcp.Unknown,
    gcp.Cancelled,
)
_PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class Version:
    """One enabled version of an account's secret."""

    number: int
    created_at: datetime


def connect(emulator: str | None) -> SecretManagerServiceClient:
    """Make the official client: Google's endpoint and credentials, or a plaintext emulator at `host:port`."""
    if emulator is None:
        try:
            return SecretManagerServiceClient()
        except GoogleAuthError:
            raise StoreRefused("There are no Google credentials here.") from None
    channel = grpc.insecure_channel(emulator, [("grpc.enable_http_proxy", 0)])  # it is on this machine
    return SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))


class TokenStore:
    """The secrets of one project that carry this keeper's label.

    `patience` is how many seconds a call may be repeated for. Raises the Secret Manager errors of
    `token_keeper.errors`: passing ones are StoreUnavailable, permanent ones StoreRefused.
    """

    def __init__(self, client: SecretManagerServiceClient, project: str, patience: float) -> None:
        self._client, self._project = client, project
        rate = (QUOTA_PER_MINUTE - _BURST - _LEFT_TO_OTHERS) / 60
        self._reads, self._writes = Pace(rate, _BURST), Pace(rate, _BURST)
        self._reading = _options(patience, self._reads, *_PASSING)
        self._writing = _options(patience, self._writes, *_PASSING)
        # A refreshed token that is not stored may be the account's only one: adding it is tried longest.
        self._adding = _options(5 * patience, self._writes, *_PASSING, gcp.Aborted)

    # Finding accounts

    def accounts(self, user_id: str | None = None) -> Iterator[Account]:
        """List the allowed accounts, or those bound to one Threads user id."""
        wanted = f"labels.{MANAGED_BY}={KEEPER}"
        if user_id is not None:
            if not looks_like_user_id(user_id):
                return
            wanted += f" AND labels.{USER_ID}={user_id}"
        request = {"parent": f"projects/{self._project}", "filter": wanted, "page_size": _PAGE_SIZE}
        with _translated(missing=StoreRefused):
            self._reads.wait()
            for page in self._client.list_secrets(request=request, **self._reading).pages:
                self._reads.wait()
                for secret in page.secrets:
                    if _is_ours(secret) and (user_id is None or secret.labels.get(USER_ID) == user_id):
                        yield _account(secret)

    def allowed_account(self, username: str, user_id: str) -> Account:
        """Give the account of this profile; raise AccountNotAllowed unless its secret is there, labelled, and its own.

        The list of allowed accounts is the set of these secrets. A service account that may read some secrets is
        told of the others that it has no permission, whether they exist or not.
        """
        secret_id = secret_id_for(username)
        if secret_id is None:
            raise AccountNotAllowed("No account of this name can be on the list.")
        try:
            with _translated(gcp.NotFound, gcp.PermissionDenied):
                self._reads.wait()
                secret = self._client.get_secret(name=self._secret(secret_id), **self._reading)
        except (gcp.NotFound, gcp.PermissionDenied):
            raise AccountNotAllowed("This account is not on the list.") from None
        if not _is_ours(secret):
            raise AccountNotAllowed("This account's secret does not carry the keeper's label.")
        account = _account(secret)
        if not account.belongs_to(user_id, username):
            raise AccountNotAllowed("This account's secret is bound to another person.")
        return account

    # Versions

    def versions(self, account: Account) -> list[Version]:
        """List the enabled versions, newest first."""
        return self._versions(account, "state:ENABLED", {SecretVersion.State.ENABLED})

    def undestroyed_versions(self, account: Account) -> list[Version]:
        """List every version that still holds a token, disabled ones too, newest first."""
        return self._versions(account, "", {SecretVersion.State.ENABLED, SecretVersion.State.DISABLED})

    def _versions(self, account: Account, wanted: str, states: set[int]) -> list[Version]:
        request = {"parent": self.secret_name(account), "filter": wanted, "page_size": _PAGE_SIZE}
        with _translated():
            self._reads.wait()
            listed = self._client.list_secret_versions(request=request, **self._reading)
            found = [Version(_number(v.name), _utc(v.create_time)) for v in listed if v.state in states]
        return sorted(found, key=lambda version: version.number, reverse=True)

    def is_destroyed(self, account: Account, version: Version) -> bool:
        """Tell whether a version that was there has been destroyed since."""
        with _translated():
            self._reads.wait()
            name = self.version_name(account, version.number)
            state = self._client.get_secret_version(name=name, **self._reading).state
        return bool(state == SecretVersion.State.DESTROYED)

    def access(self, account: Account, version: Version) -> str:
        """Read the token of a version; raise NotAToken where the payload can be none."""
        with _translated():
            payload = self._client.access_secret_version(
                name=self.version_name(account, version.number), **self._reading
            ).payload
        if "data_crc32c" in payload and payload.data_crc32c != google_crc32c.value(payload.data):
            raise StoreUnavailable("A token was damaged on its way from Secret Manager.")
        # Pasted tokens often end in a newline: `echo TOKEN | gcloud secrets versions add`.
        token = payload.data.decode("ascii", errors="replace").strip()
        if not looks_like_token(token):
            raise NotAToken(f"Version {version.number} does not hold an access token.")
        return token

    def add(self, account: Account, token: str) -> int:
        """Add a version that holds this token; give its number."""
        data = token.encode("ascii")
        payload = SecretPayload(data=data, data_crc32c=google_crc32c.value(data))
        with _translated():
            self._writes.wait()
            added = self._client.add_secret_version(parent=self.secret_name(account), payload=payload, **self._adding)
        return _number(added.name)

    def destroy(self, account: Account, version: Version) -> None:
        """Destroy a version; one that is destroyed already is as good."""
        try:
            with _translated(gcp.FailedPrecondition, gcp.NotFound):
                self._writes.wait()
                self._client.destroy_secret_version(name=self.version_name(account, version.number), **self._writing)
        except (gcp.FailedPrecondition, gcp.NotFound):
            pass

    # Labels and annotations

    def save(self, account: Account) -> Account:
        """Write an account's labels and annotations; raise StoreConflict if they changed since it was read.

        The whole maps are written, so the etag matters: it keeps what others changed since from being lost.
        """
        secret = Secret(
            name=self.secret_name(account),
            labels=account.labels,
            annotations=account.annotations,
            etag=account.etag,
        )
        with _translated():
            self._writes.wait()
            return _account(
                self._client.update_secret(
                    secret=secret, update_mask=FieldMask(paths=["labels", "annotations"]), **self._writing
                )
            )

    def describe(self, account: Account) -> Account:
        """Save an account's facts, over changes by others too; who described a newer version keeps the last word.

        Raises StoreConflict where the account is no longer bound as it was: somebody's data was deleted meanwhile.
        """
        try:
            return self.save(account)
        except StoreConflict:
            current = self.reread(account)
            if current.user_id != account.user_id or not account.facts:
                raise
            if current.facts and current.facts.version > account.facts.version:
                return current
            return self.save(replace(current, facts=account.facts))

    def forget(self, account: Account, *, facts: bool, person: bool) -> None:
        """Clear what describes a version, what identifies the person, or both."""
        changed = replace(account, facts=None if facts else account.facts, user_id=None if person else account.user_id)
        if facts or person:
            self.save(changed)

    def reread(self, account: Account) -> Account:
        """Give the account as it is now."""
        with _translated():
            self._reads.wait()
            return _account(self._client.get_secret(name=self.secret_name(account), **self._reading))

    # Names and calls

    def secret_name(self, account: Account) -> str:
        return self._secret(account.secret_id)

    def version_name(self, account: Account, number: int) -> str:
        """Name a version by project id; Secret Manager itself answers with the project's number."""
        return f"{self.secret_name(account)}/versions/{number}"

    def _secret(self, secret_id: str) -> str:
        return f"projects/{self._project}/secrets/{secret_id}"


def _options(patience: float, pace: Pace, *passing: type[gcp.GoogleAPICallError]) -> dict[str, Any]:
    """Give a call's deadline and its repetitions, which keep to the pace too: no storm where a quota is used up."""
    return {
        "timeout": ConstantTimeout(CALL_TIMEOUT),  # type: ignore[no-untyped-call]
        "retry": Retry(
            predicate=lambda error: isinstance(error, passing),
            initial=0.2,
            maximum=10.0,
            multiplier=2.0,
            timeout=patience,
            on_error=lambda _: pace.wait(),
        ),
    }


@contextmanager
def _translated(*untouched: type[gcp.GoogleAPICallError], missing: type[KeeperError] = StoreConflict) -> Iterator[None]:
    """Turn Google's exceptions into ours; their text may quote a request, so it stays behind."""
    try:
        yield
    except untouched:
        raise
    except gcp.Aborted:
        raise StoreConflict("Secret Manager: somebody else is changing the same thing.") from None
    except (gcp.FailedPrecondition, gcp.NotFound):
        raise missing("Secret Manager: what was asked for is not there, or has changed in the meantime.") from None
    except gcp.RetryError:
        raise StoreUnavailable("Secret Manager did not answer in time.") from None
    except gcp.GoogleAPICallError as error:
        kind = StoreUnavailable if isinstance(error, _PASSING) else StoreRefused
        raise kind(f"Secret Manager: {getattr(error.grpc_status_code, 'name', 'no status')}.") from None


def _is_ours(secret: Secret) -> bool:
    return bool(secret.labels.get(MANAGED_BY) == KEEPER)


def _account(secret: Secret) -> Account:
    return Account.from_secret(
        secret.name.rpartition("/")[2], dict(secret.labels), dict(secret.annotations), secret.etag
    )


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])


def _utc(moment: Any) -> datetime:
    """Read a time of creation; one that is not there counts as new, which destroys nothing."""
    return datetime.fromtimestamp(moment.timestamp(), UTC) if moment else datetime.max.replace(tzinfo=UTC)
