"""The Generate tab: choose a model, type a prime, turn the temperature, read."""

import json
import secrets
import time
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path

import gradio as gr

from ..checkpoint import Checkpoint, load
from ..errors import CharRNNError, CheckpointError
from ..pretrained import SONGBOOK, bundled_checkpoints
from ..runs import Run, find, list_runs
from ..sampling import generate, sweep
from ..settings import HostSettings, SamplingSettings
from . import cards
from .widgets import component

YIELD_SECONDS = 0.08  # how often streamed text reaches the page, and less often as it grows
STOPS = tuple(i / 10 for i in range(21))  # of the temperature slider; each has its text ready in the browser
SWEPT = 600  # characters that are ready for every stop; a longer text is streamed
LONGEST = 20_000  # characters of a prime
MORE = 400  # characters that Keep writing adds
ONE, FOUR, TWO = "One text", "Four temperatures", "Two models"


class Turn:
    """What one visitor's page is writing: a new request ends the one before, and Stop ends it early."""

    def __init__(self):
        self.number, self.stopped = 0, False

    def begin(self) -> None:
        self.number, self.stopped = self.number + 1, False

    def stop(self) -> None:
        self.stopped = True


class GenerateTab:
    """Components, and the handlers that fill them."""

    def __init__(self, host: HostSettings, token: gr.BrowserState):
        self.host, self.token = host, token
        default = SamplingSettings()
        self.settings = {
            f.name: component(SamplingSettings, f, getattr(default, f.name), render=False)
            for f in fields(SamplingSettings)
            if f.name != "temperature"
        }
        meta = {f.name: f.metadata for f in fields(SamplingSettings)}["temperature"]
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=5, min_width=320):
                choices = self.choices(None)
                first = choices[0][1] if choices else None
                self.model = gr.Dropdown(choices, value=first, label="Model", elem_id="model", filterable=False)
                self.prime = gr.Textbox(
                    label="Prime", lines=2, max_lines=6, placeholder="How the text begins", elem_id="prime"
                )
                self.temperature = gr.Slider(
                    meta["low"],
                    meta["high"],
                    value=default.temperature,
                    step=0.1,
                    label=meta["label"],
                    info=meta["help"],
                    elem_id="temperature",
                    buttons=[],
                )
                with gr.Row(elem_classes="pair"):
                    self.settings["length"].render()
                    self.settings["seed"].render()
                with gr.Row(elem_classes="actions"):
                    self.write = gr.Button("Generate", variant="primary", elem_id="write")
                    self.roll = gr.Button("Roll again", elem_id="roll")
                    self.stop = gr.Button("Stop", variant="stop", elem_id="stop-writing", visible=False)
                with gr.Accordion("Advanced", open=False, elem_id="advanced-sampling"):
                    for name, widget in self.settings.items():
                        if name not in ("length", "seed"):
                            widget.render()
                    self.file = gr.File(label="Prime from a file", file_count="single", height=110, elem_id="prime-file")
            with gr.Column(scale=8, min_width=320):
                self.problem = gr.HTML(elem_id="generate-problem")
                self.view = gr.Radio(
                    [ONE, FOUR, TWO], value=ONE, label="Show", show_label=False, container=False, elem_id="view"
                )
                self.second = gr.Dropdown(
                    choices,
                    value=choices[-1][1] if choices else None,
                    label="Second model",
                    visible=False,
                    elem_id="second",
                    filterable=False,
                )
                with gr.Row(elem_classes="texts"):
                    # What the controls as they open ask for; it stands in the page from the first moment.
                    self.text = gr.HTML(self._swept(self.model_for(None, first), "", default) if first else "", elem_id="written")
                    self.other = gr.HTML(elem_id="written-other", visible=False)
                with gr.Row(elem_classes="actions"):
                    self.more = gr.Button("Keep writing", size="sm", elem_id="more")
                    self.copy = gr.Button("Copy text", size="sm", elem_id="copy")
                    self.link = gr.Button("Copy link", size="sm", elem_id="link")
                    self.again = gr.Button("Write again", visible="hidden", elem_id="sweep-again")  # page.js presses it
        self.turn = gr.State(Turn())
        self.inputs = [
            self.turn,
            self.token,
            self.model,
            self.prime,
            self.temperature,
            *self.settings.values(),
            self.view,
            self.second,
        ]
        self.outputs = [self.text, self.other, self.problem, self.stop]
        # What a link carries, by name.
        self.linked = {"model": self.model, "prime": self.prime, "temperature": self.temperature} | self.settings
        self._connect()

    def _connect(self) -> None:
        # Values come as they were sent, so that wrong ones get our own sentence.
        quiet = {"show_progress": "hidden", "api_visibility": "private", "preprocess": False}
        gr.on(
            [self.write.click, self.prime.submit],
            self._stream,
            self.inputs,
            self.outputs,
            show_progress="hidden",
            trigger_mode="once",
            preprocess=False,
            api_name="generate",
        )
        length = self.settings["length"]
        self.more.click(None, length, length, js=f"length => Math.min(length + {MORE}, {LONGEST})").then(
            self._keep_writing, self.inputs, self.outputs, **quiet
        )
        self.stop.click(Turn.stop, self.turn, None, queue=False, **quiet)
        # A gradio text box keeps quiet about what is pasted into it, so page.js presses `again` for those.
        numbers = [widget.input for widget in self.settings.values() if not isinstance(widget, gr.Textbox)]
        fresh = dict(fn=self._sweep, inputs=self.inputs, outputs=self.outputs, **quiet)
        gr.on([self.model.input, self.second.input, self.again.click, *numbers], trigger_mode="always_last", **fresh)
        self.view.input(None, self.view, [self.second, self.other], js="view => charrnn.view(view)").then(**fresh)
        self.roll.click(None, None, self.settings["seed"], js="() => Math.floor(Math.random() * 1e6)").then(**fresh)
        self.file.upload(_prime_of, self.file, [self.prime, self.problem], **quiet).then(
            lambda problem: None, self.problem, None, js="problem => { if (!problem) charrnn.sweepAgain(); }", **quiet
        )
        self.copy.click(None, js="() => charrnn.copyText()")
        defaults = json.dumps({name: getattr(SamplingSettings(), name, "") for name in self.linked})
        self.link.click(None, list(self.linked.values()), js=f"(...values) => charrnn.copyLink({defaults}, values)")

    def choices(self, token: str | None) -> list[tuple[str, str]]:
        """The models this visitor may use: bundled ones by name, then their own, newest first."""
        mine = [run for run in list_runs(self.host.runs) if run.has_model and not run.bundled and run.readable_by(token)]
        return [(f"{run.name} (comes with charrnn)", run.name) for run in bundled_models()] + [
            (run.name, run.name) for run in mine
        ]

    def refresh(self, token, current, wanted=None):
        """The dropdown with what there is now, keeping the choice, or making the `wanted` one."""
        choices = self.choices(token)
        names = [name for _, name in choices]
        value = next((name for name in (wanted, current) if name in names), names[0] if names else None)
        return gr.update(choices=choices, value=value)

    def run_for(self, token: str | None, name: str | None) -> Run:
        """The run or bundled model of this name, if the visitor may use it. Raises RunError or CheckpointError."""
        if not name:
            raise CheckpointError("Opening a model", "none is chosen", "Choose a model, or train one first")
        run = next((run for run in bundled_models() if run.name == name), None) or find(self.host.runs, name)
        if not run.readable_by(token):
            run.check_owner(token)
        return run

    def model_for(self, token: str | None, name: str | None) -> Checkpoint:
        """The model of this name, if the visitor may use it. Raises RunError or CheckpointError."""
        return loaded(self.run_for(token, name))

    def _request(self, turn, token, name, prime, temperature, *values):
        """The model, the adapted prime and the settings of a request, which ends the one before. Raises CharRNNError."""
        turn.begin()
        *values, view, second = values
        settings = SamplingSettings(temperature=temperature, **dict(zip(self.settings, values)))
        model = self.model_for(token, name)
        return model, adapt(model, str(prime or "")), settings, self.model_for(token, second) if view == TWO else None

    def _sweep(self, *values):
        """The text at every stop of the temperature slider, for the browser to choose from."""
        try:
            model, prime, settings, second = self._request(*values)
        except CharRNNError as error:
            return gr.skip(), gr.skip(), cards.alert(str(error)), gr.update(visible=False)
        other = self._swept(second, str(values[3] or ""), settings) if second else ""
        return self._swept(model, prime.text, settings), other, cards.notice(prime.notice), gr.update(visible=False)

    def _swept(self, model: Checkpoint, prime: str, settings: SamplingSettings, full: str | None = None) -> str:
        """The card with all stops; `full` is the text at the slider's own temperature, when it is there already."""
        short = replace(settings, length=min(settings.length, SWEPT), temperature=0)
        prime = adapt(model, prime).text
        texts = dict(zip(STOPS, _texts(model, prime, short)))
        if full is not None:
            texts[settings.temperature] = full
        shown = min(texts, key=lambda stop: abs(stop - settings.temperature))
        longer = f"These are the first {SWEPT} characters. Generate writes all {settings.length:,}."
        return cards.sweep_card(texts, prime, shown, SWEPT if settings.length > SWEPT else None, longer)

    def _stream(self, *values, longer: bool = False):
        """Stream text into the page; where it is to grow `longer`, what is there already does not begin anew."""
        try:
            model, prime, settings, second = self._request(*values)
        except CharRNNError as error:
            yield gr.skip(), gr.skip(), cards.alert(str(error)), gr.update(visible=False)
            return
        written, said, sent = "", cards.notice(prime.notice), 0.0
        known = settings.length - MORE if longer else 0
        turn = values[0]
        mine = turn.number
        for character in generate(model.engine, model.vocabulary, prime.text, settings):
            written += character
            if turn.number != mine:
                return
            if turn.stopped:
                break
            if len(written) > known and time.monotonic() - sent >= YIELD_SECONDS * (1 + len(written) / 2000):
                yield cards.text_card(written, prime.text, busy=True), gr.skip(), said, gr.update(visible=True)
                sent = time.monotonic()
        other = self._swept(second, str(values[3] or ""), settings) if second else gr.skip()
        if longer and len(written) <= known and not turn.stopped:
            said = cards.notice("The text ends where Advanced says so. Change that there to go on.")
        yield self._swept(model, prime.text, settings, written), other, said, gr.update(visible=False)

    def _keep_writing(self, *values):
        """The same text, longer."""
        yield from self._stream(*values, longer=True)

    def opened(self, request: gr.Request, turn, token, *values):
        """The page as it opens: the models there are, and what a shared link asks for; invalid values stay as they are."""
        asked = dict(request.query_params)
        asked = {name: value for name, value in asked.items() if name in self.linked}
        current = dict(zip(self.linked, values))
        for name in set(asked) & set(self.settings) | set(asked) & {"temperature"}:
            try:
                current[name] = getattr(SamplingSettings(**{name: asked[name]}), name)
            except CharRNNError:
                del asked[name]
        current["prime"] = (asked.get("prime", current["prime"]) or "")[:LONGEST]
        models = self.refresh(token, current["model"], asked.get("model"))
        second = self.refresh(token, values[-1])
        updates = [current[name] if name in asked else gr.skip() for name in self.linked if name != "model"]
        if not asked:
            return models, second, *updates, *(gr.skip() for _ in self.outputs)
        current["model"] = models["value"]
        written = self._sweep(turn, token, *current.values(), ONE, None)
        if asked.get("model", current["model"]) != current["model"]:
            written = written[0], written[1], cards.alert(NOT_YOURS.format(current["model"])), written[3]
        return models, second, *updates, *written


