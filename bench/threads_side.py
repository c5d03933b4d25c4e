"""Refresh and inspect tokens as a run does, without Secret Manager, and print the seconds of CPU used."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from bench import people
from token_keeper.run import WORKERS
from token_keeper.threads import ThreadsClient


def main() -> None:
    url, accounts = sys.argv[1], int(sys.argv[2])
    begun = time.process_time()
    threads = ThreadsClient(url, WORKERS)

    def work(number: int) -> None:
        threads.inspect(threads.refresh_token(people.token(number)).access_token)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(accounts)))
    print(time.process_time() - begun)


if __name__ == "__main__":
    main()
