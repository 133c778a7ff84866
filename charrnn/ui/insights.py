"""The views of Look inside as HTML; inside.js brings them to life. All data is escaped. Pure.

Shapes: T characters, V vocabulary, U units.
"""

import json
from html import escape

import numpy as np

from ..copied import SHORTEST, Copied
from ..insight import Reading, choices, odds, preferred, surprise
from ..memory import reach
from ..neurons import Tracker
from ..vocabulary import Vocabulary
from .cards import visible
from .curves import Axis, chart

DEEPEST = 6.0  # bits of surprise that get the strongest shade
BARS = 12  # characters that Next character shows
BENT = 5  # of them whose odds are drawn over temperature
STRETCHES = 12  # copied stretches that are listed
KEYS = "Point at a character, or move through the text with the arrow keys."


def surprise_view(reading: Reading, vocabulary: Vocabulary) -> str:
    """The text shaded by surprise; each character knows its five preferred rivals."""
    text, bits = vocabulary.decode(reading.ids), surprise(reading)
    if not len(bits):
        return _view("Surprise", "<p>Surprise needs two characters or more: the first is where reading begins.</p>")
    mean, blind = float(bits.mean()), float(np.log2(len(vocabulary)))
    best, p = preferred(reading.logits[:-1])
    names = {int(i): visible(vocabulary.characters[i]) for i in np.unique(np.concatenate((best.ravel(), reading.ids)))}
    data = {
        "names": names,
        "ids": reading.ids.tolist(),
        "bits": [None, *np.round(bits, 2).tolist()],
        "best": [[], *best.tolist()],
        "odds": [[], *np.round(p, 4).tolist()],
        "start": int(bits.argmax()) + 1,
    }
    shades = [0.0, *np.minimum(bits / DEEPEST, 1)]
    lead = (
        f'<p class="lead"><b>{mean:.2f} bits</b> per character. On average the model was as uncertain as between '
        f"{2**mean:.1f} equally likely characters. Guessing blindly among its {len(vocabulary):,} would cost {blind:.2f} bits; "
        "less is better.</p>"
    )
    scale = "".join(
        f'<i style="--v:{b / DEEPEST:.2f}">{b:g}{"+" if b == DEEPEST else ""}</i>' for b in (0, 1, 2, 3, 4, 5, 6)
    )
    legend = f'<p class="scale heat">Bits of surprise {scale}<span>0: it was sure of it. Each bit halves the odds.</span></p>'
    return _view("Surprise", lead + _walk("surprise", text, data, "heat", shades) + legend)


def next_view(reading: Reading, vocabulary: Vocabulary, temperature: float) -> str:
    """The odds of what follows the text, under a slider of temperature that inside.js follows."""
    logits = reading.logits[-1].astype(float)
    order = np.argsort(-logits, kind="stable")
    shown, others = order[:BARS], len(logits) - min(BARS, len(logits))
    p = odds(logits, temperature)
    rows = "".join(
        f'<li><bdi>{escape(visible(vocabulary.characters[i]))}</bdi><span class="track"><i style="width:{100 * p[i]:.2f}%"></i>'
        f"</span><output>{percent(p[i])}</output></li>"
        for i in shown
    )
    if others:
        rest = max(0.0, 1 - p[shown].sum())
        rows += (
            f'<li class="rest"><span>{others:,} others</span><span class="track"><i style="width:{100 * rest:.2f}%"></i></span>'
            f"<output>{percent(rest)}</output></li>"
        )
    stops = np.linspace(0, 2, 41)
    bent = np.stack([odds(logits, t) for t in stops])
    series = {visible(vocabulary.characters[i]): (stops, bent[:, i]) for i in shown[:BENT]}
    x = Axis(0, 2, ((0, "0"), (0.5, "0.5"), (1, "1"), (1.5, "1.5"), (2, "2")), "temperature")
    y = Axis(0, 1, ((0, "0 %"), (0.5, "50 %"), (1, "100 %")), "odds of being chosen")
    cursor = f'<i class="cursor" style="left:{50 * temperature:.2f}%"></i>'
    tail = vocabulary.decode(reading.ids[-60:])
    data = escape(json.dumps({"logits": np.round(logits[order], 4).tolist()}))
    return _view(
        "Next character",
        f'<p class="lead">What comes after <q class="tail" dir="auto">{"".join(map(glyph, tail))}</q>?</p>'
        f'<div data-next data-values="{data}"><label class="knob">Temperature <output>{temperature:g}</output>'
        f'<input type="range" min="0" max="2" step="0.05" value="{temperature:g}"></label>'
        f'<p class="says">{hesitation(p)}</p><div class="two"><ol class="bars">{rows}</ol>'
        f"{chart('Odds of the likeliest characters over temperature', series, x, y, cursor)}</div></div>"
        "<p>The network gives every character a score. The scores are divided by the temperature and then turned into odds "
        "(softmax). At 1 the odds are the model’s own. Lower sharpens them, until at 0 the favourite always wins; higher "
        "evens them out, and the rare ones get their turn. The order of the characters never changes.</p>",
    )


