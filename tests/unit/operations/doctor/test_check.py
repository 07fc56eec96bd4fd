"""A check that AWS refuses."""

import pytest
from botocore.stub import Stubber

from operations.doctor import State
from operations.doctor.check import run
from operations.doctor.examination import checks_of
from profiles.session import Aws, open_endpoint
from tests.support.environments import at, stock_names


@pytest.fixture
def aws() -> Aws:
    return open_endpoint("http://127.0.0.1:1")


def test_what_aws_refuses_is_a_result_and_not_the_end(aws: Aws) -> None:
    with Stubber(aws.sqs) as stub:
        stub.add_client_error("get_queue_url", "AccessDenied", "no", 403)
        check = run("queue", checks_of(at(aws, stock_names("000000000000")))["queue"])
    assert (check.name, check.state) == ("queue", State.FAILED)
    assert "lacks a permission" in check.fix
