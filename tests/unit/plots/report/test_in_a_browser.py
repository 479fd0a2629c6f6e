"""The page in a real browser: nothing is asked for, nothing complains, and it does what it is told."""

import json

import pytest

from stratsim_plots.report.make import make_report

pytestmark = pytest.mark.slow
WINDOW = "['from', 'to'].map((id) => Number(document.getElementById(id).value))"
BOXES = "document.querySelectorAll('#chart rect.box').length"
DETAILS = "document.getElementById('details').textContent"


@pytest.fixture(scope="module")
def page(results, tmp_path_factory):
    return make_report(results, tmp_path_factory.mktemp("page") / "report.html").path


@pytest.fixture
def opened(browser, page):
    browser.open(page)
    yield browser
    assert browser.errors == []
    assert browser.requests == [page.as_uri()]


def data_of(browser):
    return json.loads(browser.run("document.getElementById('data').textContent"))


def length(window):
    return window[1] - window[0]


def test_it_opens_without_a_complaint_and_without_asking_anybody(opened, page):
    assert opened.requests == [page.as_uri()]
    assert opened.errors == []
    assert opened.run("document.querySelectorAll('section').length") == 6


def test_the_timeline_is_drawn(opened):
    data = data_of(opened)
    assert opened.run(BOXES) > 20
    assert opened.run("document.querySelectorAll('#chart .waiting').length") >= 2
    labels = opened.run("[...document.querySelectorAll('#chart text')].map((text) => text.textContent)")
    assert {"0: slot 0", "1: slot 0", "0: copy in", "1: copy out"} <= set(labels)
    legend = opened.run("[...document.querySelectorAll('#models span')].map((entry) => entry.textContent)")
    assert legend == [*data["models"], "waiting, high", "waiting, low"]


def test_boxes_are_where_the_data_say(opened):
    """The first box of slot 0 of the window: its left edge on the axis, back in seconds, is its start."""
    data = data_of(opened)
    place = opened.run(
        "(() => { const box = document.querySelectorAll('#chart rect.box')[5];"
        "return [Number(box.dataset.box), Number(box.getAttribute('x'))]; })()"
    )
    boxes = data["runs"][0]["boxes"]
    start_s = data["start_s"] + sum(boxes["start"][: place[0] + 1]) * data["unit_s"]
    from_s, to_s = opened.run(WINDOW)
    left = opened.run("Math.min(...[...document.querySelectorAll('#chart path.waiting')].map((p) => p.getBBox().x))")
    right = opened.run("document.getElementById('chart').clientWidth - 10")
    assert left + (start_s - from_s) / (to_s - from_s) * (right - left) == pytest.approx(place[1], abs=1.0)


def test_a_click_on_a_worst_request_moves_the_window_to_it(opened):
    data = data_of(opened)
    place = next(n for n, request in enumerate(data["requests"]) if request["run"] == 1)
    request = data["requests"][place]
    before = opened.run(WINDOW)
    opened.click(f'.show[data-request="{place}"]')
    after = opened.run(WINDOW)
    arrival_s, end_s = (data["start_s"] + request[key] * data["unit_s"] for key in ("arrival", "end"))
    assert after != before
    assert after[0] < arrival_s < end_s < after[1]
    assert opened.run("document.getElementById('policy').value") == "1"
    assert opened.run(f"document.getElementById('request-{place}').classList.contains('chosen')")
    assert opened.run("document.querySelectorAll('#chart .mark').length") >= 2
    assert opened.run("document.querySelectorAll('#chart rect.at').length") == 1
    assert f"request {request['id']}:" in opened.run(DETAILS)
    assert opened.run("document.activeElement.id") == "chart"


def test_the_keyboard_zooms_moves_and_steps(opened):
    opened.run("document.getElementById('chart').focus()")
    start = opened.run(WINDOW)
    opened.press("+")
    closer = opened.run(WINDOW)
    assert length(closer) == pytest.approx(length(start) / 2, rel=1e-3)
    assert start[0] < closer[0] < closer[1] < start[1]
    opened.press("ArrowRight")
    moved = opened.run(WINDOW)
    assert moved[0] == pytest.approx(closer[0] + length(closer) / 4, abs=1e-4)
    opened.press("-")
    assert length(opened.run(WINDOW)) == pytest.approx(length(start), rel=1e-3)
    opened.press("n")
    first = opened.run(DETAILS)
    opened.press("n")
    second = opened.run(DETAILS)
    opened.press("p")
    assert "batch " in first
    assert second != first
    assert opened.run(DETAILS) == first
    opened.press("0")
    assert opened.run(WINDOW) == start


