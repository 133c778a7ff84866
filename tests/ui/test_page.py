"""The page as a visitor meets it: a real browser, a real server, real training processes."""

import json
import re
import subprocess
import sys
import time

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import expect

from charrnn.corpus import bundled_folder

from .conftest import ROOT, Server

SECOND = 1000


def upload(page, path):
    page.locator("#files input[type=file]").set_input_files(path)


def paste(page, text):
    page.get_by_label("Paste", exact=True).check()
    page.get_by_label("Pasted text").fill(text)


def advanced(page, name, value):
    """Set a training setting under Advanced by its name in settings.py."""
    field = page.locator(f"#{name.replace('_', '-')}").locator("input, textarea")
    if not field.is_visible():
        page.locator("#advanced-training").get_by_role("button", name="Advanced").click()
    field.fill(str(value))


def press_train(page):
    page.get_by_role("button", name="Train", exact=True).click()


def open_generate(page):
    page.get_by_role("tab", name="Generate").click()
    page.get_by_label("Prime", exact=True).wait_for()


def train_small(page, text="the cat sat on the mat. a dog ran after it, and both were glad.\n" * 60, **settings):
    """A tiny training from pasted text, to its end."""
    paste(page, text)
    for name, value in {"steps": 30, "hidden_size": 16, **settings}.items():
        advanced(page, name, value)
    press_train(page)
    expect(page.locator("#progress .state")).to_have_text("finished", timeout=60 * SECOND)


def test_first_visit_shows_generated_text_without_a_click(visitor):
    expect(visitor.locator("#sample .text")).to_contain_text(re.compile(r"\w+ \w+"), timeout=10 * SECOND)
    open_generate(visitor)
    expect(visitor.locator("#written .text:visible")).to_contain_text(re.compile(r"\w+ \w+"), timeout=10 * SECOND)


def test_upload_train_refresh_open_slide(visitor):
    upload(visitor, bundled_folder() / "recipes.txt")
    expect(visitor.locator("#report")).to_contain_text("characters", timeout=20 * SECOND)
    expect(visitor.locator("#report")).to_contain_text("recipes")
    advanced(visitor, "minutes", 0.3)
    press_train(visitor)
    expect(visitor.locator("#progress")).to_contain_text("left", timeout=30 * SECOND)
    expect(visitor.locator("#chart")).to_be_visible(timeout=30 * SECOND)
    expect(visitor.locator("#sample")).to_contain_text("What it writes after", timeout=30 * SECOND)
    for part in ("#progress .bar", "#progress .facts", "#stop-training", "#chart", "#sample .text:visible"):
        box = visitor.locator(part).bounding_box()
        assert 0 <= box["y"] and box["y"] + min(box["height"], 60) <= 800, f"{part} is out of sight: {box}"
    visitor.reload()
    expect(visitor.locator("#progress")).to_contain_text("recipes", timeout=20 * SECOND)
    expect(visitor.locator("#chart")).to_be_visible(timeout=20 * SECOND)
    expect(visitor.locator("#progress .state")).to_have_text("finished", timeout=90 * SECOND)
    expect(visitor.locator("#verdict")).to_contain_text("Validation loss")
    expect(visitor.get_by_role("button", name="Stop", exact=True)).not_to_be_visible()
    visitor.get_by_role("button", name="Open in Generate").click()
    text = visitor.locator("#written .text:visible")
    expect(text).to_contain_text(re.compile(r"\w+"), timeout=20 * SECOND)
    expect(visitor.get_by_label("Model", exact=True)).to_have_value(re.compile("recipes"))
    slider = visitor.get_by_label("range slider for Temperature")
    slider.focus()
    before = text.inner_text()
    for _ in range(6):
        slider.press("ArrowRight")
    assert text.inner_text() != before


