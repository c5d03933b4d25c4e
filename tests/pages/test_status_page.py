"""The status page: who must do what, in order of urgency, in words, and the time that is left as a picture."""

from __future__ import annotations

import re
import time
from html import unescape

import pytest

from tests.pages.gallery import BASE, EVERY_MATTER, FIVE, LONG_NAME, MANY, NOW, result, status
from tests.pages.outline import outline
from token_keeper.languages import LANGUAGES
from token_keeper.outcomes import Outcome
from token_keeper.report import Result
from token_keeper.status_page import Matter, matter_of, view

ENGLISH = LANGUAGES["en"]


def text_of(page: str) -> str:
    inline = re.sub(r"</?(?:span|time|strong|a|code)\b[^>]*>", "", page.partition("<main>")[2])
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", inline)).split())


def rows_of(page: str) -> dict[str, str]:
    """Return the text of each account's row, in order."""
    found = re.findall(r'<tr role="row">\n<th scope="row".*?</tr>', page, re.DOTALL)
    return {re.findall(r'class="name">([^<]*)', row)[0]: text_of("<main>" + row) for row in found}


def row(one: Result) -> str:
    (text,) = rows_of(status(ENGLISH, [one])).values()
    return text


def test_what_does_not_work_now_comes_first_and_the_nearest_end_before_others() -> None:
    assert list(rows_of(status(ENGLISH, FIVE))) == ["bob.builds", "carol_news", "dan", "eve", "alice"]
    matters = [matter_of(one, NOW) for one in sorted(EVERY_MATTER, key=lambda one: one.username)]
    assert set(matters) == set(Matter)
    ends = [result(name, Outcome.SIGN_IN_AGAIN, token=left) for name, left in (("c", 40), ("a", 20), ("b", -1))]
    assert list(rows_of(status(ENGLISH, ends))) == ["b", "a", "c"]


def test_the_summary_is_one_line_in_words() -> None:
    text = text_of(status(ENGLISH, FIVE))
    assert text.startswith("Action needed for 2 of 5 accounts 5 accounts: 1 needs the operator, 1 must sign in again, ")
    assert "1 is tried again by itself, 1 not signed in yet, 1 well." in text
    assert "Looked at on 26 November 2026, 14:33 UTC." in text
    for outcome in Outcome:
        assert "_" not in outcome or outcome.value not in text


def test_the_summary_has_the_right_plural() -> None:
    two = [result("a", Outcome.MISCONFIGURED), result("b", Outcome.MISCONFIGURED)]
    assert "Action needed for 2 of 2 accounts 2 accounts: 2 need the operator." in text_of(status(ENGLISH, two))
    assert "Action needed for 1 of 1 account 1 account: 1 needs the operator." in text_of(status(ENGLISH, two[:1]))
    assert "No action needed 1 account: 1 well." in text_of(status(ENGLISH, [result("a", Outcome.CURRENT)]))
    new = [result(name, Outcome.NOT_SIGNED_IN, token=None) for name in ("a", "b")]
    assert "Waiting for 2 accounts to sign in 2 accounts: 2 not signed in yet." in text_of(status(ENGLISH, new))
    assert "Waiting for 1 account to sign in 1 account: 1 not signed in yet." in text_of(status(ENGLISH, new[:1]))


def test_an_account_says_what_is_the_matter_since_when_whose_move_it_is_and_what_to_do() -> None:
    rows = rows_of(status(ENGLISH, EVERY_MATTER))
    bob = rows["bob.builds"]
    assert "Must sign in again since 23 November 2026, 14:33 UTC (3 days ago)" in bob
    assert "Threads no longer accepts this token (HTTP 400, code 190, subcode 463: it expired)." in bob
    assert f"The owner of bob.builds signs in again: {BASE}/login" in bob
    assert "Have the account's owner" not in bob, "said once, with the address"
    carol = rows["carol_news"]
    assert "The operator must act since 8 November 2026, 09:45 UTC (18 days ago)" in carol
    assert carol.count("./deploy.sh check") == 1
    assert "The operator: Enable one of them if they are only disabled" in rows["judy"]
    assert "Nobody: the next run tries again by itself." in rows["dan"]
    assert f"The owner of eve signs in for the first time: {BASE}/login" in rows["eve"]
    assert f"The owner of frank signs in again before 5 December 2026, 14:33 UTC: {BASE}/login" in rows["frank"]
    assert "The operator: Run ./deploy.sh check" in rows["ivan"]


def test_the_link_leads_to_the_sign_in_and_to_nowhere_else() -> None:
    links = re.findall(r'<a class="address" href="([^"]*)"', status(ENGLISH, FIVE))
    assert links == [f"{BASE}/login"] * 2
    without = status(ENGLISH, FIVE, sign_in_url=None)
    assert 'class="address"' not in without
    assert text_of(without).count("on the sign-in page of this service.") == 2


def test_what_is_left_is_said_in_words_with_the_date_behind_it() -> None:
    alice = row(result("alice", Outcome.CURRENT, token=59.4, grant=89.4))
    assert "Token expires in 59 days 25 January 2027, 00:09 UTC" in alice
    assert "Permission ends in 89 days 24 February 2027, 00:09 UTC" in alice
    assert "Refreshed 14 hours ago 26 November 2026, 00:09 UTC" in alice


def test_a_token_that_is_refused_before_its_end_does_not_look_well() -> None:
    rows = rows_of(status(ENGLISH, EVERY_MATTER))
    assert "expires in 40 days 5 January 2027, 14:33 UTC It does not work now." in rows["judy"]
    assert [name for name, text in rows.items() if "It does not work now." in text] == ["judy"]
    page = status(ENGLISH, EVERY_MATTER)
    assert page.count('class="clocks unusable"') == 1


