"""Look inside, as a visitor meets it: each view's numbers are the core's, by mouse and by keyboard, and data stays data."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from charrnn.copied import CorpusIndex
from charrnn.corpus import Corpus
from charrnn.evaluation import score
from charrnn.insight import odds, preferred, read_text, surprise
from charrnn.memory import influence, reach
from charrnn.neurons import find_trackers
from charrnn.runs import Run
from charrnn.ui.insights import percent
from charrnn.worker import train

from ..conftest import small, written

SECOND = 1000
VIEWS = ("Surprise", "Next character", "Neurons", "Memory", "Copied or new", "How it works")
HOSTILE = '<img src=x onerror="window.pwned=1"> ${window.pwned=1} {{value}} </script><script>window.pwned=1</script> \u202eabc &amp;\n'
NAME = "<img src=x onerror=window.pwned=1>"


@pytest.fixture(scope="module")
def runs(server):
    """Two small models: one of words, one whose text and name would be code if a page were careless."""
    made = {}
    for name, text in (("words", written(6000)), (NAME, HOSTILE * 40)):
        run = Run.create(server.runs / name, Corpus.from_text(text, name=name), small(steps=150, hidden_size=24))
        assert [type(event).__name__ for event in train(run)][-1] == "Finished"
        made[name] = run
    return made


@pytest.fixture
def inside(visitor, runs):
    visitor.get_by_role("tab", name="Look inside").click()
    visitor.locator("#inside-shown .walk > i").nth(20).wait_for(timeout=30 * SECOND)
    return visitor


def choose(page, name: str) -> None:
    page.get_by_label("Model", exact=True).locator("visible=true").click()
    page.get_by_role("option", name=name, exact=False).click()


def look(page, view: str, text: str | None = None):
    """Go to a view, of this text, and wait until it is there."""
    if text is not None:
        page.locator("#inside-text textarea").fill(text)
    page.get_by_role("radio", name=view, exact=True).check()
    section = page.locator(f'#inside-shown section[aria-label="{view}"]')
    section.wait_for(timeout=30 * SECOND)
    return section


def opened(page, runs, view: str, name: str = "words", length: int = 160):
    """The view of a passage of the model's own text, the model, and the passage as it reads it."""
    model = runs[name].load()
    text = runs[name].corpus_path.read_text(encoding="utf-8")[40 : 40 + length]
    choose(page, name)
    section = look(page, view, text)
    if view in ("Surprise", "Neurons"):
        expect(section.locator(".walk > i")).to_have_count(len(text), timeout=30 * SECOND)
    return section, model, text


def test_surprise_is_what_evaluate_gives(inside, runs):
    section, model, text = opened(inside, runs, "Surprise")
    expected = score(model, text)["carried_bits_per_char"]
    expect(section.locator(".lead b")).to_have_text(f"{expected:.2f} bits")
    data = json.loads(section.locator("[data-walk]").get_attribute("data-values"))
    assert data["bits"][0] is None
    assert np.mean(data["bits"][1:]) == pytest.approx(expected, abs=0.005)
    assert section.locator(".walk").evaluate("walk => walk.textContent") == text


def test_pointing_shows_the_five_preferred_without_a_request(inside, runs):
    section, model, text = opened(inside, runs, "Surprise")
    reading = read_text(model.engine, model.vocabulary.encode(text))
    best, p = preferred(reading.logits)
    requests = []
    inside.on("request", lambda request: requests.append(request.url))
    at = next(i for i in range(20, 160) if text[i].isalpha())
    section.locator(".walk > i").nth(at).hover()
    detail = section.locator(".detail")
    expect(detail.locator("b")).to_have_text(f"{surprise(reading)[at - 1]:.2f} bits")
    shown = detail.locator("li")
    expect(shown).to_have_count(5)
    for k in range(5):
        assert shown.nth(k).locator("output").inner_text() == percent(p[at - 1][k])
        name = shown.nth(k).locator("bdi").inner_text()
        assert name == {" ": "space", "\n": "line break"}.get(c := model.vocabulary.characters[best[at - 1][k]], c)
    assert not [url for url in requests if "/queue/" in url]


