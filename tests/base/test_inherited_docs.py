"""An entry of a docstring that refers to another class or function has that one's text, and others stay as they are."""

import inspect

import pytest
from numpydoc.docscrape import ClassDoc

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers._base.inherited_docs import with_texts_of


class Known:
    """Document two parameters.

    Parameters
    ----------
    first : int, default=1
        How many.

        A second paragraph.
    left, right : float
        The ends.

    Attributes
    ----------
    first : str
        Something else.
    """


def documented(sources, text):
    def member():
        pass

    member.__doc__ = text
    return with_texts_of(*sources)(member).__doc__


def test_each_name_has_the_text_of_its_section():
    text = """Do it.

        Parameters
        ----------
        own : bool
            Like :class:`Known`, but not the same.
        left, right, first :
            As in :class:`Known`.
        unknown : see :class:`Known`

        Attributes
        ----------
        first :
            As in :class:`Known`.

        Notes
        -----
        As in :class:`Known`.
        """
    assert documented([Known], text).splitlines() == [
        "Do it.",
        "",
        "Parameters",
        "----------",
        "own : bool",
        "    Like :class:`Known`, but not the same.",
        "left, right : float",
        "    The ends.",
        "first : int, default=1",
        "    How many.",
        "",
        "    A second paragraph.",
        "unknown : see :class:`Known`",
        "",
        "Attributes",
        "----------",
        "first : str",
        "    Something else.",
        "",
        "Notes",
        "-----",
        "As in :class:`Known`.",
    ]


def test_python_without_docstrings():
    assert documented([Known], None) is None
    assert documented([lambda: None], "Parameters\n----------\na :\n    As in :func:`b`.") is not None


@pytest.mark.parametrize("cls", [LinearSVC, LogisticRegression, LinearChainCRF])
def test_each_parameter_has_its_own_text(cls):
    texts = {}
    for parameter in ClassDoc(cls)["Parameters"]:
        texts.update({name: " ".join(parameter.desc) for name in parameter.name.split(", ")})
    assert set(texts) == set(inspect.signature(cls).parameters)
    poor = {name: text for name, text in texts.items() if len(text) < 12 or text.startswith(("As in", "See"))}
    assert not poor
