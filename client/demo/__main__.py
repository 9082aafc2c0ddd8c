"""python -m client.demo."""

import sys

from client.demo.cli import main

if __name__ == "__main__":
    sys.exit(main())
