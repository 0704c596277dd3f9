"""Names of parameters that are the same in every process, so that several can share the tests."""

import re


def name_of(value):
    """Return the representation of a value without addresses in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
