"""Which language a reader gets, and how each writes numbers, times and how far away they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from babel.dates import format_date

from token_keeper.languages import LANGUAGES, choose

NOW = datetime(2026, 11, 26, 14, 33, tzinfo=UTC)


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en-US;q=0.8,en;q=0.7", "ja"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-TW"),
        ("zh-Hant-HK", "zh-TW"),
        ("zh-CN,zh;q=0.9", "zh-TW"),
        ("fr-FR,fr;q=0.9,ja;q=0.5,en;q=0.4", "ja"),
        ("en;q=0.4,ja;q=0.8", "ja"),
        ("ja;q=0,en", "en"),
        ("ja;q=0,de", "en"),
        ("JA", "ja"),
        ("de", "en"),
        ("*", "en"),
        ("jam, en", "en"),
        ("ja;q=banana", "en"),
        (";;;,,,q=1", "en"),
        ("a" * 100_000, "en"),
        ("ja-" * 30_000, "ja"),
        ("ja\r\nX: y", "en"),
    ],
)
def test_the_header_decides(accepted: str, code: str) -> None:
    assert choose("", accepted).code == code


def test_a_link_wins_over_the_header_and_an_unknown_one_does_not() -> None:
    assert choose("zh-TW", "ja").code == "zh-TW"
    assert choose("en", "ja").code == "en"
    for unknown in ("", "xx", "JA", "zh", "../ja", "ja/../../x"):
        assert choose(unknown, "ja").code == "ja"


@pytest.mark.parametrize(("code", "locale"), [("en", "en_GB"), ("ja", "ja"), ("zh-TW", "zh_Hant_TW")])
def test_every_day_of_a_year_is_written_as_the_language_writes_it(code: str, locale: str) -> None:
    for day in range(366):
        moment = datetime(2028, 1, 1, 3, 7, tzinfo=UTC) + timedelta(days=day)
        written = LANGUAGES[code].moment(moment)
        assert written.replace("\xa0", " ").startswith(format_date(moment, "long", locale))
        assert written.endswith("03:07\xa0UTC")
        assert written.count(" ") == 1, "a line may end between the date and the time only"


@pytest.mark.parametrize(
    ("hours", "english", "japanese", "chinese"),
    [
        (60 * 24 - 0.01, "in 60 days", "60日後", "60 天後"),
        (59.4 * 24, "in 59 days", "59日後", "59 天後"),
        (48, "in 2 days", "2日後", "2 天後"),
        (47.5, "in 2 days", "2日後", "2 天後"),
        (46.5, "in 46 hours", "46時間後", "46 小時後"),
        (1.5, "in 1 hour", "1時間後", "1 小時後"),
        (0.5, "in less than an hour", "1時間以内", "一小時內"),
        (-0.5, "less than an hour ago", "1時間足らず前", "不到一小時前"),
        (-1.5, "1 hour ago", "1時間前", "1 小時前"),
        (-47.9, "47 hours ago", "47時間前", "47 小時前"),
        (-71, "2 days ago", "2日前", "2 天前"),
    ],
)
def test_a_distance_is_said_in_words(hours: float, english: str, japanese: str, chinese: str) -> None:
    said = [language.distance(NOW + timedelta(hours=hours), NOW) for language in LANGUAGES.values()]
    assert said == [english, japanese, chinese]


def test_a_large_number_can_be_read() -> None:
    assert {language.number(10_000) for language in LANGUAGES.values()} == {"10,000"}
