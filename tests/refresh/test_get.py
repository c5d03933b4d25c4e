"""GET / reports the state of all accounts and changes nothing."""

from __future__ import annotations

import pytest

from tests.refresh.world import ALICE, ALICE_NAME, DAY, World, account, official_client


def test_a_get_changes_nothing(world: World) -> None:
    before = world.stored()
    world.manager.calls.clear()
    for method in (world.refresh.get, world.refresh.head):
        assert method("/").status_code == 200
    assert world.stored() == before
    assert world.calls() == []
    assert {method for method, _ in world.manager.calls} <= {"ListSecrets", "ListSecretVersions"}


def test_a_get_has_outcomes_of_its_own(world: World) -> None:
    reply = world.refresh.get("/")
    assert reply.json is not None
    assert reply.json["outcomes"] == {"current": 1, "not_signed_in": 2}
    assert account(reply)["version"] == f"{ALICE_NAME}/versions/2"
    world.clock.forward(61 * DAY)
    reply = world.refresh.get("/")
    assert (account(reply)["outcome"], reply.status_code) == ("sign_in_again", 500)


@pytest.mark.parametrize("how", ["destroy_secret_version", "disable_secret_version"])
def test_a_get_says_that_all_versions_of_an_expired_token_are_gone(world: World, how: str) -> None:
    for number in (1, 2):
        getattr(official_client(world.manager), how)(name=f"{ALICE_NAME}/versions/{number}")
    world.clock.forward(61 * DAY)
    found = world.report()
    assert found["outcome"] == "sign_in_again"
    assert "versions are gone" in found["detail"]


def test_a_get_says_that_a_version_is_not_described(world: World) -> None:
    world.manager.set_annotations(ALICE, {})
    found = world.report()
    assert (found["outcome"], found["version"]) == ("current", f"{ALICE_NAME}/versions/2")
    assert "next run" in found["detail"]


def test_a_get_reports_the_newest_version_and_not_an_expired_older_one(world: World) -> None:
    world.clock.forward(61 * DAY)
    world.manager.add(ALICE, world.threads.tokens.issue_long_lived("alice"))
    assert world.report()["version"] == f"{ALICE_NAME}/versions/3"
    assert world.report()["outcome"] == "current"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("", "application/json"),
        ("image/png", "application/json"),
    ],
)
def test_a_browser_gets_a_page_and_curl_gets_json(world: World, accept: str, expected: str) -> None:
    reply = world.refresh.get("/", headers={"Accept": accept})
    assert reply.mimetype == expected
    assert "alice" in reply.text
    assert reply.headers["Cache-Control"] == "no-store"


LONG_AGO, NEVER = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"


@pytest.mark.parametrize(
    "nonsense",
    [
        {"data-access-expires-at": LONG_AGO},
        {"expires-at": LONG_AGO, "refreshed-at": LONG_AGO},
        {"expires-at": NEVER, "data-access-expires-at": NEVER},
        {"problem": "misconfigured", "problem-since": LONG_AGO},
        {"problem": "misconfigured", "problem-since": NEVER},
        {"problem": "misconfigured", "problem-since": "2026-11-26T00:00:00Z", "problem-detail": f"On {LONG_AGO}."},
        {"problem": "unclear", "problem-since": "2026-11-26T00:00:00Z", "problem-detail": "On 2026-99-99T99:99:99Z."},
    ],
    ids=str,
)
def test_no_annotation_of_anybody_breaks_a_page_or_a_run(world: World, nonsense: dict[str, str]) -> None:
    world.describe(**nonsense)
    for language in ("en", "ja", "zh-TW"):
        reply = world.refresh.get("/", headers={"Accept": "text/html", "Accept-Language": language})
        assert reply.status_code == 200
        assert "alice" in reply.text
    assert world.run()["outcome"] == "refreshed"


def test_a_post_gets_json_whatever_it_prefers(world: World) -> None:
    assert world.refresh.post("/", headers={"Accept": "text/html"}).mimetype == "application/json"


def test_a_failed_get_is_a_page_too(world: World) -> None:
    world.manager.deny(["ListSecrets"])
    reply = world.refresh.get("/", headers={"Accept": "text/html"})
    assert (reply.status_code, reply.mimetype) == (200, "text/html")
    assert "PERMISSION_DENIED" in reply.text
    assert world.refresh.get("/").status_code == 500


def test_other_paths_are_404_and_other_methods_405(world: World) -> None:
    for path in ("/callback", "/refresh", "/x/"):
        assert world.refresh.post(path).status_code == 404
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        reply = world.refresh.open("/", method=method)
        assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert world.calls() == []
    assert world.manager.calls == []
