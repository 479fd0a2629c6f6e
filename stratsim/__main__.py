"""`python -m stratsim`."""

import sys

from stratsim.cli import main

sys.exit(main())
