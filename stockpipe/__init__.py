"""The command line over all of it."""
