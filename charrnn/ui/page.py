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


class Page(gr.Blocks):
    """Blocks that answer a request of the wrong form in one sentence, where gradio would print a traceback as well."""

    async def preprocess_data(self, block_fn, inputs, *args, **kwargs):
        try:
            return await super().preprocess_data(block_fn, inputs, *args, **kwargs)
        except gr.Error as error:
            raise gr.Error(error.message, print_exception=False) from None
        except Exception:
            message = f"Reading the request: what was sent is not what “{block_fn.name}” takes. Look at /gradio_api/info."
            raise gr.Error(message, print_exception=False) from None


def build_app(host: HostSettings, jobs: Jobs) -> gr.Blocks:
    """The page over the runs of `jobs`; nothing trains in its process."""
    with Page(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86400), fill_width=False) as app:
        # Storage of the browser, not a secret from its owner: whoever holds the token owns the runs made with it.
        token = gr.BrowserState(None, storage_key="charrnn-owner", secret="charrnn")
        gr.HTML(HEADER)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Train", id="train") as train_tab:
                train = TrainTab(jobs, host, token)
            with gr.Tab("Generate", id="generate", render_children=True) as generate_tab:
                generate = GenerateTab(host, token)
            with gr.Tab("Look inside", id="inside") as inside_tab:
                InsideTab(host, token, generate).fill_when_opened(inside_tab)
        private = {"api_visibility": "private", "show_progress": "hidden"}
        look = (train.tick, [token, train.runs, train.seen], train.view)
        train.timer.tick(*look, queue=False, **private)
        # Whoever comes back to the page, from another tab of it or of the browser, sees what happened meanwhile.
        gr.on([train_tab.select, train.look.click], *look, **private)
        loaded = app.load(_welcome, token, token, **private)
        loaded.then(*look, **private)
        loaded.then(
            generate.opened,
            [generate.turn, token, *generate.linked.values(), generate.second],
            [generate.model, generate.second, *list(generate.linked.values())[1:], *generate.outputs],
            **private,
        )
        generate_tab.select(
            lambda token, *current: [generate.refresh(token, name) for name in current],
            [token, generate.model, generate.second],
            [generate.model, generate.second],
            **private,
        )
        opened = train.open.click(
            lambda token, current, run: (generate.refresh(token, current, run), gr.Tabs(selected="generate")),
            [token, generate.model, train.runs],
            [generate.model, tabs],
            **private,
        )
        opened.then(generate._sweep, generate.inputs, generate.outputs, **private)
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
        max_file_size=int(2 * host.max_megabytes * 1e6),  # the Train tab says more kindly what is too large
        show_error=True,
        ssr_mode=False,
        **options,
    )
    return app, jobs
