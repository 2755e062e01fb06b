"""Redis and workers on this machine for the lifetime of the program. Knows nothing of batches."""

from __future__ import annotations

from flowq.local.cluster import LocalCluster
from flowq.local.project import Project
from flowq.local.redis_binary import find_redis_server
from flowq.local.redis_server import EmbeddedRedis

__all__ = ["EmbeddedRedis", "LocalCluster", "Project", "find_redis_server"]
