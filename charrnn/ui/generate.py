"""The Generate tab: choose a model, type a prime, turn the temperature, read."""

import secrets
import time
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path

import gradio as gr

from ..checkpoint import Checkpoint, load
from ..errors import CharRNNError, CheckpointError
from ..runs import Run, find, list_runs
from ..sampling import generate, sweep
from ..settings import HostSettings, SamplingSettings
from . import cards
from .widgets import component

YIELD_SECONDS = 0.08  # how often streamed text reaches the page
STOPS = tuple(i / 10 for i in range(21))  # of the temperature slider; each has its text ready in the browser
SWEPT = 600  # characters that are ready for every stop; a longer text is streamed
MORE = 400  # characters that Keep writing adds
ONE, FOUR, TWO = "One text", "Four temperatures", "Two models"


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
                self.view = gr.Radio([ONE, FOUR, TWO], value=ONE, show_label=False, container=False, elem_id="view")
                self.second = gr.Dropdown(
                    choices, value=choices[-1][1] if choices else None, label="Second model", visible=False, elem_id="second"
                )
                with gr.Row(elem_classes="texts"):
                    self.text = gr.HTML(elem_id="written")
                    self.other = gr.HTML(elem_id="written-other", visible=False)
                with gr.Row(elem_classes="actions"):
                    self.more = gr.Button("Keep writing", size="sm", elem_id="more")
                    self.copy = gr.Button("Copy text", size="sm", elem_id="copy")
                    self.link = gr.Button("Copy link", size="sm", elem_id="link")
        self.inputs = [
            self.token,
            self.model,
            self.prime,
            self.temperature,
            *self.settings.values(),
            self.view,
            self.second,
        ]
        self.outputs = [self.text, self.other, self.problem, self.stop]
        self._connect()

    def _connect(self) -> None:
        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        gr.on(
            [self.model.input, self.second.input, self.prime.input]
            + [widget.input for widget in self.settings.values()],
            self._sweep,
            self.inputs,
            self.outputs,
            trigger_mode="always_last",
            **quiet,
        )
        self.view.input(
            lambda view: (gr.update(visible=view == TWO), gr.update(visible=view == TWO)),
            self.view,
            [self.second, self.other],
            js="view => { charrnn.view(view); return view; }",
            **quiet,
        ).then(self._sweep, self.inputs, self.outputs, **quiet)
        rolled = self.roll.click(lambda: secrets.randbelow(1_000_000), None, self.settings["seed"], **quiet)
        rolled.then(self._sweep, self.inputs, self.outputs, **quiet)
        streams = [
            gr.on(
                [self.write.click, self.prime.submit],
                self._stream,
                self.inputs,
                self.outputs,
                show_progress="hidden",
                trigger_mode="once",
                api_name="generate",
            ),
            self.more.click(
                lambda length: min(length + MORE, 20_000), self.settings["length"], self.settings["length"], **quiet
            ).then(self._stream, self.inputs, self.outputs, **quiet),
        ]
        self.stop.click(
            lambda: gr.update(visible=False), None, self.stop, cancels=streams, queue=False, api_visibility="private"
        )
        self.file.upload(_prime_of, self.file, [self.prime, self.problem], **quiet).then(
            self._sweep, self.inputs, self.outputs, **quiet
        )
        self.copy.click(None, js="() => charrnn.copyText()")
        linked = [self.model, self.prime, self.temperature, self.settings["length"], self.settings["seed"]]
        self.link.click(None, linked, js="(...values) => charrnn.copyLink(...values)")

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

    def _request(self, token, name, prime, temperature, *values):
        """The model, the adapted prime and the settings of a request. Raises CharRNNError."""
        *values, view, second = values
        settings = SamplingSettings(temperature=temperature, **dict(zip(self.settings, values)))
        model = self.model_for(token, name)
        return model, adapt(model, prime), settings, self.model_for(token, second) if view == TWO else None

    def _sweep(self, *values):
        """The text at every stop of the temperature slider, for the browser to choose from."""
        try:
            model, prime, settings, second = self._request(*values)
        except CharRNNError as error:
            return gr.skip(), gr.skip(), cards.alert(str(error)), gr.update(visible=False)
        other = self._swept(second, adapt(second, values[2]).text, settings) if second else ""
        return self._swept(model, prime.text, settings), other, cards.notice(prime.notice), gr.update(visible=False)

    def _swept(self, model: Checkpoint, prime: str, settings: SamplingSettings, full: str | None = None) -> str:
        """The card with all stops; `full` is the text at the slider's own temperature, when it is there already."""
        short = replace(settings, length=min(settings.length, SWEPT))
        texts = dict(zip(STOPS, sweep(model.engine, model.vocabulary, prime, short, STOPS)))
        if full is not None:
            texts[settings.temperature] = full
        longer = f"The first {SWEPT} characters; Generate writes all {settings.length:,}." if settings.length > SWEPT else ""
        shown = min(texts, key=lambda stop: abs(stop - settings.temperature))
        return cards.sweep_card(texts, prime, shown, "" if full else longer)

    def _stream(self, *values):
        """Stream text into the page; a notice says what became of unknown characters in the prime."""
        try:
            model, prime, settings, second = self._request(*values)
        except CharRNNError as error:
            yield gr.skip(), gr.skip(), cards.alert(str(error)), gr.update(visible=False)
            return
        written, said, sent = "", cards.notice(prime.notice), time.monotonic()
        for character in generate(model.engine, model.vocabulary, prime.text, settings):
            written += character
            if time.monotonic() - sent >= YIELD_SECONDS:
                yield cards.text_card(written, prime.text, busy=True), gr.skip(), said, gr.update(visible=True)
                sent = time.monotonic()
        other = self._swept(second, adapt(second, values[2]).text, settings) if second else gr.skip()
        yield self._swept(model, prime.text, settings, written), other, said, gr.update(visible=False)

    def from_link(self, request: gr.Request):
        """What a shared link asks for: model, prime, temperature, length, seed; what is not valid stays as it is."""
        asked = dict(request.query_params)
        updates = []
        for name in ("temperature", "length", "seed"):
            try:
                updates.append(getattr(SamplingSettings(**{name: asked[name]}), name))
            except (KeyError, CharRNNError):
                updates.append(gr.skip())
        return asked.get("model", ""), asked.get("prime", "")[:20_000] if "prime" in asked else gr.skip(), *updates


def adapt(model: Checkpoint, prime: str | None):
    """The prime in characters the model knows."""
    prime = prime or ""
    return model.vocabulary.adapt(prime.lower() if model.settings.corpus.lowercase else prime)


def _prime_of(path: str | None):
    """The text of a file as a prime; at most its last 20,000 characters, which is what shapes what follows."""
    from ..corpus import decode

    try:
        return (decode(Path(path).name, Path(path).read_bytes())[0][-20_000:], "") if path else (gr.skip(), "")
    except CharRNNError as error:
        return gr.skip(), cards.alert(str(error))


def bundled_models() -> list[Run]:
    """The models that come with charrnn."""
    return [run for run in list_runs(Path(__file__).parents[2] / "checkpoints") if run.bundled]


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
