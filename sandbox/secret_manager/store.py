"""What each call of Secret Manager does to the stored secrets. Where Google refuses a call, it raises `Refusal`.

One lock is around the state, and a reply is a copy, so any number of threads may call at once.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol

from google.cloud.secretmanager_v1 import types
from google.cloud.secretmanager_v1.types import Secret, SecretPayload, SecretVersion
from grpc import StatusCode

from sandbox.clock import Clock
from sandbox.secret_manager import filters, rules
from sandbox.secret_manager.paging import page_of
from sandbox.secret_manager.refusal import Refusal, invalid
from sandbox.secret_manager.state import HeldSecret, HeldVersion, SecretState

State = SecretVersion.State
_OUTPUT_FIELDS = {"name", "create_time", "etag", "policy_member"}
_MUTABLE_FIELDS = {"labels", "annotations", "topics", "version_destroy_ttl", "expire_time"}
_KNOWN_FIELDS = _OUTPUT_FIELDS | _MUTABLE_FIELDS | {"replication"}


class _NamesVersion(Protocol):
    name: str
    etag: str


class SecretStore:
    """The secrets of one project, by its rules and its clock."""

    def __init__(self, clock: Clock, state: SecretState, project: str, number: str) -> None:
        self._clock = clock
        self._state = state
        self._project = project
        self._number = number
        self._lock = threading.Lock()
        # Looked at by each call, so it holds only what waits to be destroyed.
        self._doomed = [
            version
            for held in state.secrets.values()
            for version in held.versions.values()
            if "scheduled_destroy_time" in version.message
        ]
        self._expiring = {secret_id for secret_id, held in state.secrets.items() if "expire_time" in held.message}

    def create_secret(self, request: types.CreateSecretRequest) -> Secret:
        with self._changing():
            self._check_project(rules.parse_name(request.parent, 1).project)
            rules.check_secret_id(request.secret_id)
            _check_secret(request.secret)
            name = self._secret_name(request.secret_id)
            if request.secret_id in self._state.secrets:
                raise Refusal(StatusCode.ALREADY_EXISTS, f"Secret [{name}] already exists.")
            secret = Secret(request.secret, name=name, create_time=self._clock.now(), etag=_new_etag())
            self._note_expiry(request.secret_id, secret)
            self._state.last_serial += 1
            self._state.secrets[request.secret_id] = HeldSecret(self._state.last_serial, secret)
            return Secret(secret)

    def get_secret(self, request: types.GetSecretRequest) -> Secret:
        with self._reading():
            return Secret(self._secret(request.name).message)

    def update_secret(self, request: types.UpdateSecretRequest) -> Secret:
        with self._changing():
            held = self._secret(request.secret.name)
            paths = list(request.update_mask.paths)
            _check_mask(paths)
            _check_etag(request.secret.etag, held.message)
            updated = Secret(held.message, etag=_new_etag())
            for path in paths:
                setattr(updated, path, getattr(request.secret, path))
            self._note_expiry(rules.parse_name(request.secret.name, 2).secret, updated)
            _check_secret(updated)
            held.message = updated
            return Secret(updated)

    def delete_secret(self, request: types.DeleteSecretRequest) -> None:
        with self._changing():
            held = self._secret(request.name)
            _check_etag(request.etag, held.message)
            del self._state.secrets[rules.parse_name(request.name, 2).secret]

    def list_secrets(self, request: types.ListSecretsRequest) -> types.ListSecretsResponse:
        with self._reading():
            self._check_project(rules.parse_name(request.parent, 1).project)
            matches = filters.parse_filter(request.filter)
            found = [
                (held.serial, Secret(held.message))
                for held in self._state.secrets.values()
                if matches(_secret_fields(held.message))
            ]
        page, token = page_of(found, request.page_size, request.page_token)
        total = 0 if request.filter else len(found)
        return types.ListSecretsResponse(secrets=page, next_page_token=token, total_size=total)

    def add_secret_version(self, request: types.AddSecretVersionRequest) -> SecretVersion:
        with self._changing():
            held = self._secret(request.parent)
            rules.check_payload(request.payload)
            number = len(held.versions) + 1
            version = SecretVersion(
                name=f"{held.message.name}/versions/{number}",
                create_time=self._clock.now(),
                state=State.ENABLED,
                etag=_new_etag(),
                client_specified_payload_checksum="data_crc32c" in request.payload,
                replication_status={"automatic": {}},
            )
            held.versions[number] = HeldVersion(version, request.payload.data)
            return SecretVersion(version)

    def get_secret_version(self, request: types.GetSecretVersionRequest) -> SecretVersion:
        with self._reading():
            return SecretVersion(self._version(request.name).message)

    def list_secret_versions(self, request: types.ListSecretVersionsRequest) -> types.ListSecretVersionsResponse:
        with self._reading():
            matches = filters.parse_filter(request.filter)
            found = [
                (number, SecretVersion(held.message))
                for number, held in self._secret(request.parent).versions.items()
                if matches({"name": held.message.name, "state": held.message.state.name})
            ]
        page, token = page_of(found, request.page_size, request.page_token)
        total = 0 if request.filter else len(found)
        return types.ListSecretVersionsResponse(versions=page, next_page_token=token, total_size=total)

    def held_versions(self, secret_id: str) -> dict[int, HeldVersion]:
        """Return a secret's versions by number as they are kept here, whatever their state."""
        with self._reading():
            return dict(self._secret(self._secret_name(secret_id)).versions)

    def access_secret_version(self, request: types.AccessSecretVersionRequest) -> types.AccessSecretVersionResponse:
        with self._reading():
            held = self._version(request.name)
            if held.message.state is not State.ENABLED:
                raise _wrong_state(held.message)
            payload = SecretPayload(data=held.payload, data_crc32c=rules.crc32c(held.payload))
            return types.AccessSecretVersionResponse(name=held.message.name, payload=payload)

    def enable_secret_version(self, request: types.EnableSecretVersionRequest) -> SecretVersion:
        with self._changing():
            return _turn(self._version_to_change(request), State.ENABLED)

    def disable_secret_version(self, request: types.DisableSecretVersionRequest) -> SecretVersion:
        with self._changing():
            return _turn(self._version_to_change(request), State.DISABLED)

    def destroy_secret_version(self, request: types.DestroySecretVersionRequest) -> SecretVersion:
        with self._changing():
            held = self._version_to_change(request)
            ttl = _destroy_ttl(self._secret(request.name.partition("/versions/")[0]).message)
            if not ttl:
                self._destroy(held)
                return SecretVersion(held.message)
            _turn(held, State.DISABLED, scheduled_destroy_time=self._clock.now() + ttl)
            self._doomed.append(held)
            return SecretVersion(held.message)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            if self._destroy_what_is_due():
                self._state.save()
            yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Save before the answer. A call that is refused changes nothing."""
        with self._reading():
            yield
            self._state.save()

    def _destroy_what_is_due(self) -> bool:
        now = self._clock.now()
        due = [version for version in self._doomed if _is_due(version.message, now)]
        for version in due:
            self._destroy(version)
        self._doomed = [version for version in self._doomed if "scheduled_destroy_time" in version.message]
        return self._delete_what_has_expired(now) or bool(due)

    def _delete_what_has_expired(self, now: datetime) -> bool:
        secrets = self._state.secrets
        expired = {one for one in self._expiring if one not in secrets or _has_expired(secrets[one].message, now)}
        for secret_id in expired:
            secrets.pop(secret_id, None)
        self._expiring -= expired
        return bool(expired)

    def _note_expiry(self, secret_id: str, secret: Any) -> None:
        if "expire_time" in secret:
            rules.check_expiry(secret.expire_time, self._clock.now())
            self._expiring.add(secret_id)

    def _destroy(self, held: HeldVersion) -> None:
        held.payload = b""
        _turn(held, State.DESTROYED, destroy_time=self._clock.now())

    def _secret_name(self, secret_id: str) -> str:
        return f"projects/{self._number}/secrets/{secret_id}"

    def _check_project(self, project: str) -> None:
        if project not in (self._project, self._number):
            message = f"Permission denied on resource project {project}."
            raise Refusal(StatusCode.PERMISSION_DENIED, message, "CONSUMER_INVALID", consumer=f"projects/{project}")

    def _secret(self, name: str) -> HeldSecret:
        project, secret_id, _ = rules.parse_name(name, 2)
        self._check_project(project)
        if secret_id not in self._state.secrets:
            raise Refusal(StatusCode.NOT_FOUND, f"Secret [{self._secret_name(secret_id)}] not found.")
        return self._state.secrets[secret_id]

    def _version(self, name: str) -> HeldVersion:
        _, _, version = rules.parse_name(name, 3)
        secret = self._secret(name.rpartition("/versions/")[0])
        if version != "latest" and not (version.isascii() and version.isdecimal()):
            raise invalid(f"The version [{version}] is neither a number nor latest.")
        number = len(secret.versions) if version == "latest" else int(version)
        if number not in secret.versions:
            raise Refusal(StatusCode.NOT_FOUND, f"Secret Version [{secret.message.name}/versions/{version}] not found.")
        return secret.versions[number]

    def _version_to_change(self, request: _NamesVersion) -> HeldVersion:
        if request.name.endswith("/versions/latest"):
            raise invalid("A version is changed by its number, not as latest.")
        held = self._version(request.name)
        _check_etag(request.etag, held.message)
        if held.message.state is State.DESTROYED:
            raise _wrong_state(held.message)
        return held


def _turn(held: HeldVersion, state: int, **times: datetime) -> SecretVersion:
    """Put a version into this state, and cancel its scheduled destruction."""
    changed = SecretVersion(held.message, state=state, etag=_new_etag())
    SecretVersion.pb(changed).ClearField("scheduled_destroy_time")
    held.message = SecretVersion(changed, **times)
    return SecretVersion(held.message)


# proto-plus returns times as datetime and timedelta, but its annotations say otherwise.


def _is_due(version: Any, now: datetime) -> bool:
    return "scheduled_destroy_time" in version and version.scheduled_destroy_time <= now


def _has_expired(secret: Any, now: datetime) -> bool:
    return "expire_time" in secret and secret.expire_time <= now


def _destroy_ttl(secret: Any) -> timedelta:
    return secret.version_destroy_ttl or timedelta()


def _wrong_state(version: SecretVersion) -> Refusal:
    return Refusal(StatusCode.FAILED_PRECONDITION, f"Secret Version [{version.name}] is in {version.state.name} state.")


def _new_etag() -> str:
    return f'"{secrets.token_hex(7)}"'


def _check_etag(given: str, current: Secret | SecretVersion) -> None:
    if given and given != current.etag:
        raise Refusal(StatusCode.FAILED_PRECONDITION, f"The etag of [{current.name}] is not the one given.")


def _check_secret(secret: Secret) -> None:
    for field in Secret.meta.fields:
        if field in secret and field not in _KNOWN_FIELDS:
            raise Refusal(StatusCode.UNIMPLEMENTED, f"The sandbox does not know a secret's [{field}].")
    if "replication" not in secret:
        raise invalid("Secret.replication must be given.")
    rules.check_labels(secret.labels)
    rules.check_annotations(secret.annotations)
    rules.check_topics([topic.name for topic in secret.topics])
    rules.check_destroy_ttl(_destroy_ttl(secret))


def _check_mask(paths: Sequence[str]) -> None:
    if not paths:
        raise invalid("update_mask must name what to update.")
    for path in paths:
        if path not in _MUTABLE_FIELDS:
            raise invalid(f"update_mask must not name [{path}].")


def _secret_fields(secret: Secret) -> filters.Fields:
    return {"name": secret.name, "labels": secret.labels, "annotations": secret.annotations}
