"""The engine: what producers and workers do with Redis and Celery, which are named here and hardly anywhere else.

In this folder lies what all of it shares: the ledger and its keys, connections, headers of batches, how chunks are
published. Each room may import what stands before it:

- ``fleet``: which workers are there, what they do and lack, what Flower and Prometheus are told;
- ``stored``: what lies in Redis as bytes: pages of items, snapshots of stores;
- ``limits``: what a whole fleet heeds: permits, circuits, caches;
- ``reading``: a batch's counters, commits, origin and close, read by whoever waits or looks;
- ``feeding``: how a batch begins: its birth, then its items page by page;
- ``ending``: how it ends: folds, the result, the family it belongs to;
- ``walks``: flows on workers, parked at their batches and events;
- ``running``: how a worker's process claims chunks, runs and commits them;
- ``care``: what people look after: the catalogue, `flowq doctor`, `flowq gc`.
"""
