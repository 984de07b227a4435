"""A headless Chromium that tests drive as a reader would: real clicks, keys and drags over the DevTools protocol.

The protocol runs over two pipes (descriptors 3 and 4, messages ended by a zero byte), so it needs no library.
"""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
EXECUTABLE = next((found for name in NAMES if (found := shutil.which(name))), None)
KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), " ": (32, " "), "ArrowDown": (40, ""), "ArrowRight": (39, "")}


class Browser:
    """One page of one browser; `console` collects errors and warnings, `requests` every address it asked for."""

    def __init__(self, directory, width=1280, height=900):
        self.console, self.requests = [], []
        self._numbers, self._answers, self._left, self._session = itertools.count(1), {}, b"", None
        command = [EXECUTABLE, "--headless", "--no-sandbox", "--remote-debugging-pipe", "--hide-scrollbars"]
        command += ["--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run", "--disable-gpu"]
        command += [f"--user-data-dir={directory}", f"--window-size={width},{height}", "about:blank"]
        self._start(command)
        try:
            # A browser may list targets of its own (a tab, its side panel) beside the page.
            targets = self.send("Target.getTargets")["targetInfos"]
            target = next(one["targetId"] for one in targets if one["type"] == "page")
            self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.send(f"{domain}.enable")
            self.size(width, height)
        except BaseException:
            self._end()
            raise

    def _start(self, command):
        given, self._commands = os.pipe()
        self._events, answers = os.pipe()
        # Away from 3 and 4, on which one would overwrite the other.
        given, answers = (_moved(end) for end in (given, answers))
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{given} 4>&{answers} {given}<&- {answers}>&-', "bash", *command],
            pass_fds=(given, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(given)
        os.close(answers)

    def size(self, width, height, scale=1):
        """Makes the page that large."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def theme(self, name):
        """`light` or `dark`."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, address):
        """Goes to an address, and waits until the page is loaded."""
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=address)
        self.wait(
            f"location.href.startsWith({json.dumps(address.partition('#')[0])}) && document.readyState === 'complete'"
        )

    def run(self, script):
        """The value of a JavaScript expression; a promise's when it is fulfilled."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"].get("exception", {}).get("description", str(found)))
        return found["result"].get("value")

    def wait(self, condition, seconds=30):
        """Waits until an expression is true."""
        until = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < until, f"not in {seconds} s: {condition}"
            time.sleep(0.02)

    def place(self, selector, across=0.5, down=0.5):
        """Where an element is on the screen, once it is scrolled there: x and y of a point in it."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', inline: 'center'});"
            "const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()"
        )
        return box[0] + across * box[2], box[1] + down * box[3]

    def mouse(self, kind, x, y, **more):
        """One event of the mouse."""
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, selector, count=1):
        """Clicks on the middle of an element."""
        x, y = self.place(selector)
        self.mouse("mouseMoved", x, y)
        for number in range(1, count + 1):
            self.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=number)
            self.mouse("mouseReleased", x, y, button="left", clickCount=number)

    def drag(self, start, end, steps=5):
        """Drags from one point of the screen to another."""
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start, button="left", buttons=1, clickCount=1)
        for step in range(1, steps + 1):
            self.mouse(
                "mouseMoved",
                *(a + (b - a) * step / steps for a, b in zip(start, end, strict=True)),
                button="left",
                buttons=1,
            )
        self.mouse("mouseReleased", *end, button="left", clickCount=1)

    def type(self, selector, text):
        """Types into a field that it empties before."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        if text:
            self.send("Input.insertText", text=text)
        else:
            self.press("Delete", 46)

    def press(self, key, code=None):
        """Presses a key."""
        number, text = KEYS.get(key, (code, ""))
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=number, text=text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=number)

    def picture(self, **clip):
        """A screenshot as PNG bytes."""
        area = {"clip": {"scale": 1, **clip}} if clip else {}
        return base64.b64decode(self.send("Page.captureScreenshot", format="png", **area)["data"])

    def send(self, method, **parameters):
        """The answer to a command of the protocol."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        # The session is the page's; without one a command is the browser's.
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while number not in self._answers:
            self._read()
        answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _read(self, seconds=60):
        ready, _, _ = select.select([self._events], [], [], seconds)
        assert ready, f"the browser said nothing for {seconds} s"
        part = os.read(self._events, 1 << 16)
        assert part, "the browser ended"
        *messages, self._left = (self._left + part).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self._note(message["method"], message.get("params", {}))

    def _note(self, method, event):
        if method == "Runtime.exceptionThrown":
            self.console.append(event["exceptionDetails"].get("exception", {}).get("description", str(event)))
        elif method == "Log.entryAdded":
            self.console.append(event["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.console.append(" ".join(str(argument.get("value", "")) for argument in event["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])

    def close(self):
        """Ends the browser."""
        self._session = None
        try:
            self.send("Browser.close")
            self.process.wait(10)
        finally:
            self._end()

    def _end(self):
        self.process.kill()
        self.process.wait()
        os.close(self._commands)
        os.close(self._events)


def _moved(end):
    moved = fcntl.fcntl(end, fcntl.F_DUPFD, 10)
    os.close(end)
    return moved
