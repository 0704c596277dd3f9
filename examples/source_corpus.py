"""Load tagged text that every installation has: the standard library's source, each token with its role in `ast`."""

import ast
import keyword
import sys
import sysconfig
import token
import tokenize
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

# of 20 parts; a hash of a module's name tells its part, so that other versions, with other modules, cut the same way
TRAIN_PARTS, TEST_PARTS = range(6), range(6, 8)
LONGEST = 100  # tokens of a line; what is longer is a table, and one of them would be a twentieth of the test


class Word(NamedTuple):
    """A token, with its kind from `token`, and its start and end as (line, column), as `tokenize` counts them."""

    text: str
    kind: int
    start: tuple
    end: tuple


def load_tokens(folder=None):
    """Return logical lines of public modules as lists of tokens, and the role of each token.

    A string is shown by its prefix and quotes alone. Left out are comments, tables, and lines where no name is to be
    told, such as ``else:`` or a docstring. No module is in both halves.

    The roles are

    - ``function``, ``class``: the name that a ``def``, or ``class``, defines
    - ``parameter``, ``default``, ``signature``: in the head of a ``def`` or ``lambda``, the name of a parameter, all of
      its default value, and the punctuation
    - ``argument``: the name of a keyword argument
    - ``import``: a name in an import
    - ``target``: a name that is bound, by an assignment, ``for``, ``with``, ``except`` or ``case``
    - ``call``: a name or an attribute that is called
    - ``type``: a name in an annotation, a base class, what an ``except`` catches
    - ``attribute``, ``variable``: any other attribute, any other name
    - ``keyword``, ``literal``, ``operator``: what is no name, brackets and commas being operators

    Parameters
    ----------
    folder : path, default=None
        Where the modules are: by default where the running interpreter has its own.

    Returns
    -------
    train_sequences, train_labels, test_sequences, test_labels : list of lists of str
    """
    folder = Path(folder or sysconfig.get_path("stdlib"))
    train, test = ([], []), ([], [])
    for name in sorted(sys.stdlib_module_names):
        part = crc32(name.encode()) % 20
        path = folder / f"{name}.py"
        if name.startswith("_") or part not in (*TRAIN_PARTS, *TEST_PARTS) or not path.is_file():
            continue
        sequences, labels = test if part in TEST_PARTS else train
        for line in tagged_lines(path):
            texts, roles = zip(*line, strict=True)
            sequences.append(list(texts))
            labels.append(list(roles))
    if not train[0] or not test[0]:
        raise FileNotFoundError(f"{folder} has too little of the standard library's source")
    return *train, *test


def tagged_lines(path):
    """Yield the logical lines of a file in which a name has a role, each a list of (text, role)."""
    with tokenize.open(path) as file:
        source = file.read()
    lines = list(_logical_lines(source))
    roles = _Roles(source, [word for line in lines for word in line]).roles
    for line in lines:
        if len(line) <= LONGEST and any(word.start in roles for word in line):
            yield [(word.text, roles.get(word.start) or _plain_role(word)) for word in line]


def _logical_lines(source):
    """Yield lists of words, without comments; an f-string is one word (`tokenize` gives its parts from 3.12 on)."""
    line, opened = [], []
    for kind, text, start, end, _ in tokenize.generate_tokens(StringIO(source).readline):
        name = token.tok_name[kind]
        if name in ("FSTRING_START", "TSTRING_START"):
            opened.append((text, start))
        elif name in ("FSTRING_END", "TSTRING_END"):
            prefix, start = opened.pop()
            if not opened:
                line.append(Word(_quotes(prefix + text), token.STRING, start, end))
        elif opened:
            continue
        elif kind == token.STRING:
            line.append(Word(_quotes(text), kind, start, end))
        elif kind in (token.NAME, token.OP, token.NUMBER):
            line.append(Word(text, kind, start, end))
        elif kind == token.NEWLINE:
            yield line
            line = []


def _quotes(text):
    """Return a string without its contents: ``rb"..."`` becomes ``rb""``."""
    quote = text[-1]
    opening = text[: text.index(quote) + 1]
    return opening + quote


def _plain_role(word):
    if word.kind == token.NAME:  # names that `ast` does not have are soft keywords, such as match
        return "keyword"
    return "operator" if word.kind == token.OP else "literal"