def test_another_policy_in_the_same_window(opened):
    before = opened.run(WINDOW), opened.run("document.getElementById('chart').innerHTML")
    opened.run("document.getElementById('policy').value = 2")
    opened.run("document.getElementById('policy').dispatchEvent(new Event('change'))")
    assert opened.run(WINDOW) == before[0]
    assert opened.run(BOXES) > 20
    assert opened.run("document.getElementById('chart').innerHTML") != before[1]


def test_a_window_is_typed(opened):
    opened.type("#from", "1.25")
    opened.type("#to", "1.5")
    opened.click("#window button[type=submit]")
    assert opened.run(WINDOW) == [1.25, 1.5]
    opened.type("#to", "soon")
    opened.click("#window button[type=submit]")
    assert "two times" in opened.run("document.getElementById('problem').textContent")
    assert opened.run("document.querySelectorAll('#chart svg').length") == 1


def test_what_the_page_does_not_hold_is_hatched(opened):
    opened.type("#from", "-5")
    opened.type("#to", "-4")
    opened.click("#window button[type=submit]")
    assert opened.run(BOXES) == 0
    assert opened.run("document.querySelectorAll('#chart .left-out').length") == 1


def test_the_pointer_shows_details_and_drags(opened):
    opened.run("document.getElementById('chart').scrollIntoView({block: 'center'})")
    x, y = opened.middle("#chart rect.box:nth-of-type(n + 3)")
    opened.pointer("mouseMoved", x, y)
    assert opened.run("document.getElementById('tip').hidden") is False
    assert "dispatched at" in opened.run("document.getElementById('tip').textContent")
    before = opened.run(WINDOW)
    x, y = opened.middle("#chart")
    opened.pointer("mousePressed", x, y)
    opened.pointer("mouseMoved", x - 100, y)
    opened.pointer("mouseReleased", x - 100, y)
    after = opened.run(WINDOW)
    assert before[0] < after[0] < before[1]
    assert length(after) == pytest.approx(length(before), rel=1e-3)


HEADS = "[...document.querySelectorAll('#summary table')[0].tHead.rows[0].cells]"
FIRST = "[...document.querySelectorAll('#summary table')[0].tBodies[0].rows].map((row) => row.cells[0].textContent)"


def column(browser, number):
    """Return what a column of the first table is sorted by, from the top."""
    return browser.run(
        "[...document.querySelectorAll('#summary table')[0].tBodies[0].rows]"
        f".map((row) => row.cells[{number}].dataset.by ?? row.cells[{number}].textContent)"
    )


def test_a_table_is_sorted_by_a_click_and_comes_back(opened):
    before = opened.run(FIRST)
    number = opened.run(f"{HEADS}.findIndex((cell) => cell.textContent.startsWith('violations'))")
    head = f"#summary thead th:nth-child({number + 1})"
    opened.click(f"{head} button")
    values = [float(value) for value in column(opened, number)]
    assert values == sorted(values)
    assert len(set(values)) > 2
    assert opened.run(f"{HEADS}.map((cell) => cell.getAttribute('aria-sort')).filter(Boolean)") == ["ascending"]
    opened.click(f"{head} button")
    assert [float(value) for value in column(opened, number)] == values[::-1]
    assert opened.run(f"document.querySelector('{head}').getAttribute('aria-sort')") == "descending"
    opened.click(f"{head} button")
    assert opened.run(FIRST) == before
    assert opened.run("document.querySelectorAll('[aria-sort]').length") == 0


def test_a_table_is_sorted_by_the_keyboard(opened):
    opened.run(f"{HEADS}[0].querySelector('button').focus()")
    opened.press("Tab")
    assert opened.run("document.activeElement.textContent") == "class"
    opened.press("Enter")
    assert opened.run("document.activeElement.textContent") == "class"
    assert opened.run(f"{HEADS}[1].getAttribute('aria-sort')") == "ascending"
    assert column(opened, 1) == ["high"] * 3 + ["low"] * 3


@pytest.mark.parametrize("width", [1280, 390])
def test_the_contents_stay_and_say_where_the_reader_is(browser, page, width):
    browser.open(page, width, 844)
    for name in ("timeline", "worst"):
        browser.run(f"document.querySelector('#contents a[href=\"#{name}\"]').click()")
        browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        box = browser.run(
            "(({top, bottom}) => [top, bottom])(document.getElementById('contents').getBoundingClientRect())"
        )
        assert 0 <= box[0] < box[1] <= 844
        here = browser.run("[...document.querySelectorAll('#contents [aria-current]')].map((link) => link.hash)")
        assert here == [f"#{name}"]
        top = browser.run(f"document.getElementById('{name}-title').getBoundingClientRect().top")
        assert top >= (box[1] if width < 600 else 0)  # nothing lies over the heading
    assert browser.errors == []


