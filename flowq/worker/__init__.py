"""The worker's side: flowq on a Celery app. Tasks hold no logic; producers never import this package."""
