"""The compiled vectorizers of text with threads: their own, those of Python, and Ctrl-C."""

import signal
import threading
import time

import joblib
import pytest

from skopt_solvers.feature_extraction import text
from skopt_solvers.feature_extraction.text import TfidfVectorizer

from .text_outcomes import exact

NAMES = text.__all__


@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 3)])
@pytest.mark.parametrize("analyzer", ["word", "char", "char_wb"])
@pytest.mark.parametrize("name", NAMES)
def test_the_result_does_not_depend_on_threads(manual, name, analyzer, ngram_range):
    make = getattr(text, name)
    results = []
    for n_jobs in (1, 2, 5):
        vectorizer = make(analyzer=analyzer, ngram_range=ngram_range, n_jobs=n_jobs)
        results.append((exact(vectorizer.fit_transform(manual)), exact(vectorizer.transform(manual[::3]))))
        if name != "HashingVectorizer":
            results[-1] += (list(vectorizer.vocabulary_.items()),)
    assert results[0] == results[1] == results[2]


def test_vectorizers_in_threads_of_python(manual):
    vectorizer = TfidfVectorizer(n_jobs=1).fit(manual)
    expected = exact(vectorizer.transform(manual))
    found = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(lambda: exact(vectorizer.transform(manual)))() for _ in range(8)
    )
    assert all(result == expected for result in found)


@pytest.mark.parametrize("n_jobs", [0, 1.5, "two"])
@pytest.mark.parametrize("name", NAMES)
def test_n_jobs_is_checked(name, n_jobs):
    with pytest.raises(ValueError, match="n_jobs"):
        getattr(text, name)(n_jobs=n_jobs).fit_transform(["The cat"])


@pytest.mark.parametrize("name", NAMES)
def test_ctrl_c_ends_a_fit_at_once(name):
    pages = [f"{i:x} " * 50_000 + " ".join(map(str, range(i, i + 40_000))) for i in range(0, 4_000_000, 40_000)]
    vectorizer = getattr(text, name)(ngram_range=(1, 3), n_jobs=2)
    before = getattr(vectorizer, "vocabulary_", None)
    pressed = []

    def press():
        time.sleep(0.3)
        pressed.append(time.monotonic())
        signal.raise_signal(signal.SIGINT)

    presser = threading.Thread(target=press)
    with pytest.raises(KeyboardInterrupt):
        presser.start()
        vectorizer.fit_transform(pages)
        pytest.skip("the fit has ended before")
    ended = time.monotonic()
    presser.join()
    assert getattr(vectorizer, "vocabulary_", None) is before
    assert ended - pressed[0] < 2  # 0.2 s on a quiet machine
