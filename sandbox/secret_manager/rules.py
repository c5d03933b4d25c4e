"""Which names, ids, labels, annotations and payloads Secret Manager accepts. Everything else is refused.

Source: the field comments of Google's `secretmanager.v1` resources.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import google_crc32c
from google.cloud.secretmanager_v1.types import SecretPayload

from sandbox.secret_manager.refusal import invalid

MAX_PAYLOAD_BYTES = 64 * 1024
MAX_ANNOTATION_BYTES = 16 * 1024
MAX_LABELS = 64
MAX_TOPICS = 10

_NAME = re.compile(r"projects/([^/]+)(?:/secrets/([^/]+)(?:/versions/([^/]+))?)?")
_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")
_SECRET_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ANNOTATION_KEY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


class Name(NamedTuple):
    """The parts of a resource name. A project's name has no secret, and a secret's name no version: they are empty."""

    project: str
    secret: str = ""
    version: str = ""


def parse_name(text: str, depth: int) -> Name:
    """Return the parts of the name of a project (depth 1), a secret (2) or a version (3)."""
    match = _NAME.fullmatch(text)
    parts = [part for part in match.groups() if part] if match else []
    if len(parts) != depth:
        raise invalid(f"The resource name [{text}] is not of the expected form.")
    return Name(*parts)


def check_secret_id(secret_id: str) -> None:
    if not _SECRET_ID.fullmatch(secret_id):
        raise invalid(f"The secret id [{secret_id}] must match [A-Za-z0-9_-]{{1,255}}.")


def check_labels(labels: Mapping[str, str]) -> None:
    if len(labels) > MAX_LABELS:
        raise invalid(f"A secret has at most {MAX_LABELS} labels.")
    for key, value in labels.items():
        if not key or not _is_letter(key[0]) or not _is_label_text(key):
            raise invalid(f"The label key [{key}] is not valid.")
        if not _is_label_text(value):
            raise invalid(f"The value [{value}] of label [{key}] is not valid.")


def _is_letter(character: str) -> bool:
    return unicodedata.category(character) in ("Ll", "Lo")


def _is_label_text(text: str) -> bool:
    characters = all(_is_letter(c) or unicodedata.category(c)[0] == "N" or c in "_-" for c in text)
    return characters and len(text) <= 63 and len(text.encode()) <= 128


def check_annotations(annotations: Mapping[str, str]) -> None:
    for key in annotations:
        if not _ANNOTATION_KEY.fullmatch(key):
            raise invalid(f"The annotation key [{key}] is not valid.")
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) >= MAX_ANNOTATION_BYTES:
        raise invalid("The annotations must be less than 16KiB in all.")


def check_topics(names: Sequence[str]) -> None:
    if len(names) > MAX_TOPICS:
        raise invalid(f"A secret has at most {MAX_TOPICS} topics.")
    for name in names:
        if not _TOPIC.fullmatch(name):
            raise invalid(f"The topic [{name}] must be projects/*/topics/*.")


def check_destroy_ttl(ttl: timedelta) -> None:
    if ttl and not timedelta(days=1) <= ttl <= timedelta(days=1000):
        raise invalid("version_destroy_ttl must be between 1 and 1000 days.")


def check_expiry(moment: datetime, now: datetime) -> None:
    if moment <= now:
        raise invalid("expire_time must be in the future.")


def check_payload(payload: SecretPayload) -> None:
    if not payload.data:
        raise invalid("The secret payload must not be empty.")
    if len(payload.data) > MAX_PAYLOAD_BYTES:
        raise invalid(f"The secret payload must not exceed {MAX_PAYLOAD_BYTES} bytes.")
    if "data_crc32c" in payload and payload.data_crc32c != crc32c(payload.data):
        raise invalid("The payload's data does not match its data_crc32c.")


def crc32c(data: bytes) -> int:
    return int(google_crc32c.value(data))
