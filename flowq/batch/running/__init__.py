"""Items at work: one and many, blocking and async, in groups, with retries, limits and time limits."""
