"""`account`, `forget` and `status`."""

from tests.deploy.deployment import account


def test_status_shows_dates_and_reads_no_version(cloud):
    dates = {"version": "7", "refreshed-at": "2026-11-22T03:17:00Z", "expires-at": "2027-01-20T03:17:00Z"}
    cloud.change(lambda s: s["secrets"]["threads-token-bob-b"].update(annotations=dates))
    done = cloud.run("status")
    assert done.returncode == 0
    assert "bob.b" in done.stdout
    assert "2027-01-20T03:17:00Z" in done.stdout
    assert not [c for c in cloud.commands if "versions" in c]
    assert cloud.writes == []


def test_account_allows_without_a_deploy_and_labels_a_secret_that_was_made_by_hand(cloud):
    cloud.change(lambda s: s["secrets"]["threads-token-alice"].update(labels={"team": "x"}))
    assert cloud.run("account", "ALICE", "carol_1").returncode == 0
    labels = cloud.state["secrets"]["threads-token-alice"]["labels"]
    assert labels == {"team": "x", "managed-by": "threads-token-keeper"}
    assert cloud.members("secrets/threads-token-carol_1", "/threadsTokenStore") == {
        account("threads-oauth"), account("threads-refresh"),
    }  # fmt: skip
    assert not [c for c in cloud.writes if "deploy" in c]
