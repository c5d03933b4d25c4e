"""As a new user would: sign in, post with the example, let 60 days pass, and post with the refreshed token.

Every address and command is taken from what `make run` prints, or from a page that it leads to.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.make_run.local_run import LocalRun, environ, started

SCOPES = "threads_basic,threads_content_publish"


def printed(local: LocalRun, step: str) -> str:
    """Return what stands behind the name of a step; a command may take two lines."""
    found = re.search(rf"^  \d\. {step} +(.+(?<!\\)|.+\\\n.+)$", local.said, re.M)
    assert found, f"{step} is not in: {local.said}"
    return found[1]


def pasted(local: LocalRun, step: str) -> subprocess.CompletedProcess[str]:
    """Run a command that was printed, in a shell in the same folder."""
    how = {"shell": True, "cwd": local.directory, "env": environ({}), "timeout": 60}
    return subprocess.run(printed(local, step), capture_output=True, text=True, check=False, **how)


def run(local: LocalRun, step: str) -> str:
    done = pasted(local, step)
    assert done.returncode == 0, done.stderr
    return done.stdout


def state(local: LocalRun) -> dict[str, Any]:
    return requests.get(f"{printed(local, 'Control page')}/state", timeout=20).json()


def sign_in(start: str) -> requests.Response:
    """Press the button of the start page, and Continue on the page that it leads to."""
    with requests.Session() as browser:
        browser.trust_env = False
        link = re.search(r'href="([^"]*/login)"', browser.get(start, timeout=20).text)
        assert link
        consent = browser.get(requests.compat.urljoin(start, link[1]), timeout=20)
        scopes = re.findall(r'name="scope" value="([^"]+)"', consent.text)
        return browser.post(consent.url, data={"person": "alice", "decision": "continue", "scope": scopes}, timeout=20)


def move_the_clock(local: LocalRun, by: str) -> None:
    page = printed(local, "Control page")
    assert requests.post(f"{page}/clock", data={"by": by}, timeout=20).status_code == 200


def test_from_a_clone_to_a_post_and_sixty_days_on_to_another(tmp_path: Path) -> None:
    with started(tmp_path) as local:
        assert "Token kept" in sign_in(printed(local, "Sign in")).text
        assert run(local, "Post").startswith("Posted as alice: ")
        first = run(local, "See it kept").strip()

        for _ in range(2):  # 60 days without a refresh end a token, here too
            move_the_clock(local, "30d")
            assert '"outcome": "refreshed"' in run(local, "Refresh")
        assert run(local, "Post").startswith("Posted as alice: ")
        refreshed = run(local, "See it kept").strip()

        assert first != refreshed
        posts = state(local)["posts"]
        assert [post["token_ends_with"] for post in posts] == [refreshed[-4:], first[-4:]]
        assert posts[0]["posted_at"] > posts[1]["posted_at"]
        page = requests.get(printed(local, "Control page"), timeout=20).text
        assert page.count("Hello") >= 2
        assert refreshed[-4:] in page


def test_after_sixty_days_without_a_refresh_the_bot_is_told_and_a_new_sign_in_mends_it(tmp_path: Path) -> None:
    with started(tmp_path) as local:
        sign_in(printed(local, "Sign in"))
        move_the_clock(local, "61d")
        done = pasted(local, "Post")
        assert done.returncode != 0
        assert "TokenRefused: error code 190: if it lasts, sign in again" in done.stderr
        sign_in(printed(local, "Sign in"))
        assert run(local, "Post").startswith("Posted as alice: ")


@pytest.mark.gcloud
def test_a_token_pasted_by_gcloud_is_posted_with_adopted_and_refreshed(tmp_path: Path) -> None:
    with started(tmp_path) as local:
        token = a_token_of_alice(local)
        pasted_by_gcloud(local, tmp_path, f"{token}\n")  # as somebody pastes it: with Enter behind it
        assert run(local, "Post").startswith("Posted as alice: ")
        assert '"username": "alice"' in run(local, "Refresh")
        assert run(local, "Post").startswith("Posted as alice: ")
        move_the_clock(local, "30d")
        assert '"outcome": "refreshed"' in run(local, "Refresh")
        assert run(local, "Post").startswith("Posted as alice: ")
        refreshed = run(local, "See it kept").strip()
        ends = [post["token_ends_with"] for post in state(local)["posts"]]
        assert ends == [refreshed[-4:], token[-4:], token[-4:]]


def a_token_of_alice(local: LocalRun) -> str:
    """Return a long-lived token that the keeper has never seen, as Meta's dashboard gives one."""
    threads, app = local.at("THREADS_PORT", ""), {"client_id": state(local)["app_id"]}
    redirect_uri = local.at("OAUTH_PORT", "/callback")
    asked = {**app, "redirect_uri": redirect_uri, "scope": SCOPES, "response_type": "code"}
    form = {"person": "alice", "decision": "continue", "scope": SCOPES.split(",")}
    page = requests.post(f"{threads}/oauth/authorize", params=asked, data=form, allow_redirects=False, timeout=20)
    code = parse_qs(urlsplit(page.headers["Location"]).query)["code"][0]
    app["client_secret"] = "sandbox-app-secret"
    exchange = {**app, "redirect_uri": redirect_uri, "code": code, "grant_type": "authorization_code"}
    short = requests.post(f"{threads}/oauth/access_token", data=exchange, timeout=20).json()["access_token"]
    longer = {"grant_type": "th_exchange_token", "client_secret": app["client_secret"], "access_token": short}
    return requests.get(f"{threads}/access_token", params=longer, timeout=20).json()["access_token"]


def pasted_by_gcloud(local: LocalRun, folder: Path, text: str) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "CLOUDSDK_CONFIG": str(folder / "gcloud"),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": "demo",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": local.at("SECRET_MANAGER_REST_PORT"),
    }
    command = ["gcloud", "secrets", "versions", "add", "threads-token-alice", "--data-file=-"]
    subprocess.run(command, env=env, input=text, text=True, check=True, timeout=120, capture_output=True)
