"""The side of `compare` that has a revision: it reads a request a line, and answers with a line, both JSON.

``{"case": name}`` makes a case ready and runs it, ``{"count": n}`` measures it.
"""

import json
import sys
import warnings
from pathlib import Path

from .compare_cases import CASES


def ready(name, folder):
    """The measure of a case, and seconds of one run after the first; or None and why this revision has no such case."""
    try:
        measure = CASES[name].prepare(folder)
        measure(1)
        return measure, measure(1)
    except Exception as error:
        return None, {"absent": f"{type(error).__name__}: {error}"}


def main():
    folder, measure = Path(sys.argv[1]), None
    warnings.simplefilter("ignore")  # fits of a few iterations
    for line in sys.stdin:
        request = json.loads(line)
        if "case" in request:
            measure = None  # frees the data of the case before
            measure, answer = ready(request["case"], folder)
        else:
            answer = measure(request["count"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
