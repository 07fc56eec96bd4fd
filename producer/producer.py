"""The producer as a script: `python producer/producer.py --rate 20` is `stockpipe produce --rate 20`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts the script's folder first on its path, where `producer` would be this file and not the package.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from producer.cli import produce
    from terminal.commands import command_line, run

    run(command_line("producer.py", "", default_command=produce))
