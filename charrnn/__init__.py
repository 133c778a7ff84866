"""charrnn: train and play with character-level recurrent language models.

The reader's map, in the order in which the files explain each other:

    settings.py     every setting once, with default, bounds and help
    vocabulary.py   characters <-> ids
    corpus.py       bytes -> text -> report -> ids -> training and validation part
    batches.py      ids -> the batch of every step
    sizing.py       text, budget, machine -> the settings that were left open
    model.py        the network in torch: ids, state -> logits, state; recurrence.py holds its faster cells
    ensemble.py     several networks as one model, side by side; learner.py takes one of them through its batches
    optimizer.py    gradients -> updates
    training.py     the loop: an iterator of events (events.py), resumable; threads.py finds its number of threads
    pretrained.py   a bundled model as the start of a training; bundle.py makes those
    evaluation.py   how well a model predicts a text; verdict.py says whether that is good
    engine.py       the trained network in numpy, fast one character at a time
    sampling.py     prime -> characters: temperature, top-k, top-p, seed
    insight.py      a text read by a model: surprise, odds, hidden states; neurons.py, memory.py and copied.py look further
    checkpoint.py   a model as two safe files; card.py describes it in a third
    runs.py         one training and its folder; worker.py trains in it, jobs.py queues it
    ui/             the page
    __main__.py     the command line; errors.py and files.py serve all

Notation of shapes: N parallel sequences, T steps of truncated BPTT, D embedding, H hidden units, V vocabulary, L layers,
G gates, M members. Loss is in nats per character.
"""

from importlib import import_module

# Where each public name lives; imported when it is first asked for, so that generating text does not wait for torch.
_HOMES = {
    "CharRNN": "model",
    "CharRNNError": "errors",
    "Checkpoint": "checkpoint",
    "Corpus": "corpus",
    "Run": "runs",
    "SamplingSettings": "settings",
    "Settings": "settings",
    "Training": "training",
    "Vocabulary": "vocabulary",
    "fit": "sizing",
    "generate": "sampling",
    "load": "checkpoint",
    "score": "evaluation",
    "split": "corpus",
    "sweep": "sampling",
    "train": "worker",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
