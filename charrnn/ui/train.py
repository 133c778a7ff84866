"""The Train tab: choose a text, choose how long, watch the model learn."""

from dataclasses import fields
from pathlib import Path

import gradio as gr

from ..corpus import Corpus, bundled_names
from ..errors import CharRNNError, CorpusError, SettingsError
from ..events import Event, Failed, Sample, Started, Step, Validation
from ..jobs import Jobs
from ..runs import ACTIVE, RESUMABLE, Run, Status, find, list_runs, new_name
from ..settings import PRESETS, CorpusSettings, HostSettings
from ..verdict import remaining, verdict
from . import cards
from .generate import showpiece
from .logs import Logs
from .plots import COLOURS, loss_frame
from .widgets import chosen_settings, preset_choices, preset_values, training_components

SOURCES = UPLOAD, PASTE, BUNDLED = "Upload", "Paste", "Example"
FIRST_PRESET = "quick"
PLACEHOLDER = "Song lyrics, a diary, source code: any plain text. 50,000 characters or more work best."


class TrainTab:
    """Components, and the handlers that fill them. `token` is the visitor's, kept in the browser's storage."""

    def __init__(self, jobs: Jobs, host: HostSettings, token: gr.BrowserState):
        self.jobs, self.host, self.token = jobs, host, token
        self.logs = Logs()
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=5, min_width=320, elem_classes="setup"):
                self._build_setup()
            with gr.Column(scale=8, min_width=320, elem_classes="watch"):
                self._build_watch()
        self.seen = gr.State(())  # what the page shows; it opens with the view of a visitor without runs
        self._connect()

    def _build_setup(self) -> None:
        self.source = gr.Radio(list(SOURCES), value=UPLOAD, label="Your text", elem_id="source")
        self.files = gr.File(
            label="Plain-text files", file_count="multiple", height=132, elem_id="files", file_types=None
        )
        self.pasted = gr.Textbox(
            label="Pasted text", lines=6, max_lines=10, placeholder=PLACEHOLDER, visible=False, elem_id="pasted"
        )
        names = bundled_names()
        self.bundled = gr.Dropdown(
            names, value=names[0] if names else None, label="Text that comes with charrnn", visible=False, elem_id="bundled"
        )
        self.report = gr.HTML(elem_id="report")
        self.preset = gr.Radio(preset_choices(), value=FIRST_PRESET, label="How long?", elem_id="preset")
        self.preset_help = gr.HTML(_preset_help(FIRST_PRESET), elem_id="preset-help")
        with gr.Accordion("Advanced", open=False, elem_id="advanced-training"):
            self.settings = training_components(FIRST_PRESET)
        self.start = gr.Button("Train", variant="primary", elem_id="train")
        self.problem = gr.HTML(elem_id="train-problem")

    def _build_watch(self) -> None:
        self.progress = gr.HTML(elem_id="progress")
        with gr.Row(elem_classes="actions"):
            self.stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop-training")
            self.resume = gr.Button("Resume", variant="primary", visible=False, elem_id="resume")
            self.open = gr.Button("Open in Generate", variant="primary", visible=False, elem_id="open")
            self.delete = gr.Button("Delete", variant="secondary", visible=False, elem_id="delete")
        self.run_problem = gr.HTML(elem_id="run-problem")
        self.chart = gr.LinePlot(
            loss_frame([]),
            x="seconds",
            y="loss",
            color="series",
            color_map=COLOURS,
            color_title=" ",
            x_title="seconds of training",
            y_title="loss (nats/char)",
            height=230,
            show_label=False,
            visible=False,
            elem_id="chart",
            buttons=[],
        )
        self.sample = gr.HTML(showpiece(), elem_id="sample")
        self.verdict = gr.HTML(elem_id="verdict")
        self.runs = gr.Radio([], label="My runs", visible=False, elem_id="runs")
        self.look = gr.Button("Look again", visible="hidden", elem_id="look-again")  # page.js presses it
        self.timer = gr.Timer(1.0, active=False)  # on while a run is under way

    @property
    def view(self) -> list:
        """What shows the watched run."""
        return [
            self.progress,
            self.chart,
            self.sample,
            self.verdict,
            self.stop,
            self.resume,
            self.open,
            self.delete,
            self.runs,
            self.timer,
            self.seen,
        ]

    def _connect(self) -> None:
        corpus_settings = [self.settings[f.name] for f in fields(CorpusSettings)]
        text = [self.source, self.files, self.pasted, self.bundled]
        # Values come as they were sent, so that wrong ones get our own sentence (see `CharRNNError`) from here too.
        private = {"api_visibility": "private", "preprocess": False}
        self.source.change(None, self.source, text[1:], js=f"source => charrnn.only({list(SOURCES)}, source)")
        gr.on(
            [self.source.change, self.files.change, self.pasted.change, self.bundled.input]
            + [component.input for component in corpus_settings],
            self._report,
            text + corpus_settings,
            [self.report, self.problem],
            trigger_mode="always_last",
            show_progress="minimal",
            **private,
        )
        self.preset.change(
            self._choose_preset, self.preset, [self.preset_help, *self.settings.values()], show_progress="hidden", **private
        )
        self.start.click(
            self._train,
            [self.token, *text, self.preset, *self.settings.values()],
            [self.problem, *self.view],
            show_progress="hidden",
            preprocess=False,
            api_name="train",
        ).then(None, js="() => charrnn.lookAtRun()")
        watched = [self.token, self.runs]
        self.runs.input(self._watch, watched, self.view, show_progress="hidden", **private)
        for button, action, name in (
            (self.stop, self.jobs.stop, "stop"),
            (self.resume, self.jobs.resume, "resume"),
            (self.delete, self.jobs.delete, "delete"),
        ):
            button.click(
                self._action(action),
                watched,
                [self.run_problem, *self.view],
                js=CONFIRM if name == "delete" else None,
                show_progress="hidden",
                preprocess=False,
                api_name=name,
            )

    # The text

    def _corpus(self, source, files, pasted, bundled, settings: CorpusSettings) -> Corpus:
        """The text the visitor chose. Raises CorpusError."""
        limit = self.host.max_megabytes * 1e6
        if source == UPLOAD:
            paths = [Path(file["path"]) for file in files or []]
            if not paths:
                raise CorpusError("Reading your text", "no file was chosen yet", "Choose a plain-text file first")
            size = sum(path.stat().st_size for path in paths)
        elif source == PASTE:
            pasted = str(pasted or "")
            size = len(pasted.encode("utf-8", "replace"))
            if not size:
                raise CorpusError("Reading your text", "nothing was pasted yet", "Paste some text first")
        else:
            return Corpus.bundled(bundled, settings)
        if size > limit:
            raise CorpusError(
                "Reading your text",
                f"it has {size / 1e6:,.1f} MB, and at most {self.host.max_megabytes:,.4g} MB are allowed here",
                "Choose a part of it",
            )
        return Corpus.read(paths, settings) if source == UPLOAD else Corpus.from_text(pasted, settings)

    def _report(self, source, files, pasted, bundled, *values):
        if (source == UPLOAD and not files) or (source == PASTE and not pasted):
            return "", ""
        try:
            settings = CorpusSettings(*values)
            return cards.report_card(self._corpus(source, files, pasted, bundled, settings).report()), ""
        except CharRNNError as error:
            return "", cards.alert(str(error))

    # The start

    def _choose_preset(self, preset: str):
        values = preset_values(preset)
        return _preset_help(preset), *(values[name] for name in self.settings)

    def _train(self, token, source, files, pasted, bundled, preset, *values):
        try:
            if not token:
                raise SettingsError("Starting the training", "your browser keeps no storage", "Reload the page")
            settings = chosen_settings(str(preset), dict(zip(self.settings, values)))
            if (settings.training.minutes or 0) > self.host.max_minutes:
                raise SettingsError(
                    "Starting the training",
                    f"{settings.training.minutes:g} minutes are more than the {self.host.max_minutes:g} allowed here",
                    "Choose a shorter time",
                )
            corpus = self._corpus(source, files, pasted, bundled, settings.corpus)
            run = Run.create(Path(self.host.runs) / new_name(corpus.name), corpus, settings, owner=token, preset=preset)
            try:
                self.jobs.submit(run)
            except CharRNNError:
                run.delete()
                raise
        except CharRNNError as error:
            return cards.alert(str(error)), *(gr.skip() for _ in self.view)
        return "", *self._watch(token, run.name)

    # The watched run

    def _action(self, act):
        """A handler that does something to the watched run and shows what became of it."""

        def handle(token, name):
            if not name:
                return "", *self._watch(token, "")
            try:
                run = find(self.host.runs, name)
                run.check_owner(token)
                act(run)
            except CharRNNError as error:
                return cards.alert(str(error)), *self._watch(token, name)
            return "", *self._watch(token, name)

        return handle

    def my_runs(self, token: str | None) -> list[tuple[Run, Status]]:
        """The visitor's own runs, newest first, each with its status as of now."""
        runs = [run for run in list_runs(self.host.runs) if not run.bundled] if token else []
        return [(run, run.status) for run in runs if run.status.owner and run.readable_by(token)]

    def _watch(self, token, name, seen=None):
        """Everything there is to see of a run, or gr.skip() for all of it when nothing changed since `seen`."""
        runs = self.my_runs(token)
        if not runs:
            return self._nothing(seen)
        run, status = next((pair for pair in runs if pair[0].name == name), runs[0])
        events = self.logs.read(run)
        before = self.jobs.before(run)
        samples = [event for event in events if isinstance(event, Sample)]
        lines = [(self._line(*pair), pair[0].name) for pair in runs]
        now = (run.name, len(samples), len(events), before and len(before), lines)
        if now == seen:
            return [gr.skip() for _ in self.view]
        over = status.state not in ACTIVE
        try:
            progress = self._progress(run, status, events, before)
            judged = verdict(events, run.config()[2]["training"]) if over else None
            readable = True
        except CharRNNError as error:  # its config.json is damaged, or of another version
            progress, judged, readable = cards.alert(str(error)), None, False
        return [
            progress,
            gr.update(value=loss_frame(events), visible=bool(len(events) > 1)),
            self._samples(samples, seen, run),
            cards.verdict_card(judged) if judged else "",
            gr.update(visible=not over, interactive=not run.stop_requested),
            gr.update(visible=readable and status.state in RESUMABLE),
            gr.update(visible=readable and run.has_model),
            gr.update(visible=over),
            gr.skip() if seen and seen[4] == lines else gr.update(choices=lines, value=run.name, visible=True),
            gr.Timer(active=any(other.state in ACTIVE for _, other in runs)),
            now,
        ]

    def _nothing(self, seen):
        """The view of a visitor without runs; left as it is when it was that already."""
        if seen == ():
            return [gr.skip() for _ in self.view]
        hidden = [gr.update(visible=False) for _ in range(4)]
        no_runs = gr.update(choices=[], value=None, visible=False)
        return ["", gr.update(visible=False), showpiece(), "", *hidden, no_runs, gr.Timer(active=False), ()]

    def _samples(self, samples: list[Sample], seen, run: Run):
        """All samples under a slider; left alone while there is no new one, so that a visitor can look at an older."""
        if seen and seen[:2] == (run.name, len(samples)):
            return gr.skip()
        return cards.learning_card(samples) if samples else cards.notice("The first sample appears in a moment.")

    def tick(self, token, name, seen):
        """Called every second while a run is under way, and whenever the visitor comes back to the page."""
        return self._watch(token, name, seen)

    def _line(self, run: Run, status: Status) -> str:
        """A run in the list: what, state, and the best loss."""
        validations = [event.loss for event in self.logs.read(run) if isinstance(event, Validation)]
        best = f", {min(validations):.2f} nats" if validations else ""
        return f"{run.name.rsplit('-', 1)[0]}: {status.state}{best}"

    def _progress(self, run: Run, status: Status, events: list[Event], before: list[Run] | None) -> str:
        settings, _, origin = run.config()
        step = next((event for event in reversed(events) if isinstance(event, Step)), None)
        started = next((event for event in events if isinstance(event, Started)), None)
        facts, share = [], None
        if status.state == "queued":
            facts.append(f"{len(before)} ahead of it{self._wait(before)}" if before else "Starts in a moment")
            share = 0.0
        elif status.state == "running":
            share = step.progress if step else 0.0
            left = remaining(events, settings.training.minutes)
            facts.append(f"{cards.clock(left)} left" if left is not None else "measuring the speed")
            if step:
                facts += [f"{share:.0%}", f"{step.speed:,.0f} characters/s", f"pass {step.epoch:.1f} through the text"]
            if run.stop_requested:
                facts.append("stopping")
        elif status.message:
            facts.append(status.message)
        else:
            facts.append(f"{cards.clock(step.elapsed)} of training" if step else "")
            if step:
                facts.append(f"{step.epoch:.1f} passes through the text")
        if started and status.state == "running":
            facts.append(started.reason)
        failed = next((event for event in reversed(events) if isinstance(event, Failed)), None)
        if status.state == "failed" and failed and failed.message not in facts:
            facts.append(failed.message)
        return cards.progress_card(origin.get("name", run.name), status.state, share, facts)

    def _wait(self, before: list[Run]) -> str:
        """How long a queued run waits, from what is left of the runs before it; empty when nobody can tell."""
        total = 0.0
        for other in before:
            try:
                left = remaining(self.logs.read(other), other.config()[0].training.minutes)
            except CharRNNError:
                left = None
            if left is None:
                return ""
            total += left
        return f", about {cards.clock(total / self.host.active)} to wait"


def _preset_help(preset: str) -> str:
    return f'<p class="hint">{PRESETS[preset].help}</p>'


CONFIRM = """(token, name) => [token, confirm("Delete this run and its model? This cannot be undone.") ? name : ""]"""
