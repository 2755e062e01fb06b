"""Stand-ins for a flowq or a program of next year: a worker that imports one of these modules is a newer one."""