def test_arrow_keys_walk_through_the_text_from_one_tab_stop(inside, runs):
    section, model, text = opened(inside, runs, "Surprise")
    inside.get_by_role("radio", name=VIEWS[-1], exact=True).focus()
    inside.keyboard.press("Tab")
    expect(section.locator(".walk")).to_be_focused()
    count = section.locator(".detail h4")
    for key, at in (
        ("Home", 1),
        ("ArrowRight", 2),
        ("ArrowRight", 3),
        ("ArrowLeft", 2),
        ("End", len(text)),
        ("ArrowRight", len(text)),
    ):
        inside.keyboard.press(key)
        expect(count).to_contain_text(f"character {at} of {len(text)}")
    inside.keyboard.press("Home")
    inside.keyboard.press("ArrowDown")
    expect(count).not_to_contain_text(f"character 1 of {len(text)}")
    inside.keyboard.press("ArrowUp")
    expect(count).to_contain_text(f"character 1 of {len(text)}")
    inside.keyboard.press("Tab")
    assert not section.locator(".walk").evaluate("walk => walk.contains(document.activeElement)")


def test_next_character_bends_with_temperature_by_the_keyboard(inside, runs):
    section, model, text = opened(inside, runs, "Next character")
    # The page holds four decimals of each, which now and then decides how a share is rounded.
    logits = read_text(model.engine, model.vocabulary.encode(text)).logits[-1].astype(float).round(4)
    knob = section.locator(".knob input")
    knob.focus()
    for key, times, temperature in (("ArrowRight", 0, 0.7), ("ArrowRight", 6, 1.0), ("End", 1, 2.0), ("Home", 1, 0.0)):
        for _ in range(times):
            inside.keyboard.press(key)
        p = odds(logits, temperature)
        order = np.argsort(-logits, kind="stable")[:12]
        outputs = section.locator(".bars output").all_inner_texts()
        assert outputs[:12] == [percent(q) for q in p[order]]
        assert outputs[12] == percent(max(0.0, 1 - p[order].sum()))
        expect(section.locator(".says b")).to_have_text(f"{np.exp(-(p * np.log(np.where(p > 0, p, 1))).sum()):.1f}")


def test_neurons_are_painted_as_the_model_had_them(inside, runs):
    section, model, text = opened(inside, runs, "Neurons")
    units = read_text(model.engine, model.vocabulary.encode(text)).hidden.reshape(len(text), -1)
    found = [tracker for tracker in find_trackers(text, units) if tracker.convincing]
    rows = section.locator(".units label")
    assert rows.locator("b").all_inner_texts() == [tracker.feature for tracker in found]
    for k, tracker in list(enumerate(found))[:3]:
        rows.nth(k).locator("input").check()
        painted = section.locator(".walk").evaluate(
            "walk => [...walk.children].map(i => i.style.getPropertyValue('--v') * (i.classList.contains('down') ? -1 : 1))"
        )
        np.testing.assert_allclose(painted, units[:, tracker.unit], atol=0.011)
    inside.get_by_label("Paint a unit of your choice").fill("5")
    expect(rows.first).to_contain_text("the unit you chose")
    expect(rows.first).to_contain_text("unit 5")
    inside.get_by_label("Paint a unit of your choice").fill("9999")
    expect(inside.locator("#inside-problem [role=alert]")).to_contain_text("from 1 to 24")


def test_memory_is_the_gradient_of_the_model(inside, runs):
    section, model, text = opened(inside, runs, "Memory")
    expect(section.locator("tbody tr")).to_have_count(3)
    shares = influence(model.settings.model, model.weights, model.vocabulary.encode(text))
    expect(section.locator(".lead b")).to_have_text(re.compile(f"^{reach(shares)} character"))
    cells = section.locator("tbody tr").first.locator("td").all_inner_texts()
    assert cells[1] == f"{100 * shares[4]:.2g} %"
    inside.get_by_label("Compare with another model").click()
    inside.get_by_role("option", name=NAME).click()
    expect(section.locator("tbody tr")).to_have_count(4)


