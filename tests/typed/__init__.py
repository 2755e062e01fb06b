"""Programs of users for a type checker to read, see tests/unit/test_types.py. They are not run."""
