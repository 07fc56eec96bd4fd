"""Parquet against many JSON objects: one query over 100,000 stored ticks, before and after compaction, in one run.

Run with: python -m bench.query [--ticks 100000]

Both are measured twice: with an empty cache (every object is fetched, as Athena would) and again with a full one. The
objects are served on loopback by a process of its own, so what is measured is this program and S3's protocol. The
compacted table must be at least 20 times faster than the JSON objects, else the exit code is 1.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from analytics import Result, run_query
from analytics.history import run_compaction
from profiles.environment import Environment
from profiles.session import open_endpoint
from tests.support.environments import at, stock_names
from tests.support.history_data import key_of, made_tick, record
from tests.support.small_s3 import small_s3

SYMBOLS = ("AAPL", "AMZN", "GOOG", "MSFT", "TSLA")
REQUIRED_RATIO = 20
QUERY = "average_price"
NAMES = stock_names("000000000000")


def main() -> int:
    """Run the bench and print a table. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ticks", type=int, default=100_000)
    ticks = parser.parse_args().ticks
    mine, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(ticks, theirs), daemon=True)
    server.start()
    try:
        return _measure(at(open_endpoint(mine.recv()), NAMES), ticks)
    finally:
        server.terminate()
        server.join()


def _measure(environment: Environment, ticks: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        json_first, of_json = _timed(environment, Path(folder, "json"), "records")
        json_again, _ = _timed(environment, Path(folder, "json"), "records")
        started = time.perf_counter()
        done = run_compaction(environment, "duckdb")
        compaction = time.perf_counter() - started
        parquet_first, of_parquet = _timed(environment, Path(folder, "parquet"), "ticks")
        parquet_again, _ = _timed(environment, Path(folder, "parquet"), "ticks")
    stored = [sum(row[2] for row in result.rows) for result in (of_json, of_parquet)]
    if stored != [ticks, ticks]:
        print(f"the tables don't have {ticks} ticks but {stored}", file=sys.stderr)  # noqa: T201
        return 1
    ratio = json_first / parquet_first
    lines = (
        f"query {QUERY} over {ticks:,} ticks            empty cache   full cache   bytes read",
        "  JSON, an object per tick                  "
        f"{json_first:9.2f} s {json_again:10.2f} s {of_json.scanned_bytes:12,}",
        f"  Parquet, {done.partitions_written:2d} files                         "
        f"{parquet_first:9.2f} s {parquet_again:10.2f} s {of_parquet.scanned_bytes:12,}",
        f"  compaction                                {compaction:9.2f} s",
        f"  Parquet is {ratio:.0f} times faster (required: {REQUIRED_RATIO})",
    )
    print("\n".join(lines))  # noqa: T201
    return 0 if ratio >= REQUIRED_RATIO else 1


def _timed(environment: Environment, cache: Path, table: str) -> tuple[float, Result]:
    os.environ["STOCKPIPE_CACHE_DIR"] = str(cache)
    started = time.perf_counter()
    result = run_query(environment, QUERY, "duckdb", table=table)
    return time.perf_counter() - started, result


def _serve(ticks: int, parent: Connection) -> None:
    with small_s3() as store:
        for number in range(ticks):
            tick = made_tick(number, SYMBOLS[number % len(SYMBOLS)], step_ms=1000)
            store.put(NAMES.bucket, key_of(tick), record(tick))
        parent.send(store.endpoint_url)
        parent.poll(None)


if __name__ == "__main__":
    sys.exit(main())
