"""The Look inside tab: one model, one text, and six ways to see what the model made of it."""

import gradio as gr

from ..copied import CorpusIndex, corpus_file
from ..errors import CharRNNError, CorpusError, SettingsError
from ..insight import read_text
from ..memory import influence, untrained
from ..neurons import find_trackers
from ..sampling import generate
from ..settings import HostSettings
from . import cards, insights
from .generate import GenerateTab, adapt, loaded
from .lesson import lesson_view

SURPRISE, NEXT, NEURONS, MEMORY, COPIED, LESSON = (
    "Surprise",
    "Next character",
    "Neurons",
    "Memory",
    "Copied or new",
    "How it works",
)
READ = 2000  # characters that are read and painted one by one
COMPARED = 20_000  # characters that are looked up in the corpus
NONE = [("none", "")]
TEMPERATURE = 0.7  # where the slider of Next character starts


class InsideTab:
    """Components, and the handlers that fill them. Models and what a visitor may use are the Generate tab's."""

    def __init__(self, host: HostSettings, token: gr.BrowserState, generate_tab: GenerateTab):
        self.host, self.token, self.generate = host, token, generate_tab
        choices = generate_tab.choices(None)
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=4, min_width=300):
                self.model = gr.Dropdown(
                    choices,
                    value=choices[0][1] if choices else None,
                    label="Model",
                    elem_id="inside-model",
                    filterable=False,
                )
                self.text = gr.Textbox(
                    label="Text",
                    lines=5,
                    max_lines=10,
                    placeholder="Any text: see what the model makes of it",
                    elem_id="inside-text",
                )
                with gr.Row(elem_classes="actions"):
                    self.take = gr.Button("Use the generated text", size="sm", elem_id="take")
                self.unit = gr.Number(
                    0,
                    label="Paint a unit of your choice",
                    info="Its number; 0 leaves the choice to the search.",
                    precision=0,
                    visible=False,
                    elem_id="inside-unit",
                )
                self.second = gr.Dropdown(
                    NONE + choices,
                    value="",
                    label="Compare with another model",
                    visible=False,
                    elem_id="inside-second",
                    filterable=False,
                )
            with gr.Column(scale=10, min_width=320):
                self.view = gr.Radio(
                    [SURPRISE, NEXT, NEURONS, MEMORY, COPIED, LESSON],
                    value=SURPRISE,
                    label="What to look at",
                    show_label=False,
                    container=False,
                    elem_id="inside-view",
                )
                self.problem = gr.HTML(elem_id="inside-problem")
                self.shown = gr.HTML(_hint(""), elem_id="inside-shown")
        self.inputs = [self.token, self.model, self.text, self.view, self.unit, self.second]
        self.outputs = [self.shown, self.problem, self.unit, self.second]
        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        # One listener for all, so that of several answers under way the last one asked for is the last one shown.
        gr.on(
            [self.model.change, self.text.change, self.view.input, self.unit.input, self.second.input],
            self._show,
            self.inputs,
            self.outputs,
            trigger_mode="always_last",
            **quiet,
        )
        self.take.click(
            self._opened,
            [self.token, generate_tab.model, self.text],
            [self.model, self.text, self.second],
            js="(token, model, text) => [token, model, charrnn.generatedText() || text]",
            **quiet,
        )

    def fill_when_opened(self, tab: gr.Tab) -> None:
        """Whenever the tab is opened, offer the models there are by now; while there is no text, take the generated one."""
        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        tab.select(
            lambda token, model, generated, text, typed: self._opened(token, model if typed else generated, text),
            [self.token, self.model, self.generate.model, self.text, self.text],
            [self.model, self.text, self.second],
            js="(token, model, generated, text, typed) => [token, model, generated, text || charrnn.generatedText(), typed]",
            **quiet,
        )

    def _opened(self, token, name, text):
        """The model if it is still there, the text or a new one by the model, and the models to compare with."""
        if not text:
            try:
                model = self.generate.model_for(token, name)
                text = "".join(generate(model.engine, model.vocabulary)).lstrip()
            except CharRNNError:
                text = ""  # no model to write one, which the view itself will say
        return self.generate.refresh(token, name), text, gr.update(choices=NONE + self.generate.choices(token))

    def _show(self, token, name, text, view, unit, second):
        """One view of the text, what to say about it, and which further controls it has."""
        controls = gr.update(visible=view == NEURONS), gr.update(visible=view == MEMORY)
        try:
            run = self.generate.run_for(token, name)
            model = loaded(run)
            # Half a character pair, which a browser can send but no page can show, becomes U+FFFD.
            text = (text or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            adapted = adapt(model, text[: 2 * COMPARED])
            most = COMPARED if view == COPIED else READ
            if not adapted.text:
                return _hint(adapted.notice), "", *controls
            said = [adapted.notice] if adapted.notice else []
            if len(adapted.text) > most:
                said.append(f"This looks at the first {most:,} of {len(text):,} characters.")
            html = self._view(token, run, model, adapted.text[:most], view, unit, second)
        except CharRNNError as error:
            return "", cards.alert(str(error)), *controls
        return html, cards.notice(" ".join(said)), *controls

    def _view(self, token, run, model, text, view, unit, second) -> str:
        (settings, weights), vocabulary = model.as_one, model.vocabulary
        ids = vocabulary.encode(text)
        if view == COPIED:
            return _copied(run, model, text)
        if view == MEMORY:
            if len(ids) < 3:
                raise CorpusError("Looking back", "the text is too short to look back in it", "Type a sentence or more")
            curves = {f"{run.name} ({settings.cell})": influence(settings, weights, ids)}
            if second and second != run.name:
                other = self.generate.model_for(token, second)
                theirs = other.vocabulary.encode(adapt(other, text).text)
                if len(theirs) > 2:
                    curves[f"{second} ({other.settings.model.cell})"] = influence(*other.as_one, theirs)
            for cell in ("rnn", "lstm"):
                blank, drawn = untrained(settings, len(vocabulary), cell)
                curves[f"an {cell} of {blank.hidden_size} units before training"] = influence(blank, drawn, ids)
            return insights.memory_view(curves)
        reading = read_text(model.engine, ids)
        if view == NEXT:
            return insights.next_view(reading, vocabulary, TEMPERATURE)
        if view == NEURONS:
            units = reading.hidden.reshape(len(ids), -1)
            if unit and not 1 <= unit <= units.shape[1]:
                raise SettingsError(
                    "Painting a unit", f"there is none with number {unit:,}", f"Choose one from 1 to {units.shape[1]:,}"
                )
            own = int(unit) - 1 if unit else None
            return insights.neurons_view(text, units, find_trackers(text, units), settings.num_layers, own)
        if view == LESSON:
            shares = influence(settings, weights, ids) if len(ids) > 1 else None
            return lesson_view(model, reading, shares)
        return insights.surprise_view(reading, vocabulary)


def _copied(run, model, text) -> str:
    path = corpus_file(run.corpus_path, model.origin)
    if path is None:
        raise CorpusError(
            "Looking for copied passages",
            "the text that this model learned from is not here",
            "Choose a model that was trained on this page",
        )
    return insights.copied_view(
        text, CorpusIndex(path, run.index_path).find(text), str(model.origin.get("name", path.stem))
    )


def _hint(notice: str) -> str:
    return f'<div class="card hint">{cards.notice(notice)}Choose a model and type some text to look into.</div>'