class _Roles(ast.NodeVisitor):
    """Find the roles of names by their start. The first role stays: a node is visited before what is in it."""

    def __init__(self, source, words):
        self.lines = source.split("\n")
        self.words = words
        self.by_start = {word.start: i for i, word in enumerate(words)}
        self.by_end = {word.end: i for i, word in enumerate(words)}
        self.roles = {}
        self.visit(ast.parse(source))

    def position(self, line, column):
        """Convert a place of `ast`, which counts bytes of UTF-8, to one of `tokenize`, which counts characters."""
        text = self.lines[line - 1]
        return line, column if text.isascii() else len(text.encode()[:column].decode())

    def first(self, node):
        return self.by_start[self.position(node.lineno, node.col_offset)]

    def last(self, node):
        return self.by_end[self.position(node.end_lineno, node.end_col_offset)]

    def within(self, node):
        return self.words[self.first(node) : self.last(node) + 1]

    def after(self, i, text):
        """Return the number of the word that follows the first `text` from word i on."""
        while self.words[i].text != text:
            i += 1
        return i + 1

    def tag(self, word, role):
        self.roles.setdefault(word.start, role)

    def tag_end(self, node, role):
        self.tag(self.words[self.last(node)], role)

    def tag_names(self, node, role):
        for word in self.within(node):
            if word.kind == token.NAME and not keyword.iskeyword(word.text):
                self.tag(word, role)

    def tag_types(self, node):
        if isinstance(node, (ast.Name, ast.Attribute)):
            self.tag_end(node, "type")
        elif node is not None and not isinstance(node, ast.Call):
            for child in ast.iter_child_nodes(node):
                self.tag_types(child)

    def visit_JoinedStr(self, node):
        """Skip f-strings: names inside them are not words here."""

    visit_TemplateStr = visit_JoinedStr

    def visit_FunctionDef(self, node):
        name = self.after(self.first(node), "def")  # an async may come before
        self.tag(self.words[name], "function")
        self.tag_signature(name + 1, node.args)
        self.tag_types(node.returns)
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        self.tag_signature(self.first(node) + 1, node.args)
        self.generic_visit(node)

    def tag_signature(self, i, arguments):
        for default in arguments.defaults + arguments.kw_defaults:
            if default is not None:  # a parameter after the star that has none
                for word in self.within(default):
                    self.tag(word, "default")
        depth = 0
        while depth or self.words[i].text != ":":
            word = self.words[i]
            depth += (word.text in "([{") - (word.text in ")]}")
            if word.kind == token.OP:
                self.tag(word, "signature")
            i += 1
        self.tag(self.words[i], "signature")

    def visit_ClassDef(self, node):
        self.tag(self.words[self.after(self.first(node), "class")], "class")
        for base in node.bases:
            self.tag_types(base)
        self.generic_visit(node)

    def visit_arg(self, node):
        self.tag(self.words[self.first(node)], "parameter")
        self.tag_types(node.annotation)
        self.generic_visit(node)

    def visit_TypeVar(self, node):
        self.tag(next(word for word in self.within(node) if word.text == node.name), "parameter")
        self.generic_visit(node)

    visit_ParamSpec = visit_TypeVarTuple = visit_TypeVar

    def visit_AnnAssign(self, node):
        self.tag_types(node.annotation)
        self.generic_visit(node)

    def visit_Import(self, node):
        self.tag_names(node, "import")

    visit_ImportFrom = visit_Import

    def visit_Global(self, node):
        self.tag_names(node, "variable")

    visit_Nonlocal = visit_Global

    def visit_ExceptHandler(self, node):
        self.tag_types(node.type)
        if node.name:
            self.tag(self.words[self.after(self.last(node.type), "as")], "target")
        self.generic_visit(node)

    def visit_Call(self, node):
        if isinstance(node.func, (ast.Name, ast.Attribute)):
            self.tag_end(node.func, "call")
        self.generic_visit(node)

    def visit_keyword(self, node):
        if node.arg:
            self.tag(self.words[self.first(node)], "argument")
        self.generic_visit(node)

    def visit_Attribute(self, node):
        self.tag_end(node, "attribute")
        self.generic_visit(node)

    def visit_Name(self, node):
        self.tag_end(node, "target" if isinstance(node.ctx, ast.Store) else "variable")

    def visit_MatchAs(self, node):
        if node.name:
            self.tag_end(node, "target")
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node):
        for before, word in pairwise(self.within(node)):
            if before.text == "**":
                self.tag(word, "target")
        self.generic_visit(node)

    def visit_MatchClass(self, node):
        self.tag_types(node.cls)
        for word, after in pairwise(self.within(node)):
            if after.text == "=":
                self.tag(word, "argument")
        self.generic_visit(node)
