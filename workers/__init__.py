"""The worker application that a container or a checkout runs."""
