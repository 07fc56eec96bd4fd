"""Is it healthy, and what happened to each record?"""
