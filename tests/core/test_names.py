"""Names that become names of files and folders."""

from __future__ import annotations

import pytest

from onegrain.core.names import LONGEST_NAME, is_name, require_name
from onegrain.errors import ParameterError


@pytest.mark.parametrize("name", ["a", "0", "en_ewt-2.14", "UPOS", "a..b", "x" * LONGEST_NAME])
def test_plain_names_are_returned_unchanged(name: str) -> None:
    assert is_name(name)
    assert require_name(name, "a model's name") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../../../victim",
        "/etc/passwd",
        "a/b",
        "a\\b",
        ".hidden",
        "-option",
        "_x",
        "a b",
        "a\n",
        "a\0b",
        "café",
        "٣",
        "x" * (LONGEST_NAME + 1),
        7,
        None,
    ],
)
def test_what_could_leave_a_folder_or_confuse_a_shell_is_refused(name: object) -> None:
    assert not is_name(name)
    with pytest.raises(ParameterError, match=r"study\.toml: the name of a model becomes the name of a file"):
        require_name(name, "study.toml: the name of a model")


def test_an_endless_name_is_cut_in_the_message() -> None:
    with pytest.raises(ParameterError) as raised:
        require_name("y" * 100_000, "a corpus's name")
    assert len(str(raised.value)) < 500