def hesitation(p: np.ndarray) -> str:
    """What (V,) odds mean, in a sentence. inside.js says the same at other temperatures."""
    return f"As uncertain as between <b>{choices(p):.1f}</b> equally likely characters."


def neurons_view(text: str, units: np.ndarray, trackers: list[Tracker], layers: int, own: int | None) -> str:
    """(T, U) activations of the best trackers, and of the visitor's `own` unit, to paint over the text."""
    rows, painted = [], []
    if own is not None:
        rows.append((own, "the unit you chose", "", ""))
    for tracker in trackers:
        if tracker.convincing:
            size = abs(tracker.score)
            score = f'<span class="track"><i style="width:{100 * size:.0f}%"></i></span><output>{size:.2f}</output>'
            sense = "is high" if tracker.score > 0 else "is low"
            rows.append((tracker.unit, tracker.feature, score, sense))
    if not rows:
        return _view(
            "Neurons",
            "<p>No unit follows anything we look for in this text better than luck would. A longer text gives more to go by; "
            "a model that trained longer has more to show.</p>",
        )
    lines = []
    for k, (unit, name, score, sense) in enumerate(rows):
        where = unit_name(unit, units.shape[1], layers)
        lines.append(
            f'<label><input type="radio" name="unit" value="{k}"{" checked" if k == 0 else ""}><span><b>{escape(name)}</b>'
            f"<small>{where}{' ' + sense if sense else ''}</small></span>{score}</label>"
        )
        painted.append(np.clip(np.round(units[:, unit] * 50), -50, 50).astype(int).tolist())
    weak = [t for t in trackers if not t.convincing]
    none = (
        "<p>No unit follows "
        + ", ".join(f"{escape(t.feature)} ({abs(t.score):.2f}, luck alone gives {t.luck:.2f})" for t in weak)
        + ".</p>"
        if weak
        else ""
    )
    stops = ((-1, "−1"), (-0.5, "−0.5"), (0, "0"), (0.5, "+0.5"), (1, "+1"))
    scale = "".join(f'<i class="{"up" if v > 0 else "down"}" style="--v:{abs(v):.1f}">{name}</i>' for v, name in stops)
    lead = (
        f'<p class="lead">The model’s memory is <b>{units.shape[1]:,} units</b>, each a number from −1 to 1 that changes with every '
        "character. Nobody told them what to watch for; some follow something we have a word for.</p>"
    )
    found = (
        f'<fieldset class="units"><legend>Found in this text, the most certain first</legend>{"".join(lines)}</fieldset>'
        "<p>1.00: the unit alone tells every such character from all the others; 0.00: it knows nothing of it. Only those that "
        "beat luck are listed: the same search, with the answers moved to the wrong places in the text.</p>" + none
    )
    walk = _walk("neurons", text, {"units": painted, "start": 0}, "poles", None)
    legend = f'<p class="scale poles">Activation {scale}</p>'
    return _view("Neurons", f'{lead}<div class="two wide"><div>{found}</div><div>{walk}{legend}</div></div>')


