"""Load real text that every installation has: the docstrings of four packages, to be told apart by their style."""

import functools
import importlib
import inspect
import re
import warnings

MODULES = {
    "numpy": """
        numpy numpy.char numpy.ctypeslib numpy.exceptions numpy.fft numpy.lib numpy.lib.array_utils numpy.lib.format
        numpy.lib.mixins numpy.lib.npyio numpy.lib.scimath numpy.lib.stride_tricks numpy.linalg numpy.ma
        numpy.ma.extras numpy.ma.mrecords numpy.matrixlib numpy.polynomial numpy.polynomial.chebyshev
        numpy.polynomial.hermite numpy.polynomial.hermite_e numpy.polynomial.laguerre numpy.polynomial.legendre
        numpy.polynomial.polynomial numpy.polynomial.polyutils numpy.random numpy.rec numpy.strings numpy.testing
        numpy.typing
    """,
    "scipy": """
        scipy.cluster.hierarchy scipy.cluster.vq scipy.constants scipy.datasets scipy.differentiate scipy.fft
        scipy.fftpack scipy.integrate scipy.interpolate scipy.io scipy.io.arff scipy.io.wavfile scipy.linalg
        scipy.linalg.blas scipy.linalg.interpolative scipy.ndimage scipy.odr scipy.optimize scipy.optimize.elementwise
        scipy.signal scipy.signal.windows scipy.sparse scipy.sparse.csgraph scipy.sparse.linalg scipy.spatial
        scipy.spatial.distance scipy.spatial.transform scipy.special scipy.stats scipy.stats.contingency
        scipy.stats.mstats scipy.stats.qmc scipy.stats.sampling
    """,
    "sklearn": """
        sklearn sklearn.base sklearn.calibration sklearn.cluster sklearn.compose sklearn.covariance
        sklearn.cross_decomposition sklearn.datasets sklearn.decomposition sklearn.discriminant_analysis sklearn.dummy
        sklearn.ensemble sklearn.exceptions sklearn.feature_extraction sklearn.feature_extraction.image
        sklearn.feature_extraction.text sklearn.feature_selection sklearn.frozen sklearn.gaussian_process
        sklearn.gaussian_process.kernels sklearn.impute sklearn.inspection sklearn.isotonic
        sklearn.kernel_approximation sklearn.kernel_ridge sklearn.linear_model sklearn.manifold sklearn.metrics
        sklearn.metrics.cluster sklearn.metrics.pairwise sklearn.mixture sklearn.model_selection sklearn.multiclass
        sklearn.multioutput sklearn.naive_bayes sklearn.neighbors sklearn.neural_network sklearn.pipeline
        sklearn.preprocessing sklearn.random_projection sklearn.semi_supervised sklearn.svm sklearn.tree sklearn.utils
        sklearn.utils.extmath sklearn.utils.graph sklearn.utils.metadata_routing sklearn.utils.multiclass
        sklearn.utils.parallel sklearn.utils.random sklearn.utils.sparsefuncs sklearn.utils.validation
    """,
    "standard library": """
        abc argparse array ast asyncio base64 bisect builtins bz2 calendar cmath codecs collections collections.abc
        concurrent.futures configparser contextlib copy csv ctypes dataclasses datetime decimal difflib dis email
        email.message email.utils enum fileinput fnmatch fractions functools gc getpass gettext glob gzip hashlib heapq
        hmac html html.parser http.client http.cookies http.server imaplib importlib importlib.metadata inspect io
        ipaddress itertools json keyword linecache locale logging logging.handlers lzma mailbox marshal math mimetypes
        mmap multiprocessing multiprocessing.pool numbers operator optparse os os.path pathlib pdb pickle pickletools
        platform plistlib pprint queue quopri random re reprlib sched secrets selectors shelve shlex shutil signal
        smtplib socket socketserver sqlite3 ssl stat statistics string struct subprocess symtable sys sysconfig tarfile
        tempfile textwrap threading time timeit tokenize tomllib trace traceback tracemalloc types typing unicodedata
        unittest unittest.mock urllib.error urllib.parse urllib.request urllib.robotparser uuid wave weakref webbrowser
        wsgiref.handlers xml.dom.minidom xml.etree.ElementTree xml.sax xmlrpc.client xmlrpc.server zipapp zipfile
        zipimport zlib zoneinfo
    """,
}

# to the blank line: some of scipy's outputs are drawn at random when it is imported
DOCTEST = re.compile(r"^[ \t]*>>>.*(?:\n[ \t]*\S.*)*", re.MULTILINE)
# names that would give the answer away, and memory addresses, which differ from run to run
MASKED = re.compile(r"\b(numpy|np|scipy|sp|sklearn|scikit-learn|scikits?|c?python|0x[0-9a-f]+)\b", re.IGNORECASE)
FEWEST_WORDS = 8


@functools.cache
def load_docstrings():
    """Return the docstrings of public modules, functions, classes and methods, without doctests and names of packages.

    Returns
    -------
    texts : list of str
        In a fixed order, no text twice; one that two packages share is left out.
    packages : list of str
        Where each comes from: a key of `MODULES`.
    """
    packages_of = {}
    # modules and members that are on their way out warn when they are touched
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for package, names in MODULES.items():
            for name in names.split():
                try:
                    module = importlib.import_module(name)
                except ImportError:  # other versions, other modules
                    continue
                for documented in _public_members(module, package):
                    text = _cleaned(documented.__doc__)
                    if text.count(" ") + 1 >= FEWEST_WORDS:
                        packages_of.setdefault(text, set()).add(package)
    unique = [(text, *packages) for text, packages in packages_of.items() if len(packages) == 1]
    return [text for text, _ in unique], [package for _, package in unique]


def _public_members(module, package):
    yield module
    for name in sorted(dir(module)):
        member = None if name.startswith("_") else getattr(module, name, None)
        if not callable(member) or _home(member, module) != package:
            continue
        yield member
        if inspect.isclass(member):
            # vars, not dir: what is inherited belongs to the class that wrote it
            for name, attribute in sorted(vars(member).items()):
                if not name.startswith("_") and (callable(attribute) or isinstance(attribute, (property, classmethod))):
                    yield attribute


def _home(member, module):
    """Return the package that defines a member, which may be another than the one that shows it."""
    root = (getattr(member, "__module__", None) or module.__name__).partition(".")[0]
    return root if root in MODULES else "standard library"


def _cleaned(docstring):
    if not isinstance(docstring, str):
        return ""
    return " ".join(MASKED.sub(" ", DOCTEST.sub("", docstring)).split())
