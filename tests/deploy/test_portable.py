"""People deploy from Macs and from Cloud Shell: bash 4.4, and BSD's tools, which know less than GNU's."""

import re
import subprocess

import pytest

from tests.deploy.deployment import ROOT

SCRIPTS = [ROOT / "deploy.sh", *sorted((ROOT / "deploy").glob("*.sh"))]
# What a Mac's tools do not know, and what bash learned after 4.4.
NOT_EVERYWHERE = {
    "GNU sed": r"\bsed (-\w*[ir]|--)|\bsed [^|]*\\[+?|]",
    "GNU grep": r"\bgrep (-\w*[PzT]|--(?!help))|\bgrep (?!-\w*[EF])[^|]*\\[+?|]|\bgrep [^|]*\\[bsw<>]",
    "GNU date": r"\bdate (-\w*[dIr]|--)",
    "GNU head and tail": r"\b(head|tail) (-n ?-\d|--)",
    "GNU awk": r"\b(gensub|strftime|systime|asort|asorti|PROCINFO|IGNORECASE)\b",
    "GNU find, sort, xargs, cut": r"\bfind .*-(printf|regextype)|\bsort -\w*[VRzh]|\bxargs -\w*[rd]|\bcut --",
    "another tool": r"(?<![-\w])(readlink|realpath|stat|tac|nproc|timeout|numfmt|md5sum|sha\d+sum|base64|jq)(?![-\w=])",
    "a file of Linux": r"/proc/|/dev/shm|/dev/fd/",
    "GNU mktemp": r"\bmktemp (-\w*[tpu]|--)",
    "echo": r"\becho -[en]",
    "bash 5": r"\bEPOCH(SECONDS|REALTIME)\b|\bSRANDOM\b|\bBASH_ARGV0\b|\$\{\w+@[UuLKk]\}|\bwait .*-\w*[pf]\b",
}  # fmt: skip
FOUND = [
    "sed -i x", "sed -r 's/a/b/'", r"sed 's/a\+/b/'", "grep -oP x", r"grep 'a\|b'", r"grep -E '\bx'", "date -d now",
    "date --utc", "head -n -1", "awk '{ print gensub(1) }'", "find . -printf x", "sort -V", "xargs -r x",
    "readlink -f x", "stat -c %s x", "base64 -w0", "timeout 5 x", "cat /proc/1", "mktemp --tmpdir", "echo -e x",
    "echo $EPOCHSECONDS", "echo ${x@U}", "wait -n -p x",
]  # fmt: skip


def code(text):
    """Return the lines without comments."""
    return [re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines()]


@pytest.mark.parametrize("what", NOT_EVERYWHERE)
def test_no_script_needs_what_a_mac_does_not_have(what):
    for path in SCRIPTS:
        assert [line for line in code(path.read_text()) if re.search(NOT_EVERYWHERE[what], line)] == [], path.name


@pytest.mark.parametrize("line", FOUND)
def test_what_a_mac_does_not_have_is_found(line):
    assert any(re.search(pattern, line) for pattern in NOT_EVERYWHERE.values())


def test_an_older_bash_is_told_what_to_install_before_it_reads_what_it_does_not_know():
    """A Mac brings bash 3.2, which runs a file command by command: the version is looked at before all else."""
    text = (ROOT / "deploy.sh").read_text()
    start, gate, _ = text.partition("\nfi\n")
    first, second, *_ = [line for line in code(start) if line]
    assert (first, second[:16]) == ("set -euo pipefail", "if ((BASH_VERSIN")
    asked = start + gate
    for version, goes_on in (("(3 2)", False), ("(4 3)", False), ("(4 4)", True), ("(5 0)", True), ("(10 1)", True)):
        told = f"OLD={version}\n" + asked.replace("BASH_VERSINFO", "OLD")
        done = subprocess.run(["bash", "-c", told], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == goes_on
        assert goes_on or "brew install bash" in done.stderr
