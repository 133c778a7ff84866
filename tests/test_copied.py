"""Copied stretches are what a search by brute force finds, in large corpora too."""

import random

import pytest

from charrnn.copied import CACHED, SHORTEST, CorpusIndex, corpus_file
from charrnn.corpus import Corpus, bundled_names
from charrnn.errors import CorpusError

ALPHABETS = ("ab", "abc é", "aé€😀b", "abcdefghijklmnop \n")


def by_brute_force(text: str, corpus: str, least: int) -> list[tuple[int, int]]:
    """Every stretch of `least` or more that stands in the corpus and lies in no longer one."""
    found, end = [], -1
    for start in range(len(text)):
        stop = start
        while stop < len(text) and text[start : stop + 1] in corpus:
            stop += 1
        if stop - start >= least and stop > end:
            found.append((start, stop))
            end = stop
    return found


def random_case(generator: random.Random) -> tuple[str, str]:
    """A corpus, and a text pieced together from it and from other characters."""
    letters = generator.choice(ALPHABETS)
    corpus = "".join(generator.choices(letters, k=generator.randrange(600)))
    corpus *= generator.choice((1, 1, 3))
    text = ""
    while len(text) < generator.randrange(300):
        at = generator.randrange(len(corpus) + 1)
        text += corpus[at : at + generator.randrange(80)] + "".join(
            generator.choices(letters, k=generator.randrange(8))
        )
    return corpus, text


@pytest.mark.parametrize("seed", range(300))
def test_stretches_are_those_of_a_search_by_brute_force(seed, tmp_path):
    generator = random.Random(seed)
    corpus, text = random_case(generator)
    path = tmp_path / "corpus.txt"
    path.write_bytes(corpus.encode())
    least = generator.choice((SHORTEST, SHORTEST + 1, 30))
    found = CorpusIndex(path).find(text, least)
    assert found.complete
    assert sorted((s.start, s.stop) for s in found.stretches) == by_brute_force(text, corpus, least)
    assert [len(s) for s in found.stretches] == sorted((len(s) for s in found.stretches), reverse=True)
    covered = {i for s in found.stretches for i in range(s.start, s.stop)}
    assert found.share == pytest.approx(len(covered) / len(text) if text else 0)
    for s in found.stretches:
        at = round(s.place * len(corpus.encode()))
        assert corpus.encode()[at:].startswith(text[s.start : s.stop].encode())


@pytest.mark.parametrize("corpus", ["", "short", "x" * (SHORTEST - 1)])
def test_a_corpus_too_short_for_a_stretch_has_none(corpus, tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(corpus)
    assert CorpusIndex(path).find("x" * 100).stretches == ()


def test_a_large_corpus_is_indexed_once(tmp_path):
    generator = random.Random(1)
    words = ["".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=generator.randrange(2, 9))) for _ in range(5000)]
    text = " ".join(generator.choices(words, k=5 * CACHED // 4 // 5))
    path, cache = tmp_path / "corpus.txt", tmp_path / "corpus.index"
    path.write_text(text)
    copied = text[4_000_000:4_000_300]
    query = "§" * 50 + copied + "§" * 50
    for _ in range(2):
        index = CorpusIndex(path, cache)
        assert cache.stat().st_size == 8 * index.places
        found = index.find(query)
        assert [(s.start, s.stop) for s in found.stretches] == [(50, 350)]
        assert found.share == 300 / 400
    cache.write_bytes(b"damaged")
    assert CorpusIndex(path, cache).find(query) == found


def test_a_corpus_that_repeats_without_end_is_answered_all_the_same(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("-" * 3_000_000)
    found = CorpusIndex(path).find("-" * 2000)
    assert not found.complete
    assert found.share == 1


def test_the_text_of_a_bundled_model_is_found_by_its_fingerprint(tmp_path):
    name = bundled_names()[0]
    missing = tmp_path / "corpus.txt"
    assert corpus_file(missing, {"sha256": Corpus.bundled(name).fingerprint}).stem == name
    assert corpus_file(missing, {"sha256": "0"}) is None
    assert corpus_file(missing, {}) is None
    missing.write_text("mine")
    assert corpus_file(missing, {}) == missing


def test_a_missing_corpus_is_an_error_in_words(tmp_path):
    with pytest.raises(CorpusError, match="corpus.txt"):
        CorpusIndex(tmp_path / "corpus.txt")
