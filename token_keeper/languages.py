"""The languages of the pages: which one a reader gets, what a message is called in it, how it writes a time.

Logs and JSON stay English. Source: RFC 9110 section 12.5.4 (Accept-Language).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from token_keeper.catalogue import messages, translated
from token_keeper.clock import parse_rfc3339

_MONTHS = "January,February,March,April,May,June,July,August,September,October,November,December"
_ALMOST = timedelta(hours=1)  # by which a day may fall short: a token that was just issued ends "in 60 days"
_LONGEST_HEADER = 1000  # characters of Accept-Language that are read; a browser sends less than a hundred
_RANGE = re.compile(r"\s*(?P<tag>[a-z]{1,8}(?:-[a-z0-9]{1,8})*)\s*(?:;\s*q=(?P<weight>[01](?:\.\d{0,3})?)\s*)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True)
class Language:
    """One language. `code` is its tag in HTML, `name` what it calls itself.

    `time` is how it writes a moment, `between` what it puts between two sentences.
    """

    code: str
    name: str
    time: str
    between: str

    def gettext(self, message: str) -> str:
        """Return the translation of a message, or the message itself in English."""
        return messages(self.code).get(message, message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """Return the form for this number. Japanese and Chinese have one form, English has two."""
        english = singular if number == 1 else plural
        return messages(self.code).get(f"{singular}\0{plural}", english)

    def sentences(self, english: str) -> str:
        """Return the translation of finished English sentences, their times written out; what has none stays."""
        said = ""
        for sentence in re.split(r"(?<=\.) ", english):
            known = translated(self.code, sentence, self.sentences)
            said += (self.between if known else " ") if said else ""
            said += known or _TIME.sub(self._moment_of, sentence)
        return said

    def _moment_of(self, match: re.Match[str]) -> str:
        try:
            return self.moment(parse_rfc3339(match[0]))
        except ValueError:  # what stands beside a secret may be anybody's
            return match[0]

    def number(self, number: int) -> str:
        """Return a number as all three languages write it."""
        return f"{number:,}"

    def moment(self, when: datetime) -> str:
        """Return a time to the minute, with its zone. A line may end before the time, and nowhere else."""
        return self.time.format(when, month=_MONTHS.split(",")[when.month - 1])

    def distance(self, when: datetime, now: datetime) -> str:
        """Return how far away a time is, in words: `in 59 days`, `3 hours ago`."""
        return self._ahead(when - now) if when >= now else self._ago(now - when)

    def _ahead(self, left: timedelta) -> str:
        days, hours = (left + _ALMOST).days, left // timedelta(hours=1)
        if days >= 2:
            return self.ngettext("in %(number)s day", "in %(number)s days", days) % {"number": days}
        if hours >= 1:
            return self.ngettext("in %(number)s hour", "in %(number)s hours", hours) % {"number": hours}
        return self.gettext("in less than an hour")

    def _ago(self, passed: timedelta) -> str:
        days, hours = passed.days, passed // timedelta(hours=1)
        if days >= 2:
            return self.ngettext("%(number)s day ago", "%(number)s days ago", days) % {"number": days}
        if hours >= 1:
            return self.ngettext("%(number)s hour ago", "%(number)s hours ago", hours) % {"number": hours}
        return self.gettext("less than an hour ago")


LANGUAGES = {
    language.code: language
    for language in (
        Language("en", "English", "{0.day}\xa0{month}\xa0{0.year}, {0:%H:%M}\xa0UTC", " "),
        Language("ja", "日本語", "{0.year}年{0.month}月{0.day}日 {0:%H:%M}\xa0UTC", ""),
        Language("zh-TW", "繁體中文", "{0.year}年{0.month}月{0.day}日 {0:%H:%M}\xa0UTC", ""),
    )
}
# Whoever reads any Chinese reads this one more easily than English.
_BY_PRIMARY_TAG = {"en": "en", "ja": "ja", "zh": "zh-TW"}


def choose(wanted: str, accepted: str) -> Language:
    """Return the language that a link asks for, otherwise the one that the header Accept-Language likes best."""
    if wanted in LANGUAGES:
        return LANGUAGES[wanted]
    for tag in _by_preference(accepted):
        if code := _BY_PRIMARY_TAG.get(tag.partition("-")[0]):
            return LANGUAGES[code]
    return LANGUAGES["en"]


def _by_preference(accepted: str) -> list[str]:
    found = [_RANGE.fullmatch(part) for part in accepted[:_LONGEST_HEADER].lower().split(",")]
    weighed = [(float(one["weight"] or 1), one["tag"]) for one in found if one]
    return [tag for weight, tag in sorted(weighed, key=lambda one: -one[0]) if weight]
