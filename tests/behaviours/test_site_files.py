"""Which static files a browser fetches: read from pages and from webpack's runtime, in the forms that it takes."""

from __future__ import annotations

import pytest

from mmload.behaviours.site import chunk_files, page_files

HASHES = '{17:"2f1c0a9b8c",23:"9ab0112233"}'
RUNTIMES = {
    f'o.u=e=>e+"."+{HASHES}[e]+".js",o.g=1': ["/static/17.2f1c0a9b8c.js", "/static/23.9ab0112233.js"],
    f'o.u=e=>(({{17:"vendor"}}[e]||e)+"."+{HASHES}[e]+".chunk.js")': [
        "/static/vendor.2f1c0a9b8c.chunk.js",
        "/static/23.9ab0112233.chunk.js",
    ],
    "r.u=function(e){return\"js/\"+e+'-'+{'17':'2f1c0a9b8c'}[e]+'.js'}": ["/static/js/17-2f1c0a9b8c.js"],
    f'o.u=e=>e+"."+{HASHES}[e]+".js",o.miniCssF=e=>179===e?"main.css":"css/"+e+"."+{{5:"deadbeef"}}[e]+".css"': [
        "/static/css/5.deadbeef.css",
        "/static/17.2f1c0a9b8c.js",
        "/static/23.9ab0112233.js",
    ],
    'x={1:"one",2:"two"}[e]+".js"': [],
    'names={1:"abcdef01"}[e]+" apples"': [],
    "": [],
}


@pytest.mark.parametrize("script", RUNTIMES)
def test_the_runtime_of_webpack_names_its_chunks_style_sheets_first(script: str) -> None:
    assert chunk_files("!function(){var e={};" + script + ";}()") == RUNTIMES[script]


def test_a_page_names_its_own_files_once_and_those_of_other_hosts_are_left_out() -> None:
    page = """<link rel="stylesheet" href="/static/main.css"><link rel=icon href=/static/i.png>
    <script defer src='/static/main.js'></script><script src="/static/main.js"></script>
    <script src="//cdn.example/x.js"></script><script src="https://cdn.example/y.js"></script><a href="/no.js">"""

    assert page_files(page) == ["/static/main.css", "/static/i.png", "/static/main.js"]


@pytest.mark.parametrize(
    "hostile",
    ["a" * 10**6, "<link " * 10**5, ("{" + "x" * 10**5 + '}[e]+".js"') * 16, '{1:"a"}[e]||' * 10**5 + "e"],
    ids=["one word", "links", "tables", "names"],
)
def test_whatever_a_server_sends_instead_names_nothing_and_is_read_in_one_go(hostile: str) -> None:
    """Bounded expressions: unbounded ones take hours for these."""
    assert chunk_files(hostile) == []
    assert page_files(hostile) == []
