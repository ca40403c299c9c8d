from __future__ import annotations

import html
import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from thane.http.dashboard.json_markup import json_markup

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_shown_is_the_same_json(value: Any) -> None:
    assert json.loads(html.unescape(re.sub(r"<[^>]*>", "", json_markup(value)))) == value


def test_text_is_never_markup() -> None:
    shown = json_markup({"<script>": "</pre><script>alert(1)</script>"})
    assert "<script>" not in shown
    assert shown.count("</pre>") == 1


def test_small_objects_inside_stay_on_one_line() -> None:
    assert json_markup({"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}) == (
        '<pre class="code">{\n'
        '  <span class="jk">&#34;a&#34;</span>: {\n'
        '    <span class="jk">&#34;b&#34;</span>: <span class="jn">1</span>,\n'
        '    <span class="jk">&#34;c&#34;</span>: [<span class="jn">1</span>, <span class="jn">2</span>]\n'
        "  },\n"
        '  <span class="jk">&#34;d&#34;</span>: { <span class="jk">&#34;e&#34;</span>: <span class="jn">1</span> }\n'
        "}</pre>"
    )