PAPER = "getComputedStyle(document.body).backgroundColor"


def test_it_is_dark_where_the_system_is_and_the_switch_wins(browser, page):
    def switch(name):
        browser.run(
            f"(s => {{ s.value = '{name}'; s.dispatchEvent(new Event('change')); }})(document.getElementById('theme'))"
        )

    browser.prefer("dark")
    try:
        browser.open(page)
        dark = browser.run(PAPER)
        switch("light")
        light = browser.run(PAPER)
        browser.open(page)
        assert browser.run(PAPER) == light  # it is remembered
        switch("")
        assert browser.run(PAPER) == dark
        browser.prefer("light")
        assert browser.run(PAPER) == light
        switch("dark")
        assert browser.run(PAPER) == dark
        switch("")
    finally:
        browser.prefer("light")
    assert light == "rgb(255, 255, 255)"
    assert dark != light
    assert browser.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_either_light(browser, page, scheme):
    """Text against its background: 4.5 to 1 at least (WCAG 2.2, 1.4.3), 3 to 1 for what is large."""
    browser.prefer(scheme)
    try:
        browser.open(page)
        browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        poor = browser.run(CONTRAST)
    finally:
        browser.prefer("light")
    assert poor == []


CONTRAST = """(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => [r, g, b].map((c) => linear(c / 255))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  const poor = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim()) continue;
    if (element.closest('script, style, noscript, [hidden], #chart .in')) continue;
    const style = getComputedStyle(element);
    const front = light(parts(element instanceof SVGElement ? style.fill : style.color));
    const back = light(behind(element));
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    const name = `${element.tagName}.${element.className.baseVal ?? element.className}`;
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) poor.add(`${name}: ${ratio.toFixed(2)}`);
  }
  return [...poor];
})()"""


def test_nothing_is_wider_than_a_phone(browser, page):
    browser.open(page, 390, 844)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.run(BOXES) > 10
    assert browser.errors == []


def test_without_scripts_all_but_the_timeline_is_there(browser, page):
    browser.set_scripts(allowed=False)
    try:
        browser.open(page)
    finally:
        browser.set_scripts(allowed=True)
    assert browser.run("document.querySelectorAll('#chart rect').length") == 0
    assert browser.run("getComputedStyle(document.querySelector('.show')).display") == "none"
    assert browser.run("document.querySelector('noscript').getBoundingClientRect().height") > 0
    assert browser.run("document.querySelectorAll('#summary tbody tr').length") >= 6
    assert browser.run("document.querySelectorAll('#worst .request').length") > 6
    assert browser.run("document.querySelectorAll('th button').length") == 0
    assert browser.run("getComputedStyle(document.querySelector('.theme')).display") == "none"
    assert browser.requests == [page.as_uri()]


def test_hostile_names_are_text(browser, hostile, tmp_path):
    page = make_report(hostile, tmp_path / "report.html").path
    browser.open(page)
    assert browser.run("window.hacked === undefined")
    assert browser.run("document.querySelectorAll('main b b, main img, iframe').length") == 0
    assert browser.requests == [page.as_uri()]
    assert browser.errors == []
    place = next(n for n, request in enumerate(data_of(browser)["requests"]) if "<img" in request["says"])
    browser.click(f'.show[data-request="{place}"]')
    assert "<img" in browser.run(DETAILS)
    assert browser.run("window.hacked === undefined")
    assert browser.errors == []


def test_several_folders_share_a_page(browser, results, hostile, tmp_path):
    page = make_report([results, hostile], tmp_path / "both.html", worst=1).path
    browser.open(page, 390, 844)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.run("window.hacked === undefined")
    labels = browser.run("[...document.querySelectorAll('#policy option')].map((option) => option.textContent)")
    assert labels[0] == "small: fifo"
    assert len(labels) == 4
    assert browser.requests == [page.as_uri()]
    assert browser.errors == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_the_page_of_a_sweep_is_read_sorted_and_not_too_wide(browser, swept, tmp_path, width, scheme):
    page = make_report(swept, tmp_path / "sweep.html", overwrite=True).path
    browser.prefer(scheme)
    try:
        browser.open(page, width, 844)
        assert browser.run("document.documentElement.scrollWidth") <= width
        browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run(CONTRAST) == []
        before = browser.run(FIRST)
        browser.run(f"{HEADS}[0].querySelector('button').focus()")
        browser.press("Enter")
        assert browser.run(FIRST) == sorted(before)
        assert browser.run("document.querySelectorAll('svg[role=img]').length") >= 6
    finally:
        browser.prefer("light")
    assert browser.requests == [page.as_uri()]
    assert browser.errors == []
