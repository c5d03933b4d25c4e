"""`make soak`: many simulated years under fire, several seeds at a time; ends with 1 if anything was lost.

python -m soak                  # at least 100,000 account-days in some minutes
python -m soak --seed 7         # one seed again, exactly
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

from soak.stage import Report
from soak.world import live


def main() -> int:
    args = _arguments()
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # a server that ends during a call is expected here
    seeds = [args.seed] if args.seed is not None else list(range(1, args.seeds + 1))
    started, reports = time.monotonic(), []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=spawn, max_tasks_per_child=1) as pool:
        waiting = [pool.submit(live, seed, args.accounts, args.days) for seed in seeds]
        for future in as_completed(waiting):
            if future.cancelled():
                continue
            report = future.result()
            reports.append(report)
            print(_line(report), flush=True)
            if time.monotonic() - started > args.minutes * 60:
                for one in waiting:
                    one.cancel()  # those that run go on, and are reported
    print(_summary(reports, time.monotonic() - started))
    return 1 if any(report.violation for report in reports) else 0


def _line(report: Report) -> str:
    end = report.violation or "nothing lost"
    return f"seed {report.seed}: {report.account_days:,} account-days in {report.seconds:.0f} s: {end}"


def _summary(reports: list[Report], seconds: float) -> str:
    counted: Counter[str] = sum((report.counted for report in reports), Counter())
    excused: Counter[str] = sum((report.excused for report in reports), Counter())
    violations = [report.violation for report in reports if report.violation]
    silences = sum("SILENCE" in violation for violation in violations)
    numbers = {
        "account-days": sum(report.account_days for report in reports),
        "losses": len(violations) - silences,
        "silences": silences,
        **{name: counted[name] for name in ("refreshed", "sign-ins", "runs", "looks compared", "remote calls")},
        **{name: counted[name] for name in ("faults", "crashes", "late rights", "outages")},
    }
    lines = [
        "",
        *(f"{name:18} {number:,}" for name, number in numbers.items()),
        *_group(counted, "outage of "),
        f"longest outage     {max((report.longest_outage for report in reports), default=0.0):.1f} days",
        *_group(counted, "operators: "),
        "somebody was told",
        *_group(counted, "told: "),
        f"longest silence    {max((report.longest_silence for report in reports), default=0.0):.1f} days",
        f"nobody could have  {sum(excused.values()):,}",
        *_group(excused, ""),
        f"took               {seconds:.0f} s",
    ]
    return "\n".join(lines)


def _group(counted: Counter[str], prefix: str) -> list[str]:
    """Return a line for each thing whose name begins with this, the most frequent first."""
    return [
        f"  {n:6,} {name.removeprefix(prefix)}" for name, n in counted.most_common() if name.startswith(prefix) and n
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description="Soak the keeper in simulated years of trouble.")
    parser.add_argument("--seed", type=int, help="only this one, exactly as before")
    parser.add_argument("--seeds", type=int, default=30, help="how many")
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--days", type=int, default=150)
    parser.add_argument("--minutes", type=float, default=9.0, help="begin no seed after this")
    parser.add_argument("--jobs", type=int, default=2, help="seeds at a time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
