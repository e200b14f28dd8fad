"""`python -m tests.golden --update [NAME ...]` writes the golden files anew."""

import argparse

from tests.golden.emitted import update
from tests.golden.networks import NETWORKS

parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
parser.add_argument("--update", action="store_true", required=True)
parser.add_argument("names", nargs="*", default=list(NETWORKS), metavar="NAME")
update(parser.parse_args().names)
