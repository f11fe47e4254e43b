"""The help of the verbs: headings, short forms, one text for each option, and parameters of methods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from onegrain.cli import command_tree
from onegrain.cli.console import _speed
from onegrain.rankings.registry import METHODS
from support.commands import Run

OF_ITS_VERB = {
    *("--out", "--label", "--k", "--top", "--sites", "--corpus", "--dtype", "--title", "--ranking"),
    *("--workers", "--test", "--others", "--set", "--data"),
}
"""Options that name another thing in each verb."""


def commands(command: Any) -> Iterator[Any]:
    if not hasattr(command, "commands"):
        yield command
        return
    for verb in command.commands.values():
        yield from commands(verb)


def test_an_option_has_the_same_help_in_every_verb() -> None:
    helps: dict[str, set[str]] = defaultdict(set)
    for command in commands(command_tree()):
        for parameter in command.params:
            if parameter.param_type_name == "option":
                helps[parameter.opts[0]].add(parameter.help or "")
    differing = {
        option: texts for option, texts in helps.items() if len(texts) > 1 and option not in OF_ITS_VERB
    }
    assert differing == {}


def test_a_short_form_stands_for_one_option() -> None:
    meanings: dict[str, set[str]] = defaultdict(set)
    for command in commands(command_tree()):
        for parameter in command.params:
            for short in (text for text in parameter.opts if len(text) == 2):
                meanings[short].add(parameter.opts[0])
    assert meanings["-o"] == {"--out"}
    assert {short for short, options in meanings.items() if len(options) > 1} <= {"-k"}


def test_no_verb_has_forty_options() -> None:
    for command in commands(command_tree()):
        assert sum(parameter.param_type_name == "option" for parameter in command.params) < 40, command.name


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_options_are_listed_under_headings(run: Run, option: str) -> None:
    code, out, _ = run("extract", option)
    assert code == 0
    for heading in ("Arguments:", "Options:", "Words:", "Engine:", "Model:", "Corpus:", "Output:"):
        assert f"\n{heading}\n" in out
    assert out.index("\nOutput:") < out.index("--json")


def test_the_help_of_rank_lists_the_parameters_of_its_method(run: Run) -> None:
    code, out, _ = run("rank", "lca", "--help")
    assert code == 0
    section = out.partition("Parameters of lca")[2]
    for field in fields(METHODS["lca"].options):
        assert field.name in section
    assert "Parameters of" not in run("rank", "--help")[1]


def test_mistyped_verbs_and_options_get_a_suggestion(run: Run) -> None:
    code, _, err = run("rnak")
    assert (code, "Did you mean 'rank'" in err) == (2, True)
    code, _, err = run("rank", "std", "a.zarr", "--ot", "r.parquet")
    assert (code, "No such option: --ot. Did you mean '--out'?" in err) == (2, True)
    code, _, err = run("--vresion")
    assert (code, "Did you mean '--version'?" in err) == (2, True)


def test_the_command_alone_prints_its_help(run: Run) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out == run("--help")[1]
    assert "similarity" in out


def test_the_list_of_verbs_builds_none_of_them(run: Run) -> None:
    command_tree.cache_clear()
    assert run("--help")[0] == 0
    assert run("--version")[0] == 0
    assert command_tree().commands.built == []
    assert run("similarity", "-h")[0] == 0
    assert command_tree().commands.built == ["similarity"]


def test_a_list_of_verbs_is_not_cut_short(run: Run) -> None:
    for arguments in ((), ("analyse", "-h"), ("train", "-h")):
        assert "..." not in run(*arguments)[1].partition("Commands:")[2]


def test_shells_complete_verbs_and_options(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_ONEGRAIN_COMPLETE", "source_bash")
    code, script, _ = run()
    assert (code, "-F _onegrain_completion onegrain" in script) == (0, True)
    monkeypatch.setenv("_ONEGRAIN_COMPLETE", "complete_bash")
    for typed, completions in (("onegrain sim", ["similarity"]), ("onegrain rank --ot", ["--others"])):
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
        assert run()[1].split() == completions


def test_slow_work_shows_seconds_per_unit() -> None:
    assert (_speed(26.14), _speed(0.04), _speed(0.0)) == ("26.1/s", "25.0 s each", "")
