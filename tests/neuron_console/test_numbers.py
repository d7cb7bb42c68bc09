"""No option of any command accepts a number that is not finite, and each has limits that its message states."""

from collections.abc import Iterator

import pytest
import typer
from typer.core import TyperGroup

from neuron_console.command import command_of, new_app
from neuron_tools.manual import applications


def commands(command, words) -> Iterator:
    """Yield words of the command line -> command, for a command and its subcommands."""
    if not isinstance(command, TyperGroup):
        yield words, command
        return
    for name, inner in command.commands.items():
        yield from commands(inner, (*words, name))


def number_options() -> list:
    found = []
    for name, app in applications().items():
        top = command_of(app)
        for words, command in commands(top, (name,)):
            for parameter in command.params:
                if parameter.type.name.startswith("float"):
                    found.append(pytest.param(top, words[1:], parameter, id=" ".join((*words, parameter.opts[0]))))
    return found


OPTIONS = number_options()


def refused(top, words, option, text):
    """Return the message for an option; arguments that the command requires may be missing."""
    with pytest.raises(typer.BadParameter.__bases__[0]) as caught:
        # Options are read before the arguments that are missing, because click reads what is given first.
        top([*words, option, text], standalone_mode=False)
    return caught.value.format_message()


def test_every_program_is_seen():
    seen = {parameter.id.split()[0] for parameter in OPTIONS}
    assert {"neuron-ls", "neuron-top", "neuron-monitor", "neuron-sim", "neuron-bench"} <= seen


@pytest.mark.parametrize(("top", "words", "parameter"), OPTIONS)
@pytest.mark.parametrize("text", ["nan", "-nan", "inf", "-inf", "1e300", "-1e300"])
def test_what_is_no_finite_number_is_refused(top, words, parameter, text):
    message = refused(top, words, parameter.opts[0], text)
    assert parameter.opts[0] in message
    assert "is not a finite number" in message or "is not in the range" in message


@pytest.mark.parametrize(("top", "words", "parameter"), OPTIONS)
def test_both_limits_are_stated(top, words, parameter):
    low, high = parameter.type.min, parameter.type.max
    assert low is not None
    assert high is not None
    assert f"{low}<=x<={high}" in refused(top, words, parameter.opts[0], str(high * 2 + 1))


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_an_option_without_limits_is_checked_too(text):
    app = new_app("x")

    @app.command()
    def go(seconds: float = 1.0, more: list[float] = typer.Option([])) -> None:  # noqa: B008
        raise AssertionError((seconds, more))

    assert "is not a finite number" in refused(command_of(app), (), "--seconds", text)
    assert "is not a finite number" in refused(command_of(app), (), "--more", text)
