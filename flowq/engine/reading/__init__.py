"""Reading a batch: its counters, its commits as they are made, its close. Read-only."""