NOT_YOURS = "Opening the link: its model is gone, or it belongs to someone else. “{}” writes instead."


def adapt(model: Checkpoint, prime: str | None):
    """The prime in characters the model knows."""
    prime = prime or ""
    return model.vocabulary.adapt(prime.lower() if model.settings.corpus.lowercase else prime)


def _prime_of(file: dict | None):
    """The text of a file as a prime; at most its last 20,000 characters, which is what shapes what follows."""
    from ..corpus import decode

    try:
        if not file:
            return gr.skip(), ""
        return decode(file["orig_name"], Path(file["path"]).read_bytes())[0][-LONGEST:], ""
    except CharRNNError as error:
        return gr.skip(), cards.alert(str(error))


def bundled_models() -> list[Run]:
    """The models that come with charrnn, the songbook's first."""
    return sorted((run for run in list_runs(bundled_checkpoints()) if run.bundled), key=lambda run: run.name != SONGBOOK)


@lru_cache(maxsize=64)
def _texts(model: Checkpoint, prime: str, settings: SamplingSettings) -> tuple[str, ...]:
    """The text at every stop; `settings.temperature` is not looked at. Kept, since many ask for the same."""
    return tuple(sweep(model.engine, model.vocabulary, prime, settings, STOPS))


def showpiece() -> str:
    """What a bundled model writes, for a page that has nothing else to show yet; empty when there is none."""
    for run in bundled_models():
        model = loaded(run)
        settings = SamplingSettings(temperature=0.5, length=420, seed=secrets.randbelow(10_000))
        text = "".join(generate(model.engine, model.vocabulary, "", settings)).lstrip()
        return cards.text_card(text, caption=f"The “{run.name}” model just wrote this. Yours will appear here.")
    return ""


def loaded(run: Run) -> Checkpoint:
    """The model of a run, kept in memory until its file changes. Raises CheckpointError."""
    return _loaded(run.folder, run.model_time)


@lru_cache(maxsize=16)
def _loaded(folder: Path, changed: int) -> Checkpoint:
    return load(folder)