def test_stop_resume_delete(visitor):
    paste(visitor, "she sells sea shells on the sea shore, and the shells she sells are sea shells for sure.\n" * 80)
    advanced(visitor, "steps", 100000)
    advanced(visitor, "hidden_size", 16)
    press_train(visitor)
    expect(visitor.locator("#progress .state")).to_have_text("running", timeout=30 * SECOND)
    expect(visitor.locator("#sample")).to_contain_text("What it writes", timeout=30 * SECOND)
    visitor.get_by_role("button", name="Stop", exact=True).click()
    expect(visitor.locator("#progress .state")).to_have_text("stopped", timeout=30 * SECOND)
    visitor.get_by_role("button", name="Resume").click()
    expect(visitor.locator("#progress .state")).to_have_text("running", timeout=30 * SECOND)
    visitor.get_by_role("button", name="Stop", exact=True).click()
    expect(visitor.locator("#progress .state")).to_have_text("stopped", timeout=30 * SECOND)
    visitor.on("dialog", lambda dialog: dialog.accept())
    visitor.get_by_role("button", name="Delete").click()
    expect(visitor.locator("#runs")).not_to_be_visible(timeout=20 * SECOND)
    expect(visitor.locator("#sample")).to_contain_text("just wrote this")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("empty.txt", b"", "empty"),
        ("blank.txt", b"  \n\n ", "empty"),
        ("same.txt", b"aaaaaaaaaaaaaaaa", "only one distinct character"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 50, "binary"),
        ("broken.txt", b"\xff\xfea\x00b", "not valid UTF-16"),
        ("large.txt", b"some words\n" * 100_000, "at most 1 MB"),
    ],
)
def test_a_bad_file_gets_one_sentence_where_it_was_given(visitor, tmp_path, name, data, words):
    path = tmp_path / name
    path.write_bytes(data)
    upload(visitor, path)
    expect(visitor.locator("#train-problem").get_by_role("alert")).to_contain_text(words, timeout=20 * SECOND)
    expect(visitor.locator("body")).not_to_contain_text("Traceback")


def test_settings_out_of_range_are_named_together(visitor):
    paste(visitor, "some words, and some more words.\n" * 100)
    advanced(visitor, "hidden_size", -5)
    advanced(visitor, "dropout", 3)
    press_train(visitor)
    problem = visitor.locator("#train-problem")
    expect(problem).to_contain_text("Hidden size (hidden_size) is -5", timeout=20 * SECOND)
    expect(problem).to_contain_text("Dropout (dropout) is 3")


def test_a_text_shorter_than_one_sequence(visitor):
    paste(visitor, "too short")
    press_train(visitor)
    expect(visitor.locator("#train-problem")).to_contain_text("one sequence takes", timeout=20 * SECOND)


def test_runs_belong_to_the_visitor_who_started_them(visitor, browser, server):
    train_small(visitor)
    name = visitor.locator("#runs input:checked").input_value()
    with browser.new_context() as context:
        stranger = context.new_page()
        stranger.goto(server.url)
        expect(stranger.locator("#sample .text")).to_be_visible(timeout=20 * SECOND)
        expect(stranger.locator("#runs")).not_to_be_visible()
        open_generate(stranger)
        stranger.get_by_label("Model", exact=True).click()
        expect(stranger.get_by_role("listbox")).not_to_contain_text("pasted-text")
    client = Client(server.url, verbose=False)
    for action in ("/stop", "/resume", "/delete"):
        for token in ("", "guessed"):
            answer = client.predict(token, name, api_name=action)
            assert "belongs to someone else" in json.dumps(answer)
    assert (server.runs / name / "model.safetensors").exists()


def test_the_raw_api_answers_bad_calls_in_one_sentence(visitor, server):
    client = Client(server.url, verbose=False)
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    train = {p["parameter_name"]: p.get("parameter_default") for p in endpoints["/train"]["parameters"]}
    values = [p.get("parameter_default") for p in endpoints["/train"]["parameters"]]
    assert len(train) > 20
    values[:5] = ["token", "Paste", None, "some words and more\n" * 50, None]
    assert "there is none called &#x27;enormous" in json.dumps(
        client.predict(*values[:5], "enormous", *values[6:], api_name="/train")
    )
    number = next(i for i, p in enumerate(endpoints["/train"]["parameters"]) if p["label"] == "Gradient clipping")
    for wrong in (-5, 1e9, "much", None, [1], {"a": 1}):
        answer = json.dumps(client.predict(*values[:number], wrong, *values[number + 1 :], api_name="/train"))
        assert "Gradient clipping (clip_norm) is" in answer, wrong
    with pytest.raises(AppError, match="Reading the request"):
        client.predict(values[0], values[1], "no list of files", *values[3:], api_name="/train")
    settings = [p.get("parameter_default") for p in endpoints["/generate"]["parameters"]]
    for name, wrong in (("Temperature", 3), ("Temperature", "hot"), ("Length", 0), ("Seed", None), ("Top-p", [])):
        at = next(i for i, p in enumerate(endpoints["/generate"]["parameters"]) if p["label"] == name)
        answer = json.dumps(client.predict(*settings[:at], wrong, *settings[at + 1 :], api_name="/generate"))
        assert f"{name} (" in answer, (name, wrong)
    answer = json.dumps(client.predict(settings[0], "../trial", *settings[2:], api_name="/generate"))
    assert "belongs to someone else" in answer


