"""The look: one accent, warm paper, a plain face for the page and a reading face for generated text (style.css, inside.css)."""

from pathlib import Path

import gradio as gr


def theme() -> gr.themes.Base:
    """Gradio's base theme in our colours."""
    # Of this family gradio ships only the regular and the bold face whole; in its semi-bold most letters are missing.
    font = (gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif")
    return gr.themes.Base(
        font=font,
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
    ).set(
        layout_gap="10px",
        form_gap_width="0px",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_background_fill_hover="#f3efe9",
        checkbox_label_background_fill_hover_dark="#25211d",
        checkbox_label_background_fill_selected="#e2f0ee",
        checkbox_label_background_fill_selected_dark="#16322f",
        checkbox_label_border_width="1px",
        checkbox_label_border_color="#cfc6ba",
        checkbox_label_border_color_dark="#4a433b",
        checkbox_label_text_color_selected="#0b5a55",
        checkbox_label_text_color_selected_dark="#8fe3d8",
        block_title_text_color="#26221e",
        block_title_text_color_dark="#ece7df",
        block_info_text_color="#6a625a",
        block_info_text_color_dark="#a79f95",
        button_secondary_background_fill="#efe9e1",
        button_secondary_background_fill_dark="#2e2924",
        button_secondary_text_color="#26221e",
        button_secondary_text_color_dark="#ece7df",
        body_background_fill="#faf8f5",
        body_background_fill_dark="#171513",
        body_text_color="#26221e",
        body_text_color_dark="#ece7df",
        body_text_color_subdued="#6a625a",
        body_text_color_subdued_dark="#a79f95",
        background_fill_primary="#fffdfa",
        background_fill_primary_dark="#1f1c19",
        background_fill_secondary="#f3efe9",
        background_fill_secondary_dark="#25211d",
        block_background_fill="#fffdfa",
        block_background_fill_dark="#1f1c19",
        block_border_color="#e4ddd3",
        block_border_color_dark="#38322c",
        border_color_primary="#e4ddd3",
        border_color_primary_dark="#38322c",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="#26221e",
        block_label_text_color_dark="#ece7df",
        block_title_text_weight="600",
        block_shadow="none",
        input_background_fill="#ffffff",
        input_background_fill_dark="#171513",
        input_border_width="1px",
        input_border_color="#8d8378",
        input_border_color_dark="#7d746a",
        button_primary_background_fill="#0f6f68",
        button_primary_background_fill_hover="#0b5a55",
        button_primary_background_fill_dark="#0f766e",
        button_primary_background_fill_hover_dark="#0c655e",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        slider_color="#0f6f68",
        slider_color_dark="#2bb5a6",
        color_accent="#0f6f68",
        color_accent_soft="#e2f0ee",
        color_accent_soft_dark="#16322f",
    )


def style_sheets() -> list[Path]:
    return [Path(__file__).parent / name for name in ("style.css", "inside.css")]


def scripts() -> list[Path]:
    """What the page runs, in this order."""
    return [Path(__file__).parent / name for name in ("page.js", "inside.js")]
