"""The deployment package of a pipeline's functions: its code, and the parts of Powertools for AWS Lambda that it uses.

Layout of the zip, for the handler process_stock.lambda_handler in the folder `pipeline`::

    process_stock.py            one line that finds the handler
    pipeline/…                  the modules of the pipeline's folder that its functions need
    runtime/…                   what the functions of all pipelines share
    aws_lambda_powertools/…     copied from the installed distribution, with its licence
    typing_extensions.py        which Powertools imports

boto3 isn't in it: every Lambda Python runtime brings one. The same sources give the same bytes on every machine and
Python version, so that AWS's CodeSha256 says whether the live function is up to date: entries are sorted, times and
modes are fixed, and entries are stored rather than deflated, because zlib's output differs between builds.
https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
"""

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import runtime
from profiles.errors import CannotRunError
from profiles.pipeline import Pipeline

_SHIM = '''"""A function's entry point, found by Lambda as {module}.lambda_handler."""

from {package}.{module} import lambda_handler

__all__ = ["lambda_handler"]
'''
_HAS_HANDLER = re.compile(rb"^(def )?lambda_handler\b", re.MULTILINE)

# What `Logger` and `Metrics` import: a tenth of the distribution. The rest (event routing, parsing, parameters …) would
# make every cold start download and unpack megabytes for nothing.
_POWERTOOLS_PARTS = (
    "__init__.py",
    "package_logger.py",
    "py.typed",
    "exceptions/",
    "logging/",
    "metrics/",
    "shared/",
    "tracing/",
    "utilities/__init__.py",
    "utilities/jmespath_utils/",
    "warnings/",
)
_TAKEN = ("runtime", "aws_lambda_powertools", "typing_extensions", "boto3", "botocore")
_MODIFIED = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip entry can carry
_UNIX = 3
_MODE = 0o100644 << 16  # Lambda must be able to read every file


@dataclass(frozen=True)
class FunctionZip:
    """A deployment package. `code_sha256` is what Lambda reports as CodeSha256: the SHA-256 in base64."""

    content: bytes
    code_sha256: str


@cache
def build_function_zip(pipeline: Pipeline) -> FunctionZip:
    """The deployment package of a pipeline, from the sources here. Built once per process (some 30 ms).

    Raises `CannotRunError` where a package to be vendored isn't installed, or the folder's name can't be one's.
    """
    return pack(dict(_entries(pipeline)))


def pack(entries: dict[str, bytes]) -> FunctionZip:
    """Zip `entries` (path to content) so that equal entries give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(entries):
            info = zipfile.ZipInfo(path, date_time=_MODIFIED)
            info.create_system = _UNIX
            info.external_attr = _MODE
            archive.writestr(info, entries[path])
    content = buffer.getvalue()
    return FunctionZip(content, base64.b64encode(hashlib.sha256(content).digest()).decode())


def _entries(pipeline: Pipeline) -> Iterator[tuple[str, bytes]]:
    package, modules = pipeline.folder.name, pipeline.module("declaration").FUNCTION_MODULES
    if not package.isidentifier() or package in (*modules, *_TAKEN):
        raise CannotRunError(f"a pipeline's folder can't be called {package}: in the function it is a Python package")
    yield f"{package}/__init__.py", b""
    for module in modules:
        content = _source(pipeline.folder / f"{module}.py")
        yield f"{package}/{module}.py", content
        if _HAS_HANDLER.search(content):
            yield f"{module}.py", _SHIM.format(package=package, module=module).encode()
    for source in Path(str(runtime.__file__)).parent.glob("*.py"):
        yield f"runtime/{source.name}", _source(source)
    yield from _vendored("aws-lambda-powertools", tuple(f"aws_lambda_powertools/{part}" for part in _POWERTOOLS_PARTS))
    yield from _vendored("typing-extensions", ("typing_extensions.py",))


def _vendored(name: str, prefixes: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for file in _installed(name).files or ():
        path = file.as_posix()
        wanted = path.startswith(prefixes) and file.suffix in {".py", ".typed"}
        licence = ".dist-info/" in path and file.name.startswith("LICENSE")
        if wanted or licence:
            yield (f"licenses/{name}/{file.name}" if licence else path), _source(Path(str(file.locate())))


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise CannotRunError(
            f"the function's zip needs the Python package {name}, which isn't installed here: pip install {name}"
        ) from None


def _source(path: Path) -> bytes:
    """The file with `\\n` line ends, as a checkout on Windows would otherwise change the hash."""
    return path.read_bytes().replace(b"\r\n", b"\n")
