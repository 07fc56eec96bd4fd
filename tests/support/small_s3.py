"""S3 on loopback, in memory and fast: for tests and the bench of history, which need 100,000 objects in seconds.

It speaks what `analytics` uses: ListObjectsV2 with delimiter and pages, GetObject, PutObject and DeleteObject with
conditions, CopyObject, DeleteObjects. It lists keys URL-encoded, as botocore asks. It is no engine: the integration
tests show the same on ministack.
"""

import hashlib
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

PAGE = 1000


class SmallS3:
    """The objects, as `{"bucket/key": (body, etag)}`; tests may look into them and change them directly."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.requests: list[str] = []
        self.lock = threading.Lock()
        self.endpoint_url = ""
        self._sorted: list[str] = []
        self._sorted_count = 0

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Store an object without HTTP."""
        self.objects[f"{bucket}/{key}"] = (body, hashlib.md5(body, usedforsecurity=False).hexdigest())
        self._sorted_count = -1

    def remove(self, path: str) -> None:
        """Delete an object, if it is there."""
        self.objects.pop(path, None)
        self._sorted_count = -1

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The bucket's keys in order."""
        start = f"{bucket}/{prefix}"
        return sorted(path.removeprefix(f"{bucket}/") for path in self.objects if path.startswith(start))

    def page(self, bucket: str, prefix: str, delimiter: str, after: str) -> tuple[list[str], set[str], bool]:
        """Up to `PAGE` keys and folders after a key or folder; which of them are folders; whether there are more."""
        with self.lock:
            if self._sorted_count != len(self.objects):
                self._sorted = sorted(self.objects)
                self._sorted_count = len(self._sorted)
            paths = self._sorted
        start = f"{bucket}/{prefix}"
        skip = f"{bucket}/{after}" + ("\U0010ffff" if delimiter and after.endswith(delimiter) else "")
        found: list[str] = []
        folders: set[str] = set()
        place = max(bisect_left(paths, start), bisect_right(paths, skip) if after else 0)
        while place < len(paths) and paths[place].startswith(start):
            if len(found) == PAGE:
                return found, folders, True
            key = paths[place].removeprefix(f"{bucket}/")
            name, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if cut:
                folder = prefix + name + delimiter
                found.append(folder)
                folders.add(folder)
                place = bisect_left(paths, f"{bucket}/{folder}\U0010ffff")
            else:
                found.append(key)
                place += 1
        return found, folders, False

    def body(self, bucket: str, key: str) -> bytes:
        """An object's content."""
        return self.objects[f"{bucket}/{key}"][0]


@contextmanager
def small_s3() -> Iterator[SmallS3]:
    """A running server on a free port of 127.0.0.1."""
    store = SmallS3()
    handler = type("Handler", (_Handler,), {"store": store})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    store.endpoint_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one write per response
    store: ClassVar[SmallS3]

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def handle_expect_100(self) -> bool:
        """Say `100 Continue` at once: botocore waits a second for it."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def do_GET(self) -> None:
        path, query = self._target()
        self.store.requests.append(f"GET {path}")
        if "/" not in path:
            self._list(path, query)
        elif path in self.store.objects:
            body, etag = self.store.objects[path]
            self._answer(200, body, etag)
        else:
            self._error(404, "NoSuchKey")

    def do_PUT(self) -> None:
        path, _ = self._target()
        body = self._body()
        self.store.requests.append(f"PUT {path}")
        copied = self.headers.get("x-amz-copy-source")
        with self.store.lock:
            if not self._condition_holds(path):
                return
            if copied:
                body = self.store.objects[unquote(copied).lstrip("/")][0]
            bucket, _, key = path.partition("/")
            self.store.put(bucket, key, body)
            etag = self.store.objects[path][1]
        self._answer(
            200, f'<CopyObjectResult><ETag>"{etag}"</ETag></CopyObjectResult>'.encode() if copied else b"", etag
        )

    def do_DELETE(self) -> None:
        path, _ = self._target()
        self.store.requests.append(f"DELETE {path}")
        with self.store.lock:
            if not self._condition_holds(path):
                return
            self.store.remove(path)
        self._answer(204, b"")

    def do_POST(self) -> None:
        path, query = self._target()
        if "delete" not in query:
            self._body()
            self._error(501, "NotImplemented")
            return
        tree = ElementTree.fromstring(self._body())  # noqa: S314  (from our own client)
        self.store.requests.append(f"POST {path}")
        space = tree.tag.removesuffix("Delete")
        failed = ""
        with self.store.lock:
            for item in tree.iter(f"{space}Object"):
                key, etag = item.findtext(f"{space}Key") or "", (item.findtext(f"{space}ETag") or "").strip('"')
                known = self.store.objects.get(f"{path}/{key}")
                if known and etag and known[1] != etag:
                    failed += f"<Error><Key>{escape(key)}</Key><Code>PreconditionFailed</Code></Error>"
                else:
                    self.store.remove(f"{path}/{key}")
        self._answer(200, f"<DeleteResult>{failed}</DeleteResult>".encode())

    def _condition_holds(self, path: str) -> bool:
        known = self.store.objects.get(path)
        match = self.headers.get("If-Match")
        if (match and (known is None or known[1] != match.strip('"'))) or (
            self.headers.get("If-None-Match") == "*" and known is not None
        ):
            self._error(412, "PreconditionFailed")
            return False
        return True

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token", "")
        page, folders, truncated = self.store.page(bucket, prefix, delimiter, after)
        parts = []
        for name in page:
            if name not in folders:
                body, etag = self.store.objects[f"{bucket}/{name}"]
                parts.append(
                    f"<Contents><Key>{quote(name)}</Key><ETag>&quot;{etag}&quot;</ETag><Size>{len(body)}</Size></Contents>"
                )
            else:
                parts.append(f"<CommonPrefixes><Prefix>{quote(name)}</Prefix></CommonPrefixes>")
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if truncated else ""
        self._answer(
            200,
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(truncated).lower()}</IsTruncated>{token}{''.join(parts)}"
            "</ListBucketResult>".encode(),
        )

    def _target(self) -> tuple[str, dict[str, str]]:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        return unquote(url.path).strip("/"), query

    def _body(self) -> bytes:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return raw
        body = b""
        while raw:
            header, _, raw = raw.partition(b"\r\n")
            size = int(header.split(b";")[0], 16)
            if size == 0:
                break
            body, raw = body + raw[:size], raw[size + 2 :]
        return body

    def _error(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _answer(self, status: int, body: bytes, etag: str = "") -> None:
        self.send_response(status)
        if etag:
            self.send_header("ETag", f'"{etag}"')
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
