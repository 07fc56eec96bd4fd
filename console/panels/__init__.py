"""The parts of the page. Each builds its elements once and then only updates them, so that focus and scroll stay."""
