"""`remove`: what goes, what stays, and that it can all be made again."""

from tests.deploy.deployment import APP_SECRET, SETTINGS


def test_remove_without_a_terminal_and_without_yes_is_a_no(cloud):
    done = cloud.run("remove")
    assert done.returncode == 1
    assert "Nothing was removed" in done.stdout
    assert cloud.writes == []


def test_remove_takes_everything_down_and_leaves_the_tokens(cloud):
    done = cloud.run("remove", "--yes")
    assert done.returncode == 0, done.stdout
    state = cloud.state
    assert set(state["secrets"]) == {"threads-token-alice", "threads-token-bob-b"}
    for kind in ("services", "jobs", "alerts", "channels", "metrics", "accounts", "repositories"):
        assert state[kind] == {}
    assert len(state["roles"]) == 4
    assert not any(role.get("deleted") for role in state["roles"].values())
    assert [g for policy in state["policies"].values() for g in policy] == []


def test_remove_with_secrets_takes_the_tokens_too_and_no_secret_of_anybody_else(cloud):
    theirs = {"name": "projects/1/secrets/theirs", "labels": {}, "versions": []}
    cloud.change(lambda s: s["secrets"].update(theirs=theirs))
    assert cloud.run("remove", "--yes", "--with-secrets").returncode == 0
    assert set(cloud.state["secrets"]) == {"theirs"}


def test_remove_names_a_token_that_lost_its_label_and_leaves_nobody_a_right_on_it(cloud):
    cloud.change(lambda s: s["secrets"]["threads-token-alice"].update(labels={}))
    done = cloud.run("remove", "--yes", "--with-secrets")
    assert "(stays)       threads-token-alice, since it has no label" in done.stdout
    assert set(cloud.state["secrets"]) == {"threads-token-alice"}
    assert cloud.state["policies"]["secrets/threads-token-alice"] == []


def test_remove_takes_our_rights_from_a_token_that_somebody_reads_for_a_time(cloud):
    bot = ["roles/secretmanager.secretAccessor", "serviceAccount:bot@demo.iam.gserviceaccount.com", "x<y"]
    cloud.change(lambda s: s["policies"]["secrets/threads-token-alice"].append(bot))
    cloud.change(lambda s: s["accounts"].update({bot[1].split(":")[1]: {"email": bot[1].split(":")[1]}}))
    assert cloud.run("remove", "--yes").returncode == 0
    assert cloud.state["policies"]["secrets/threads-token-alice"] == [bot]


def test_after_remove_everything_can_be_made_again(first, cloud):
    cloud.run("remove", "--yes")
    assert cloud.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET).returncode == 0
    for kind in ("policies", "services", "secrets", "jobs"):
        assert cloud.state[kind].keys() == first[0].state[kind].keys()


def test_a_channel_that_another_alert_uses_is_left(cloud):
    channel = next(iter(cloud.state["channels"]))
    cloud.change(lambda s: s["alerts"].update({"theirs": {"name": "theirs", "notificationChannels": [channel]}}))
    assert cloud.run("remove", "--yes").returncode == 0
    assert list(cloud.state["channels"]) == [channel]
