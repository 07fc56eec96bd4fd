"""How does AWS start on this machine? Engines, as processes or in a container, behind one contract (`engine`)."""
