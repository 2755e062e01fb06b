"""Flows on workers: a walk that is parked at its batches and events, and begun anew from a step it kept."""
