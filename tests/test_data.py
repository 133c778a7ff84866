"""What the bundled texts promise (data/README.md), measured on the files as committed."""

import gzip
import re

import pytest

from charrnn.corpus import Corpus, bundled_folder, bundled_names



def text_of(name: str) -> str:
    return (bundled_folder() / f"{name}.txt").read_text(encoding="utf-8")


def test_the_bundled_texts():
    assert bundled_names() == ["gazetteer", "lyrics", "recipes", "tales"]


def test_the_songbook_is_large_and_varied():
    text = text_of("lyrics")
    songs = [song.strip("\n") for song in re.split(r"\n{3,}", text.strip())]
    titles = [song.split("\n")[0] for song in songs]
    lines = [line for line in text.split("\n") if line.strip()]
    assert len(text) >= 200_000 and len(songs) >= 150
    assert len(set(titles)) == len(titles) and all(title == title.upper() for title in titles)
    assert all(song.count("\n\n") >= 3 for song in songs), "a song has a title and several stanzas"
    assert len(set(lines)) >= 0.9 * len(lines)
    assert len(set(re.findall(r"[a-z']+", text.lower()))) >= 6_000


@pytest.mark.parametrize("name", ["gazetteer", "lyrics", "recipes", "tales"])
def test_no_text_repeats_itself(name):
    text = text_of(name)
    raw = text.encode("ascii")
    assert len(gzip.compress(raw, 9)) >= 0.36 * len(raw)
    seen = set()
    for start in range(len(text) - 59):
        passage = text[start : start + 60]
        assert passage not in seen, passage
        seen.add(passage)


@pytest.mark.parametrize("name", ["gazetteer", "recipes", "tales"])
def test_the_short_texts_have_their_size(name):
    assert 20_000 <= len(text_of(name)) <= 60_000


@pytest.mark.parametrize("name", ["gazetteer", "lyrics", "recipes", "tales"])
def test_the_texts_are_clean(name):
    text = text_of(name)
    assert re.fullmatch(r"[A-Za-z0-9 \n.,;:!?'\"()\-]+", text)
    assert not re.search(r"[ \t]\n", text) and text.endswith("\n") and not text.endswith("\n\n")
    assert not Corpus.bundled(name).report().warnings
