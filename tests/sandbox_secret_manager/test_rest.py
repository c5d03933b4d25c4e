"""The REST API of the local Secret Manager, request by request, as Google documents it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import google_crc32c
import pytest
import requests
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.secret_manager.quota import Quota
from sandbox.secret_manager.server import SecretManager
from tests.support.timing import allowed

KEPT = "projects/123456789012/secrets/alice"
PAYLOAD = {"data": base64.b64encode(b"token-1").decode(), "dataCrc32c": str(google_crc32c.value(b"token-1"))}
Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(manager) -> Iterator[Ask]:
    with requests.Session() as session:
        session.trust_env = False
        yield lambda verb, path, **how: session.request(verb, f"{manager.rest_url}/v1/projects/demo{path}", **how)


def error(reply: requests.Response) -> tuple[int, str]:
    body = reply.json()["error"]
    assert body["code"] == reply.status_code
    return reply.status_code, body["status"]


# What each method answers


def test_a_secret_is_created_described_changed_listed_and_deleted(ask):
    new = {"replication": {"automatic": {}}, "labels": {"a": "1"}, "topics": [{"name": "projects/demo/topics/t"}]}
    made = ask("POST", "/secrets?secretId=alice", json=new)
    assert made.status_code == 200
    assert made.json() == {"name": KEPT, **new, "createTime": made.json()["createTime"], "etag": made.json()["etag"]}
    assert ask("GET", "/secrets/alice").json() == made.json()
    changed = ask("PATCH", "/secrets/alice?updateMask=labels", json={"labels": {"a": "2"}, "annotations": {"b": "3"}})
    assert changed.json() == {**made.json(), "labels": {"a": "2"}, "etag": changed.json()["etag"]}
    assert changed.json()["etag"] != made.json()["etag"]
    assert ask("GET", "/secrets").json() == {"secrets": [changed.json()], "totalSize": 1}
    stale = ask("DELETE", "/secrets/alice", params={"etag": made.json()["etag"]})
    assert error(stale) == (400, "FAILED_PRECONDITION")
    gone = ask("DELETE", "/secrets/alice", params={"etag": changed.json()["etag"]})
    assert (gone.status_code, gone.json()) == (200, {})
    assert error(ask("GET", "/secrets/alice")) == (404, "NOT_FOUND")


def test_a_version_is_added_accessed_described_listed_changed_and_destroyed(ask, manager):
    manager.create("alice")
    added = ask("POST", "/secrets/alice:addVersion", json={"payload": PAYLOAD}).json()
    assert (added["name"], added["state"]) == (f"{KEPT}/versions/1", "ENABLED")
    assert ask("GET", "/secrets/alice/versions/latest:access").json() == {"name": added["name"], "payload": PAYLOAD}
    assert ask("GET", "/secrets/alice/versions/latest").json() == added
    for verb, state in (("disable", "DISABLED"), ("enable", "ENABLED"), ("destroy", "DESTROYED")):
        etag = ask("GET", "/secrets/alice/versions/1").json()["etag"]
        stale = ask("POST", f"/secrets/alice/versions/1:{verb}", json={"etag": '"stale"'})
        assert error(stale) == (400, "FAILED_PRECONDITION")
        changed = ask("POST", f"/secrets/alice/versions/1:{verb}", json={"etag": etag}).json()
        assert (changed["name"], changed["state"]) == (added["name"], state)
    assert ask("GET", "/secrets/alice/versions").json() == {"versions": [changed], "totalSize": 1}


def test_listings_have_filters_and_pages(ask, manager):
    for number in range(5):
        manager.create(f"s{number}", labels={"odd": str(number % 2)})
    first = ask("GET", "/secrets", params={"filter": "labels.odd=0", "pageSize": "2"}).json()
    rest = ask("GET", "/secrets", params={"filter": "labels.odd=0", "pageToken": first["nextPageToken"]}).json()
    names = [secret["name"].rpartition("/")[2] for secret in first["secrets"] + rest["secrets"]]
    assert names == ["s4", "s2", "s0"]
    assert "nextPageToken" not in rest


@pytest.mark.parametrize("mask", ["versionDestroyTtl,topics", "version_destroy_ttl,topics"])
def test_a_mask_may_name_fields_in_either_spelling(ask, manager, mask):
    manager.create("alice", labels={"a": "1"})
    wanted = {"versionDestroyTtl": "86400s", "topics": [{"name": "projects/demo/topics/t"}]}
    assert ask("PATCH", f"/secrets/alice?updateMask={mask}", json=wanted).status_code == 200
    kept = ask("GET", "/secrets/alice").json()
    assert {key: kept[key] for key in wanted} == wanted
    assert kept["labels"] == {"a": "1"}


def test_enums_are_numbers_for_clients_that_want_that(ask, manager):
    manager.create("alice")
    manager.add("alice", "token")
    listed = ask("GET", "/secrets/alice/versions?$alt=json;enum-encoding=int&alt=json&prettyPrint=false").json()
    assert listed["versions"][0]["state"] == 1


def test_the_name_in_the_path_wins_over_the_one_in_the_body(ask, manager):
    manager.create("alice")
    manager.create("bob")
    other = {"name": "projects/demo/secrets/bob", "labels": {"a": "1"}}
    assert ask("PATCH", "/secrets/alice?updateMask=labels", json=other).json()["name"] == KEPT
    assert (manager.labels("alice"), manager.labels("bob")) == ({"a": "1"}, {})


# What is refused


@pytest.mark.parametrize(
    ("verb", "path", "answer"),
    [
        ("GET", "/secrets/nobody", (404, "NOT_FOUND")),
        ("GET", "/secrets/alice/versions/7:access", (404, "NOT_FOUND")),
        ("POST", "/secrets?secretId=alice", (409, "ALREADY_EXISTS")),
        ("POST", "/secrets?secretId=a.b", (400, "INVALID_ARGUMENT")),
        ("GET", "/secrets?pageToken=nonsense", (400, "INVALID_ARGUMENT")),
        ("GET", "/secrets?pageSize=many", (400, "INVALID_ARGUMENT")),
        ("GET", "/secrets?nonsense=1", (400, "INVALID_ARGUMENT")),
        ("PATCH", "/secrets/alice?updateMask=nonsense", (400, "INVALID_ARGUMENT")),
        ("POST", "/secrets/alice:nonsense", (404, "NOT_FOUND")),
        ("PATCH", "/secrets", (404, "NOT_FOUND")),
        ("GET", "/topics/t", (404, "NOT_FOUND")),
    ],
)
def test_a_refusal_has_the_code_and_the_status_of_googles_apis(ask, manager, verb, path, answer):
    manager.create("alice")
    assert error(ask(verb, path, json={"replication": {"automatic": {}}} if verb == "POST" else None)) == answer


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (StatusCode.UNAUTHENTICATED, 401),
        (StatusCode.PERMISSION_DENIED, 403),
        (StatusCode.ABORTED, 409),
        (StatusCode.RESOURCE_EXHAUSTED, 429),
        (StatusCode.INTERNAL, 500),
        (StatusCode.UNKNOWN, 500),
        (StatusCode.UNAVAILABLE, 503),
        (StatusCode.DEADLINE_EXCEEDED, 504),
    ],
)
def test_a_failure_that_was_asked_for_comes_over_rest_too(ask, manager, code, answer):
    manager.create("alice")
    manager.fail("GetSecret", code, match="alice", reason="SERVICE_DISABLED")
    reply = ask("GET", "/secrets/alice")
    assert error(reply) == (answer, code.name)
    assert reply.json()["error"]["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
            "metadata": {"service": "secretmanager.googleapis.com"},
        }
    ]
    assert ask("GET", "/secrets/alice").status_code == 200


def test_both_transports_share_calls_quota_denials_and_damage(ask, manager, client):
    manager.create("alice")
    manager.add("alice", "token")
    manager.corrupt()
    damaged = ask("GET", "/secrets/alice/versions/1:access").json()["payload"]
    assert str(google_crc32c.value(base64.b64decode(damaged["data"]))) != damaged["dataCrc32c"]
    manager.deny({"AccessSecretVersion"})
    assert error(ask("GET", "/secrets/alice/versions/1:access")) == (403, "PERMISSION_DENIED")
    manager.quota = Quota(read=1, window_seconds=3600)
    client.get_secret(name="projects/demo/secrets/alice")
    assert error(ask("GET", "/secrets/alice")) == (429, "RESOURCE_EXHAUSTED")
    alice = "projects/demo/secrets/alice"
    accesses = [("AccessSecretVersion", f"{alice}/versions/1")] * 2
    assert manager.calls == [*accesses, ("GetSecret", alice), ("GetSecret", alice)]


@pytest.mark.parametrize(
    "body",
    [
        "token-sentinel",
        '["token-sentinel"]',
        '{"token-sentinel": 1}',
        '{"payload": {"data": "token-sentinel!"}}',
        '{"payload": {"data": "dG9rZW4=", "dataCrc32c": "token-sentinel"}}',
        '{"payload": "token-sentinel"}',
        '{"payload": ' + "[" * 100_000,
    ],
)
def test_a_body_that_cannot_be_read_is_refused_and_not_quoted(ask, manager, capfd, body):
    manager.create("alice")
    reply = ask("POST", "/secrets/alice:addVersion", data=body)
    assert error(reply) == (400, "INVALID_ARGUMENT")
    assert "sentinel" not in reply.text + "".join(capfd.readouterr())
    assert manager.states("alice") == {}


def test_nothing_is_logged(ask, manager, capfd):
    manager.create("alice")
    ask("POST", "/secrets/alice:addVersion", json={"payload": PAYLOAD})
    ask("GET", "/secrets/alice/versions/1:access?access_token=sentinel")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example"},
        {"Host": "127.0.0.1.example:8084"},
        {"Host": ""},
        {"Origin": "https://page.example"},
        {"Origin": "null"},
    ],
)
def test_a_web_page_in_a_browser_of_this_machine_reaches_nothing(ask, manager, headers):
    manager.create("alice")
    manager.add("alice", "token")
    assert error(ask("GET", "/secrets/alice/versions/1:access", headers=headers)) == (403, "PERMISSION_DENIED")
    added = ask("POST", "/secrets/alice:addVersion", json={"payload": PAYLOAD}, headers=headers)
    assert error(added) == (403, "PERMISSION_DENIED")
    assert manager.calls == []


def test_localhost_is_this_machine_too(ask, manager):
    manager.create("alice")
    assert ask("GET", "/secrets/alice", headers={"Host": "localhost:8084"}).status_code == 200


def test_a_reply_is_neither_stored_nor_taken_for_anything_but_json(ask):
    headers = ask("GET", "/secrets").headers
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert "Server" not in headers


def raw(manager: SecretManager, request: bytes) -> http.client.HTTPResponse:
    with socket.create_connection(manager.rest_url.removeprefix("http://").split(":"), timeout=5) as connection:
        connection.sendall(request)
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        assert json.loads(reply.read())["error"]["code"] == reply.status
        return reply


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("nonsense\r\n\r\n", 400),
        ("GET /v1/x HTTP/9.9\r\n\r\n", 505),
        ("BREW /v1/projects/demo/secrets HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        ("POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", 400),
        ("POST /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    ],
)
def test_what_is_no_proper_request_is_answered_too(manager, request_text, status):
    assert raw(manager, request_text.encode()).status == status


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", f"Content-Length: {2**30}"])
def test_a_body_that_is_not_read_is_not_taken_for_the_next_request(manager, header):
    hidden = "GET /v1/projects/demo/secrets HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reply = raw(manager, f"POST /v1/x HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n{hidden}".encode())
    assert (reply.status, reply.headers["Connection"]) == (400, "close")
    assert manager.calls == []


def test_a_client_that_goes_away_is_no_news_but_a_bug_is(manager, capfd):
    manager.create("alice")
    manager.delay(0.1)
    with socket.create_connection(manager.rest_url.removeprefix("http://").split(":")) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed by a reset
        connection.sendall(b"GET /v1/projects/demo/secrets/alice HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not manager.calls:
            time.sleep(0.01)
    time.sleep(0.2)
    assert capfd.readouterr() == ("", "")
    manager.on_call = lambda *_: 1 / 0
    get(manager.rest_url)
    assert "ZeroDivisionError" in capfd.readouterr().err


@given(
    verb=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
    path=st.sampled_from(["/secrets", "/secrets/alice", "/secrets/alice:addVersion", "/secrets/alice/versions/1"]),
    query=st.dictionaries(
        st.sampled_from(["filter", "pageSize", "pageToken", "updateMask", "etag", "secretId", "x"]), st.text(max_size=9)
    ),
    body=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["payload", "data", "dataCrc32c", "labels", "replication", "automatic", "ttl", "name"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=6,
    ),
)
def test_whatever_is_sent_is_answered_by_json_and_never_by_a_fault_of_the_server(verb, path, query, body):
    url = f"/v1/projects/demo{path}"
    with requests.Session() as session:
        session.trust_env = False
        reply = session.request(verb, f"{SHARED.rest_url}{url}", params=query, json=body)
    assert reply.status_code in (200, 400, 404, 409, 501)
    assert isinstance(reply.json(), dict)


SHARED = SecretManager(Clock())


@pytest.fixture(autouse=True, scope="module")
def shared() -> Iterator[None]:
    """One server for all examples that hypothesis makes."""
    with SHARED:
        yield


# Starting and stopping


def test_connections_that_are_idle_or_hang_do_not_hold_up_the_stop(clock):
    with SecretManager(clock) as manager, requests.Session() as session:
        session.trust_env = False
        manager.create("alice")
        assert session.get(f"{manager.rest_url}/v1/projects/demo/secrets/alice").status_code == 200
        manager.fail("GetSecret", None, delay=60)
        hanging = threading.Thread(target=get, args=(manager.rest_url,))
        hanging.start()
        while not manager.calls[1:]:
            time.sleep(0.01)
        started = time.monotonic()
    assert time.monotonic() - started < allowed(1)
    hanging.join(5)
    assert not hanging.is_alive()


def get(url: str) -> None:
    with contextlib.suppress(requests.ConnectionError):
        requests.get(f"{url}/v1/projects/demo/secrets/alice", timeout=10, proxies={"http": ""})


def test_a_rest_port_that_is_taken_is_named_and_gives_the_other_port_back(clock, manager):
    taken = int(manager.rest_url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OSError, match=f"in use: '127.0.0.1:{taken}'"):
        SecretManager(clock, port=port, rest_port=taken).start()
    socket.create_server(("127.0.0.1", port)).close()


def test_requests_come_one_after_another_without_waiting(ask, manager):
    manager.create("alice")
    started = time.monotonic()
    for _ in range(50):
        ask("POST", "/secrets/alice:addVersion", json={"payload": PAYLOAD})
    assert time.monotonic() - started < allowed(1.5)
