"""docs/your-own-pipeline.md, followed word for word: its files and commands make a pipeline that works."""

import json
import re
import shutil
import subprocess
import uuid
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

import bootstrap
from analytics import run_query
from analytics.statements import named_queries
from bootstrap import Settings
from bootstrap.deployment import plan_from_scratch
from operations.reconcile import reconcile
from producer.production import Production, simulated
from producer.source import simulate
from profiles.environment import Environment
from profiles.names import Names
from profiles.pipeline import Pipeline, load
from tests.conftest import RunningEngine
from tests.support.zipped_function import invoke

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "your-own-pipeline.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^\*\*`(\S+)`\*\*\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
[COMMANDS] = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
# The part of declaration.py that the page shows.
SHOWN = re.compile(r"^NAMES = .*?^FUNCTION_MODULES = .*?\n", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    home = tmp_path_factory.mktemp("home")
    commands = COMMANDS.replace("~", str(home))
    subprocess.run(["bash", "-ec", commands], cwd=ROOT, check=True)
    folder = home / "parcels" / "pipeline"
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    for name, text in FILES.items():
        file = folder / name
        if name == "declaration.py":
            assert SHOWN.fullmatch(text)
            before, after = SHOWN.split(file.read_text(encoding="utf-8"))
            file.write_text(before + text + after, encoding="utf-8")
        else:
            file.write_text(text, encoding="utf-8")
    return load(folder)


def test_the_page_has_every_file_of_a_pipeline(parcels: Pipeline) -> None:
    found = {file.relative_to(parcels.folder).as_posix() for file in parcels.folder.rglob("*.*") if file.is_file()}

    assert {name for name in found if "__pycache__" not in name} - set(FILES) == {
        "__init__.py",
        "sql/create_database.sql",
    }
    table = re.findall(r"^\| `([\w.]+)/?`", PAGE, re.MULTILINE)
    assert {"contract.py", "rules.py", "declaration.py", "source.py", "sql"} == set(table)


def test_its_plan_has_its_own_names_only(parcels: Pipeline) -> None:
    plan = plan_from_scratch(parcels, Names(parcels.names, "000000000000"), Settings(parcels.settings()))

    resources = [action.resource for action in plan.actions]
    assert {"queue ParcelQueue", "queue ParcelAlertsArchive", "table parcel_data.scans"} <= set(resources)
    assert not [name for name in resources if re.search(r"(?i)sensor|reading", name)]


def test_its_function_stores_alerts_and_rejects(parcels: Pipeline, tmp_path: Path) -> None:
    heavy = {"scan_id": "s-1", "depot": "ulm", "parcel": "12345678", "weight": 31, "timestamp": "2026-07-01T12:00:00Z"}
    plain = {"depot": "ulm", "parcel": "12345678", "weight": 3}
    wrong = {"depot": "ulm", "parcel": "1"}

    done = invoke(parcels, parcels.settings(), *map(json.dumps, (heavy, plain, wrong)), folder=tmp_path)

    assert done.failed == ["m-2"]
    assert sorted(done.objects) == [
        "alerts/heavy/ulm/1782907200000.json",
        "scans/ulm/1782907200000-m-1.json",
        "scans/ulm/1782907200000-s-1.json",
    ]


def test_its_source_makes_valid_scans_some_of_them_heavy(parcels: Pipeline) -> None:
    scans = list(islice(simulate(parcels, seed=7, start=START).records(), 300))

    assert len({one.id for one in scans}) == len(scans)
    assert [
        parcels.contract.parse(parcels.contract.encode(one), message_id="", sent_timestamp_ms=0) for one in scans
    ] == scans
    [rule] = parcels.rules
    assert 0 < sum(rule.applies(one, parcels.settings()) for one in scans) < 30


def test_its_setting_is_an_option_of_the_page(parcels: Pipeline) -> None:
    assert parcels.settings(alert_weight=25.0).written()["ALERT_WEIGHT"] == "25"  # type: ignore[call-arg]
    assert "stockpipe up --alert-weight 25" in PAGE


def test_it_works_on_an_engine(parcels: Pipeline, ministack: RunningEngine) -> None:
    aws = ministack.aws
    environment = Environment(parcels, aws, Names(parcels.names, aws.account, f"p{uuid.uuid4().hex[:8]}"))
    settings = Settings(parcels.settings())
    bootstrap.up(environment, settings)
    sent = Production(environment, simulated(simulate(parcels, seed=7, start=START), count=100, speed=None)).run()

    assert reconcile(environment, [sent.manifest], wait_seconds=60).holds
    assert list(named_queries(parcels)) == ["weight"]
    assert [row[0] for row in run_query(environment, "weight", "duckdb").rows] == ["bonn", "kiel", "ulm"]
    bootstrap.down(environment, settings)
