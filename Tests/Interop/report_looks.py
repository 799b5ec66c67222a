"""What a report has to look like on screens of several sizes, and where the pictures of it are kept."""

from __future__ import annotations

import os
from pathlib import Path

from browser import Browser
from lab import REPOSITORY

#: Where what the page looks like is kept, for those who want to see it.
ARTEFACTS = Path(os.environ.get("CLUSPREP_ARTEFACTS", REPOSITORY / ".build" / "artefacts"))
#: Width, height, and whether it is a phone's.
SCREENS = {"desktop": (1280, 900, False), "phone": (375, 812, True), "small-phone": (320, 568, True)}

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


def check(browser: Browser, page: Path, name: str, screen: str, scheme: str):
    """Nothing overflows, nothing is too faint to be read, and the browser complains of nothing."""
    width, height, phone = SCREENS[screen]
    browser.open(page, width, height, phone=phone, scheme=scheme)
    browser.screenshot(ARTEFACTS / f"report-{name}-{screen}-{scheme}.png")
    assert browser.complaints() == []
    assert browser.evaluate(OVERFLOWING) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(FAINT) == []
    assert browser.evaluate("document.title").startswith("Cluster validation of")
