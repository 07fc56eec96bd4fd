"""The deployment package: the same bytes everywhere, small, and enough to run the function beside boto3 alone."""

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from bootstrap.declaration import declare
from bootstrap.function_zip import build_function_zip, pack
from bootstrap.resources.lambda_function import Function
from profiles.errors import CannotRunError
from profiles.pipeline import Pipeline, load
from tests.support.environments import STOCKS, stock_names, stock_settings

ROOT = Path(__file__).parents[3]


def entries() -> list[zipfile.ZipInfo]:
    return zipfile.ZipFile(io.BytesIO(build_function_zip(STOCKS).content)).infolist()


def test_the_hash_is_the_one_that_lambda_reports() -> None:
    package = build_function_zip(STOCKS)
    assert package.code_sha256 == base64.b64encode(hashlib.sha256(package.content).digest()).decode()


def test_order_of_files_and_time_of_build_do_not_matter() -> None:
    first = pack({"b.py": b"2", "a.py": b"1"})
    assert first == pack({"a.py": b"1", "b.py": b"2"})
    assert first.code_sha256 == "5723iNlKjeCbn89+hFpgMQcrQsnrAJ22gjL7P+EG/b0="


def test_another_process_with_another_hash_seed_builds_the_same_bytes() -> None:
    code = (
        "from bootstrap.function_zip import build_function_zip; from profiles.pipeline import load; "
        "print(build_function_zip(load()).code_sha256)"
    )
    built = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert built.stdout.strip() == build_function_zip(STOCKS).code_sha256


def test_it_has_our_code_the_vendored_code_and_licences_and_nothing_else() -> None:
    names = [entry.filename for entry in entries()]
    assert names == sorted(names)
    assert {"process_stock.py", "pipeline/process_stock.py", "pipeline/contract.py", "runtime/batch.py"} <= set(names)
    assert {name.split("/")[0] for name in names} == {
        "process_stock.py",
        "pipeline",
        "runtime",
        "aws_lambda_powertools",
        "typing_extensions.py",
        "licenses",
    }
    assert not [name for name in names if name.endswith((".pyc", ".pyi", "RECORD")) or "__pycache__" in name]
    assert len([name for name in names if name.startswith("licenses/")]) == 2


def test_it_is_small_and_readable_by_lambda() -> None:
    assert len(build_function_zip(STOCKS).content) < 1_000_000
    assert {entry.external_attr >> 16 for entry in entries()} == {0o100644}


def test_it_runs_beside_boto3_alone(tmp_path: Path) -> None:
    """Given only the zip and what the runtime brings (boto3 and its dependencies), the handler imports and answers."""
    zipfile.ZipFile(io.BytesIO(build_function_zip(STOCKS).content)).extractall(tmp_path / "task")
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for name in ("boto3", "botocore", "jmespath", "s3transfer", "python-dateutil", "six", "urllib3"):
        for top in {Path(file.parts[0]) for file in distribution(name).files or () if ".." not in file.parts}:
            source = Path(str(distribution(name).locate_file(top)))
            if source.suffix != ".dist-info" and top.name != "__pycache__":
                (runtime / top.name).symlink_to(source)
    (handler,) = (
        one.handler for one in declare(STOCKS, stock_names("1" * 12), stock_settings()) if isinstance(one, Function)
    )
    module, function = handler.split(".")
    code = f"""
import sys
sys.path[:0] = [{str(tmp_path / "task")!r}, {str(runtime)!r}]
import {module}

class Context:
    function_name = invoked_function_arn = aws_request_id = "x"
    memory_limit_in_mb = 128

    def get_remaining_time_in_millis(self):
        return 1000

print({module}.{function}({{"Records": [{{"messageId": "m", "body": "poison"}}]}}, Context()))
print(sorted(name for name in sys.modules if "site-packages" in str(getattr(sys.modules[name], "__file__", ""))))
"""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        env={"BUCKET": "b", "SNS_TOPIC_ARN": "t", "AWS_DEFAULT_REGION": "us-east-2"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    *logs, answer, foreign = ran.stdout.splitlines()
    assert answer == str({"batchItemFailures": [{"itemIdentifier": "m"}]})
    assert foreign == "[]"
    assert [json.loads(line).get("message") for line in logs] == ["tick rejected", "batch processed", None]


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(CannotRunError, match="needs the Python package aws-lambda-powertools"):
        build_function_zip.__wrapped__(STOCKS)


def _renamed(folder: Path) -> Pipeline:
    """The stock-tick pipeline in a folder of another name."""
    shutil.copytree(STOCKS.folder, folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    return load(folder)


def test_a_pipelines_folder_is_the_package(tmp_path: Path) -> None:
    package = zipfile.ZipFile(io.BytesIO(build_function_zip(_renamed(tmp_path / "parking")).content))

    ours = [name for name in package.namelist() if name.startswith("parking/")]
    assert ours == [f"parking/{name}.py" for name in ("__init__", "contract", "process_stock", "rules")]
    assert b"from parking.process_stock import lambda_handler" in package.read("process_stock.py")


@pytest.mark.parametrize("name", ["my-parking", "runtime", "process_stock", "boto3"])
def test_a_folder_whose_name_cannot_be_a_package_beside_the_others_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match=f"a pipeline's folder can't be called {name}"):
        build_function_zip(_renamed(tmp_path / name))
