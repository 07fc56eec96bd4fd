"""Makes a DuckDB view of a table: lists the objects that it needs, and fetches those that are not in the cache."""
# ruff: noqa: S608  (identifiers are ours, values are parameters; the conditions are parsed SQL of the user's own query)

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from analytics import dialect, objects
from analytics.limits import Limits, run_within
from analytics.result import HistoryError, Progress
from analytics.scratch import scratch_folder
from analytics.serde import LineTooLongError, MalformedJsonError, read_rows
from analytics.store import Columns, ListedObject, Store
from analytics.tables import tables
from bootstrap.table_definitions import TableDefinition
from profiles.environment import Environment
from profiles.folders import cache_folder, private_file

OBJECTS_PER_SEGMENT = 20_000
PARQUET_FILES_PER_SEGMENT = 2_000


@dataclass
class Attacher:
    """Attaches tables of one environment to one connection; `progress` is told how many objects were fetched.

    `files` are the files in the cache that the attached views read.
    """

    environment: Environment
    connection: duckdb.DuckDBPyConnection
    limit: Limits
    progress: Progress = lambda _: None
    fetched: int = field(default=0, init=False)
    files: list[Path] = field(default_factory=list, init=False)

    def attach(self, table: TableDefinition, translation: dialect.Translation | None = None) -> tuple[int, int]:
        """Make the view `<database>.<table>`; without a translation of all objects, with `"$path"` and `"$etag"`.

        Returns (objects, bytes) that the view reads.
        """
        location = f"{self.environment.aws.profile.endpoint_url}|{table.bucket}/{table.prefix}"
        store = Store(cache_folder(), location, _stored(self.environment, table), self.connection)
        condition = None
        if translation:
            folders = table.partitions or (self.group_field,)
            condition = dialect.pruning_condition(translation, table, folders, self.environment)
        listing = _partitioned_listing if table.partitions else _group_listing
        store.load_listing(listing(self, table, condition))
        self._fill(store, table)
        if condition is None:
            store.merge()
        hidden = {}
        if translation is None or translation.uses_path:
            hidden[dialect.PATH_COLUMN] = f"'s3://{table.bucket}/' || s.key"
        if translation is None:
            hidden["$etag"] = "s.etag"
        self.files += store.make_view(f"{self.environment.names.database}.{table.name}", table.all_columns, hidden)
        return store.listed_bytes()

    @property
    def group_field(self) -> str:
        """The field whose values are the folders of stored records."""
        return str(self.environment.contract.record.GROUP[0])

    def _fill(self, store: Store, table: TableDefinition) -> None:
        """Fetch what the store lacks, a segment at a time."""
        while missing := store.missing(PARQUET_FILES_PER_SEGMENT if table.is_parquet else OBJECTS_PER_SEGMENT):
            changed: list[objects.Fetched] = []
            fetched = self._watched(objects.fetch(self.environment.aws.s3, table.bucket, missing), changed)
            if table.is_parquet:
                optional = {one.name for one in self.environment.contract.fields if not one.required}
                _store_parquet(store, table, fetched, optional)
            else:
                store.add_rows(_json_rows(store, table, fetched))
            for one in changed:
                store.replace_listed(one.listed, one.etag)

    def _watched(self, fetched: Iterable[objects.Fetched], changed: list[objects.Fetched]) -> Iterator[objects.Fetched]:
        for one in fetched:
            self.fetched += 1
            if self.fetched % 500 == 0:
                self.progress(f"{self.fetched:,} objects fetched")
            if one.etag != one.listed.etag:
                changed.append(one)
            if one.body is not None:
                yield one


def partition_of(key: str) -> dict[str, str]:
    """`{"day": "2026-01-05", …}` of a key with folders like `day=2026-01-05/`."""
    return {name: value for name, equals, value in (part.partition("=") for part in key.split("/")[:-1]) if equals}


def _stored(environment: Environment, table: TableDefinition) -> Columns:
    """The columns to cache: those of the widest table at the same place, whose first columns the others have."""
    same_place = (other.all_columns for other in tables(environment).values() if other.prefix == table.prefix)
    return max(same_place, key=len)


def _partitioned_listing(attacher: Attacher, table: TableDefinition, condition: str | None) -> list[ListedObject]:
    listed = objects.list_objects(attacher.environment.aws.s3, table.bucket, [table.prefix])
    found = {one.key: one for one in listed if set(table.partitions) <= partition_of(one.key).keys()}
    kept = _kept(attacher, condition, {key: partition_of(key) for key in found}, table.partitions)
    return [found[key] for key in kept]


def _group_listing(attacher: Attacher, table: TableDefinition, condition: str | None) -> Iterator[ListedObject]:
    s3, field = attacher.environment.aws.s3, attacher.group_field
    below, loose = objects.folders(s3, table.bucket, table.prefix)
    groups: dict[str, Mapping[str, str | None]] = {
        folder: {field: folder.removeprefix(table.prefix).rstrip("/")} for folder in below
    }
    # A malformed line's group is NULL, in every folder: if the query selects such rows, it needs all folders.
    kept = _kept(attacher, condition, {**groups, "": {field: None}}, (field,))
    yield from loose
    yield from objects.list_objects(s3, table.bucket, below if "" in kept else kept)


def _kept(
    attacher: Attacher,
    condition: str | None,
    candidates: Mapping[str, Mapping[str, str | None]],
    columns: tuple[str, ...],
) -> list[str]:
    """Which candidates a condition on their folder columns leaves; all of them where it can't be computed."""
    if condition is None or not candidates:
        return list(candidates)
    names = [f'"{name}"' for name in (dialect.PATH_COLUMN, *columns)]
    row = f"({', '.join('?' * len(names))})"
    sql = (
        f"SELECT {names[0]} FROM (VALUES {', '.join([row] * len(candidates))}) AS candidates({', '.join(names)}) "
        f"WHERE {condition}"
    )
    values = [value for key, folder in candidates.items() for value in (key, *(folder[name] for name in columns))]
    connection = attacher.connection
    try:
        chosen = run_within(attacher.limit, connection, lambda: connection.execute(sql, values).fetchall())
    except (duckdb.Error, UnicodeEncodeError):
        return list(candidates)
    return [key for (key,) in chosen]


def _json_rows(store: Store, table: TableDefinition, fetched: Iterable[objects.Fetched]) -> Iterator[tuple[Any, ...]]:
    nulls = (None,) * len(store.columns)
    for one in fetched:
        key, body = one.listed.key, one.body or b""
        yield (key, one.etag, 0, *nulls)
        try:
            rows = read_rows(key, body, store.columns, ignore_malformed=table.ignore_malformed)
            for line, row in enumerate(rows, start=1):
                yield (key, one.etag, line, *row)
        except MalformedJsonError as error:
            raise HistoryError(f"{error}, and the table doesn't ignore that (ignore.malformed.json)") from error
        except LineTooLongError as error:
            raise HistoryError(str(error)) from error


def _store_parquet(
    store: Store, table: TableDefinition, fetched: Iterable[objects.Fetched], optional: set[str]
) -> None:
    with scratch_folder() as folder:
        files = {}
        for number, one in enumerate(fetched):
            path = folder / f"{number}.parquet"
            with open(path, "wb", opener=private_file) as file:
                file.write(one.body or b"")
            files[path] = ListedObject(one.listed.key, one.etag or "", one.listed.size)
        if files:
            store.add_parquet(files, table.partitions, partition_of, optional)
