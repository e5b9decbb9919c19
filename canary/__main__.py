"""`python -m canary`: the same as `canary`."""

from __future__ import annotations

import sys

from canary.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
