"""How does AWS start on this machine? Two engines, each a process of its own in an environment of its own."""
