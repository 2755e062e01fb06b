"""The shared store: typed reads, a schema, and how the changes of many items are merged. Knows no node."""
