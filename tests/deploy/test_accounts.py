"""`account`, `forget` and `status`."""

import pytest

from tests.deploy.deployment import APP_SECRET, PUBLIC_URL, account

SINCE = {"problem": "sign_in_again", "problem-since": "2026-11-20T00:17:00Z", "problem-detail": "alice must sign in."}


def test_status_shows_dates_problems_and_where_to_sign_in_and_reads_no_version(cloud):
    dates = {"version": "7", "refreshed-at": "2026-11-22T03:17:00Z", "expires-at": "2027-01-20T03:17:00Z"}
    cloud.change(lambda s: s["secrets"]["threads-token-bob-b"].update(annotations=dates))
    cloud.change(lambda s: s["secrets"]["threads-token-alice"].update(annotations=SINCE))
    done = cloud.run("status")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert any(line.startswith("bob.b ") and "2027-01-20T03:17:00Z" in line for line in lines)
    alice = next(n for n, line in enumerate(lines) if line.startswith("alice "))
    assert lines[alice + 1] == "    sign_in_again since 2026-11-20T00:17:00Z: alice must sign in."
    assert f"sign in: {PUBLIC_URL}/" in lines
    assert not [c for c in cloud.commands if "versions" in c]
    assert cloud.writes == []


def test_account_allows_without_a_deploy_and_labels_a_secret_that_was_made_by_hand(cloud):
    cloud.change(lambda s: s["secrets"]["threads-token-alice"].update(labels={"team": "x"}))
    assert cloud.run("account", "ALICE", "carol_1").returncode == 0
    labels = cloud.state["secrets"]["threads-token-alice"]["labels"]
    assert labels == {"team": "x", "managed-by": "threads-token-keeper"}
    assert cloud.members("secrets/threads-token-carol_1", "/threadsTokenStore") == {
        account("threads-oauth"),
        account("threads-refresh"),
    }
    assert not [c for c in cloud.writes if "deploy" in c]


def test_an_update_of_a_secret_touches_our_label_alone(cloud):
    cloud.change(lambda s: s["secrets"]["threads-token-alice"].update(labels={}, topics=["projects/demo/topics/t"]))
    assert cloud.run("account", "alice").returncode == 0
    (update,) = [c for c in cloud.writes if c.startswith("secrets update")]
    assert update == "secrets update threads-token-alice --update-labels=managed-by=threads-token-keeper"
    assert cloud.state["secrets"]["threads-token-alice"]["topics"] == ["projects/demo/topics/t"]


def test_account_before_setup_makes_nothing_and_says_what_comes_first(empty):
    empty.change(lambda s: s.update(apis=["secretmanager.googleapis.com"]))
    done = empty.run("account", "zoe")
    assert done.returncode == 1
    assert "First: PROJECT_ID=demo ./deploy.sh setup" in done.stdout
    assert empty.writes == []


def test_account_without_the_role_makes_nothing_and_says_what_comes_first(cloud):
    cloud.change(lambda s: s["roles"].pop("threadsTokenStore"))
    assert "First: PROJECT_ID=demo ./deploy.sh setup" in cloud.run("account", "zoe").stdout
    assert cloud.writes == []


def test_status_names_an_account_that_lost_its_label(cloud):
    cloud.change(lambda s: s["secrets"]["threads-token-alice"].update(labels={}))
    assert "alice                            may not sign in: its secret has no label" in cloud.run("status").stdout


@pytest.mark.parametrize("names", ["alice, carol", "alice\ncarol\n", "carol alice", ",Alice,,carol,", "alice\tCAROL"])
def test_accounts_may_be_separated_by_commas_blanks_and_line_ends(cloud, names):
    assert cloud.run("setup", THREADS_USERNAMES=names).returncode == 0
    assert set(cloud.state["secrets"]) == {
        "threads-app-secret", "threads-token-alice", "threads-token-bob-b", "threads-token-carol",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["account", "forget"])
