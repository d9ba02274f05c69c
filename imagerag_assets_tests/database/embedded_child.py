"""A child process that uses a shared embedded server: python -m … FOLDER NUMBER (hold | go).

`hold` writes inside a transaction, says so, and waits to be killed; `go` writes, waits for a line, and writes again.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path


def main(folder: str, number: str, what: str) -> None:
    warnings.simplefilter("ignore")
    from imagerag_assets.database.connection import Database, start_embedded

    database = Database(start_embedded(Path(folder)))
    insert = "insert into benchmarks (benchmark, digest) values (%s, 'x')"
    with database.connect() as connection:
        connection.execute(insert, (f"{what}-{number}-first",))
        if what == "hold":
            print("holding", flush=True)
            time.sleep(600)
    print("ready", flush=True)
    sys.stdin.readline()
    with database.connect() as connection:
        connection.execute(insert, (f"{what}-{number}-second",))
    database.close()
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
