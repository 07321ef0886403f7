"""The pages that are written, in a browser: what a reader does with them, and that nothing leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from driftscan.finding import Report
from driftscan.fingerprint import fingerprints
from driftscan.report import graph_html, html
from driftscan.report.view import View
from tests.builders import reports
from tests.real.daemons import tool

pytestmark = pytest.mark.real

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--window-size=1300,900",
)
Open = Callable[[str], "Page"]


class Page:
    """A page in the browser, by what a reader sees of it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def shown(self) -> list[str]:
        """Messages of the findings that are there to read."""
        return [each.text for each in self.all("#findings summary span") if each.is_displayed()]

    def count(self) -> str:
        return self.one("output").text

    def focused(self) -> str:
        return str(self.driver.switch_to.active_element.text)

    def tab(self) -> str:
        return self.one("[role=tab][aria-selected=true]").text

    def open(self, name: str) -> None:
        next(each for each in self.all("[role=tab]") if each.text == name).click()

    def colour(self, selector: str, kind: str) -> tuple[int, ...]:
        """Red, green, blue."""
        value = self.one(selector).value_of_css_property(kind)
        return tuple(int(float(part)) for part in value[value.index("(") + 1 : -1].split(",")[:3])

    def set_dark(self, *, dark: bool) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def requests(self) -> list[str]:
        """What was asked for since the last time, the page itself aside."""
        events = (json.loads(entry["message"])["message"] for entry in self._log("performance"))
        asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("file:", "data:,"))]

    def complaints(self) -> list[str]:
        return [str(entry["message"]) for entry in self._log("browser")]

    def _log(self, name: str) -> list[dict[str, Any]]:
        return list(self.driver.get_log(name))  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    browser, bridge = tool("chromium"), tool("chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for option in (*_OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(bridge)) as found:
        yield found


@pytest.fixture
def open_page(driver: webdriver.Chrome, tmp_path: Path) -> Iterator[Open]:
    def show(text: str) -> Page:
        place = tmp_path / "report.html"
        place.write_text(text, encoding="utf-8")
        page = Page(driver)
        page.set_dark(dark=False)
        page.requests()
        page.complaints()
        driver.get(place.as_uri())
        return page

    yield show
    page = Page(driver)
    assert page.requests() == []
    assert page.complaints() == []


@pytest.fixture
def page(open_page: Open) -> Page:
    return open_page(html.render(reports.full(), View()))


def test_it_begins_with_the_verdict_and_all_findings(page: Page) -> None:
    assert page.one("h1").text == (
        "drift 42 of 45 packages match; 10 errors, 2 warnings, 4 info, 2 suppressed, 2 not checked"
    )
    assert page.driver.title == "drift: shop:1.4"
    assert [tab.text for tab in page.all("[role=tab]")] == ["Findings", "Practices", "Layers", "Graph", "Not checked"]
    assert page.tab() == "Findings"
    assert page.shown() == [finding.message for finding in reports.full().findings]
    assert page.count() == "18 of 18 shown"


def test_filters(page: Page) -> None:
    page.one("input[type=search]").send_keys("MODULE_3 record")
    assert page.shown() == ["/opt/venv/lib/python3.11/site-packages/requests/module_3.py differs from its RECORD"]
    assert page.count() == "1 of 18 shown"
    page.one("button[type=reset]").click()
    WebDriverWait(page.driver, 10).until(lambda _: page.count() == "18 of 18 shown")
    page.one("input[value=error]").click()
    page.one("input[value=info]").click()
    assert page.count() == "4 of 18 shown"
    Select(page.one("select[name=rule]")).select_by_visible_text("IN401 modified-file (9)")
    assert page.count() == "2 of 18 shown"
    Select(page.one("select[name=rule]")).select_by_visible_text("All rules")
    Select(page.one("select[name=layer]")).select_by_value("9")
    assert len(page.shown()) == 1
    page.one("input[type=search]").send_keys("nothing says this")
    assert page.count() == "0 of 18 shown"


def test_a_finding_opens_and_says_why_it_matters(page: Page) -> None:
    page.one("#findings summary").click()
    facts = WebDriverWait(page.driver, 10).until(lambda _: page.one("#findings dl").text)
    for said in (
        "DR202 version-mismatch",
        "uv.lock:123",
        "RUN pip install -U numpy",
        "pandas > numpy",
        "What was tested with the lock is not what runs.",
    ):
        assert said in facts


def test_the_keyboard_reaches_everything(page: Page) -> None:
    page.press("/")
    page.press("numpy")
    assert page.count() == "2 of 18 shown"
    page.press(Keys.ESCAPE)
    WebDriverWait(page.driver, 10).until(lambda _: page.count() == "18 of 18 shown")
    page.press("j")
    assert "numpy 2.1.3 is locked, 2.2.0 is installed" in page.focused()
    page.press("j")
    assert "python-dateutil 2.9.0.post0 is locked and not installed" in page.focused()
    page.press("k", Keys.ENTER)
    assert [each.get_attribute("data-rule") for each in page.all("details[open]")] == ["DR202 version-mismatch"]
    page.press("3")
    assert (page.tab(), page.focused()) == ("Layers", "Layers")
    page.press(Keys.ARROW_RIGHT)
    assert (page.tab(), page.focused()) == ("Graph", "Graph")
    page.press(Keys.TAB)
    assert page.driver.switch_to.active_element.tag_name == "svg"
    page.press("n")
    assert page.one("aside h3").text == "numpy 2.1.3 → 2.2.0"
    page.press(Keys.ARROW_LEFT)
    assert page.one("aside h3").text == "pandas 2.2.3 missing"
    page.press(Keys.ESCAPE)
    assert page.one("aside").text.startswith("Choose a package")
    page.press(*[Keys.TAB] * 4)
    assert page.focused() == "Next finding"
    page.press(Keys.ENTER, Keys.TAB)
    page.press(Keys.ENTER)
    assert page.tab() == "Findings"
    assert "numpy 2.1.3 is locked, 2.2.0 is installed" in page.focused()


def test_layers_lead_to_their_findings(page: Page) -> None:
    page.open("Layers")
    assert [each.text.split("\n")[0] for each in page.all(".layers > li")] == ["1", "2", "4", "6"]
    page.one(".layers button[data-layer='6']").click()
    assert page.tab() == "Findings"
    assert page.count() == "2 of 18 shown"


def test_practices_and_what_was_not_checked(page: Page) -> None:
    page.open("Practices")
    assert "✗ fail 4. installed from a lock, with hashes" in page.one(".practices").text
    page.open("Not checked")
    assert "platform_release is not known from files" in page.one("[data-view=not-checked]").text


def test_the_graph_can_be_clicked_and_shows_the_drift(page: Page) -> None:
    page.open("Graph")
    nodes = {each.text: each for each in page.all(".node text")}
    assert set(nodes) >= {"numpy 2.1.3 → 2.2.0", "requests 2.32.3 missing"}
    nodes["numpy 2.1.3 → 2.2.0"].click()
    panel = page.one("aside").text
    assert panel.splitlines() == [
        "numpy 2.1.3 → 2.2.0",
        "locked: 2.1.3",
        "installed: 2.2.0",
        "layer 6: RUN pip install -U numpy",
        "findings",
        "numpy 2.1.3 is locked, 2.2.0 is installed",
        ("numpy 2.2.0 was installed from a wheel that the lock does not list (cp311-cp311-manylinux_2_17)"),
        "required by",
        "pandas 2.2.3 missing >=1.26 in the lock only",
    ]
    strokes = {kind: page.colour(f".node.{kind} rect", "stroke") for kind in ("error", "member")}
    assert strokes["error"] != strokes["member"]
    assert page.one(".node.gone rect").value_of_css_property("stroke-dasharray") != "none"
    page.all("aside li button")[0].click()
    assert page.tab() == "Findings"
    assert page.one("details[open]").get_attribute("data-rule") == "DR202 version-mismatch"


def _luminance(colour: tuple[int, ...]) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [value / 255 for value in colour]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_readable_in_the_light_and_in_the_dark(page: Page, dark: bool) -> None:
    page.set_dark(dark=dark)
    back = page.colour("body", "background-color")
    assert (_luminance(back) < 0.1) is dark
    for selector in ("body", "header p", "summary code", "output", "h1 b"):
        assert _contrast(page.colour(selector, "color"), back) >= 4.5, selector
    for kind in ("error", "warning", "info", "suppressed"):
        badge = f"details.{kind} summary b"
        assert _contrast(page.colour(badge, "color"), page.colour(badge, "background-color")) >= 4.5, kind
    page.open("Graph")
    for kind in ("error", "member"):
        node = f".node.{kind}"
        assert _contrast(page.colour(f"{node} text", "fill"), page.colour(f"{node} rect", "fill")) >= 4.5, kind


def test_it_can_be_read_where_no_script_may_run(driver: webdriver.Chrome, open_page: Open) -> None:
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page = open_page(html.render(reports.full(), View()))
        assert page.shown() == [finding.message for finding in reports.full().findings]
        assert page.one(".practices").is_displayed()
        assert not page.one("form").is_displayed()
        assert not page.one("[role=tablist]").is_displayed()
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_an_address_leads_to_one_finding(page: Page) -> None:
    mark = fingerprints(reports.full().findings)[5]
    page.driver.execute_script(f"location.hash = 'f-{mark}'")
    WebDriverWait(page.driver, 10).until(lambda _: page.all("details[open]"))
    assert page.one("details[open]").get_attribute("id") == f"f-{mark}"


def test_a_report_without_findings(open_page: Open) -> None:
    page = open_page(html.render(replace(reports.report(), environment=None), View()))
    page.press("/", "j", "1")
    assert page.one("[role=tabpanel]").text == "Findings\nNothing was found."


@pytest.mark.parametrize("text", reports.HOSTILE[:15])
def test_hostile_text_does_nothing(open_page: Open, text: str) -> None:
    page = open_page(html.render(reports.said_everywhere(text), View()))
    for tab in page.all("[role=tab]"):
        tab.click()
    assert page.driver.execute_script("return document.scripts.length") == 2
    assert page.all("img, iframe, object, embed, link, base, a, [onerror], [onmouseover]") == []


class _Listener(BaseHTTPRequestHandler):
    heard: list[str]

    def do_GET(self) -> None:
        self.heard.append(self.path)

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server's address, and the paths that it is asked for."""
    heard: list[str] = []
    handler = type("Handler", (_Listener,), {"heard": heard})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", heard
        server.shutdown()
        thread.join()


def test_the_policy_lets_no_request_out_and_no_code_in(
    driver: webdriver.Chrome, tmp_path: Path, listener: tuple[str, list[str]]
) -> None:
    """Even code in the page could not: it is as if somebody had found a way to run some."""
    address, heard = listener
    place = tmp_path / "report.html"
    place.write_text(html.render(reports.full(), View()), encoding="utf-8")
    driver.get(place.as_uri())
    refused = driver.execute_async_script(
        """
        const [address, done] = arguments, refused = [];
        document.addEventListener("securitypolicyviolation", event => {
          refused.push(event.effectiveDirective);
          if (refused.length === 6) done(refused.sort());
        });
        new Image().src = address + "/image";
        fetch(address + "/fetch").catch(() => {});
        const script = document.createElement("script"); script.textContent = "window.ran = true";
        const remote = document.createElement("script"); remote.src = address + "/script";
        const frame = document.createElement("iframe"); frame.src = address + "/frame";
        const style = document.createElement("style"); style.textContent = "body { display: none }";
        document.body.append(script, remote, frame, style);
        """,
        address,
    )
    assert refused == ["connect-src", "frame-src", "img-src", "script-src-elem", "script-src-elem", "style-src-elem"]
    assert driver.execute_script("return window.ran") is None
    assert heard == []
    Page(driver).complaints()
    Page(driver).requests()


def test_the_page_of_a_dependency_graph(open_page: Open) -> None:
    page = open_page(graph_html.render(reports.DEPENDENCIES, View()))
    page.press("/")
    page.press("pan")
    assert [each.text for each in page.all("nav li button") if each.is_displayed()] == ["pandas 2.2.3"]
    page.press(Keys.ENTER)
    page.press(Keys.ESCAPE)
    assert page.one("aside h2").text == "pandas 2.2.3"
    page.press(Keys.ARROW_RIGHT)
    assert page.one("aside h2").text == "numpy 2.1.3"


def test_five_thousand_findings_can_be_filtered(open_page: Open) -> None:
    page = open_page(html.render(_large(), View()))
    page.one("input[type=search]").send_keys("number 4999")
    assert page.count() == "1 of 5000 shown"


def _large() -> Report:
    return reports.report(
        *(replace(reports.MISMATCH, package=f"package-{at}", message=f"number {at}") for at in range(5000))
    )
