"""Which AWS, as whom, and under which names: the one place where an emulator and AWS differ. And the user's folders."""
