"""``python -m flowq`` is the ``flowq`` command."""

from flowq.cli import main

if __name__ == "__main__":
    main()
