"""`python -m bootstrap plan|up|status|down`."""

from bootstrap.cli import app
from terminal import run

run(app)
