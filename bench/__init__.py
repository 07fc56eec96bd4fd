"""How fast is it? Ratios inside one run, because machines differ and are noisy. Run: make bench."""
