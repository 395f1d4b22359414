"""One look for both pages: ink on paper, one restrained green, the reader's own system fonts.

Light and dark follow the browser. Nothing is fetched from elsewhere.
"""

from pathlib import Path
from types import MappingProxyType
from typing import Final

import gradio as gr
from gradio.themes.utils.colors import Color

PAGES: Final = Path(__file__).parent
"""Where the style sheets are: `style.css` for both pages, one more in the folder of each."""

FONTS: Final = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO: Final = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

GREEN: Final = Color(
    name="fern",
    c50="#eef6f1",
    c100="#d7eadf",
    c200="#b1d6c1",
    c300="#85bd9f",
    c400="#579f7d",
    c500="#34835f",
    c600="#236b4c",
    c700="#1d573f",
    c800="#194634",
    c900="#143a2b",
    c950="#0a2018",
)
INK: Final = Color(
    name="ink",
    c50="#f7f8f5",
    c100="#eef0ec",
    c200="#dde2dc",
    c300="#c2cac2",
    c400="#93a097",
    c500="#667369",
    c600="#4f5b53",
    c700="#37423b",
    c800="#212a25",
    c900="#161d19",
    c950="#0f1512",
)


COLOURS: Final = MappingProxyType(
    {
        "body_background_fill": "*neutral_50",
        "body_background_fill_dark": "*neutral_950",
        "body_text_color": "*neutral_900",
        "body_text_color_dark": "#e6ece8",
        "body_text_color_subdued": "*neutral_600",
        "body_text_color_subdued_dark": "#a3b0a8",
        "background_fill_primary": "#ffffff",
        "background_fill_primary_dark": "*neutral_900",
        "background_fill_secondary": "*neutral_50",
        "background_fill_secondary_dark": "*neutral_950",
        "block_background_fill": "#ffffff",
        "block_background_fill_dark": "*neutral_900",
        "block_border_color": "*neutral_200",
        "block_border_color_dark": "#2b352f",
        "border_color_primary": "*neutral_200",
        "border_color_primary_dark": "#2b352f",
        "block_label_text_color": "*neutral_700",
        "block_label_text_color_dark": "#c3cec7",
        "block_title_text_color": "*neutral_700",
        "block_title_text_color_dark": "#c3cec7",
        "block_shadow": "none",
        "input_background_fill": "#ffffff",
        "input_background_fill_dark": "#121915",
        "input_border_color": "*neutral_300",
        "input_border_color_dark": "#38443d",
        "input_border_color_focus": "*primary_600",
        "input_border_color_focus_dark": "*primary_400",
        "input_placeholder_color": "*neutral_500",
        "input_placeholder_color_dark": "#8c9a91",
        "button_primary_background_fill": "*primary_600",
        "button_primary_background_fill_hover": "*primary_700",
        "button_primary_background_fill_dark": "*primary_600",
        "button_primary_background_fill_hover_dark": "*primary_500",
        "button_primary_text_color": "#ffffff",
        "button_primary_text_color_dark": "#ffffff",
        "button_secondary_background_fill": "#ffffff",
        "button_secondary_background_fill_hover": "*neutral_100",
        "button_secondary_background_fill_dark": "*neutral_900",
        "button_secondary_background_fill_hover_dark": "*neutral_800",
        "button_border_width": "1px",
        "button_primary_border_color": "*primary_600",
        "button_primary_border_color_dark": "*primary_600",
        "button_cancel_background_fill": "#a3261b",
        "button_cancel_background_fill_hover": "#87190f",
        "button_cancel_background_fill_dark": "#a3261b",
        "button_cancel_background_fill_hover_dark": "#b93a2e",
        "button_cancel_text_color": "#ffffff",
        "button_cancel_text_color_dark": "#ffffff",
        "button_cancel_border_color": "#a3261b",
        "button_cancel_border_color_dark": "#a3261b",
        "button_secondary_border_color": "*neutral_300",
        "button_secondary_border_color_dark": "#38443d",
        "link_text_color": "*primary_700",
        "link_text_color_dark": "*primary_300",
    }
)


def make_theme() -> gr.themes.Base:
    """A new theme object; Gradio ties one to each Blocks."""
    base = gr.themes.Base(
        primary_hue=GREEN,
        secondary_hue=GREEN,
        neutral_hue=INK,
        radius_size=gr.themes.sizes.radius_lg,
        font=list(FONTS),
        font_mono=list(MONO),
    )
    return base.set(**COLOURS)
