"""The fleet: which workers are there, what they do and lack, what waits; what Flower and Prometheus are told."""
