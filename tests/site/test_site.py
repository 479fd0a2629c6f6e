"""The built documentation in a real browser, on a laptop and on a telephone; `make docs` builds it."""

import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytestmark = pytest.mark.slow

SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"
NO_PAGES = {"_modules", "_static"}
"""Sources, and the theme's own files."""
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if NO_PAGES.isdisjoint(path.relative_to(SITE).parts)
)
LAPTOP, TELEPHONE = 1280, 390
FOUND = "[...document.querySelectorAll('#search-results ul.search li > a')].map((link) => link.getAttribute('href'))"
WIDER = """[...document.querySelectorAll('body *')].filter((each) => {
    for (let box = each.parentElement; box; box = box.parentElement)
        if (getComputedStyle(box).overflowX !== 'visible' && box !== document.body) return false;
    return each.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(each).visibility !== 'hidden';
}).slice(0, 3).map((each) => each.outerHTML.slice(0, 120))"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing: pages ask for hundreds of files."""


@pytest.fixture(scope="module")
def site():
    """The address of the site, served to this machine alone."""
    if not PAGES:
        pytest.skip("needs the site: make docs")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(SITE)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_head_of_no_page_asks_anybody_else():
    if not PAGES:
        pytest.skip("needs the site: make docs")
    asked = {}
    for name in PAGES:
        head, _, _ = (SITE / name).read_text(encoding="utf-8").partition("</head>")
        if found := re.findall(r'(?:src|href)="((?:https?:)?//[^"]+)"', head):
            asked[name] = found
    assert asked == {}


def test_every_page_opens_on_a_telephone_and_nothing_is_wider_than_it(browser, site):
    wrong = {}
    for name in PAGES:
        browser.open(f"{site}/{name}", width=TELEPHONE, height=844)
        wide = browser.run("document.documentElement.scrollWidth")
        outside = [asked for asked in browser.requests if not asked.startswith((site, "data:"))]
        if wide > TELEPHONE or outside or browser.errors:
            wrong[name] = (wide, browser.run(WIDER), outside, browser.errors[:3])
    assert wrong == {}


@pytest.mark.parametrize("name", ["index.html", "how-to/tour.html", "reference/commands.html", "results/h200.html"])
def test_a_page_opens_on_a_laptop_with_its_menus(browser, site, name):
    browser.open(f"{site}/{name}", width=LAPTOP)
    assert browser.errors == []
    assert [asked for asked in browser.requests if not asked.startswith((site, "data:"))] == []
    assert browser.run("document.documentElement.scrollWidth") <= LAPTOP
    menus = "[...document.querySelectorAll('.navbar-nav')].filter((menu) => menu.offsetHeight > 0).length"
    assert browser.run(menus) > 0


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("deadline", "reference/glossary.html"),
        ("H200", "results/h200.html"),
        ("add a policy", "how-to/add-a-policy.html"),
        ("preemption", "explanation/preemption.html"),
        ("calibration", "explanation/calibration.html"),
    ],
)
def test_a_search_finds_the_right_page_first(browser, site, words, first):
    browser.open(f"{site}/search.html?q={words.replace(' ', '+')}")
    found = []
    for _ in range(100):  # results come one after the other
        browser.run("new Promise((done) => setTimeout(done, 300))")
        if (now := browser.run(FOUND)) and now == found:
            break
        found = now
    assert found
    assert found[0].partition("#")[0].partition("?")[0].endswith(first), found[:5]
