"""The report of a validation as people see it: in Chromium, on a desk, on a phone, on paper, and read aloud."""

import copy
import json
import subprocess
from pathlib import Path

import pytest
import report_looks
from browser import Browser
from lab import binaries
from report_looks import ARTEFACTS, SCREENS

#: Nowhere to break it.
ENDLESS = "W" * 300
VERDICTS = ["passed", "warning", "failed", "unfinished", "notApplicable", "excluded"]
CATEGORIES = ["inventory", "network", "storage", "systemConfiguration", "clusterConfiguration"]


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
    """A report with every verdict and every category, long words, nodes that say what they should not, and large charts."""
    folder = tmp_path_factory.mktemp("crowded")
    document = copy.deepcopy(result[1])
    model = next(test for test in document["tests"] if test["charts"])
    document["nodes"] = [{"name": f"node{node}.{ENDLESS}", "hostLabel": "node", "version": "6.3"} for node in range(3)]
    document["nodes"].append({"name": "gone", "failure": "cannot connect to 192.0.2.1:135: " + ENDLESS})
    document["disks"] = [{"name": "<b>disk</b>", "identifier": ENDLESS, "numbers": {"node0": 4294967295}, "exclusion": "in use"}]
    document["tests"] = []
    for number, verdict in enumerate(VERDICTS * 2):
        category = CATEGORIES[number % len(CATEGORIES)]
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
             "bars": [{"label": f"node{bar} 2001:db8::{bar:x} to {ENDLESS}", "value": bar} for bar in range(40)]
             + [{"label": "node to nowhere"}]},
        ]
        document["tests"].append(test)
    source, page = folder / "crowded.json", folder / "crowded.html"
    source.write_text(json.dumps(document))
    done = subprocess.run(
        [binaries() / "clusprep", "validate", "report", source, "--html", page], capture_output=True, text=True, timeout=300
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
    report_looks.check(browser, page[0] if name == "result" else page, name, screen, scheme)


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


@pytest.mark.parametrize(
    "change, complaint",
    [
        (lambda text: text[: len(text) // 2], "not valid JSON"),
        (lambda text: text.replace('"title"', '"name"', 1), "there is no title"),
        (lambda text: text.replace('"verdict" : "passed"', '"verdict" : "superb"', 1), "superb"),
        (lambda text: text.replace('"format" : 1', '"format" : 7'), "the form 7"),
    ],
    ids=["cut", "incomplete", "wrong", "later"],
)
def test_results_that_are_none(result, tmp_path, change, complaint):
    source, page = tmp_path / "results.json", tmp_path / "report.html"
    source.write_text(change(result[0].with_suffix(".json").read_text()))
    done = subprocess.run(
        [binaries() / "clusprep", "validate", "report", source, "--html", page], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1 and not page.exists()
    assert complaint in done.stderr and str(source) in done.stderr
