"""The Generate tab: choose a model, type a prime, turn the temperature, read."""

import time
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import gradio as gr

from ..checkpoint import Checkpoint, load
from ..errors import CharRNNError, CheckpointError
from ..runs import Run, find, list_runs
from ..sampling import generate
from ..settings import HostSettings, SamplingSettings
from . import cards

YIELD_SECONDS = 0.08  # how often streamed text reaches the page


class GenerateTab:
    """Components, and the handlers that fill them."""

    def __init__(self, host: HostSettings, token: gr.BrowserState):
        self.host, self.token = host, token
        of = {f.name: f for f in fields(SamplingSettings)}
        meta = {name: {"label": f.metadata["label"], "info": f.metadata["help"]} for name, f in of.items()}
        default = SamplingSettings()
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=5, min_width=320):
                choices = self.choices(None)
                self.model = gr.Dropdown(
                    choices, value=choices[0][1] if choices else None, label="Model", elem_id="model", filterable=False
                )
                self.prime = gr.Textbox(
                    label="Prime", lines=2, max_lines=6, placeholder="How the text begins", elem_id="prime"
                )
                self.temperature = gr.Slider(
                    0, 2, value=default.temperature, step=0.05, elem_id="temperature", buttons=[], **meta["temperature"]
                )
                with gr.Row(elem_classes="pair"):
                    self.length = gr.Number(
                        value=default.length, step=100, elem_id="length", min_width=100, label=meta["length"]["label"]
                    )
                    self.seed = gr.Number(
                        value=default.seed, step=1, elem_id="seed", min_width=100, label=meta["seed"]["label"]
                    )
                with gr.Accordion("Advanced", open=False, elem_id="advanced-sampling"):
                    self.top_k = gr.Number(value=default.top_k, step=1, elem_id="top-k", **meta["top_k"])
                    self.top_p = gr.Number(value=default.top_p, step=0.05, elem_id="top-p", **meta["top_p"])
                with gr.Row(elem_classes="actions"):
                    self.write = gr.Button("Generate", variant="primary", elem_id="write")
                    self.stop = gr.Button("Stop", variant="stop", elem_id="stop-writing", visible=False)
            with gr.Column(scale=8, min_width=320):
                self.problem = gr.HTML(elem_id="generate-problem")
                self.text = gr.HTML(elem_id="written")
                self.copy = gr.Button("Copy text", size="sm", elem_id="copy")
        self._connect()

    @property
    def inputs(self) -> list:
        return [
            self.token,
            self.model,
            self.prime,
            self.temperature,
            self.length,
            self.seed,
            self.top_k,
            self.top_p,
        ]

    def _connect(self) -> None:
        outputs = [self.text, self.problem, self.stop]
        written = gr.on(
            [self.write.click, self.prime.submit, self.model.input],
            self._write,
            self.inputs,
            outputs,
            show_progress="hidden",
            trigger_mode="always_last",
            api_name="generate",
            concurrency_limit=4,
        )
        turned = gr.on(
            [self.temperature.input, self.seed.input],
            self._write,
            self.inputs,
            outputs,
            show_progress="hidden",
            trigger_mode="always_last",
            api_visibility="private",
            concurrency_limit=4,
        )
        self.stop.click(
            lambda: gr.update(visible=False), None, self.stop, cancels=[written, turned], queue=False, api_visibility="private"
        )
        self.copy.click(None, js=COPY)

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

    def _model(self, token, name) -> Checkpoint:
        """Raises RunError or CheckpointError."""
        if not name:
            raise CheckpointError("Generating text", "no model is chosen", "Choose a model, or train one first")
        run = next((run for run in bundled_models() if run.name == name), None) or find(self.host.runs, name)
        if not run.readable_by(token):
            run.check_owner(token)
        weights = run.folder / "model.safetensors"
        return _loaded(run.folder, weights.stat().st_mtime_ns if weights.exists() else 0)

    def _write(self, token, name, prime, temperature, length, seed, top_k, top_p):
        """Stream text into the page; a notice says what became of unknown characters in the prime."""
        try:
            settings = SamplingSettings(temperature, length, seed, top_k, top_p)
            model = self._model(token, name)
        except CharRNNError as error:
            yield gr.skip(), cards.alert(str(error)), gr.update(visible=False)
            return
        prime = prime or ""
        adapted = model.vocabulary.adapt(prime.lower() if model.settings.corpus.lowercase else prime)
        written, said = "", cards.notice(adapted.notice)
        sent = time.monotonic()
        for character in generate(model.engine, model.vocabulary, adapted.text, settings):
            written += character
            if time.monotonic() - sent >= YIELD_SECONDS:
                yield cards.text_card(written, adapted.text, busy=True), said, gr.update(visible=True)
                sent = time.monotonic()
        yield cards.text_card(written, adapted.text), said, gr.update(visible=False)


def bundled_models() -> list[Run]:
    """The models that come with charrnn."""
    return [run for run in list_runs(Path(__file__).parents[2] / "checkpoints") if run.bundled]


@lru_cache(maxsize=16)
def _loaded(folder: Path, changed: int) -> Checkpoint:
    """A model from disk, kept while its file has not `changed`."""
    return load(folder)


COPY = """() => {
    const text = document.querySelector("#written .text")?.innerText ?? "";
    const copied = () => { const b = document.querySelector("#copy"); b.textContent = "Copied"; setTimeout(() => b.textContent = "Copy text", 1500); };
    if (navigator.clipboard && window.isSecureContext) { navigator.clipboard.writeText(text).then(copied); return; }
    const area = document.createElement("textarea");
    area.value = text; document.body.append(area); area.select(); document.execCommand("copy"); area.remove(); copied();
}"""
