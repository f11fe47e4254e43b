"""What steering returns: what a model writes before and after some neurons are set, with the changed words."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from onegrain.core.describing import Described
from onegrain.core.differences import Difference, marked, word_differences
from onegrain.core.text import visible
from onegrain.interventions.intervention import Intervention

__all__ = ["Steering"]

STYLES = {
    "del": "background:#fbe3dc;color:#8a2500",
    "ins": "background:#d9f0e4;color:#00543a;text-decoration:none",
}


@dataclass(frozen=True, eq=False, repr=False)
class Steering(Described):
    """What a model writes for some texts before and after neurons are set.

    Attributes:
        model: the model's name.
        interventions: what was set.
        translated: True for translations, False for continuations.
        texts: the prompts, or the sentences that are translated.
        before: what the untouched model writes for each text.
        after: what the edited model writes for each text.
    """

    model: str
    interventions: tuple[Intervention, ...]
    translated: bool
    texts: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]

    def differences(self, number: int) -> list[Difference]:
        """Return the stretches of equal and of changed words for one text, counted from 0."""
        return word_differences(self.before[number].split(), self.after[number].split())

    def changed(self) -> list[bool]:
        """Return for each text whether a word of the output changed."""
        return [any(part.changed for part in self.differences(n)) for n in range(len(self.texts))]

    def summary(self) -> dict[str, Any]:
        """Return the facts: the model, what was set, and how many outputs changed."""
        return {
            "record": "steering",
            "model": self.model,
            "edits": [str(intervention) for intervention in self.interventions],
            "texts": len(self.texts),
            "changed": sum(self.changed()),
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per text: ``text``, ``before``, ``after``, ``changed``, and both ``marked``."""
        return pd.DataFrame(
            {
                "text": self.texts,
                "before": self.before,
                "after": self.after,
                "changed": self.changed(),
                "marked": [marked(self.differences(number)) for number in range(len(self.texts))],
            }
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the ``outputs``."""
        return {"outputs": self.to_pandas()}

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; the changes are pairs of the words before and after."""
        outputs = [
            {
                "text": text,
                "before": self.before[number],
                "after": self.after[number],
                "changes": [
                    [list(part.before), list(part.after)] for part in self.differences(number) if part.changed
                ],
            }
            for number, text in enumerate(self.texts)
        ]
        interventions = [intervention.to_json() for intervention in self.interventions]
        return {"model": self.model, "interventions": interventions, "outputs": outputs}

    def __repr__(self) -> str:
        lines = [f"{self.model}: {'; '.join(map(str, self.interventions))}"]
        for number, text in enumerate(self.texts):
            lines += [f"  {text}", f"    {marked(self.differences(number))}"]
        return "\n".join(visible(line) for line in lines)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: each text with its output, removed and added words in colour."""
        rows = [
            f"<tr><td>{_escaped(text)}</td><td>{_html(self.differences(number))}</td></tr>"
            for number, text in enumerate(self.texts)
        ]
        output = "translation" if self.translated else "continuation"
        edits = _escaped("; ".join(map(str, self.interventions)))
        head = f"<thead><tr><th>text</th><th>{output} before and after</th></tr></thead>"
        return f"<p>{_escaped(self.model)}: {edits}</p><table>{head}<tbody>{''.join(rows)}</tbody></table>"


def _html(differences: Sequence[Difference]) -> str:
    parts = []
    for part in differences:
        if not part.changed:
            parts.append(_escaped(" ".join(part.before)))
            continue
        for tag, words in (("del", part.before), ("ins", part.after)):
            if words:
                parts.append(f'<{tag} style="{STYLES[tag]}">{_escaped(" ".join(words))}</{tag}>')
    return " ".join(parts)


def _escaped(text: str) -> str:
    return html.escape(visible(text))