@pytest.mark.parametrize(
    "name", ["@alice", "alice-b", "threads-token-alice", "alice,bob", "a/b", "a b", "*", "ä", "-1"]
)
def test_what_is_no_username_is_refused_before_anything_is_asked(cloud, command, name):
    (cloud.folder / "calls.jsonl").unlink(missing_ok=True)
    assert cloud.run(command, "alice", name).returncode in (1, 2)
    assert cloud.calls == []


# forget


@pytest.mark.parametrize(
    "words", [["forget", "--yes", "Bob.b"], ["forget", "bob.b", "--yes"], ["--yes", "forget", "bob.b"]]
)
def test_forget_deletes_the_secret_and_with_it_all_rights_and_leaves_the_others(cloud, words):
    done = cloud.run(*words)
    assert done.returncode == 0, done.stdout
    assert set(cloud.state["secrets"]) == {"threads-app-secret", "threads-token-alice"}
    assert "secrets/threads-token-bob-b" not in cloud.state["policies"]


def test_forget_says_first_what_goes_and_whose_bot_loses_it(cloud):
    bot = ["roles/secretmanager.secretAccessor", "serviceAccount:bot@demo.iam.gserviceaccount.com"]
    cloud.change(lambda s: s["policies"]["secrets/threads-token-alice"].append(bot))
    expires = {"expires-at": "2027-01-20T03:17:00Z"}
    cloud.change(lambda s: s["secrets"]["threads-token-alice"].update(annotations=expires))
    done = cloud.run("forget", "alice")
    assert done.returncode == 1
    assert "secret threads-token-alice with all its versions (the token is good until 2027-01-20" in done.stdout
    assert bot[1] in done.stdout
    assert "Nothing was deleted." in done.stdout
    assert cloud.writes == []


def test_of_several_names_of_which_one_is_unknown_none_is_forgotten(cloud):
    done = cloud.run("forget", "alice", "zoe", "--yes")
    assert done.returncode == 1
    assert "threads-token-zoe" in done.stdout
    assert cloud.writes == []


def test_a_name_that_is_given_twice_is_forgotten_once(cloud):
    done = cloud.run("forget", "bob.b", "Bob.B", "--yes")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("removed  secret threads-token-bob-b") == 1


def test_forget_takes_a_secret_that_lost_its_label(cloud):
    cloud.change(lambda s: s["secrets"]["threads-token-alice"].update(labels={}))
    assert cloud.run("forget", "alice", "--yes").returncode == 0
    assert "threads-token-alice" not in cloud.state["secrets"]


def test_a_dry_run_of_forget_deletes_nothing(cloud):
    done = cloud.run("--dry-run", "forget", "alice")
    assert "+ gcloud secrets delete threads-token-alice" in done.stdout
    assert cloud.writes == []


# the app secret


def test_the_app_secret_is_in_the_environment_of_no_process_that_is_started(cloud, tmp_path):
    cloud.run("setup", THREADS_APP_SECRET=APP_SECRET)
    seen = (tmp_path / "environments").read_text()
    assert "STUB_PORT" in seen
    assert "THREADS_APP_SECRET" not in seen


def test_what_somebody_chose_for_gcloud_neither_logs_the_app_secret_nor_hides_an_answer(cloud, tmp_path):
    chosen = {"LOG_HTTP": "true", "VERBOSITY": "debug", "USER_OUTPUT_ENABLED": "false"}
    cloud.run("status", **{f"CLOUDSDK_CORE_{name}": value for name, value in chosen.items()})
    seen = (tmp_path / "environments").read_text()
    for setting in ('LOG_HTTP="false"', 'VERBOSITY="warning"', 'USER_OUTPUT_ENABLED="true"'):
        assert f"CLOUDSDK_CORE_{setting}" in seen
    assert 'LC_ALL="C"' in seen  # in Turkish, the "I" of a name has another lower case


def test_ask_without_a_terminal_is_refused(cloud):
    done = cloud.run("setup", THREADS_APP_SECRET="ask")
    assert done.returncode == 1
    assert "no terminal to ask on" in done.stdout
    assert cloud.writes == []
