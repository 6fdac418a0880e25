"""Shows a pack's statements in Chromium and listens to what it says.

Talks to the browser over its debugging pipe (--remote-debugging-pipe): messages
in JSON, each ended by a zero byte, on file descriptors 3 and 4.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
SECONDS = 60


class Browser:
    def __init__(self, profile):
        shutil.rmtree(profile, ignore_errors=True)
        read_commands, self.commands = os.pipe()
        self.answers, write_answers = os.pipe()
        browser = ["timeout", str(SECONDS * 3), "chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{read_commands} 4>&{write_answers}', "bash", *browser],
            pass_fds=(read_commands, write_answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_commands)
        os.close(write_answers)
        self.buffer, self.number, self.events = b"", 0, []

    def message(self):
        while b"\0" not in self.buffer:
            more = os.read(self.answers, 1 << 20)
            if not more:
                sys.exit("the browser ended")
            self.buffer += more
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method, session):
        while not any(event.get("method") == method and event.get("sessionId") == session for event in self.events):
            self.events.append(self.message())


def show(browser, url, width, height, scripts=True):
    """A new tab with the page in it, loaded."""
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(f"{domain}.enable", session)
    phone = width < 600
    size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
    browser.call("Emulation.setDeviceMetricsOverride", session, **size)
    browser.call("Emulation.setScriptExecutionDisabled", session, value=not scripts)
    browser.events.clear()
    browser.call("Page.navigate", session, url=url)
    browser.wait_for("Page.loadEventFired", session)
    return target, session


def complaints(browser, url):
    """What the page logged, threw or fetched."""
    found = []
    for event in browser.events:
        method, content = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled":
            found.append(f"console: {content['type']} {[part.get('value') for part in content['args']]}")
        elif method == "Runtime.exceptionThrown":
            found.append(f"exception: {content['exceptionDetails']['text']}")
        elif method == "Log.entryAdded":
            found.append(f"log: {content['entry']['text']}")
        elif method == "Network.requestWillBeSent":
            fetched = content["request"]["url"]
            if fetched.split("#")[0] != url.split("#")[0]:
                found.append(f"fetched: {fetched}")
    return found


def text_of(browser, session, expression):
    return browser.call("Runtime.evaluate", session, expression=expression, returnByValue=True)["result"]["value"]


def look(browser, page, pictures, name, language, width):
    url = page.as_uri() + f"#{language}"
    target, session = show(browser, url, width, 900)
    shown = {"zh": "zh-CN", "en": "en"}[language]
    hidden = {"zh": "en", "en": "zh-CN"}[language]
    problems = []
    if text_of(browser, session, "document.documentElement.lang") != shown:
        problems.append("the language of the page is not the one chosen")
    visible = "[...document.querySelectorAll('.page [lang=\"%s\"]')].filter(e => e.getClientRects().length).length"
    if text_of(browser, session, visible % shown) == 0 or text_of(browser, session, visible % hidden) != 0:
        problems.append("not exactly one language is shown")
    across = text_of(browser, session, "document.documentElement.scrollWidth")
    if across > width:
        problems.append(f"the page is {across} pixels wide in a window of {width}")
    picture = browser.call("Page.captureScreenshot", session, format="png", captureBeyondViewport=True)
    pictures.joinpath(f"{name}-{language}-{width}.png").write_bytes(base64.b64decode(picture["data"]))
    if width > 600:
        paper = browser.call("Page.printToPDF", session, printBackground=True, preferCSSPageSize=True)
        pictures.joinpath(f"{name}-{language}.pdf").write_bytes(base64.b64decode(paper["data"]))
    problems += complaints(browser, url)
    browser.call("Target.closeTarget", targetId=target)
    return [f"{name} {language} {width}: {problem}" for problem in problems]


def look_without_scripts(browser, page, name):
    """Chinese is shown; nothing is said about the script that does not run."""
    target, session = show(browser, page.as_uri(), 1100, 900, scripts=False)
    browser.call("DOM.enable", session)
    browser.call("CSS.enable", session)
    root = browser.call("DOM.getDocument", session)["root"]["nodeId"]
    boxes = {}
    for language in ("zh-CN", "en"):
        found = browser.call("DOM.querySelector", session, nodeId=root, selector=f'.page h1 [lang="{language}"]')
        style = browser.call("CSS.getComputedStyleForNode", session, nodeId=found["nodeId"])
        boxes[language] = {entry["name"]: entry["value"] for entry in style["computedStyle"]}["display"]
    browser.call("Target.closeTarget", targetId=target)
    if boxes["zh-CN"] == "none" or boxes["en"] != "none":
        return [f"{name} without scripts: {boxes}"]
    return []


if __name__ == "__main__":
    pack, profile, pictures = (Path(argument).resolve() for argument in sys.argv[1:4])
    browser = Browser(profile)
    statements = {"statement": pack / "statement.html"}
    lines = sorted(pack.glob("lines/*/statement.html"), key=lambda page: (-page.stat().st_size, page))
    statements.update({f"line-{page.parent.name}": page for page in lines[:1]})
    problems = []
    for name, page in statements.items():
        for language in ("zh", "en"):
            for width in (1100, 360):
                problems += look(browser, page, pictures, name, language, width)
        problems += look_without_scripts(browser, page, name)
    # Every line's page is opened once.
    for page in lines[1:]:
        url = page.as_uri()
        target, _ = show(browser, url, 360, 900)
        problems += [f"{page.parent.name}: {problem}" for problem in complaints(browser, url)]
        browser.call("Target.closeTarget", targetId=target)
    browser.call("Browser.close")
    browser.process.wait(SECONDS)
    if problems:
        sys.exit("\n".join(problems))
    print(f"  {len(lines) + 1} pages, no complaint; pictures of {', '.join(statements)} in {pictures}")
