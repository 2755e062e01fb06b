"""The engine: everything that producers and workers do with Redis and Celery; few other packages use either directly.

This folder holds what all rooms share: the ledger and its keys, connections, batch headers, and the publishing of
chunks. Each room may import the rooms listed before it:

- ``fleet``: which workers there are, what they run and cannot run, and the metrics for Flower and Prometheus;
- ``stored``: the bytes in Redis: pages of items, snapshots of stores;
- ``limits``: limits shared by a whole fleet: permits, circuits, caches;
- ``reading``: a batch's counters, commits, origin and close, for waiting or observing clients;
- ``feeding``: how a batch begins: its birth, then its items page by page;
- ``ending``: how a batch ends: folds, the result, the family it belongs to;
- ``walks``: flows on workers, parked while they wait for batches and events;
- ``running``: how a worker's process claims chunks, runs and commits them;
- ``care``: maintenance tools: the catalogue, `flowq doctor`, `flowq gc`.
"""
