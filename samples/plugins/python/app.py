"""Sets values of an INI file."""

import configparser
import json
import os
import sys
from componentize_py_types import Err

from wit_world import exports


class Run(exports.Run):
    """The component's entry: `run` of `wasi:cli`."""

    def run(self):
        arguments = json.load(sys.stdin)
        options = arguments["options"]
        try:
            set_values(arguments["tree"] + options["path"], options["sections"])
        except OSError as error:
            print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
            raise Err(None) from error
        except configparser.Error as error:
            print(f"error: {error}", file=sys.stderr)
            raise Err(None) from error


def set_values(path, sections):
    """Reads the file, sets the values, writes it."""
    config = configparser.ConfigParser(interpolation=None)
    config.optionxform = str  # Names keep their case.
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            config.read_file(file, path)
    config.read_dict(sections)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        config.write(file)
