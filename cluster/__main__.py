"""`python -m cluster ...` is `quarterdeck ...`: the entry point of submitted jobs."""

import sys

from cluster.cli import main

sys.exit(main())
