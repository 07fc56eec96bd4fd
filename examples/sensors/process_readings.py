"""SensorProcessor: the Lambda function."""

from runtime.function import make_handler

from .contract import CONTRACT
from .rules import RULES, Settings

lambda_handler = make_handler(CONTRACT, RULES, Settings)
