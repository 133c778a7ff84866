"""How it works: a short lesson, told with the visitor's own model, text and numbers. All data is escaped. Pure."""

from html import escape

import numpy as np

from ..checkpoint import Checkpoint
from ..engine import layer_weights
from ..insight import Reading, odds, preferred
from ..memory import Layer, kept
from .cards import visible
from .insights import percent, small_percent

STEPS = 6  # characters that are followed through the network
CELLS = 4  # numbers of a vector that are shown
CARRIED = {
    "streams": "while the state itself was carried on to the next ones",
    "windows": "and began each such stretch with a state of zero",
}


def lesson_view(model: Checkpoint, reading: Reading, shares: np.ndarray | None) -> str:
    """The lesson; `shares` is the model's influence by distance (see memory.py), None for a text of one character."""
    (settings, weights), v = model.as_one, len(model.vocabulary)
    characters = model.vocabulary.characters
    d, h = settings.embedding_size, settings.hidden_size
    first = characters[reading.ids[0]]
    p = odds(reading.logits[: STEPS + 1])
    embedded = weights["embedding.weight"][reading.ids[:STEPS]]
    sections = [
        (
            "A character becomes numbers",
            f"<p>This model knows {v:,} characters and numbers them from 0. Your text begins with "
            f"<bdi class='char'>{escape(visible(first))}</bdi>, which is number {reading.ids[0]}. A network cannot reckon with a "
            f"number that is only a name, so each character has {d:,} numbers of its own, its <em>embedding</em>, found in "
            f"training. Here they begin {_cells(embedded[0])}. Characters that behave alike, such as vowels, end up with "
            "similar numbers.</p>",
        ),
        (
            "A state that is carried along",
            f"<p>The network reads one character at a time. What it remembers of all it has read is its <em>hidden state</em>: "
            f"{h:,} numbers between −1 and 1{f' in each of {settings.num_layers} layers' if settings.num_layers > 1 else ''}. "
            f"{_several(model.settings.model.members)}It starts at zero. At each step, old state and new character are weighed, added up and bent into that range by "
            f"tanh; the result is the new state. That loop is all there is to a recurrent network.</p>{_one_unit(model, reading)}",
        ),
        (
            "Unrolled over your text",
            "<p>Write one copy of the loop for each character, side by side, and you see the network <em>unrolled</em>. All copies "
            "share the same weights; only the state passes from left to right.</p>"
            + _unrolled(model, reading, embedded, p),
        ),
        (
            "From state to odds, and temperature",
            f"<p>The last layer turns the {h:,} numbers of the state into {v:,} scores (<em>logits</em>), one for each character "
            f"that could come next, and softmax turns scores into odds that add up to 100 %. {_heat(reading, characters)} "
            "Writing is then nothing but: draw a character from the odds, read it, and go on.</p>",
        ),
        (
            "Learning: how wrong, and whose fault",
            f"<p>In training the right next character is known. The <em>loss</em> is −ln of the odds that it was given: 0 when the "
            f"model was sure and right, {np.log(v):.2f} nats when it guessed blindly among {v:,}. {_loss(reading, p, characters)}"
            "To learn, the error is sent back through the unrolled network, from right to left and into every weight on the way: "
            "<em>backpropagation through time</em>. Each weight is then moved a little in the direction that would have made the "
            f"loss smaller. This model sent it back over {model.settings.training.seq_length or 'some'} characters at most (truncated), "
            f"{CARRIED[model.settings.training.batching]}.</p>",
        ),
        (
            "Why memory fades",
            "<p>On its way back, the error is multiplied at every character: by the weights between old and new state, and by the "
            f"slope of tanh, which is never more than 1. A product of many numbers below 1 is soon next to nothing. {_fading(shares)} "
            "So whatever is farther away is hardly learned from: the <em>vanishing gradient</em>. The Memory view draws it.</p>",
        ),
        (
            "What the lstm does about it",
            "<p>The lstm (long short-term memory) keeps a second state, the <em>cell</em>, that is not pressed through tanh at every "
            "step. Three gates, numbers between 0 and 1 that it works out anew for each character, decide how much of the cell to "
            "keep (forget gate), how much of the new to write (input gate) and how much of it to show (output gate). Where the "
            "forget gate stays near 1, memory passes from step to step unharmed, and so does the error on its way back. "
            f"{_keeping(model, reading)}</p>",
        ),
    ]
    body = "".join(f"<li><h4>{title}</h4>{content}</li>" for title, content in sections)
    return f'<section class="card inside lesson" aria-label="How it works"><ol>{body}</ol></section>'


def _several(members: int) -> str:
    if members == 1:
        return ""
    return (
        f"This model is {members} networks that read side by side, with the state of each behind that of the one before; the "
        "mean of their scores is what it guesses by. "
    )


def _cells(vector: np.ndarray, count: int = CELLS) -> str:
    """The first numbers of a vector, shaded by size."""
    cells = "".join(
        f'<i class="{"up" if x > 0 else "down"}" style="--v:{min(1.0, abs(float(x))):.2f}">{_number(x)}</i>'
        for x in vector[:count]
    )
    return f'<span class="cells poles">{cells}{"…" if len(vector) > count else ""}</span>'


