"""The help screen: every key, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import ItemGrid, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

_TWO_COLUMNS_FROM = 120


def key_name(binding: Binding) -> str:
    """A binding's keys as they are on a keyboard."""
    if binding.key_display:
        return binding.key_display
    names = {
        "question_mark": "?", "slash": "/", "left_square_bracket": "[", "right_square_bracket": "]",
        "left_curly_bracket": "{", "right_curly_bracket": "}", "minus": "-", "escape": "Esc", "enter": "Enter",
        "up": "Up", "down": "Down", "left": "Left", "right": "Right", "pageup": "PgUp", "pagedown": "PgDn",
        "home": "Home", "end": "End", "tab": "Tab",
    }  # fmt: skip
    return " or ".join(names.get(key, key.replace("ctrl+", "Ctrl-")) for key in binding.key.split(","))


def help_text(sections: Iterable[tuple[str, str, Sequence[Binding]]]) -> Text:
    """Title, notes and keys, section by section."""
    text = Text()
    for title, notes, bindings in sections:
        text.append(f"{title}\n", "bold")
        if notes:
            text.append(f"{notes}\n", "dim")
        for binding in bindings:
            if binding.description:
                text.append(f"  {key_name(binding):<12}", "bold")
                text.append(f"{binding.tooltip or binding.description}\n")
        text.append("\n")
    return text


class HelpScreen(ModalScreen[None]):
    """Keys of the program and of the view that is open: side by side where there is room, else one below the other."""

    BINDINGS = [  # noqa: RUF012 - Textual reads the class attribute
        Binding("escape,question_mark,q,enter", "dismiss", "Close"),
    ]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen VerticalScroll { width: 76; max-width: 100%; height: auto; max-height: 100%; border: heavy $primary;
        background: $surface; padding: 0 1; scrollbar-size-vertical: 1; }
    HelpScreen.-wide VerticalScroll { width: 132; }
    HelpScreen Static { height: auto; width: 1fr; }
    HelpScreen ItemGrid { height: auto; grid-gutter: 0 2; grid-size: 1; }
    HelpScreen.-wide ItemGrid { grid-size: 2; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_TWO_COLUMNS_FROM, "-wide")]  # noqa: RUF012 - Textual reads the class attribute

    def __init__(self, *columns: Text) -> None:
        """Show ``columns``, the first one at the left."""
        super().__init__()
        self._columns = [text for text in columns if text]

    def compose(self) -> ComposeResult:
        """The columns in one scrolling frame."""
        with VerticalScroll() as frame:
            frame.border_title = "neuron-top: Esc closes"
            with ItemGrid():
                for text in self._columns:
                    yield Static(text)
