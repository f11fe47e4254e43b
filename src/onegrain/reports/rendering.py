"""The templates of this package, with every value escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

__all__ = ["render", "source"]


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.PackageLoader("onegrain.reports", "templates")
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )


def render(template: str, **values: Any) -> str:
    """Fill a template of ``onegrain/reports/templates``; values that are not Markup are escaped."""
    return _environment().get_template(template).render(**values)


def source(name: str) -> str:
    """A file of ``onegrain/reports/templates`` as it is."""
    environment = _environment()
    if environment.loader is None:
        raise jinja2.TemplateNotFound(name)
    return environment.loader.get_source(environment, name)[0]
