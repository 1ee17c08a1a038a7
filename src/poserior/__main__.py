"""``python -m poserior`` is ``poserior``."""

from poserior.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
