"""The HTML report."""

import re

from fastmlp.paper.report import render_report


def test_the_report_has_no_external_resources_and_escapes_its_values(make_study):
    page = render_report({1: make_study(1)}, {1: "<svg></svg>"}, "fastmlp paper --out a&b", 90.0)
    assert not re.search(r"(src|href|url)\s*[=(]|https?:", page)
    assert "a &lt;fast&gt; one" in page
    assert "--out a&amp;b" in page
    assert (
        "1.5 minutes for this command, which executed only the missing runs; 3.0 minutes for all runs, summed over "
        "parallel jobs"
    ) in page
    assert page.count("holds") == 3
