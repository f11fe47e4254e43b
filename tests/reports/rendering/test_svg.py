from __future__ import annotations

from onegrain.reports.rendering.svg import inline_svg

HOSTILE = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="a()">
<script>a()</script><style>*{}</style><foreignObject/><a xlink:href="javascript:a()"><text>link</text></a>
<defs><clipPath id="clip0"><rect width="5"/></clipPath></defs>
<g clip-path="url(#clip0)" fill="url(http://x.org/y)" style="fill:red" onclick="a()" aria-label="x: 1; y: 2">
<text>&lt;b&gt;</text></g></svg>"""


def test_only_what_a_page_may_show_is_kept() -> None:
    svg = inline_svg(HOSTILE, "one", 'a "chart" & more')
    for part in ("script", "style", "foreignObject", "href", "onload", "onclick", "http", "xlink", "link<"):
        assert part not in svg, part
    assert "&lt;b&gt;" in svg
    assert 'aria-label="a &quot;chart&quot; &amp; more"' in svg


def test_ids_carry_the_name_of_the_chart() -> None:
    svg = inline_svg(HOSTILE, "one", "a chart")
    assert 'id="one-0"' in svg
    assert 'clip-path="url(#one-0)"' in svg


def test_descriptions_of_marks_become_titles() -> None:
    assert "<title>x: 1; y: 2</title>" in inline_svg(HOSTILE, "one", "a chart")