def test_unknown_prime_characters_are_replaced_and_said(visitor):
    open_generate(visitor)
    expect(visitor.locator("#written .text:visible")).to_be_visible(timeout=20 * SECOND)
    visitor.get_by_label("Prime", exact=True).fill("Él 漢")
    expect(visitor.locator("#generate-problem")).to_contain_text("read “É” as “E”", timeout=20 * SECOND)
    expect(visitor.locator("#generate-problem")).to_contain_text("left out “漢”")


def test_sliding_needs_no_request_and_writes_what_the_command_line_writes(visitor):
    open_generate(visitor)
    visitor.get_by_label("Prime", exact=True).fill("The ")
    text = visitor.locator("#written .text:visible")
    expect(text).to_have_text(re.compile("^The "), timeout=20 * SECOND)
    requests = []
    visitor.on("request", lambda request: requests.append(request.url))
    slider = visitor.get_by_label("range slider for Temperature")
    slider.focus()
    slider.press("Home")
    shown = {0.0: text.inner_text()}
    for step in range(1, 21):
        slider.press("ArrowRight")
        shown[step / 10] = text.inner_text()
    assert requests == []
    assert len(set(shown.values())) > 15
    model = visitor.get_by_label("Model", exact=True).input_value().split(" ")[0]
    for temperature in (0.0, 0.4, 0.7, 1.2, 2.0):
        command = [sys.executable, "-m", "charrnn", "generate", f"checkpoints/{model}", "--prime", "The ", "--seed", "1"]
        printed = subprocess.run(
            [*command, "--temperature", str(temperature)], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert printed.removesuffix("\n") == shown[temperature]


def test_generate_writes_at_a_temperature_between_two_stops(visitor):
    open_generate(visitor)
    visitor.get_by_label("number input for Temperature").fill("0.75")
    visitor.get_by_role("button", name="Generate", exact=True).click()
    expect(visitor.locator("#written .text:visible")).to_have_attribute("data-stop", "0.75", timeout=20 * SECOND)


def test_keep_writing_goes_on_from_the_end(visitor):
    open_generate(visitor)
    text = visitor.locator("#written .text:visible")
    before = text.text_content()
    visitor.get_by_role("button", name="Keep writing").click()
    expect(visitor.get_by_label("Length", exact=True)).to_have_value("800")
    expect(visitor.locator("#written .text[data-stop='0.7']")).to_have_text(re.compile(r"[\s\S]{700,}"), timeout=20 * SECOND)
    assert text.text_content().startswith(before)


def test_two_models_and_four_temperatures_stand_side_by_side(visitor):
    open_generate(visitor)
    visitor.get_by_label("Four temperatures").check()
    expect(visitor.locator("#written .text:visible")).to_have_count(4, timeout=20 * SECOND)
    visitor.get_by_label("Two models").check()
    expect(visitor.get_by_label("Second model")).to_be_visible()
    expect(visitor.locator("#written-other .text:visible")).to_have_count(1, timeout=20 * SECOND)
    expect(visitor.locator("#written .text:visible")).to_have_count(1)


def test_a_link_opens_the_same_text_and_no_private_model(visitor, browser, server):
    open_generate(visitor)
    visitor.get_by_label("Prime", exact=True).fill("On the ")
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.get_by_role("button", name="Roll again").click()
    text = visitor.locator("#written .text:visible")
    expect(text).to_have_text(re.compile("^On the "), timeout=20 * SECOND)
    slider = visitor.get_by_label("range slider for Temperature")
    slider.press("ArrowRight")
    expect(text).to_have_attribute("data-stop", "0.8")
    visitor.get_by_role("button", name="Copy link").click()
    expect(visitor.locator("#link")).to_have_text("Copied")
    link = visitor.evaluate("navigator.clipboard.readText()")
    assert visitor.evaluate("localStorage.getItem('charrnn-owner')") not in link
    with browser.new_context() as context:
        other = context.new_page()
        other.goto(link)
        open_generate(other)
        expect(other.locator("#written .text:visible")).to_have_text(text.text_content(), timeout=20 * SECOND)
        other.goto(f"{server.url}?model=someones-20260101-000000-12345678&seed=3")
        open_generate(other)
        expect(other.locator("#generate-problem")).to_contain_text("belongs to someone else", timeout=20 * SECOND)


def test_streaming_can_be_stopped(visitor):
    open_generate(visitor)
    visitor.get_by_label("Length", exact=True).fill("20000")
    expect(visitor.locator("#written [data-longer]").first).to_be_attached(timeout=20 * SECOND)
    visitor.get_by_role("button", name="Generate", exact=True).click()
    stop = visitor.locator("#stop-writing")
    expect(stop).to_be_visible(timeout=20 * SECOND)
    stop.click()
    expect(stop).not_to_be_visible(timeout=20 * SECOND)
    text = visitor.locator("#written .text:visible")
    assert 0 < len(text.inner_text()) < 20000
    before = text.inner_text()
    visitor.get_by_label("range slider for Temperature").press("ArrowRight")
    expect(text).to_have_attribute("data-stop", "0.8", timeout=20 * SECOND)
    assert text.inner_text() != before


def test_hostile_text_and_names_stay_inert(visitor, tmp_path):
    evil = "<img src=x onerror=\"window.hit=1\">${window.hit=2}</script><script>window.hit=3</script>\u202e{{hit}}\n"
    path = tmp_path / "<img src=x onerror=window.hit=4>.txt"
    path.write_text(evil * 40, encoding="utf-8")
    upload(visitor, path)
    expect(visitor.locator("#report .preview")).to_contain_text("onerror", timeout=20 * SECOND)
    advanced(visitor, "steps", 20)
    advanced(visitor, "hidden_size", 8)
    press_train(visitor)
    expect(visitor.locator("#progress .state")).to_have_text("finished", timeout=60 * SECOND)
    visitor.get_by_role("button", name="Open in Generate").click()
    visitor.get_by_label("Prime", exact=True).fill(evil.strip())
    expect(visitor.locator("#written .text:visible")).to_contain_text("onerror", timeout=20 * SECOND)
    assert visitor.evaluate("window.hit") is None


def test_a_phone_needs_no_sideways_scrolling(visitor):
    visitor.set_viewport_size({"width": 375, "height": 812})
    for tab in ("Train", "Generate"):
        visitor.get_by_role("tab", name=tab).click()
        visitor.wait_for_timeout(500)
        assert visitor.evaluate("document.documentElement.scrollWidth") <= 375


def test_everything_by_keyboard(visitor):
    """From the top of the page, Tab and the arrow keys alone reach a training and its text."""
    visitor.locator("body").press("Tab")

    def tab_to(description, matches, presses=60):
        for _ in range(presses):
            if visitor.evaluate(f"(() => {{ const e = document.activeElement; return {matches}; }})()"):
                return
            visitor.keyboard.press("Tab")
        raise AssertionError(f"Tab never reached {description}")

    tab_to("the choice of pasting", "e.closest('#source') !== null && e.value === 'Paste'")
    visitor.keyboard.press("Space")
    visitor.get_by_label("Pasted text").wait_for()
    tab_to("the paste box", "e.closest('#pasted') !== null")
    visitor.keyboard.insert_text("a rose is a rose is a rose, and so are all the others.\n" * 60)
    tab_to("Advanced", "e.closest('#advanced-training') !== null")
    visitor.keyboard.press("Enter")
    tab_to("steps", "e.closest('#steps') !== null")
    visitor.keyboard.insert_text("25")
    tab_to("Train", "e.id === 'train'")
    visitor.keyboard.press("Enter")
    expect(visitor.locator("#progress .state")).to_have_text("finished", timeout=60 * SECOND)


def test_a_killed_server_loses_nothing(browser, tmp_path):
    server = Server(tmp_path / "runs")
    try:
        page = browser.new_context().new_page()
        page.goto(server.url)
        paste(page, "one two three four five six seven eight nine ten\n" * 100)
        advanced(page, "steps", 100000)
        advanced(page, "hidden_size", 16)
        press_train(page)
        expect(page.locator("#progress .state")).to_have_text("running", timeout=30 * SECOND)
        expect(page.locator("#sample")).to_contain_text("What it writes", timeout=30 * SECOND)
        token = page.evaluate("localStorage.getItem('charrnn-owner')")
        server.kill()
        [run] = server.runs.iterdir()
        worker = json.loads((run / "status.json").read_text())["pid"]
        before = (run / "events.jsonl").stat().st_size
        time.sleep(2)
        assert (run / "events.jsonl").stat().st_size > before, "the training did not outlive the server"
        server.start()
        page.goto(server.url)  # another port is another origin, so the visitor's storage is carried over by hand
        page.evaluate("token => localStorage.setItem('charrnn-owner', token)", token)
        page.reload()
        expect(page.locator("#progress .state")).to_have_text("running", timeout=30 * SECOND)
        subprocess.run(["kill", "-9", str(worker)], check=True)
        expect(page.locator("#progress .state")).to_have_text("interrupted", timeout=30 * SECOND)
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("#progress .state")).to_have_text("running", timeout=30 * SECOND)
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.locator("#progress .state")).to_have_text("stopped", timeout=30 * SECOND)
    finally:
        server.stop()
    assert "Traceback" not in server.log.read_text()
