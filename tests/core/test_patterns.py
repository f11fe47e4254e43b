"""Patterns of site names."""

from __future__ import annotations

import pytest

from onegrain.core.patterns import match_sites, matches, names_part, part_of
from onegrain.errors import ModelError
from onegrain.records.space import NeuronSpace

NAMES = [
    "embeddings",
    *("layers.0", "layers.0.attn", "layers.0.heads.0", "layers.0.heads.1", "layers.0.mlp", "layers.0.latents"),
    *("layers.10", "layers.10.mlp"),
    *("encoder.layers.0", "encoder.layers.0.forward", "encoder.layers.0.backward"),
]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", ["embeddings"]),
        ("layers.*", ["layers.0", "layers.10"]),
        ("layers.?", ["layers.0"]),
        ("layers.[0-3]", ["layers.0"]),
        ("layers.[!0]*", ["layers.10"]),
        ("layers.*.mlp", ["layers.0.mlp", "layers.10.mlp"]),
        ("layers.*.heads.*", ["layers.0.heads.0", "layers.0.heads.1"]),
        ("**.mlp", ["layers.0.mlp", "layers.10.mlp"]),
        ("*.layers.*", ["encoder.layers.0"]),
        ("**.layers.0", ["encoder.layers.0"]),
        ("**layers.0", ["layers.0", "encoder.layers.0"]),
        ("layers.0.latents", ["layers.0.latents"]),
        ("layers.*.latents", ["layers.0.latents"]),
        ("Layers.*", []),
    ],
)
def test_a_star_stays_between_two_dots(pattern, names):
    assert [name for name in NAMES if matches(pattern, name)] == names


def test_parts_of_a_site_that_matches_are_left_out_unless_they_are_named():
    assert match_sites(NAMES, "**") == [name for name in NAMES if part_of(name) is None]
    assert match_sites(NAMES, ["encoder.**"]) == ["encoder.layers.0"]
    assert match_sites(NAMES, "encoder.layers.*.*") == ["encoder.layers.0.forward", "encoder.layers.0.backward"]
    both = ["encoder.layers.*", "encoder.layers.*.forward"]
    assert match_sites(NAMES, both) == ["encoder.layers.0", "encoder.layers.0.forward"]
    assert names_part(both[1], "encoder.layers.0.forward")
    assert not names_part(both[1], "encoder.layers.0.backward")


def test_a_pattern_that_matches_nothing_says_how_stars_work():
    with pytest.raises(
        ModelError, match=r"no site matches '\*\.mlp'; a \* stays .* \*\* crosses them; the sites"
    ):
        match_sites(NAMES, "*.mlp")
    with pytest.raises(ModelError, match=r"no site matches 'layers\.99'; the sites are: embeddings"):
        match_sites(NAMES, "layers.99")


def test_a_space_is_restricted_by_the_same_patterns():
    space = NeuronSpace(("layers.0", "layers.0.mlp", "layers.1", "layers.1.mlp"), (2, 3, 2, 3))
    kept, columns = space.restrict("layers.*")
    assert kept == NeuronSpace(("layers.0", "layers.1"), (2, 2))
    assert columns.tolist() == [0, 1, 5, 6]
    assert space.restrict("**")[0] == space
