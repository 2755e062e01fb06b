"""The tests: unit (mirrors flowq/), integration (real Redis, real workers), chaos, and the house's own rules."""
