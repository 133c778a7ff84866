"""Small pieces of HTML: the report on a text, the progress of a run, the verdict, generated text. All data is escaped."""

from html import escape

from ..corpus import Report
from ..events import Sample
from ..verdict import Verdict


def alert(message: str) -> str:
    """An error, said to screen readers at once."""
    return f'<div class="card alert" role="alert">{escape(message)}</div>' if message else ""


def notice(message: str) -> str:
    return f'<div class="card notice" role="status">{escape(message)}</div>' if message else ""


def visible(character: str) -> str:
    """A character as something one can see."""
    names = {"\n": "line break", "\t": "tab", " ": "space", "\u00a0": "no-break space", "\ufeff": "byte-order mark"}
    return names.get(character) or (character if character.isprintable() else f"U+{ord(character):04X}")


def report_card(report: Report) -> str:
    """Numbers first, then what was assumed, then what to expect."""
    numbers = (
        (f"{report.characters:,}", "characters"),
        (f"{report.distinct:,}", "distinct"),
        (f"{report.lines:,}", "lines"),
        (f"{report.validation:,}", "kept for checking"),
    )
    cells = "".join(f"<div><dd>{value}</dd><dt>{name}</dt></div>" for value, name in numbers)
    warnings = "".join(f'<p class="warning">{escape(text)}</p>' for text in report.warnings)
    notes = "".join(f"<p>{escape(text)}</p>" for text in report.notes)
    rare = ", ".join(f"<bdi>{escape(visible(c))}</bdi>&nbsp;{n:,}" for c, n in report.rarest)
    return (
        f'<div class="card report"><h3><bdi>{escape(report.name)}</bdi></h3><dl class="numbers">{cells}</dl>{warnings}'
        f"<details><summary>Encoding, rarest characters, preview</summary>{notes}"
        f"<p>Rarest characters and how often they occur: {rare}</p>"
        f'<pre class="preview" dir="auto" tabindex="0">{escape(report.preview)}</pre></details></div>'
    )


def clock(seconds: float) -> str:
    """A duration as people say it."""
    seconds = max(0, round(seconds))
    if seconds < 100:
        return f"{seconds} s"
    if seconds < 5400:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def progress_card(title: str, state: str, share: float | None, facts: list[str]) -> str:
    """A run's name and state, a bar when it is under way, and what is known about time and speed."""
    bar = ""
    if share is not None:
        percent = min(100, round(100 * share))
        bar = (
            f'<div class="bar" role="progressbar" aria-label="Training" aria-valuemin="0" aria-valuemax="100" '
            f'aria-valuenow="{percent}"><i style="width:{percent}%"></i></div>'
        )
    listed = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    return (
        f'<div class="card progress"><h3><bdi>{escape(title)}</bdi> <em class="state {escape(state)}">{escape(state)}</em>'
        f'</h3>{bar}<div class="facts">{listed}</div></div>'
    )


def verdict_card(verdict: Verdict) -> str:
    details = "".join(f"<p>{escape(text)}</p>" for text in verdict.details)
    return f'<div class="card verdict" role="status"><h3>{escape(verdict.headline)}</h3>{details}</div>'


def text_card(text: str, prime: str = "", caption: str = "", busy: bool = False) -> str:
    """Generated text, large, with its line breaks; the prime before it is set apart."""
    head = f'<div class="caption">{escape(caption)}</div>' if caption else ""
    return f'<div class="card written" aria-busy="{"true" if busy else "false"}">{head}{_text(prime, text)}</div>'


def sweep_card(texts: dict[float, str], prime: str, shown: float, cut: int | None = None, longer: str = "") -> str:
    """One text for every stop of the temperature slider; page.js shows the one that the slider is at.

    In each, what differs from the next lower temperature is marked, from the first changed character on; those of `cut`
    characters say that there is more.
    """
    parts, lower = [], None
    for stop, text in sorted(texts.items()):
        same = len(text) if lower is None else common_prefix(lower, text)
        hidden = "" if stop == shown else " hidden"
        more = f' data-longer="{escape(longer)}"' if len(text) == cut else ""
        parts.append(_text(prime, text, same, f' data-stop="{stop:g}"{hidden}{more}', f"temperature {stop:g}"))
        lower = text
    return f'<div class="card written" data-sweep>{"".join(parts)}</div>'


def common_prefix(a: str, b: str) -> int:
    """How many characters two texts share from their beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def _text(prime: str, text: str, same: int | None = None, attributes: str = "", label: str = "") -> str:
    opening = f"<b>{escape(prime)}</b>" if prime else ""
    same = len(text) if same is None else same
    turned = f"<mark>{escape(text[same:])}</mark>" if same < len(text) else ""
    name = f"Generated text, {label}" if label else "Generated text"
    return (
        f'<div class="text" dir="auto" tabindex="0" role="region" aria-label="{name}"{attributes}>'
        f"{opening}{escape(text[:same])}{turned}</div>"
    )


def learning_card(samples: list[Sample]) -> str:
    """The samples of a training, oldest first, under a slider over time that page.js moves; the newest is shown."""
    texts = "".join(
        f'<div data-sample="{i}"{"" if i == len(samples) - 1 else " hidden"}>'
        f'<div class="caption">What it writes after {clock(sample.elapsed)} ({sample.step:,} steps), '
        f"temperature {sample.temperature:g}</div>{_text('', sample.text.lstrip())}</div>"
        for i, sample in enumerate(samples)
    )
    last = len(samples) - 1
    slider = (
        f'<label class="caption learn">Watch it learn <input type="range" class="learning" min="0" max="{last}" value="{last}" '
        f'aria-label="Watch it learn: samples from the first to the newest"></label>'
        if last
        else ""
    )
    return f'<div class="card written">{texts}{slider}</div>'
