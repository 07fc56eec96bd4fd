"""Where do ticks come from? A simulated market or a replayed file, sent to SQS with a manifest of what it accepted."""