def unit_name(unit: int, units: int, layers: int) -> str:
    """Units are counted from 1, in each layer."""
    layer, nth = divmod(unit, units // layers)
    return f"unit {nth + 1}" + (f" of layer {layer + 1}" if layers > 1 else "")


def memory_view(curves: dict[str, np.ndarray]) -> str:
    """Influence by distance of the model (first), and of those to compare it with."""
    model = next(iter(curves.values()))
    farthest = max(len(shares) for shares in curves.values())
    marks = tuple((v, f"{v:g}") for v in (1, 20, 40, 60, 80, 100) if v <= max(farthest, 20))
    x = Axis(1, max(farthest, 20), marks, "characters back")
    y = Axis(
        1e-8,
        1,
        tuple((10.0**-k, f"{100 * 10.0**-k:.{max(0, k - 2)}f} %") for k in (0, 2, 4, 6, 8)),
        "influence (nearest character: 100 %)",
        True,
    )
    series = {name: (np.arange(1, len(shares) + 1), shares) for name, shares in curves.items()}
    distances = [d for d in (5, 10, 20, 50) if d <= len(model)]
    head = "".join(f'<th scope="col">{d} back</th>' for d in distances)
    body = "".join(
        f'<tr><th scope="row"><bdi>{escape(name)}</bdi></th><td>{_reach(shares)}</td>'
        + "".join(f"<td>{small_percent(shares[d - 1]) if d <= len(shares) else '–'}</td>" for d in distances)
        + "</tr>"
        for name, shares in curves.items()
    )
    return _view(
        "Memory",
        f'<p class="lead">Beyond <b>{_reach(model)}</b>, a character has less than 1 % of the pull that the nearest one has on this '
        "model’s next guess.</p>"
        f"{chart('Influence of a character by its distance', series, x, y)}"
        f'<div class="scroll" tabindex="0" role="region" aria-label="Influence in numbers"><table><thead><tr><th scope="col">Network</th>'
        f'<th scope="col">1 % reached at</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        "<p>Influence is the length of the gradient of the loss at the end with respect to the character that stands so far back: "
        "how strongly changing it a little would change the guess, averaged over several places in your text. The scale is "
        "logarithmic: each line is a hundred times less.</p>"
        "<p>Going back one character multiplies the gradient by the network’s weights and by the slope of tanh, which is at most 1. "
        "Many such factors vanish: a straight line downwards, and what is far away cannot be learned from. An lstm adds a path on "
        "which memory is only scaled by its forget gate; where that gate stays open the line bends and flattens. Training decides "
        "what is worth keeping, so a trained model may well forget sooner than one that has learned nothing. Train an rnn and an "
        "lstm on one text and compare them here.</p>",
    )


def copied_view(text: str, found: Copied, corpus: str) -> str:
    """Which parts of the text stand word for word in the corpus called `corpus`."""
    covered = np.zeros(len(text) + 1, dtype=int)
    for stretch in found.stretches:
        covered[stretch.start : stretch.stop] = 1
    edges = np.flatnonzero(np.diff(covered, prepend=-1))
    parts = []
    for start, stop in zip(edges, [*edges[1:], len(text)]):
        run = "".join(map(glyph, text[start:stop]))
        parts.append(f"<mark>{run}</mark>" if covered[start] else run)
    items = "".join(
        f"<li><b>{len(s):,} characters</b>, {percent(s.place)} of the way through it: "
        f'<q dir="auto">{"".join(map(glyph, text[s.start : s.stop][:160]))}{"…" if len(s) > 160 else ""}</q></li>'
        for s in found.stretches[:STRETCHES]
    )
    more = len(found.stretches) - STRETCHES
    items += f'<li class="rest">and {more:,} shorter ones</li>' if more > 0 else ""
    longest = f" The longest stretch has {len(found.stretches[0]):,} characters." if found.stretches else ""
    judged = (
        "Nothing here was learned by heart."
        if not found.stretches
        else "Mostly its own words; the rest are turns that stick in anyone’s ear."
        if found.share < 0.4
        else "Much of this is quoted: a sign of a small text, or of long training on it."
        if found.share < 0.8
        else "Nearly all of this is quoted from the text it learned from."
    )
    doubt = "" if found.complete else "<p>Some passages occur so often there that not every place was followed up.</p>"
    listed = f'<h4>Longest first</h4><ol class="stretches">{items}</ol>' if items else ""
    return _view(
        "Copied or new",
        f'<p class="lead"><b>{percent(found.share)}</b> of these {len(text):,} characters stand word for word in '
        f"<bdi>{escape(corpus)}</bdi>, in stretches of {SHORTEST} or more.{longest} {judged}</p>{doubt}"
        f'<div class="plain" dir="auto" tabindex="0" role="region" aria-label="The text; copied stretches are underlined">{"".join(parts)}</div>'
        f"{listed}",
    )


def glyph(character: str) -> str:
    """A character as escaped HTML; one that cannot be seen, or would turn text around, as its code."""
    if character == "\n":
        return '<i class="br">\n</i>'
    return (
        escape(character)
        if character.isprintable() or character == "\t"
        else f'<i class="code">{visible(character)}</i>'
    )


def percent(share: float) -> str:
    return (
        f"{100 * share:.0f} %"
        if share >= 0.0995 or share == 0
        else f"{100 * share:.1f} %"
        if share >= 0.0005
        else "< 0.1 %"
    )


def small_percent(share: float) -> str:
    """A share that may be tiny, to two digits."""
    return f"{100 * share:.2g} %" if share >= 1e-6 else "< 0.0001 %"


def _reach(shares: np.ndarray) -> str:
    far = reach(shares)
    return f"{far:,} character{'s' if far != 1 else ''}" if far < len(shares) else f"{far:,} or more"


def _view(title: str, content: str) -> str:
    return f'<section class="card inside" aria-label="{escape(title)}">{content}</section>'


def _walk(kind: str, text: str, data: dict, colours: str, shades: list[float] | None) -> str:
    """The text, one element a character, that inside.js lets one point at and walk through; beside it, what it shows."""
    spans = []
    for i, character in enumerate(text):
        style = f' style="--v:{shades[i]:.2f}"' if shades and shades[i] >= 0.005 else ""
        shape = "br" if character == "\n" else "" if character.isprintable() or character == "\t" else "code"
        shape = f' class="{shape}"' if shape else ""
        shown = escape(character) if shape != ' class="code"' else visible(character)
        spans.append(f"<i{shape}{style}>{shown}</i>")
    label = f"Your text, {len(text):,} characters. Arrow keys move through it; what is beside it says what the model thought."
    return (
        f'<div class="reader"><div class="walk {colours}" data-walk="{kind}" data-values="{escape(json.dumps(data))}" tabindex="0" '
        f'role="application" aria-label="{label}" dir="auto">{"".join(spans)}</div>'
        f'<aside class="detail" aria-live="polite" aria-label="At this character"><p>{KEYS}</p></aside></div>'
    )
