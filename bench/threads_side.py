"""Refresh and inspect tokens as a run does, without Secret Manager, and print the seconds of CPU used."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from bench import people
from token_keeper.clock import SystemClock
from token_keeper.connection import Connection
from token_keeper.limits import Limits
from token_keeper.threads import ThreadsClient


def main() -> None:
    url, accounts = sys.argv[1], int(sys.argv[2])
    begun = time.process_time()
    limits = Limits()
    threads = ThreadsClient(Connection(url, limits), limits, SystemClock())

    def work(number: int) -> None:
        threads.inspect(threads.refresh_token(people.token(number)).access_token)

    with ThreadPoolExecutor(limits.workers) as pool:
        list(pool.map(work, range(accounts)))
    print(time.process_time() - begun)


if __name__ == "__main__":
    main()
