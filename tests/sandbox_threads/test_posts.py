"""What can be done with posts: listing, reading, deleting, insights, and the limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests

from sandbox.clock import Clock
from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import DAY, error, get

SCOPES = ["threads_basic", "threads_content_publish", "threads_delete", "threads_manage_insights"]


@pytest.fixture
def token(threads: LocalThreads) -> str:
    return threads.tokens.issue_long_lived("alice", scopes=SCOPES)


def post(threads: LocalThreads, token: str, text: str, **more: str) -> requests.Response:
    form = {"media_type": "TEXT", "text": text, "auto_publish_text": "true", "access_token": token} | more
    return requests.post(f"{threads.url}/me/threads", data=form, timeout=5)


def posted(threads: LocalThreads, token: str, text: str, **more: str) -> str:
    return str(post(threads, token, text, **more).json()["id"])


def delete(threads: LocalThreads, token: str, post_id: str) -> requests.Response:
    return requests.delete(f"{threads.url}/v1.0/{post_id}", params={"access_token": token}, timeout=5)


def texts(threads: LocalThreads, token: str, **query: Any) -> list[str]:
    reply = get(threads, "/v1.0/me/threads", fields="id,text", access_token=token, **query)
    return [one["text"] for one in reply.json()["data"]]


def test_a_list_is_newest_first_and_comes_in_pages(threads: LocalThreads, token: str) -> None:
    ids = [posted(threads, token, str(number)) for number in range(7)]
    posted(threads, threads.tokens.issue_long_lived("bob"), "his")
    assert texts(threads, token) == list("6543210")
    first = get(threads, "/me/threads", limit=3, access_token=token).json()
    assert first["data"] == [{"id": one} for one in reversed(ids[4:])]
    after = first["paging"]["cursors"]["after"]
    assert texts(threads, token, limit=3, after=after) == list("321")
    second = get(threads, "/me/threads", limit=3, after=after, access_token=token).json()
    assert texts(threads, token, limit=2, before=second["paging"]["cursors"]["before"]) == list("54")
    last = texts(threads, token, limit=3, after=second["paging"]["cursors"]["after"])
    assert last == ["0"]
    end = get(threads, "/me/threads", limit=9, access_token=token).json()["paging"]["cursors"]["after"]
    assert get(threads, "/me/threads", after=end, access_token=token).json() == {"data": []}


def test_a_list_may_be_of_a_time(threads: LocalThreads, token: str, clock: Clock) -> None:
    start = int(clock.now().timestamp())
    for number in range(3):
        posted(threads, token, str(number))
        clock.forward(DAY)
    day = 86400
    assert texts(threads, token, since=start + day) == list("21")
    assert texts(threads, token, until=start + day) == list("0")
    assert texts(threads, token, since=start + day, until=start + 2 * day) == list("1")
    assert texts(threads, token, since=f"{clock.now() - 1.5 * DAY:%Y-%m-%dT%H:%M:%S}") == ["2"]
    assert texts(threads, token, since=f"{clock.now() + DAY:%Y-%m-%d}") == []
    assert texts(threads, token, since=f"{clock.now() - 4 * DAY:%Y-%m-%d}") == list("210")


@pytest.mark.parametrize(
    "query",
    [
        *({"limit": "0"}, {"limit": "101"}, {"limit": "many"}, {"since": "yesterday"}, {"until": "9" * 30}),
        *({"after": "*"}, {"before": "AAAA"}, {"fields": "id,shoe_size"}),
    ],
)
def test_a_list_that_cannot_be_is_refused(threads: LocalThreads, token: str, query: dict[str, str]) -> None:
    posted(threads, token, "x")
    assert error(get(threads, "/me/threads", access_token=token, **query)) == (100, None)


def test_another_persons_list_does_not_exist(threads: LocalThreads, token: str) -> None:
    assert error(get(threads, "/17841405793187003/threads", access_token=token)) == (100, 33)


def test_a_deleted_post_is_gone(threads: LocalThreads, token: str) -> None:
    first, second = posted(threads, token, "first"), posted(threads, token, "second")
    assert delete(threads, token, first).json() == {"success": True, "deleted_id": first}
    assert texts(threads, token) == ["second"]
    assert error(get(threads, f"/{first}", fields="id", access_token=token)) == (100, 33)
    assert error(delete(threads, token, first)) == (100, 33)
    assert error(delete(threads, threads.tokens.issue_long_lived("bob", scopes=SCOPES), second)) == (100, 33)
    without = threads.tokens.issue_long_lived("alice", scopes=SCOPES[:2])
    assert error(delete(threads, without, second)) == (10, None)


def test_insights_are_zeros(threads: LocalThreads, token: str) -> None:
    one = posted(threads, token, "x")
    path, names = f"/v1.0/{one}/insights", "views,likes,replies,reposts,quotes,shares"
    data = get(threads, path, metric=names, access_token=token).json()["data"]
    assert [metric["name"] for metric in data] == names.split(",")
    assert data[0]["values"] == [{"value": 0}]
    assert set(data[0]) == {"name", "period", "values", "title", "description", "id"}
    assert error(get(threads, path, metric="luck", access_token=token)) == (100, None)
    assert error(get(threads, path, access_token=token)) == (100, None)
    without = threads.tokens.issue_long_lived("alice", scopes=SCOPES[:2])
    assert error(get(threads, path, metric="views", access_token=without)) == (10, None)


def limits(threads: LocalThreads, token: str) -> dict[str, Any]:
    names = "quota_usage,config,reply_quota_usage,reply_config,delete_quota_usage,delete_config"
    [found] = get(threads, "/me/threads_publishing_limit", fields=names, access_token=token).json()["data"]
    return dict(found)


def test_the_limits_are_counted_over_24_moving_hours(threads: LocalThreads, token: str, clock: Clock) -> None:
    first = posted(threads, token, "first")
    clock.forward(timedelta(hours=12))
    posted(threads, token, "reply", reply_to_id=first)
    delete(threads, token, first)
    assert limits(threads, token) == {
        "quota_usage": 1,
        "config": {"quota_total": 250, "quota_duration": 86400},
        "reply_quota_usage": 1,
        "reply_config": {"quota_total": 1000, "quota_duration": 86400},
        "delete_quota_usage": 1,
        "delete_config": {"quota_total": 100, "quota_duration": 86400},
    }
    clock.forward(timedelta(hours=12))
    after = limits(threads, token)
    assert [after[f"{name}quota_usage"] for name in ("", "reply_", "delete_")] == [0, 1, 1]
    alone = get(threads, "/me/threads_publishing_limit", access_token=token).json()
    assert alone == {"data": [{"quota_usage": 0}]}


def test_the_251st_post_of_a_day_is_refused_when_it_is_published(
    threads: LocalThreads, token: str, clock: Clock
) -> None:
    for _ in range(250):
        posted(threads, token, "x")
    container = requests.post(
        f"{threads.url}/me/threads", data={"media_type": "TEXT", "text": "x", "access_token": token}, timeout=5
    ).json()["id"]
    form = {"creation_id": container, "access_token": token}
    refused = requests.post(f"{threads.url}/me/threads_publish", data=form, timeout=5)
    assert error(refused) == (4, None)
    newest = get(threads, "/me/threads", access_token=token).json()["data"][0]["id"]
    assert post(threads, token, "a reply", reply_to_id=newest).status_code == 200
    clock.forward(timedelta(hours=24))
    assert post(threads, token, "y").status_code == 200


def test_the_101st_deletion_of_a_day_is_refused(threads: LocalThreads, token: str, clock: Clock) -> None:
    ids = [posted(threads, token, "x") for _ in range(101)]
    assert [delete(threads, token, one).status_code for one in ids[:100]] == [200] * 100
    assert error(delete(threads, token, ids[100])) == (4, None)
    clock.forward(timedelta(hours=24))
    assert delete(threads, token, ids[100]).status_code == 200


def test_every_field_of_metas_page_may_be_asked_for_and_only_those(threads, token):
    page = (
        "id", "media_product_type", "media_type", "media_url", "permalink", "owner", "username", "text",
        "timestamp", "shortcode", "thumbnail_url", "children", "is_quote_post", "alt_text",
        "link_attachment_url", "has_replies", "is_reply", "is_reply_owned_by_me", "root_post", "replied_to",
        "hide_status", "reply_audience", "quoted_post", "reposted_post", "gif_url", "poll_attachment",
        "topic_tag", "is_spoiler_media", "text_entities", "text_attachment",
    )  # fmt: skip
    first = posted(threads, token, "Hello")
    found = get(threads, f"/v1.0/{first}", fields=",".join(page), access_token=token).json()
    assert found.keys() == {
        *("id", "media_product_type", "media_type", "permalink", "owner", "username", "text", "timestamp"),
        *("shortcode", "is_quote_post", "is_reply", "is_reply_owned_by_me"),
    }
    assert error(get(threads, f"/v1.0/{first}", fields="id,likes", access_token=token))[0] == 100
