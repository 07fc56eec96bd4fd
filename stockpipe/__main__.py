"""`python -m stockpipe` is the same as `stockpipe`."""

from stockpipe.cli import main

main()