def _number(x: float) -> str:
    return f"{x:+.2f}".replace("-", "−")


def _unrolled(model: Checkpoint, reading: Reading, embedded: np.ndarray, p: np.ndarray) -> str:
    """One card a character, with arrows for the state between them."""
    characters = model.vocabulary.characters
    best, share = preferred(reading.logits[:STEPS], 3)
    cards = []
    for t in range(min(STEPS, len(reading.ids))):
        rivals = "".join(
            f"<li><bdi>{escape(visible(characters[i]))}</bdi> {percent(q)}</li>" for i, q in zip(best[t], share[t])
        )
        follows = ""
        if t + 1 < len(reading.ids):
            true = reading.ids[t + 1]
            q = p[t, true]
            follows = (
                f"<dt>what did</dt><dd><bdi>{escape(visible(characters[true]))}</bdi> {percent(q)}: "
                f"{-np.log2(q):.2f} bits of surprise</dd>"
            )
        cards.append(
            f'<li><bdi class="char">{escape(visible(characters[reading.ids[t]]))}</bdi><dl><dt>number</dt><dd>{reading.ids[t]}</dd>'
            f"<dt>embedding</dt><dd>{_cells(embedded[t])}</dd><dt>hidden state</dt><dd>{_cells(reading.hidden[t, -1], 6)}</dd>"
            f"<dt>what may follow</dt><dd><ol>{rivals}</ol></dd>{follows}</dl></li>"
        )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="The network unrolled over your text">'
        f'<ol class="unrolled">{"".join(cards)}</ol></div>'
    )


def _one_unit(model: Checkpoint, reading: Reading) -> str:
    """The arithmetic of one unit of the first layer at the second character (the first has no memory to weigh)."""
    if len(reading.ids) < 2:
        return ""
    settings, weights = model.as_one
    layer = Layer(settings.cell, *layer_weights(settings, weights, 0))
    x = weights["embedding.weight"][reading.ids[:2, None]]
    hidden = layer.forward(x)[:, 0]
    unit = int(np.abs(hidden[1]).argmax())
    old, new = (_number(h[unit]) for h in hidden)
    name = escape(visible(model.vocabulary.characters[reading.ids[1]]))
    where = f"Unit {unit + 1} when it reads <bdi class='char'>{name}</bdi>, the second character"
    if settings.cell == "lstm":
        i, f, g, o, c, bent = (part[0, unit] for part in layer.tapes[1])
        sums = (
            f"cell = forget {f:.2f} × old cell {_number(c)} + input {i:.2f} × news {_number(g)} = {_number(f * c + i * g)}<br>"
            f"state = output {o:.2f} × tanh({_number(f * c + i * g)}) = <b>{new}</b>"
        )
    elif settings.cell == "gru":
        _, z, n, *_ = (part[0, unit] for part in layer.tapes[1])
        sums = f"state = keep {z:.2f} × old state {old} + {1 - z:.2f} × news {_number(n)} = <b>{new}</b>"
    else:
        from_x = float(x[1, 0] @ layer.w_x[unit])
        from_h, bias = float(hidden[0] @ layer.w_h[unit]), float(layer.b_x[unit] + layer.b_h[unit])
        sums = (
            f"{_number(from_x)} from the character, {_number(from_h)} from the old state, {_number(bias)} of its own (bias): "
            f"together {_number(from_x + from_h + bias)}<br>state = tanh({_number(from_x + from_h + bias)}) = <b>{new}</b>"
        )
    return f'<p class="sums">{where}:<br>{sums}</p>'


def _heat(reading: Reading, characters: str) -> str:
    """The favourite after the whole text at three temperatures."""
    logits = reading.logits[-1]
    best = int(logits.argmax())
    name = escape(visible(characters[best]))
    cold, own, hot = (percent(odds(logits, t)[best]) for t in (0.5, 1.0, 1.5))
    return (
        f"The <em>temperature</em> divides the scores first. After your text the favourite is <bdi class='char'>{name}</bdi>: "
        f"{own} at temperature 1, {cold} at 0.5, {hot} at 1.5."
    )


def _loss(reading: Reading, p: np.ndarray, characters: str) -> str:
    if len(reading.ids) < 2:
        return ""
    q = p[0, reading.ids[1]]
    name = escape(visible(characters[reading.ids[1]]))
    return f"For <bdi class='char'>{name}</bdi>, your second character, it is −ln {q:.3f} = {-np.log(q):.2f} nats. "


def _fading(shares: np.ndarray | None) -> str:
    if shares is None:
        return ""
    far = min(20, len(shares))
    return (
        f"In your text, a character {far} back has {small_percent(shares[far - 1])} of the pull on this model’s next guess that "
        "the nearest one has."
    )


def _keeping(model: Checkpoint, reading: Reading) -> str:
    cell = model.settings.model.cell
    share = kept(*model.as_one, reading.ids)
    if share is None:
        return "This model is a plain recurrent network and has no gates. Train an lstm on the same text and compare their memories."
    gate = "forget" if cell == "lstm" else "update"
    kind = "" if cell == "lstm" else "This model is a gru, a lighter relative with two gates. "
    return f"{kind}In this model the {gate} gate keeps {percent(share)} of each unit’s memory from one character of your text to the next, on average."
