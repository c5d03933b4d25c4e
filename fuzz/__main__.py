"""python -m fuzz --seconds 20            # run each target for 20 seconds, then print a table; exit 1 on a finding
python -m fuzz --seconds 600 wire http    # run these targets only

An input that breaks a promise is saved in `.fuzz/<target>/` and shown with the exception.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fuzz.targets import TARGETS

ROOT = Path(__file__).parent.parent
KEPT = ROOT / ".fuzz"
MEMORY = 1024  # MiB; a target that uses more is stopped, and that is a finding
SLOWEST = 10  # seconds, for one input


@dataclass(frozen=True)
class Outcome:
    """The result of one target."""

    name: str
    tried: int
    covered: int
    finding: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="Fuzz the keeper.")
    parser.add_argument("targets", nargs="*", metavar="target", help=f"one of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=20, help="for each target")
    args = parser.parse_args()
    if unknown := set(args.targets) - set(TARGETS):
        parser.error(f"unknown target: {', '.join(sorted(unknown))}")
    outcomes = [fuzz(name, args.seconds) for name in args.targets or TARGETS]
    print(f"\n{'target':16}{'inputs':>12}{'edges':>8}  findings")
    for outcome in outcomes:
        print(f"{outcome.name:16}{outcome.tried:>12,}{outcome.covered:>8,}  {outcome.finding or 'none'}")
    print(f"{'all':16}{sum(outcome.tried for outcome in outcomes):>12,}")
    return 1 if any(outcome.finding for outcome in outcomes) else 0


def fuzz(name: str, seconds: int) -> Outcome:
    """Run one target in its own process. libFuzzer ends it at the first finding."""
    kept = KEPT / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(TARGETS[name].seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            f"-rss_limit_mb={MEMORY}",
            f"-timeout={SLOWEST}",
            f"-artifact_prefix={kept}/",
            "-max_len=8192",
            "-print_final_stats=1",
        ]
        command = [sys.executable, "-m", "fuzz.one", name, corpus, *options]
        ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    told = ended.stdout.decode(errors="replace")
    tried = re.findall(r"stat::number_of_executed_units:\s*(\d+)", told) or re.findall(r"^#(\d+)", told, re.M)
    covered = re.findall(r" cov: (\d+)", told)
    if ended.returncode:
        print(told[-4000:], file=sys.stderr)
    finding = _first_line(told, kept) if ended.returncode else ""
    return Outcome(name, int(tried[-1]) if tried else 0, int(covered[-1]) if covered else 0, finding)


def _first_line(told: str, kept: Path) -> str:
    shown = re.search(r"=== Uncaught Python exception: ===\n(.*)", told) or re.search(r"SUMMARY: (.*)", told)
    return f"{shown[1][:100] if shown else 'ended'} ({kept})"


if __name__ == "__main__":
    sys.exit(main())
