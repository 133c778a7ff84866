"""A settings field -> the component that sets it, with its label, help and bounds from settings.py."""

from dataclasses import Field, fields

import gradio as gr

from ..settings import BUDGETS, PRESETS, Settings, bounds, optional, type_of


def component(group: type, f: Field, value, **options) -> gr.components.Component:
    """Bounds are checked by the settings themselves, so that all that is wrong is said at once and in one place."""
    help, kind = f.metadata["help"], type_of(group, f)
    common = {"label": f.metadata["label"], "value": value, "elem_id": f.name.replace("_", "-"), **options}
    if kind is bool:
        return gr.Checkbox(info=help, **common)
    if f.metadata["choices"]:
        return gr.Dropdown(list(f.metadata["choices"]), info=help, **common)
    if kind is str:
        return gr.Textbox(info=help, **common)
    help = f"{help} {bounds(f).capitalize()}."
    if optional(group, f):  # a number box cannot be empty, and empty is what leaves the choice to us
        placeholder = "not used" if f.name in BUDGETS else "chosen for you"
        return gr.Textbox(info=help, placeholder=placeholder, **common | {"value": shown(value)})
    return gr.Number(info=help, step=1 if kind is int else 0.001, **common)


def shown(value):
    """A setting's value as its component holds it: a number that may be left open is text, and empty when it is."""
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def training_components(preset: str) -> dict[str, gr.components.Component]:
    """One component for each setting of a training, by name, with its value in a preset."""
    values = preset_values(preset)
    return {f.name: component(type(group), f, values[f.name]) for group in groups(Settings()) for f in fields(group)}


def groups(settings: Settings) -> list:
    return [getattr(settings, f.name) for f in fields(settings)]


def preset_values(preset: str) -> dict:
    """What the component of every setting holds in a preset, by name."""
    return {
        f.name: shown(value) if optional(type(group), f) else value
        for group in groups(Settings.of(preset))
        for f in fields(group)
        for value in [getattr(group, f.name)]
    }


def chosen_settings(preset: str, values: dict) -> Settings:
    """The settings of a preset with what the visitor changed. Raises SettingsError."""
    settings = Settings.of(preset)
    untouched = preset_values(preset)
    changed = {name: value for name, value in values.items() if value != untouched[name]}
    return settings.changed(**{name: None if value == "" else value for name, value in changed.items()})


def preset_choices() -> list[tuple[str, str]]:
    return [(preset.label, name) for name, preset in PRESETS.items()]
