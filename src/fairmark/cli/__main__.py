"""`python -m fairmark.cli`: the command where it is not on PATH."""

import sys

from fairmark.cli.main import main

sys.exit(main())
