"""What is tried again, limited, cached and tolerated in a batch, as values without state."""
