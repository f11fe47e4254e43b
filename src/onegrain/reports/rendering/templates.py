"""The templates of this package, with every value escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup, escape

from onegrain.core.text import visible

__all__ = ["environment", "lines", "render", "shown", "source"]


def environment(*packages: str) -> jinja2.Environment:
    """Return an environment for the templates of some packages, in which every value is escaped."""
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package, "templates") for package in packages]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        finalize=shown,
    )


@cache
def _environment() -> jinja2.Environment:
    return environment("onegrain.reports")


def shown(value: Any) -> Any:
    """Return a text as HTML, escaped and without control characters; Markup and other values as they are."""
    return escape(visible(value)) if isinstance(value, str) and not isinstance(value, Markup) else value


def lines(text: str) -> Markup:
    """Return a text of several lines as HTML; only its line ends stay control characters."""
    return Markup("\n").join(shown(line) for line in text.split("\n"))


def render(template: str, **values: Any) -> str:
    """Fill a template of ``onegrain/reports/templates``; values pass through :func:`shown`."""
    return _environment().get_template(template).render(**values)


def source(name: str) -> str:
    """Return the text of a file of ``onegrain/reports/templates``."""
    environment = _environment()
    if environment.loader is None:
        raise jinja2.TemplateNotFound(name)
    return environment.loader.get_source(environment, name)[0]
