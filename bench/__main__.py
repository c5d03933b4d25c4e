"""python -m bench               # measure everything (a quarter of an hour); write bench/RESULTS.md and results.svg
python -m bench cold calls    # measure and print these groups: cold, warm, calls, accounts, status, memory
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path

from bench import accounts, calls, cold, memory, status, warm
from bench.figures import Figure, table
from bench.plot import plot
from bench.stand_ins import StandIns, stand_ins

SELECTIONS: dict[str, Callable[[StandIns], list[Figure]]] = {
    "cold": cold.measure,
    "warm": warm.measure,
    "calls": calls.measure,
    "accounts": accounts.measure,
    "status": status.measure,
    "memory": memory.measure,
}
HERE = Path(__file__).parent
HEAD = """# What was measured

One run of `make bench` on a quiet machine with Python {python}. Ratios from one run can be compared across machines,
milliseconds cannot. Under a tenth is noise, and a busy machine may miss a target that is near.

Threads and Secret Manager are local stand-ins in processes of their own, 150 ms and 50 ms away: Threads over TLS,
Secret Manager over plaintext gRPC. What Google's credentials and TLS to Secret Manager add to a cold start is left out.
"Beyond the remote calls" leaves out the time for which a stand-in held a reply back; loading during that time costs
nothing.

To measure one group again: {commands}. They need Linux and `openssl`.

"""


def main() -> int:
    chosen = sys.argv[1:] or list(SELECTIONS)
    if unknown := set(chosen) - set(SELECTIONS):
        print(f"Unknown group: {', '.join(sorted(unknown))}. The groups are {', '.join(SELECTIONS)}.", file=sys.stderr)
        return 2
    with stand_ins() as both:
        figures = [figure for name in chosen for figure in SELECTIONS[name](both)]
    print(table(figures))
    if not sys.argv[1:]:
        head = HEAD.format(
            python=platform.python_version(), commands=", ".join(f"`make bench-{name}`" for name in SELECTIONS)
        )
        (HERE / "RESULTS.md").write_text(head + table(figures))
        (HERE / "results.svg").write_text(plot(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
