"""Reading a batch: its counters, its commits as they are made, its close. Writes nothing."""
