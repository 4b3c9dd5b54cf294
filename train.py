"""Trains a recipe into a run folder: `python train.py vae-mnist`, `python train.py --help`."""

import sys

from genmodels import terminal
from genmodels.training.command import main

if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main(sys.argv[1:]))
