"""Where do records come from? A simulation or a replayed file, sent to SQS with a manifest of what it accepted."""
