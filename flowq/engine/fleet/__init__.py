"""The fleet: which workers there are, what they run and lack, what waits; the metrics for Flower and Prometheus."""
