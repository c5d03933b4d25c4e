"""One run of `refresh`: its steps, what it stores, and when a token is due."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.refresh.world import ALICE, ALICE_ID, ALICE_NAME, DAY, HOUR, KEEPER, World, account, lines, official_client


def test_the_steps_come_in_order(world: World) -> None:
    steps: list[str] = []

    def note(method: str, resource: str, when: str) -> None:
        if when == "before":
            steps.extend(world.calls())
            world.threads.control.calls.clear()
            if resource in ("projects/demo", ALICE_NAME) or resource.startswith(f"{ALICE_NAME}/"):
                steps.append(method)

    world.manager.on_call = note
    assert world.run()["outcome"] == "refreshed"
    assert steps == [
        "ListSecrets",
        "ListSecretVersions",
        "AccessSecretVersion",
        "refresh",
        "debug",
        "ListSecretVersions",
        "AddSecretVersion",
        "UpdateSecret",
        "DestroySecretVersion",
    ]


def test_a_refreshed_token_is_the_newest_version_and_described(world: World) -> None:
    before = world.clock.now()
    reply = world.refresh.post("/")
    found = account(reply)
    assert reply.status_code == 200
    assert found == {
        "username": "alice",
        "secret": ALICE_NAME,
        "outcome": "refreshed",
        "version": f"{ALICE_NAME}/versions/3",
        "expires_at": found["expires_at"],
        "data_access_expires_at": found["data_access_expires_at"],
        "detail": None,
    }
    assert world.manager.newest(ALICE) == "THalice-3"
    assert world.manager.labels(ALICE) == KEEPER | {"threads-user-id": ALICE_ID}
    annotations = world.manager.annotations(ALICE)
    assert annotations == {
        "threads-username": "alice",
        "version": "3",
        "refreshed-at": annotations["refreshed-at"],
        "expires-at": found["expires_at"],
        "data-access-expires-at": found["data_access_expires_at"],
        "scopes": "threads_basic,threads_content_publish",
    }
    assert annotations["refreshed-at"][:13] == f"{before:%Y-%m-%dT%H}"
    assert found["expires_at"][:10] == f"{before + 60 * DAY:%Y-%m-%d}"
    assert found["data_access_expires_at"][:10] == f"{before + 90 * DAY:%Y-%m-%d}"


def test_no_reply_and_no_log_line_holds_a_token(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for call in ("refresh", "debug", "me"):
        world.threads.control.fail(call, "error_in_200", times=2)
    seen = ""
    for _ in range(4):
        seen += world.refresh.post("/").text + world.refresh.get("/").text
        world.clock.forward(DAY)
    assert "THalice" not in seen + "".join(capsys.readouterr())


def test_a_token_is_refreshed_from_24_hours_on(world: World) -> None:
    world.run()
    world.clock.forward(24 * HOUR - timedelta(minutes=1))
    world.threads.control.calls.clear()
    assert world.run()["outcome"] == "too_young"
    assert world.calls() == []
    world.clock.forward(timedelta(minutes=2))
    assert world.run()["outcome"] == "refreshed"


def test_the_age_to_refresh_at_is_a_setting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFRESH_AFTER_HOURS", "72")
    assert world.run()["outcome"] == "too_young"
    world.clock.forward(25 * HOUR)
    assert world.run()["outcome"] == "refreshed"


def test_an_account_without_a_version_is_not_signed_in(empty: World, capsys: pytest.CaptureFixture[str]) -> None:
    reply = empty.refresh.post("/")
    assert reply.status_code == 200
    assert reply.json is not None
    assert reply.json["outcomes"] == {"not_signed_in": 3}
    assert {one["version"] for one in reply.json["accounts"]} == {None}
    assert {line["severity"] for line in lines(capsys)} == {"INFO"}


@pytest.mark.parametrize("how", ["destroy_secret_version", "disable_secret_version"])
def test_an_account_whose_versions_are_all_gone_is_reported(
    world: World, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = official_client(world.manager)
    for number in (1, 2):
        getattr(client, how)(name=f"{ALICE_NAME}/versions/{number}")
    found = world.run()
    assert found["outcome"] == world.problem() == world.report()["outcome"] == "sign_in_again"
    assert "versions are gone" in found["detail"]
    assert [line["severity"] for line in lines(capsys) if line.get("username") == "alice"][-1] == "ERROR"


def test_a_known_account_that_lost_its_label_is_reported(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    labels = world.manager.labels(ALICE)
    world.manager.set_labels(ALICE, {"threads-user-id": ALICE_ID})
    found = world.run()
    assert found["outcome"] == world.problem() == world.report()["outcome"] == "misconfigured"
    assert "./deploy.sh account NAME" in found["detail"]
    assert "./deploy.sh forget NAME" in found["detail"]
    assert [line["severity"] for line in lines(capsys) if line.get("username") == "alice"][-1] == "ERROR"
    assert world.manager.labels(ALICE) == {"threads-user-id": ALICE_ID}, "the label is never written back"
    assert world.calls() == []
    world.manager.set_labels(ALICE, labels)
    assert (world.run()["outcome"], world.problem()) == ("refreshed", None)


def test_secrets_without_the_label_are_ignored(world: World) -> None:
    for name, labels in (("threads-app-secret", {}), ("threads-token-eve", {"managed-by": "somebody"})):
        world.manager.create(name, labels=labels)
        world.manager.add(name, "x")
    reply = world.refresh.post("/")
    assert reply.json is not None
    assert [one["username"] for one in reply.json["accounts"]] == ["alice", "bob", "dotted.name"]
    assert not [resource for method, resource in world.manager.calls if "eve" in resource or "app-secret" in resource]


@pytest.mark.parametrize("secret_id", ["threads-token-Alice", "threads-app", "threads-token-" + "x" * 31])
def test_a_labelled_secret_that_names_no_account_is_misconfigured(empty: World, secret_id: str) -> None:
    empty.manager.create(secret_id, labels=KEEPER)
    empty.manager.add(secret_id, empty.threads.tokens.issue_long_lived("alice", age=2 * DAY))
    reply = empty.refresh.post("/")
    assert reply.status_code == 500
    found = account(reply, secret_id)
    assert found["outcome"] == "misconfigured"
    assert "label" in found["detail"]
    assert empty.calls() == []
    assert empty.manager.annotations(secret_id) == {}, "it is not ours to describe"
