"""Tests of flowq/local/ with real processes."""
