"""The languages of tokenizers that add the token of a language to each sentence (NLLB, mBART, M2M100)."""

from __future__ import annotations

from typing import Any

from onegrain.errors import ModelError, ParameterError

__all__ = ["require_language", "set_languages"]

ATTRIBUTES = {"source": "src_lang", "target": "tgt_lang"}


def set_languages(tokenizer: Any, name: str, **languages: str | None) -> None:
    """Set the ``source`` and ``target`` language of a tokenizer; None leaves a language as it is.

    Raises:
        ParameterError: the tokenizer has no languages, or does not know this one.
    """
    for side, language in languages.items():
        if language is None:
            continue
        attribute = ATTRIBUTES[side]
        if not hasattr(tokenizer, attribute):
            raise ParameterError(
                f"{side}_language {language!r} is given, but the {type(tokenizer).__name__} of {name} has no "
                f"languages; leave it out (--{side}-language)"
            )
        tokens = (language, f"__{language}__")
        if all(tokenizer.convert_tokens_to_ids(token) in (None, tokenizer.unk_token_id) for token in tokens):
            raise ParameterError(
                f"the {type(tokenizer).__name__} of {name} knows no {side}_language {language!r} "
                f"(--{side}-language); it knows {_known(tokenizer)}"
            )
        setattr(tokenizer, attribute, language)
        tokenizer.init_kwargs[attribute] = language


def require_language(tokenizer: Any, side: str) -> None:
    """Check that a tokenizer with languages knows the language of a side.

    Without it, NLLB and mBART would treat every sentence as English.

    Raises:
        ModelError: neither the folder nor the caller names the language.
    """
    attribute = ATTRIBUTES[side]
    if not hasattr(tokenizer, attribute):
        return
    language = getattr(tokenizer, attribute) if side == "target" else tokenizer.init_kwargs.get(attribute)
    if language is None:
        verb = "writes" if side == "target" else "reads"
        raise ModelError(
            f"the {type(tokenizer).__name__} does not know which language the model {verb}; give "
            f"{side}_language (--{side}-language), one of {_known(tokenizer)}"
        )


def _known(tokenizer: Any) -> str:
    """Return the first twenty languages that a tokenizer has tokens for, as text."""
    names = [str(token) for token in getattr(tokenizer, "additional_special_tokens", None) or ()]
    names = names or [token for token in tokenizer.all_special_tokens if "_" in token]
    named = [name.strip("_") if name.startswith("__") else name for name in names]
    return ", ".join(named[:20]) + (", ..." if len(named) > 20 else "")
