"""Writes the message of the day."""

import json
import os
import sys
from componentize_py_types import Err

from wit_world import exports


class Run(exports.Run):
    """The component's entry: `run` of `wasi:cli`."""

    def run(self):
        arguments = json.load(sys.stdin)
        try:
            motd(arguments["tree"], arguments["options"])
        except OSError as error:
            print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
            raise Err(None) from error


def motd(tree, options):
    """Works on `tree`, an ordinary directory."""
    os.makedirs(f"{tree}/etc", exist_ok=True)
    with open(f"{tree}/etc/motd", "w", encoding="utf-8") as file:
        file.write(options["text"].rstrip("\n") + "\n")
