"""One test a row of the feature table: ``test_row_031_…``."""
