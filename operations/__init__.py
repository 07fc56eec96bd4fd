"""Is it healthy, and what happened to each tick?"""
