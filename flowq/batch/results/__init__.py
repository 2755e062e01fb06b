"""What a batch brings: the outcomes of its items, their values, sinks, statistics and merged changes."""
