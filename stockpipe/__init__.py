"""The command line over all of it."""

import sys
from pathlib import Path

# Before any other module of ours is imported: a user's own folders may be called like ours, for example `console`.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
