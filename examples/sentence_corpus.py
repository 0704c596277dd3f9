"""Make sentences with names of people, companies and places, and the BIO tag of each word."""

import numpy as np

FIRST = """Ada Alan Amina Anton Barbara Carlos Chen Clara Diego Edith Elena Emil Farid Grace Hanna Ivan Jonas Katherine
Leila Linus Maria Milan Nadia Olga Omar Paris Priya Rosa Sofia Tomas Victoria Yuki""".split()
LAST = """Abbas Bauer Costa Dubois Eriksen Fischer Garcia Hopper Ito Jensen Keller Lovelace Moreau Novak Okafor Petrov
Quinn Rossi Santos Turing Ueda Vega Weber Xu Young Zhang Lincoln Washington""".split()
PLACES = """Oslo|Lima|New York|Paris|Cape Town|Quito|Hong Kong|San Jose|Vienna|Nairobi|Buenos Aires|Lincoln|Washington
|Kyoto|Cairo|Porto|Victoria|Tel Aviv|Dublin|Santiago""".replace("\n", "").split("|")
KINDS = "Bank|Group|& Sons|Airlines|Motors|Press|Software|Foods".split("|")

# P is a person, L the last name alone, C a company, G a place
TEMPLATES = """\
P joined C in G .
The bank C opened an office in G .
P and P met in G .
Shares of C fell on Monday .
Mr L left C after ten years .
P , who lives in G , bought C .
In G , C hired P .
The mayor of G thanked P .
C said that P will move to G .
Trains from G to G were late .
Mrs L wrote about G for C .
G is warmer than G .
Nobody at C knew P .
The rain in G stopped at noon .
He works for C and lives near G .
P sold shares of C to C .""".split("\n")


def load_sentences(n_train=400, n_test=200, seed=0):
    """Return sentences and their tags; two thirds of the names in the test are in no sentence to train on.

    Parameters
    ----------
    n_train, n_test : int, default=400 and 200
    seed : int, default=0

    Returns
    -------
    train_sentences, train_tags, test_sentences, test_tags : list of lists of str
    """
    rng = np.random.RandomState(seed)
    known = [names[::2] for names in (FIRST, LAST, PLACES)]
    others = [names[1::2] + names[::4] for names in (FIRST, LAST, PLACES)]
    return *_made(n_train, known, rng), *_made(n_test, others, rng)


def _made(n, names, rng):
    pairs = [_filled(TEMPLATES[rng.randint(len(TEMPLATES))].split(), names, rng) for _ in range(n)]
    return [words for words, _ in pairs], [tags for _, tags in pairs]


def _filled(template, names, rng):
    """Return the words and tags of a template with names in the place of its letters."""
    first, last, places = names
    makers = {
        "P": ("PER", lambda: f"{rng.choice(first)} {rng.choice(last)}"),
        "L": ("PER", lambda: rng.choice(last)),
        "C": ("ORG", lambda: f"{rng.choice([*last, *places])} {rng.choice(KINDS)}"),
        "G": ("LOC", lambda: rng.choice(places)),
    }
    words, tags = [], []
    for word in template:
        kind, make = makers.get(word, (None, None))
        name = make().split() if kind else [word]
        words += name
        tags += [f"B-{kind}"] + [f"I-{kind}"] * (len(name) - 1) if kind else ["O"]
    return words, tags
