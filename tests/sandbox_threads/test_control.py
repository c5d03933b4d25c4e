"""The control page and the control API."""

from __future__ import annotations

import re

import requests

from sandbox.clock import Clock
from sandbox.threads.server import LocalThreads
from tests.sandbox_threads.calls import DAY, error, get, me


def test_the_control_api_moves_the_clock(threads: LocalThreads) -> None:
    token = threads.tokens.issue_long_lived("alice")
    moved = requests.post(threads.url + "/sandbox/clock", json={"by": "60d"}, timeout=5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moved.json()["now"])
    assert error(me(threads, token)) == (190, 463)
    for nonsense in ("soon", "", "999999w" * 9):
        assert requests.post(threads.url + "/sandbox/clock", json={"by": nonsense}, timeout=5).status_code == 400


def test_the_control_api_sets_faults_and_switches(threads: LocalThreads) -> None:
    fault = {"call": "me", "fault": "expired", "times": None, "username": "alice", "shape": 3}
    set_up = requests.post(threads.url + "/sandbox/faults", json=fault, timeout=5)
    assert set_up.json()["faults"][0]["times"] is None
    assert me(threads, threads.tokens.issue_long_lived("alice")).json()["error_code"] == 190
    requests.post(threads.url + "/sandbox/faults", json={"clear": True}, timeout=5)
    assert threads.control.faults == []
    turned = requests.post(threads.url + "/sandbox/switches", json={"same_string": True}, timeout=5)
    assert turned.json()["switches"]["same_string"] is True
    for nonsense in ({"no_such": True}, {"same_string": 1}, {"wrapped": True, "too_young_shape": 9}, [1]):
        assert requests.post(threads.url + "/sandbox/switches", json=nonsense, timeout=5).status_code == 400
    assert threads.control.switches.wrapped is False


def test_events_that_cannot_be_are_400(threads: LocalThreads) -> None:
    for nonsense in (
        {"event": "explode", "username": "alice"},
        {"event": "rename", "username": "nobody", "to": "x"},
        {"event": "rename", "username": "alice", "to": ""},
        {"event": "hand_over", "username": "alice", "to": "alice"},
        {"event": "add_person", "username": "alice"},
        {"event": "uninstall", "username": "alice"},
    ):
        reply = requests.post(threads.url + "/sandbox/events", json=nonsense, timeout=5)
        assert (reply.status_code, set(reply.json())) == (400, {"error"}), nonsense


def test_the_page_and_the_state_show_four_characters_of_a_token(clock: Clock) -> None:
    with LocalThreads(clock) as threads:
        token = threads.tokens.issue_long_lived("alice")
        assert re.fullmatch(r"THAA[\w-]{176}", token)
        page, state = requests.get(threads.url + "/sandbox", timeout=5), get(threads, "/sandbox/state")
    for shown in (page.text, state.text):
        assert token[-4:] in shown
        assert token[-5:] not in shown
        assert token[:8] not in shown
    assert "<script" not in page.text
    assert state.json()["people"][0]["tokens"][0]["alive"] is True


def test_the_forms_of_the_page_work_and_lead_back_to_it(threads: LocalThreads) -> None:
    def send(path: str, **form: str) -> requests.Response:
        return requests.post(threads.url + path, data=form, timeout=5, allow_redirects=False)

    before = threads.clock.now()
    assert send("/sandbox/clock", by="1d").headers["Location"] == "/sandbox#clock"
    assert threads.clock.now() - before >= DAY
    form = {"call": "me", "fault": "delay", "times": "", "username": "", "shape": "", "status": "", "seconds": "0.1"}
    assert send("/sandbox/faults", **form).status_code == 303
    [fault] = threads.control.faults
    assert (fault.times, fault.username, fault.seconds) == (None, None, 0.1)
    assert send("/sandbox/switches", same_string="on", too_young_code="24").status_code == 303
    assert threads.control.switches.same_string is True
    assert threads.control.switches.state_on_cancel is False
    assert threads.control.switches.too_young_code == 24
    assert send("/sandbox/events", event="rename", username="alice", to="alicia").status_code == 303
    assert "alicia" in {person.username for person in threads.people}
    mistaken = send("/sandbox/clock", by="<b>soon")
    assert mistaken.status_code == 400
    assert "not a duration" in mistaken.text
    assert "<b>soon" not in mistaken.text


def test_another_site_cannot_post_to_the_control_page(threads: LocalThreads) -> None:
    url = threads.url + "/sandbox/clock"
    foreign = requests.post(url, data={"by": "60d"}, headers={"Origin": "https://example.com"}, timeout=5)
    assert foreign.status_code == 403
    assert requests.post(url, data={"by": "1d"}, headers={"Origin": threads.url}, timeout=5).status_code == 200
