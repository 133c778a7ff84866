"""The page: its tabs, its timer, its launch."""

import argparse
import os
import secrets
from dataclasses import fields

import gradio as gr

from ..jobs import Jobs
from ..settings import HostSettings
from .generate import GenerateTab
from .inside import InsideTab
from .theme import scripts, style_sheets, theme
from .train import TrainTab

TITLE = "charrnn"
HEADER = """<header class="masthead"><h1>charrnn</h1>
<p>Teach a small network to write like your text, one character at a time.</p></header>"""


def build_app(host: HostSettings, jobs: Jobs) -> gr.Blocks:
    """The page over the runs of `jobs`; nothing trains in its process."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86400), fill_width=False) as app:
        # Storage of the browser, not a secret from its owner: whoever holds the token owns the runs made with it.
        token = gr.BrowserState(None, storage_key="charrnn-owner", secret="charrnn")
        gr.HTML(HEADER)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Train", id="train"):
                train = TrainTab(jobs, host, token)
            with gr.Tab("Generate", id="generate", render_children=True) as generate_tab:
                generate = GenerateTab(host, token)
            with gr.Tab("Look inside", id="inside") as inside_tab:
                InsideTab(host, token, generate).fill_when_opened(inside_tab)
        private = {"api_visibility": "private", "show_progress": "hidden"}
        wanted = gr.State("")
        written = (generate._sweep, generate.inputs, generate.outputs)
        gr.Timer(1.0).tick(train.tick, [token, train.runs, train.seen], train.view, queue=False, **private)
        loaded = app.load(_welcome, token, token, **private)
        loaded.then(train.tick, [token, train.runs, train.seen], train.view, **private)
        asked = [wanted, generate.prime, generate.temperature, generate.settings["length"], generate.settings["seed"]]
        linked = loaded.then(generate.from_link, None, asked, **private)
        linked.then(generate.refresh, [token, generate.model, wanted], generate.model, **private).then(*written, **private)
        generate_tab.select(generate.refresh, [token, generate.model], generate.model, **private)
        opened = train.open.click(
            lambda token, current, run: (generate.refresh(token, current, run), gr.Tabs(selected="generate")),
            [token, generate.model, train.runs],
            [generate.model, tabs],
            **private,
        )
        opened.then(*written, **private)
    return app


def _welcome(token: str | None) -> str:
    """The visitor's token: the one in the browser, or a new one on the first visit."""
    return token or secrets.token_urlsafe(24)


def host_settings(arguments: list[str] | None = None) -> HostSettings:
    """What the command line says, else the environment, else the defaults. Raises SettingsError."""
    parser = argparse.ArgumentParser("app.py", description="The charrnn page.")
    for f in fields(HostSettings):
        flag = "--" + f.name.replace("_", "-")
        text = f"{f.metadata['help']} Also {_variable(f.name)}."
        parser.add_argument(flag, default=os.environ.get(_variable(f.name), f.default), help=text)
    return HostSettings(**vars(parser.parse_args(arguments)))


def _variable(name: str) -> str:
    return f"CHARRNN_{name.upper()}"


def launch(arguments: list[str] | None = None, **options) -> tuple[gr.Blocks, Jobs]:
    """Start the queue and the page, and serve until interrupted. `options` go to gradio's launch."""
    host = host_settings(arguments)
    jobs = Jobs(host.runs, host.active, host.waiting, host.max_minutes).start()
    app = build_app(host, jobs)
    app.queue(max_size=200, default_concurrency_limit=8)
    app.launch(
        server_name=host.host,
        server_port=host.port,
        theme=theme(),
        css_paths=style_sheets(),
        head="".join(f"<script>{path.read_text(encoding='utf-8')}</script>" for path in scripts()),
        footer_links=[],
        run_history=False,
        max_file_size=int(host.max_megabytes * 1e6),
        show_error=True,
        ssr_mode=False,
        **options,
    )
    return app, jobs
