"""Other methods, forged hosts, and a PUBLIC_URL with a path."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from sandbox.secret_manager.server import SecretManager
from sandbox.threads.server import LocalThreads
from tests.sign_in.steps import code_calls, get, start, without_jar
from tests.support.app import PUBLIC_URL
from tests.support.sign_in import consent


def test_a_head_request_never_spends_a_code(oauth: FlaskClient, threads: LocalThreads, manager: SecretManager) -> None:
    back = start(oauth, threads)
    reply = oauth.head(back, base_url=PUBLIC_URL)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "GET"
    assert code_calls(threads) == 0
    assert get(oauth, back).status_code == 303


def test_no_header_of_a_request_changes_where_it_leads(oauth: FlaskClient, threads: LocalThreads) -> None:
    headers = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example;proto=http",
        "X-Original-URL": "/evil",
        "Origin": "https://evil.example",
        "Referer": "https://evil.example/",
    }
    reply = oauth.get("/login", headers=headers)
    assert "redirect_uri=https%3A%2F%2Fkeeper.example%2Fcallback&" in reply.headers["Location"]
    assert reply.headers["Set-Cookie"].startswith("__Host-")
    for path in ("/", "/nothing", "/callback?error=x", "/signed-in"):
        page = oauth.get(path, headers=headers)
        assert "evil" not in page.text + str(page.headers)
        assert "https://keeper.example/" in page.text
    cookie = reply.headers["Set-Cookie"].partition(";")[0]
    back = consent(threads, reply.headers["Location"])
    reply = without_jar(oauth).get(back, headers=headers | {"Cookie": cookie})
    assert reply.headers["Location"].startswith("https://keeper.example/signed-in?receipt=")


@pytest.mark.parametrize("prefix", ["", "/keeper/oauth"], ids=["taken off by the front", "left on"])
def test_a_public_url_may_have_a_path(
    oauth: FlaskClient, threads: LocalThreads, manager: SecretManager, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    url = "https://keeper.example/keeper/oauth"
    monkeypatch.setenv("PUBLIC_URL", url)
    for path in (f"{prefix}/", prefix or "/"):
        page = get(oauth, path)
        assert page.status_code == 200
        assert set(re.findall(r'<a class="button" href="([^"]*)"', page.text)) == {f"{url}/login"}
        for name in ("callback", "uninstall", "delete"):
            assert f'<code class="whole">{url}/{name}</code>' in page.text
    login = get(oauth, f"{prefix}/login")
    assert "Path=/;" in login.headers["Set-Cookie"] + ";"
    back = consent(threads, login.headers["Location"]).removeprefix("/keeper/oauth")
    reply = get(oauth, prefix + back)
    assert reply.status_code == 303
    assert reply.headers["Location"].startswith(f"{url}/signed-in?receipt=")
    receipt = reply.headers["Location"].removeprefix(url)
    assert get(oauth, prefix + receipt).status_code == 200
    assert get(oauth, f"{prefix}/nothing").status_code == 404
    assert get(oauth, "/keeper/oauthlogin").status_code == 404
    reply = oauth.post(
        f"{prefix}/delete", data={"signed_request": threads.signed_request("alice")}, base_url=PUBLIC_URL
    )
    assert reply.json["url"].startswith(f"{url}/deletion?code=")  # type: ignore[index]