def test_copied_or_new_marks_what_the_corpus_has(inside, runs):
    copied = runs["words"].corpus_path.read_text()[100:160]
    text = f"zu zu zu yo yo{copied}xi xi xi xi"
    choose(inside, "words")
    section = look(inside, "Copied or new", text)
    expect(section.locator("mark")).to_have_count(1)
    found = CorpusIndex(runs["words"].corpus_path).find(text)
    marked = section.locator("mark").evaluate("mark => mark.textContent")
    assert marked == text[found.stretches[0].start : found.stretches[0].stop] and copied in marked
    expect(section.locator(".lead b")).to_have_text(percent(found.share))


def test_the_lesson_is_told_with_the_visitors_numbers(inside, runs):
    section, model, text = opened(inside, runs, "How it works")
    reading = read_text(model.engine, model.vocabulary.encode(text))
    step = section.locator(".unrolled > li").first
    expect(step.locator("dd").first).to_have_text(str(reading.ids[0]))
    shown = [float(x.replace("−", "-")) for x in step.locator(".cells").nth(1).locator("i").all_inner_texts()]
    np.testing.assert_allclose(shown, reading.hidden[0, -1, :6], atol=0.006)
    true = surprise(reading)[0]
    expect(step).to_contain_text(f"{true:.2f} bits of surprise")
    expect(section).to_contain_text(f"{np.log(len(model.vocabulary)):.2f} nats when it guessed blindly")


def test_the_generated_text_is_taken_over(inside):
    inside.get_by_role("tab", name="Generate").click()
    texts = inside.locator("#written .text:visible")
    expect(texts).to_contain_text(re.compile(".{100}", re.S), timeout=20 * SECOND)
    inside.get_by_label("Prime", exact=True).fill("ba ce ")
    expect(texts).to_contain_text(re.compile("^ba ce .{100}", re.S), timeout=20 * SECOND)
    written = texts.evaluate("text => text.textContent")
    inside.get_by_role("tab", name="Look inside").click()
    inside.get_by_role("button", name="Use the generated text").click()
    expect(inside.locator("#inside-text textarea")).to_have_value(written)


def test_there_is_something_to_look_at_from_the_start(inside):
    expect(inside.locator("#inside-shown .walk > i").nth(50)).to_be_attached(timeout=20 * SECOND)


def test_text_that_looks_like_code_stays_text(inside):
    choose(inside, NAME)
    for view in VIEWS:
        section = look(inside, view, HOSTILE)
        inside.wait_for_timeout(300)
        assert inside.evaluate("window.pwned") is None, view
        assert section.locator("img, script").count() == 0, view
        assert "\u202e" not in section.inner_text(), (
            view
        )  # it would turn what follows around; its code is shown instead


@pytest.mark.parametrize("text", ["a", "b c", "§§§§", ""])
def test_short_unknown_and_empty_texts_are_answered(inside, text):
    choose(inside, "words")
    inside.locator("#inside-text textarea").fill(text)
    for view in VIEWS:
        inside.get_by_role("radio", name=view, exact=True).check()
        answer = inside.locator(
            f'#inside-shown section[aria-label="{view}"], #inside-shown .hint, #inside-problem .card'
        )
        expect(answer.first).to_be_visible(timeout=20 * SECOND)
        expect(inside.get_by_text("Error", exact=True)).to_have_count(0)


def test_it_fits_a_phone(inside):
    inside.set_viewport_size({"width": 375, "height": 760})
    choose(inside, "words")
    for view in VIEWS:
        look(inside, view)
        assert inside.evaluate("document.documentElement.scrollWidth") <= 375, view