def test_a_private_profile_is_known_by_a_grant_that_the_last_refresh_did_not_renew() -> None:
    told = "Private profile: only a new sign-in renews it."
    assert told in row(result("frank", Outcome.CURRENT, token=59.5, grant=50))
    assert told not in row(result("alice", Outcome.CURRENT, token=59.5, grant=89.5))
    assert told not in row(result("alice", Outcome.CURRENT, token=40, grant=70)), "not refreshed lately either"
    assert told not in row(result("grace", Outcome.CURRENT, token=40, grant=None))


def test_a_date_that_is_past_looks_past() -> None:
    page = status(ENGLISH, [result("bob", Outcome.SIGN_IN_AGAIN, token=-3, grant=-1)])
    assert '<dd class="bad">expired 3 days ago' in page
    assert '<dd class="bad">ended 24 hours ago' in page
    assert "expires in" not in page


def test_nothing_is_red_while_there_is_time() -> None:
    passing = status(ENGLISH, [result("dan", Outcome.RETRY_LATER, "Threads reports a passing fault (HTTP 503).", 40)])
    assert 'class="word soon"' in passing
    assert "bad" not in passing.partition("<main>")[2]
    late = status(ENGLISH, [result("dan", Outcome.RETRY_LATER, "Threads reports a passing fault (HTTP 503).", 5)])
    assert '<span class="word bad">Fails, and time is running out' in late


def test_each_colour_has_its_word() -> None:
    for name, text in rows_of(status(ENGLISH, EVERY_MATTER)).items():
        words = ("act", "sign in", "running out", "refreshed", "again", "in yet", "Well")
        assert any(word in text for word in words), name


def test_the_bars_begin_and_end_where_the_times_do() -> None:
    bar = view([result("a", Outcome.CURRENT, token=49, grant=-7)], NOW, None, "1")
    axis, (shown,) = bar["axis"], bar["rows"]
    scale = (axis["worry"] - axis["today"]) / 14
    assert shown.token is not None
    assert shown.token.left == pytest.approx((axis["today"], axis["today"] + 49 * scale), abs=0.05)
    assert shown.token.spent == pytest.approx((axis["today"] - 11 * scale, axis["today"]), abs=0.05)
    assert shown.grant is not None
    assert shown.grant.left == (axis["today"], axis["today"]), "nothing is left of it"
    assert shown.grant.spent == pytest.approx((0, axis["today"] - 7 * scale), abs=0.05)


@pytest.mark.parametrize("left", [-4000, -14, 0, 59, 4000])
def test_no_bar_leaves_its_axis(left: float) -> None:
    (shown,) = view([result("a", Outcome.CURRENT, token=left, grant=left)], NOW, None, "1")["rows"]
    for clock in (shown.token, shown.grant):
        assert clock is not None
        places = [*clock.spent, *clock.left]
        assert places == sorted(places)
        assert places[0] >= 0
        assert places[-1] <= 100


def test_ten_thousand_accounts_open_in_a_second() -> None:
    began = time.process_time()  # of this process alone: the machine has other things to do
    page = status(ENGLISH, [*EVERY_MATTER, *MANY])
    assert time.process_time() - began < 1
    rows = list(rows_of(page))
    assert len(rows) == 200
    assert rows[:4] == ["heidi", "bob.builds", "judy", LONG_NAME], "the urgent ones stand on the first page"
    assert "Action needed for 10 of 10,015 accounts" in page
    assert "10,003 well" in page
    assert "Page 1 of 51" in page
    assert len(page) < 1_000_000


def test_the_pages_together_show_every_account_once() -> None:
    accounts = [*EVERY_MATTER, *MANY[:450]]
    pages = [status(ENGLISH, accounts, page=str(number)) for number in (1, 2, 3)]
    shown = [name for page in pages for name in rows_of(page)]
    assert len(shown) == len(set(shown)) == len(accounts)
    assert re.findall(r'href="\?([^"]*)" rel="(\w+)"', pages[1]) == [("page=1", "prev"), ("page=3", "next")]


@pytest.mark.parametrize("page", ["", "0", "-1", "4", "99999", "1e9", "٣", "x", "9" * 5000])
def test_a_page_that_does_not_exist_is_the_nearest_one(page: str) -> None:
    shown = view(MANY[:450], NOW, None, page)
    assert shown["page"] in (1, 3)
    assert shown["rows"]


def test_the_table_says_which_header_belongs_to_what() -> None:
    seen = outline(status(ENGLISH, FIVE)).seen
    headers = [attributes for tag, attributes in seen if tag == "th"]
    assert [one["scope"] for one in headers] == ["col"] * 3 + ["row"] * 5
    assert [one["role"] for one in headers] == ["columnheader"] * 3 + ["rowheader"] * 5
    assert sum(tag == "caption" for tag, _ in seen) == 1
    for tag, role in (("table", "table"), ("tr", "row"), ("td", "cell")):
        assert {attributes.get("role") for name, attributes in seen if name == tag} == {role}


def test_what_a_hand_has_written_is_shown_as_text() -> None:
    evil = "<script>alert(1)</script> `<b>` %(x)s {y}"
    page = status(ENGLISH, [result("a", Outcome.MISCONFIGURED, evil, since=1)])
    outline(page)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <code>&lt;b&gt;</code> %(x)s {y}" in page


def test_a_version_that_nothing_describes_has_no_dates_and_no_picture() -> None:
    pasted = Result(FIVE[0].account, "projects/p/secrets/s", Outcome.CURRENT, None, 13, None)
    page = status(ENGLISH, [pasted])
    assert "The dates of this token are not known yet." in page
    assert "clocks" not in page.partition("<main>")[2]
