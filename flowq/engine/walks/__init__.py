"""Flows on workers: walks that are parked at their batches and events, and runs reopened from a step they kept."""
