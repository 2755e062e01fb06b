"""What lies in Redis as bytes: pages of items, snapshots of stores, how far a walk had come."""
