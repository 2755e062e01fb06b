"""What Redis holds as encoded bytes: pages of items, snapshots of stores, states of walks."""
