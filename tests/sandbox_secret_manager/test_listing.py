"""Listing secrets: filters and pages."""

from __future__ import annotations

import pytest
from google.api_core import exceptions

from tests.sandbox_secret_manager.calls import ALICE, PROJECT


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["carol", "bob", "alice"]),
        ("labels.managed-by=keeper", ["bob", "alice"]),
        ("labels.managed-by=keep", []),
        ("labels.managed-by:keep", ["bob", "alice"]),
        ("labels.managed-by = keeper AND labels.team=red", ["alice"]),
        ('labels.team="red"', ["alice"]),
        ("labels.team:*", ["bob", "alice"]),
        ("annotations.note=hi", ["carol"]),
        ("name:AR", ["carol"]),
        ("name:ob AND labels.managed-by=keeper", ["bob"]),
    ],
)
def test_secrets_are_listed_by_filter_newest_first(client, manager, text, found):
    manager.create("alice", labels={"managed-by": "keeper", "team": "red"})
    manager.create("bob", labels={"managed-by": "keeper", "team": "blue"})
    manager.create("carol", annotations={"note": "hi"})
    pages = client.list_secrets(request={"parent": PROJECT, "filter": text})
    assert [secret.name.rpartition("/")[2] for secret in pages] == found


def test_terms_may_be_joined_by_or(client, manager):
    for secret_id, labels in (("alice", {"kept": "yes"}), ("threads-token-bob", {}), ("carol", {})):
        manager.create(secret_id, labels=labels)
    pages = client.list_secrets(request={"parent": PROJECT, "filter": "labels.kept=yes OR name:threads-token-"})
    assert {secret.name.rpartition("/")[2] for secret in pages} == {"alice", "threads-token-bob"}


@pytest.mark.parametrize(
    "text",
    ["name:a AND name:b OR name:c", "NOT name:a", "labels.a", "state=ENABLED", "name.x=1", "labels=1", "(name:a)"],
)
def test_a_filter_that_cannot_be_read_is_refused(client, manager, text):
    manager.create("alice")
    with pytest.raises(exceptions.InvalidArgument, match="filter"):
        client.list_secrets(request={"parent": PROJECT, "filter": text})


def test_secrets_come_in_pages_that_stay_right_while_secrets_come_and_go(client, manager):
    for number in range(5):
        manager.create(f"s{number}")
    first = next(client.list_secrets(request={"parent": PROJECT, "page_size": 2}).pages)
    assert [secret.name[-2:] for secret in first.secrets] == ["s4", "s3"]
    assert first.total_size == 5
    manager.create("s5")
    client.delete_secret(name=f"{PROJECT}/secrets/s3")
    rest = client.list_secrets(request={"parent": PROJECT, "page_size": 2, "page_token": first.next_page_token})
    assert [secret.name[-2:] for secret in rest] == ["s2", "s1", "s0"]


def test_a_last_page_that_is_full_has_no_token(client, manager):
    manager.create("alice")
    page = next(client.list_secrets(request={"parent": PROJECT, "page_size": 1}).pages)
    assert (len(page.secrets), page.next_page_token) == (1, "")


def test_a_filtered_listing_has_no_total(client, manager):
    manager.create("alice")
    page = next(client.list_secrets(request={"parent": PROJECT, "filter": "name:alice"}).pages)
    assert (len(page.secrets), page.total_size) == (1, 0)


@pytest.mark.parametrize("paging", [{"page_size": -1}, {"page_token": "nonsense"}, {"page_token": "!"}])
def test_bad_paging_is_refused(client, manager, paging):
    manager.create("alice")
    with pytest.raises(exceptions.InvalidArgument, match="page_"):
        client.list_secrets(request={"parent": PROJECT, **paging})
    with pytest.raises(exceptions.InvalidArgument, match="page_"):
        client.list_secret_versions(request={"parent": ALICE, **paging})
