"""Posting in two steps, and what becomes of a container. URLs and replies are written out from Meta's pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests

from sandbox.clock import Clock
from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import DAY, error, get

ALICE_ID, BOB_ID = "17841405793187001", "17841405793187003"
IMAGE, VIDEO = "https://example.com/cat.png", "https://example.com/cat.mp4"


@pytest.fixture
def token(threads: LocalThreads) -> str:
    return threads.tokens.issue_long_lived("alice", scopes=["threads_basic", "threads_content_publish"])


def make(threads: LocalThreads, token: str, user: str = "me", **what: str) -> requests.Response:
    query = what | {"access_token": token}
    return requests.post(f"{threads.url}/v1.0/{user}/threads", params=query, timeout=5)


def publish(threads: LocalThreads, token: str, creation_id: str, user: str = "me") -> requests.Response:
    form = {"creation_id": creation_id, "access_token": token}
    return requests.post(f"{threads.url}/v1.0/{user}/threads_publish", data=form, timeout=5)


def made(threads: LocalThreads, token: str, **what: str) -> str:
    reply = make(threads, token, **what)
    assert (reply.status_code, set(reply.json())) == (200, {"id"}), reply.text
    return str(reply.json()["id"])


def status(threads: LocalThreads, token: str, container_id: str) -> dict[str, Any]:
    fields = "id,status,error_message"
    found: dict[str, Any] = get(threads, f"/v1.0/{container_id}", fields=fields, access_token=token).json()
    return found


def test_a_text_is_posted_in_two_steps(threads: LocalThreads, token: str) -> None:
    container = made(threads, token, media_type="TEXT", text="Good morning")
    assert container.isdecimal()
    assert status(threads, token, container) == {"id": container, "status": "FINISHED"}
    post = publish(threads, token, container).json()["id"]
    assert post != container
    assert status(threads, token, container)["status"] == "PUBLISHED"
    fields = "id,media_product_type,media_type,permalink,owner,username,text,timestamp,shortcode,is_quote_post,is_reply"
    found = get(threads, f"/v1.0/{post}", fields=fields, access_token=token).json()
    assert found == {
        "id": post,
        "media_product_type": "THREADS",
        "media_type": "TEXT_POST",
        "permalink": f"https://www.threads.com/@alice/post/{found['shortcode']}",
        "owner": {"id": ALICE_ID},
        "username": "alice",
        "text": "Good morning",
        "timestamp": f"{threads.clock.now():%Y-%m-%dT%H:%M}{found['timestamp'][16:]}",
        "shortcode": found["shortcode"],
        "is_quote_post": False,
        "is_reply": False,
    }
    assert found["timestamp"].endswith("+0000")


def test_the_user_may_be_written_as_an_id(threads: LocalThreads, token: str) -> None:
    container = make(threads, token, ALICE_ID, media_type="TEXT", text="x").json()["id"]
    assert publish(threads, token, container, ALICE_ID).status_code == 200
    assert error(make(threads, token, BOB_ID, media_type="TEXT", text="x")) == (100, 33)
    assert error(publish(threads, token, container, BOB_ID)) == (100, 33)


def test_a_container_is_published_once(threads: LocalThreads, token: str) -> None:
    container = made(threads, token, media_type="TEXT", text="x")
    assert publish(threads, token, container).status_code == 200
    assert error(publish(threads, token, container)) == (100, None)
    assert len(list(threads.media.listed())) == 1


def test_a_container_expires_after_24_hours(threads: LocalThreads, token: str, clock: Clock) -> None:
    container = made(threads, token, media_type="TEXT", text="x")
    clock.forward(timedelta(hours=23, minutes=59))
    assert status(threads, token, container)["status"] == "FINISHED"
    clock.forward(timedelta(minutes=1))
    assert status(threads, token, container)["status"] == "EXPIRED"
    assert error(publish(threads, token, container)) == (100, None)


def test_a_text_may_be_published_at_once(threads: LocalThreads, token: str) -> None:
    post = made(threads, token, media_type="TEXT", text="now", auto_publish_text="true")
    assert get(threads, f"/{post}", fields="text", access_token=token).json() == {"text": "now"}
    image = made(threads, token, media_type="IMAGE", image_url=IMAGE, auto_publish_text="true")
    assert status(threads, token, image)["status"] == "FINISHED"


@pytest.mark.parametrize(
    ("text", "code"),
    [("x" * 500, 200), ("x" * 501, 400), ("漢" * 500, 200), ("👍" * 125, 200), ("👍" * 125 + "x", 400), (" \n", 400)],
)
def test_a_text_has_up_to_500_characters_and_an_emoji_counts_as_its_bytes(
    threads: LocalThreads, token: str, text: str, code: int
) -> None:
    form = {"media_type": "TEXT", "text": text, "access_token": token}
    assert requests.post(f"{threads.url}/me/threads", data=form, timeout=5).status_code == code


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"media_type": "POEM", "text": "x"},
        {"media_type": "TEXT"},
        {"media_type": "IMAGE"},
        {"media_type": "IMAGE", "image_url": "cat.png"},
        {"media_type": "IMAGE", "image_url": "file:///etc/passwd"},
        {"media_type": "IMAGE", "image_url": "ftp://example.com/cat.png"},
        {"media_type": "IMAGE", "image_url": "https://[cat"},
        {"media_type": "IMAGE", "image_url": "https://example.com/a cat.png"},
        {"media_type": "VIDEO", "image_url": IMAGE},
        {"media_type": "TEXT", "text": "x", "is_carousel_item": "true"},
        {"media_type": "CAROUSEL", "children": ""},
        {"media_type": "CAROUSEL", "children": "1"},
    ],
)
def test_what_is_no_post_is_refused(threads: LocalThreads, token: str, what: dict[str, str]) -> None:
    assert error(make(threads, token, **what)) == (100, None)


def test_an_image_and_a_video_take_the_time_that_is_switched(threads: LocalThreads, token: str, clock: Clock) -> None:
    threads.control.turn({"processing_seconds": 30})
    text = made(threads, token, media_type="TEXT", text="x")
    video = made(threads, token, media_type="VIDEO", video_url=VIDEO, text="a cat")
    assert [status(threads, token, one)["status"] for one in (text, video)] == ["FINISHED", "IN_PROGRESS"]
    refused = publish(threads, token, video)
    assert error(refused) == (100, None)
    assert "not ready" in refused.json()["error"]["message"]
    clock.forward(timedelta(seconds=30))
    assert status(threads, token, video)["status"] == "FINISHED"
    post = publish(threads, token, video).json()["id"]
    found = get(threads, f"/{post}", fields="media_type,media_url,text", access_token=token).json()
    assert found == {"media_type": "VIDEO", "media_url": VIDEO, "text": "a cat"}


def test_media_that_cannot_be_had_ends_in_an_error(threads: LocalThreads, token: str) -> None:
    video = made(threads, token, media_type="VIDEO", video_url="https://nowhere.invalid/cat.mp4")
    assert status(threads, token, video) == {
        "id": video,
        "status": "ERROR",
        "error_message": "FAILED_DOWNLOADING_VIDEO",
    }
    assert error(publish(threads, token, video)) == (100, None)


def test_a_carousel_has_children_that_are_published_with_it(threads: LocalThreads, token: str) -> None:
    items = [
        made(threads, token, media_type="IMAGE", image_url=IMAGE, is_carousel_item="true", alt_text="a cat"),
        made(threads, token, media_type="VIDEO", video_url=VIDEO, is_carousel_item="true"),
    ]
    assert error(publish(threads, token, items[0])) == (100, None)
    carousel = made(threads, token, media_type="CAROUSEL", children=",".join(items), text="two cats")
    post = publish(threads, token, carousel).json()["id"]
    found = get(threads, f"/{post}", fields="media_type,children", access_token=token).json()
    assert found["media_type"] == "CAROUSEL_ALBUM"
    first, second = (child["id"] for child in found["children"]["data"])
    assert get(threads, f"/{first}", fields="media_type,alt_text", access_token=token).json() == {
        "media_type": "IMAGE",
        "alt_text": "a cat",
    }
    assert get(threads, f"/{second}", fields="media_url", access_token=token).json() == {"media_url": VIDEO}
    listed = get(threads, "/me/threads", access_token=token).json()
    assert listed["data"] == [{"id": post}]
    limit = get(threads, "/me/threads_publishing_limit", access_token=token).json()
    assert limit == {"data": [{"quota_usage": 1}]}
    remover = threads.tokens.issue_long_lived("alice", scopes=["threads_basic", "threads_delete"])
    query = {"access_token": remover}
    assert error(requests.delete(f"{threads.url}/{first}", params=query, timeout=5)) == (100, 33)
    assert requests.delete(f"{threads.url}/{post}", params=query, timeout=5).status_code == 200
    assert error(get(threads, f"/{first}", access_token=token)) == (100, 33)
    assert error(make(threads, token, media_type="CAROUSEL", children=",".join(items))) == (100, None)


def test_a_carousel_takes_its_owners_items_only(threads: LocalThreads, token: str) -> None:
    image = {"media_type": "IMAGE", "image_url": IMAGE}
    bob = threads.tokens.issue_long_lived("bob")
    mine = made(threads, token, is_carousel_item="true", **image)
    alone = made(threads, token, **image)
    his = made(threads, bob, is_carousel_item="true", **image)
    for other, codes in ((his, (100, 33)), (alone, (100, None)), (mine, (100, None))):
        children = f"{mine},{other}"
        assert error(make(threads, token, media_type="CAROUSEL", children=children)) == codes


def test_a_reply_and_a_quote_name_their_post(threads: LocalThreads, token: str) -> None:
    bob = threads.tokens.issue_long_lived("bob")
    first = made(threads, bob, media_type="TEXT", text="first", auto_publish_text="true")
    what = {"media_type": "TEXT", "text": "second", "auto_publish_text": "true"}
    reply = made(threads, token, reply_to_id=first, **what)
    quote = made(threads, token, quote_post_id=first, **what)
    query = {"fields": "is_reply,replied_to,is_quote_post,quoted_post", "access_token": token}
    assert get(threads, f"/{reply}", **query).json() == {
        "is_reply": True,
        "replied_to": {"id": first},
        "is_quote_post": False,
    }
    assert get(threads, f"/{quote}", **query).json() == {
        "is_reply": False,
        "is_quote_post": True,
        "quoted_post": {"id": first},
    }
    assert error(make(threads, token, reply_to_id="18000000000000000", **what)) == (100, 33)


def test_what_is_not_there_or_not_ones_own_is_100_33(threads: LocalThreads, token: str) -> None:
    bob = threads.tokens.issue_long_lived("bob")
    container = made(threads, bob, media_type="TEXT", text="his")
    post = publish(threads, bob, container).json()["id"]
    for object_id in (container, post, "18000000000000000"):
        assert error(get(threads, f"/v1.0/{object_id}", fields="id", access_token=token)) == (100, 33)
        assert error(publish(threads, token, object_id)) == (100, 33)


def test_every_call_wants_its_permission(threads: LocalThreads) -> None:
    reader = threads.tokens.issue_long_lived("alice", scopes=["threads_basic"])
    assert error(make(threads, reader, media_type="TEXT", text="x")) == (10, None)
    assert error(publish(threads, reader, "1")) == (10, None)
    assert error(get(threads, "/me/threads_publishing_limit", access_token=reader)) == (10, None)
    assert get(threads, "/me/threads", access_token=reader).json() == {"data": []}
    without_basic = threads.tokens.issue_long_lived("alice", scopes=["threads_content_publish"])
    assert error(make(threads, without_basic, media_type="TEXT", text="x")) == (10, None)
    threads.clock.forward(60 * DAY)
    assert error(get(threads, "/me/threads", access_token=reader)) == (190, 463)


def test_a_call_about_posts_can_fail_too(threads: LocalThreads, token: str) -> None:
    threads.control.fail("make_post", "unavailable")
    threads.control.fail("list_posts", "throttled")
    assert make(threads, token, media_type="TEXT", text="x").status_code == 503
    assert error(get(threads, "/me/threads", access_token=token)) == (4, None)
    assert [call for call, _ in threads.control.calls] == ["make_post", "list_posts"]
