"""Types of the module for x86-64-v3, which are those of the one for every x86-64."""

from ._core import *  # noqa: F403
