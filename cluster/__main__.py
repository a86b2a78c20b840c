"""`python -m cluster ...` is `quarterdeck ...`: the entry point of submitted jobs."""

import sys

from cluster.cli.main import main

sys.exit(main())
