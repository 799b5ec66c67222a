"""The report of a validation as people see it: in Chromium, on a desk, on a phone, on paper, and read aloud."""

import copy
import json
import os
import subprocess
from pathlib import Path

import pytest
from browser import Browser
from lab import REPOSITORY, binaries

#: Where what the page looks like is kept, for those who want to see it.
ARTEFACTS = Path(os.environ.get("CLUSPREP_ARTEFACTS", REPOSITORY / ".build" / "artefacts"))
SCREENS = {"desktop": (1280, 900, False), "phone": (375, 812, True), "small-phone": (320, 568, True)}
#: Nowhere to break it.
ENDLESS = "W" * 300
VERDICTS = ["passed", "warning", "failed", "unfinished", "notApplicable", "excluded"]
CATEGORIES = ["inventory", "network", "storage", "systemConfiguration", "clusterConfiguration"]

#: Elements that reach out of the window. What a box scrolls or hides itself does not count.
OVERFLOWING = """
[...document.querySelectorAll("body *")].filter(element => {
    if (element.closest(".skip, thead, details caption, svg *")) return false;
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.right > document.documentElement.clientWidth + 1 || box.left < -1);
}).map(element => element.outerHTML.slice(0, 120))
"""

#: Texts whose colour has less than the contrast that WCAG 2.1 asks for (1.4.3, level AA).
FAINT = """
(() => {
    const parse = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, index) => sum + v * [.2126, .7152, .0722][index], 0);
    const ground = element => {
        for (; element; element = element.parentElement) {
            const colour = parse(getComputedStyle(element).backgroundColor);
            if (colour.length < 4 || colour[3] > 0) return colour;
        }
        return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
    };
    const found = new Set();
    for (const element of document.querySelectorAll("body *:not(title)")) {
        if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
        const style = getComputedStyle(element);
        const colour = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
        const [one, other] = [light(parse(colour)), light(ground(element))];
        const contrast = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
        if (contrast < 4.5) found.add(`${contrast.toFixed(2)}: ${element.outerHTML.slice(0, 80)}`);
    }
    return [...found];
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    result = Browser(tmp_path_factory.mktemp("browser"))
    yield result
    result.close()


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> tuple[Path, dict]:
    """A validation's own report, and the same as JSON."""
    folder = tmp_path_factory.mktemp("validation")
    image, page, document = folder / "disk.img", folder / "report.html", folder / "report.json"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    tests = ["list-disks", "vital-product-data", "persistent-reservation", "disk-access-latency"]
    done = subprocess.run(
        [binaries() / "clusprep", "validate", "storage", "--target", image, "--html", page, "--json", document, "--include", *tests],
        capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return page, json.loads(document.read_text())


@pytest.fixture(scope="module")
def crowded(result, tmp_path_factory) -> Path:
    """A report with every verdict in every category, long words, nodes that say what they should not, and large charts."""
    folder = tmp_path_factory.mktemp("crowded")
    document = copy.deepcopy(result[1])
    model = next(test for test in document["tests"] if test["charts"])
    document["nodes"] = [{"name": f"node{number}.{ENDLESS}", "hostLabel": "node", "version": "6.3"} for number in range(3)]
    document["nodes"].append({"name": "gone", "failure": "cannot connect to 192.0.2.1:135: " + ENDLESS})
    document["disks"] = [{"name": "<b>disk</b>", "identifier": ENDLESS, "numbers": {"node0": 4294967295}, "exclusion": "in use"}]
    document["tests"] = []
    for category in CATEGORIES:
        for verdict in VERDICTS:
            test = copy.deepcopy(model)
            test.update(id=f"{category}-{verdict}", title=f"Validate {verdict}", category=category, verdict=verdict)
            test["summary"] = f"<script>document.title = 'taken over'</script> {ENDLESS}"
            test["findings"] = [
                {"severity": severity, "subject": ENDLESS, "text": "It is not as it should be. " * 5, "advice": ENDLESS,
                 "command": "PERSISTENT RESERVE OUT / " + ENDLESS}
                for severity in ("information", "warning", "error")
            ]
            test["tables"] = [{"title": ENDLESS, "columns": ["A", "B", ENDLESS], "rows": [[ENDLESS] * 3] * 3}]
            test["charts"] = [
                {"title": "Lost messages", "unit": "%", "limit": 10,
                 "bars": [{"label": f"node{number} 2001:db8::{number:x} to {ENDLESS}", "value": number} for number in range(40)]
                 + [{"label": "node to nowhere"}]},
            ]
            document["tests"].append(test)
    source, page = folder / "crowded.json", folder / "crowded.html"
    source.write_text(json.dumps(document))
    done = subprocess.run(
        [binaries() / "clusprep", "validate", "report", source, "--html", page], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return page


LOOKS = [
    *[("result", screen, scheme) for screen in SCREENS for scheme in ("light", "dark")],
    ("crowded", "desktop", "dark"), ("crowded", "small-phone", "light"),
]


@pytest.mark.parametrize("name, screen, scheme", LOOKS)
def test_it_fits_and_complains_of_nothing(browser, request, name, screen, scheme):
    page = request.getfixturevalue(name)
    width, height, phone = SCREENS[screen]
    browser.open(page[0] if name == "result" else page, width, height, phone=phone, scheme=scheme)
    browser.screenshot(ARTEFACTS / f"report-{name}-{screen}-{scheme}.png")
    assert browser.complaints() == []
    assert browser.evaluate(OVERFLOWING) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(FAINT) == []
    assert browser.evaluate("document.title").startswith("Cluster validation of")


def test_letters_of_charts_are_as_large_on_a_phone(browser, crowded):
    sizes = {}
    for screen in ("desktop", "phone"):
        width, height, phone = SCREENS[screen]
        browser.open(crowded, width, height, phone=phone)
        sizes[screen] = browser.evaluate("document.querySelector('svg text').getBoundingClientRect().height")
    assert sizes["desktop"] == pytest.approx(sizes["phone"]) and sizes["phone"] >= 12


def test_every_link_leads_somewhere(browser, result):
    browser.open(result[0], 1280, 900)
    links = browser.evaluate("[...document.links].map(link => link.getAttribute('href'))")
    assert links and all(link.startswith("#") for link in links)
    assert browser.evaluate("[...document.links].filter(link => !document.querySelector(link.hash)).length") == 0


def test_it_needs_no_scripts(browser, result):
    browser.open(result[0], 1280, 900, scripts=False)
    browser.screenshot(ARTEFACTS / "report-without-scripts.png")
    assert browser.complaints() == []
    browser.open(result[0], 1280, 900)
    assert browser.evaluate("document.scripts.length") == 0


def test_it_can_be_printed(browser, result):
    browser.open(result[0], 1280, 900)
    file = ARTEFACTS / "report.pdf"
    browser.print(file)
    contents = file.read_bytes()
    assert contents.startswith(b"%PDF-")
    # The summary, and a page for each test.
    assert contents.count(b"/Type /Page\n") >= len([test for test in result[1]["tests"] if test["verdict"] != "excluded"])


@pytest.mark.parametrize("screen", SCREENS)
def test_it_can_be_read_aloud(browser, result, screen):
    width, height, phone = SCREENS[screen]
    browser.open(result[0], width, height, phone=phone)
    nodes = browser.accessibility()
    roles = [node["role"]["value"] for node in nodes]
    names = {role: [node["name"]["value"] for node in nodes if node["role"]["value"] == role] for role in set(roles)}
    assert {"banner", "main", "heading", "table", "row", "columnheader"} <= set(roles)
    # Tables and pictures say what they are, also where a narrow screen shows them as lists.
    assert all(names["table"])
    pictures = [name for role in ("img", "image", "graphics-document") for name in names.get(role, [])]
    assert pictures and all(pictures)
    assert names["heading"][0].startswith("Cluster validation of")
    assert browser.evaluate("document.documentElement.lang") == "en"
