#!/usr/bin/env python3
"""The chat page in headless Chromium, over a scripted server and over our own: page_test.py.

Environment: PAGE_HTML and PAGE_POLICY, files; LIEQ and LIEQ_SOURCE_DIR as for served.py; PICTURES, a folder for
screenshots (optional). Exit 77: no Chromium here."""

import json
import os
import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from cdp import Chromium  # noqa: E402
from fake_server import HOSTILE, MARKDOWN, Server  # noqa: E402
from served import Server as LieqServer  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PICTURES = os.environ.get("PICTURES")
CTRL, SHIFT = 2, 8


class BrowserCase(unittest.TestCase):
    """A browser whose console must stay empty, but for what a test expects."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        cls.addClassCleanup(holder.cleanup)
        cls.browser = Chromium(CHROMIUM, holder.name)
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.expected = []  # parts of complaints that belong to the test
        self.browser.complaints.clear()
        self.browser.size(1200, 800)
        self.browser.scheme("light")

    def tearDown(self):
        others = [c for c in self.browser.complaints if not any(part in c for part in self.expected)]
        self.assertEqual(others, [])

    def open(self):
        self.browser.open(self.address)
        self.browser.wait("document.getElementById('model').textContent !== 'lieq'")

    def say(self, text: str, wait: bool = True):
        self.browser.value("document.getElementById('prompt').focus()")
        self.browser.type(text)
        self.browser.key("Enter")
        if wait:
            self.done()

    def done(self):
        self.browser.wait("document.getElementById('stop').hidden")

    def answers(self) -> list[str]:
        return self.browser.value("[...document.querySelectorAll('.answer')].map((one) => one.innerText)")

    def count(self, selector: str) -> int:
        return self.browser.value(f"document.querySelectorAll({json.dumps(selector)}).length")

    def text(self, selector: str) -> str:
        return self.browser.value(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def picture(self, name: str):
        if PICTURES:
            time.sleep(0.3)
            self.browser.picture(f"{PICTURES}/{name}.png")


class OwnServer(BrowserCase):
    def setUp(self):
        super().setUp()
        # The demo model knows no chats: it goes on with what was said so far.
        template = self.enterContext(tempfile.NamedTemporaryFile("w", suffix=".jinja"))
        template.write("{{ messages | map(attribute='content') | join(' ') }}")
        template.flush()
        options = ("--alias", "a demo", "--api-key", "secret", "--chat-template", template.name)
        self.server = self.enterContext(LieqServer(*options))
        self.address = f"http://{self.server.host}:{self.server.port}/"

    def test_type_stream_stop_reload(self):
        self.expected = ["401"]
        self.open()
        self.browser.wait("document.getElementById('settings').open")
        self.browser.type("secret")
        self.browser.key("Enter")
        self.browser.wait("document.getElementById('model').textContent === 'a demo'")
        self.browser.value("store.settings.temperature = '0'; store.settings.max_tokens = '24'; store.saveSettings()")
        self.say("And it came to pass")
        first = self.answers()
        self.assertEqual(len(first), 1)
        self.assertRegex(self.text(".assistant .stats"), r"^\d+ tokens? · .*first after [\d.]+ s")
        self.browser.click(".message:last-child [aria-label='Write another answer']")
        self.browser.wait("document.getElementById('stop').hidden && document.querySelectorAll('.answer').length === 1")
        self.assertEqual(self.answers(), first)  # greedy: the same again
        self.browser.value("store.settings.max_tokens = '900'; store.saveSettings()")
        self.say("And he said", wait=False)
        self.browser.wait(
            "document.querySelectorAll('.answer')[1]?.innerText.length > 20 || document.getElementById('stop').hidden"
        )
        self.picture("own-streaming")
        self.browser.key("Escape")
        self.done()
        shown = self.answers()
        self.open()
        self.assertEqual(self.answers(), shown)
        self.assertEqual(self.text("#model"), "a demo")
        self.browser.value("store.settings.temperature = '-1'; store.saveSettings()")
        self.expected.append("400")
        self.say("refuse this")
        self.assertIn("temperature", self.text(".message:last-child .error"))


class Page(BrowserCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.html = Path(os.environ["PAGE_HTML"]).read_bytes()
        cls.policy = Path(os.environ["PAGE_POLICY"]).read_text()

    def setUp(self):
        super().setUp()
        # A server, and so a port and a storage, for each test.
        self.server = Server(self.html, self.policy)
        self.server.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.address = self.server.address

    def test_an_answer_streams_and_survives_a_reload(self):
        self.server.pause = 0.02
        self.open()
        self.assertEqual(self.text("#model"), "Qwen2.5-0.5B 2.3 bits")
        self.picture("hello")
        self.say("markdown", wait=False)
        self.browser.wait("document.querySelector('.answer')?.innerText.length > 20")
        self.assertFalse(self.browser.value("document.getElementById('stop').hidden"))
        self.browser.wait("!!document.querySelector('.answer table')")
        self.picture("streaming")
        self.done()
        shown = self.answers()
        self.assertEqual(len(shown), 1)
        for part in (
            "A heading with code",
            "Some bold, italic, both, gone and a link",
            "2 * 3 * 4, snake_case_name",
            "def is_palindrome",
            "That is all.",
        ):
            self.assertIn(part, shown[0])
        self.assertRegex(self.text(".assistant .stats"), r"^\d+ tokens · [\d.]+ tokens/s · first after [\d.]+ s$")
        self.assertEqual(self.server.requests[0]["messages"], [{"role": "user", "content": "markdown"}])
        self.assertEqual(self.server.requests[0]["stream_options"], {"include_usage": True})
        self.assertNotIn("temperature", self.server.requests[0])
        self.open()
        self.assertEqual(self.answers(), shown)
        self.assertEqual(self.text("#chats .now .open"), "markdown")
        self.say("and more")
        self.assertEqual(
            self.server.requests[1]["messages"],
            [
                {"role": "user", "content": "markdown"},
                {"role": "assistant", "content": MARKDOWN},
                {"role": "user", "content": "and more"},
            ],
        )

    def test_markdown_becomes_elements(self):
        self.open()
        self.say("markdown")
        for selector, count in {
            "h1 > code": 1,
            "strong": 3,
            "em": 3,
            "del": 1,
            "ol > li": 3,
            "ol ul > li": 2,
            "li.task input": 2,
            "blockquote": 1,
            "th": 3,
            "td": 6,
            "td.right": 2,
            "td code": 1,
            ".code .kw": 5,
            ".code .com": 1,
            ".code .str": 1,
        }.items():
            self.assertEqual(self.count(".answer " + selector), count, selector)
        self.assertEqual(
            self.browser.value("[...document.querySelectorAll('.answer a')].map((a) => a.href)"),
            ["https://example.org/a_(b)", "https://example.org/x"],
        )
        self.assertEqual(
            self.text(".answer .code code").rstrip("\n"), MARKDOWN.split("```")[1].split("\n", 1)[1].rstrip("\n")
        )
        # Rendering piece by piece ends where rendering at once does.
        self.assertEqual(
            *self.browser.value(
                """(() => { const whole = document.createElement('div');
            showMarkdown(whole, current.messages[1].content);
            return [whole.innerHTML, document.querySelector('.answer').innerHTML]; })()"""
            )
        )
        self.browser.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        self.browser.click(".answer .copy")
        self.browser.wait("document.querySelector('.copy').innerText.includes('Copied')")
        self.assertIn("def is_palindrome", self.browser.value("navigator.clipboard.readText()"))
        for width, phone, scheme in (
            (1200, False, "light"),
            (1200, False, "dark"),
            (390, True, "light"),
            (390, True, "dark"),
        ):
            self.browser.size(width, 844, phone)
            self.browser.scheme(scheme)
            self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), width)
            dark = "true" if scheme == "dark" else "false"
            self.browser.wait(f"document.documentElement.classList.contains('dark') === {dark}")
            for end in (False, True):
                self.browser.value(f"document.getElementById('scroll').scrollTop = {100000 if end else 0}")
                self.picture(f"markdown-{width}-{scheme}-{'end' if end else 'start'}")

    def test_nothing_becomes_markup(self):
        self.open()
        self.say("hostile")
        self.say(HOSTILE)
        self.assertEqual(
            self.count(
                "#messages img, #messages iframe, #messages script, #messages b, #messages u, #messages svg:not(.i)"
            ),
            0,
        )
        addresses = self.browser.value("[...document.querySelectorAll('#messages a')].map((a) => a.protocol)")
        self.assertEqual(set(addresses), {"https:"})
        self.assertNotEqual(self.browser.value("document.title"), "broken")
        self.assertIn("<script>document.title='broken'</script>", self.answers()[0])
        self.assertEqual(
            self.browser.value(
                """[...document.querySelectorAll('#messages *')]
                .filter((one) => [...one.attributes].some((a) => a.name.startsWith('on'))).length"""
            ),
            0,
        )

    def test_stopping_keeps_what_was_written(self):
        self.open()
        self.say("slow", wait=False)
        self.browser.wait("document.querySelector('.answer')?.innerText.includes('word3')")
        self.browser.key("Escape")
        self.done()
        self.assertIn("stopped", self.text(".assistant .stats"))
        until = time.monotonic() + 10
        while not self.server.dropped and time.monotonic() < until:
            time.sleep(0.05)
        self.assertEqual(self.server.dropped, 1)  # the connection is closed, so that the server can stop as well
        shown = self.answers()
        self.open()
        self.assertEqual(self.answers(), shown)
        self.say("slow", wait=False)
        self.browser.wait("document.querySelectorAll('.answer').length === 2")
        self.browser.click("#stop")
        self.done()
        self.assertEqual(len(self.answers()), 2)

    def test_a_reload_in_the_middle_keeps_what_was_written(self):
        self.open()
        self.say("slow", wait=False)
        self.browser.wait("document.querySelector('.answer')?.innerText.includes('word9')")
        self.open()
        self.assertIn("word9", self.answers()[0])
        self.done()

    def test_regenerate_and_edit(self):
        self.open()
        self.say("one")
        self.say("two")
        self.browser.click(".message:last-child [aria-label='Write another answer']")
        self.browser.wait("document.getElementById('stop').hidden && document.querySelectorAll('.answer').length === 2")
        self.assertEqual(self.server.requests[2]["messages"], self.server.requests[1]["messages"])
        self.browser.key("ArrowUp")
        self.browser.wait("document.querySelector('.edit textarea')?.value === 'two'")
        self.browser.key("Escape")
        self.assertEqual(self.count(".edit"), 0)
        self.browser.click(".message.user [aria-label='Edit and send again']")
        self.browser.value("document.querySelector('.edit textarea').select()")
        self.picture("edit")
        self.browser.type("three")
        self.browser.key("Enter")
        self.browser.wait("document.getElementById('stop').hidden && document.querySelectorAll('.answer').length === 1")
        self.assertEqual(self.server.requests[3]["messages"], [{"role": "user", "content": "three"}])
        self.assertEqual(self.answers(), ["You said: three"])

    def test_conversations(self):
        self.open()
        self.say("first talk")
        self.browser.key("o", CTRL | SHIFT)
        self.assertEqual(self.answers(), [])
        self.say("second talk")
        titles = "[...document.querySelectorAll('#chats .open')].map((one) => one.textContent)"
        self.assertEqual(self.browser.value(titles), ["second talk", "first talk"])
        self.browser.click("#chats li:last-child .open")
        self.assertEqual(self.answers(), ["You said: first talk"])
        self.browser.click("#chats .now [aria-label='Rename']")
        self.browser.type("A <b>name</b>")
        self.browser.key("Enter")
        self.browser.wait("document.querySelector('#chats .now .open')?.textContent === 'A <b>name</b>'")
        self.open()
        self.assertIn("A <b>name</b>", self.browser.value(titles))
        self.picture("conversations")
        self.browser.click("#chats .now [aria-label='Delete']")
        self.assertEqual(len(self.browser.value(titles)), 1)
        self.browser.click("#toast button")
        self.assertEqual(len(self.browser.value(titles)), 2)
        self.browser.click("#chats .now [aria-label='Delete']")
        self.open()
        self.assertEqual(len(self.browser.value(titles)), 1)

    def test_a_conversation_left_while_it_is_answered(self):
        self.server.pause = 0.03
        self.open()
        self.say("markdown", wait=False)
        self.browser.wait("!!document.querySelector('.answer')")
        self.browser.click("#new")
        self.assertEqual(self.answers(), [])
        self.done()
        self.assertEqual(self.answers(), [])
        self.browser.click("#chats .open")
        self.assertIn("That is all.", self.answers()[0])

    def test_settings_are_sent_and_kept(self):
        self.open()
        self.browser.key(",", CTRL)
        for name, value in {
            "system": "Be brief.",
            "temperature": "0.7",
            "top_p": "0.9",
            "top_k": "40",
            "min_p": "0.05",
            "max_tokens": "64",
            "seed": "7",
        }.items():
            self.browser.value(f"document.querySelector('[data-setting={name}]').focus()")
            self.browser.type(value)
        self.picture("settings")
        self.browser.value("document.querySelector('[data-setting=top_p]').select()")
        self.browser.type("3")
        self.assertNotEqual(self.text("#settings-note"), "")
        self.browser.key("Escape")
        self.open()
        self.say("hello")
        sent = self.server.requests[0]
        self.assertEqual(
            sent["messages"], [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
        )
        self.assertEqual(
            [sent.get(k) for k in ("temperature", "top_p", "top_k", "min_p", "max_tokens", "seed")],
            [0.7, None, 40, 0.05, 64, 7],
        )
        self.browser.click("#theme")
        self.assertTrue(self.browser.value("document.documentElement.classList.contains('dark')"))
        self.picture("settings-dark")
        self.open()
        self.assertTrue(self.browser.value("document.documentElement.classList.contains('dark')"))

    def test_the_key_is_asked_for(self):
        self.expected = ["401"]
        self.server.key = "secret"
        self.open()
        self.browser.wait("document.getElementById('settings').open")
        self.assertIn("API key", self.text("#settings-note"))
        self.picture("key")
        self.browser.type("secret")
        self.browser.key("Enter")
        self.browser.wait("document.getElementById('model').textContent.startsWith('Qwen')")
        self.say("hello")
        self.assertEqual(self.answers(), ["You said: hello"])

    def test_errors_are_shown_and_can_be_tried_again(self):
        self.expected = ["429", "400", "ERR_INCOMPLETE", "ERR_CONNECTION"]
        self.open()
        self.say("busy")
        self.assertIn("All slots are taken. Try again in 7 s.", self.text(".error"))
        self.say("refuse")
        self.assertIn("messages: found <b>bad</b>, expected good", self.text(".message:last-child .error"))
        self.picture("error")
        self.say("cut")
        self.assertIn("broke off", self.text(".message:last-child .error"))
        self.assertEqual(self.answers()[-1], "You")
        self.say("fault")
        self.assertIn("the model gave NaN", self.text(".message:last-child .error"))
        self.say("fine")
        self.assertEqual(self.answers()[-1], "You said: fine")
        roles = [one["role"] for one in self.server.requests[-1]["messages"]]
        self.assertTrue(all(a != b for a, b in zip(roles, roles[1:])), roles)  # turns alternate
        self.server.shutdown()
        self.server.server_close()
        self.say("nobody")
        self.assertIn("cannot be reached", self.text(".message:last-child .error"))
        self.assertEqual(self.count(".message:last-child .error button"), 1)

    def test_loading_is_waited_for(self):
        self.expected = ["503"]
        self.server.loading = 2
        self.open()
        self.assertIn("loading", self.text("#model"))
        self.browser.wait("document.getElementById('model').textContent.startsWith('Qwen')")

    def test_reasoning_is_folded(self):
        self.server.pause = 0.03
        self.open()
        self.say("reason", wait=False)
        self.browser.wait("document.querySelector('.reasoning[open]')?.innerText.includes('three')")
        self.picture("reasoning")
        self.done()
        self.assertFalse(self.browser.value("document.querySelector('.reasoning').open"))
        self.assertEqual(self.answers(), ["It is seven."])
        self.browser.click(".reasoning summary")
        self.assertIn("That gives seven.", self.text(".reasoning"))

    def test_a_model_that_thinks_can_be_told_not_to(self):
        pressed = "document.getElementById('think').getAttribute('aria-pressed')"
        self.open()
        self.assertTrue(self.browser.value("document.getElementById('think').hidden"))
        self.say("reason")
        self.assertNotIn("chat_template_kwargs", self.server.requests[0])
        for by_itself in (True, False):
            self.server.thinks = by_itself
            self.browser.value("delete store.settings.thinking; store.saveSettings()")
            self.open()
            self.browser.wait("!document.getElementById('think').hidden")
            self.assertEqual(self.browser.value(pressed), "true" if by_itself else "false")
            for told in (by_itself, not by_itself):
                if told != by_itself:
                    self.browser.click("#think")
                    self.open()  # it is remembered
                    self.browser.wait("!document.getElementById('think').hidden")
                self.browser.click("#new")
                self.say("reason")
                self.assertEqual(self.server.requests[-1]["chat_template_kwargs"], {"enable_thinking": told})
                self.assertEqual(self.browser.value(pressed), "true" if told else "false")
                self.assertEqual(self.count(".reasoning"), 1 if told else 0)
                self.assertEqual(self.answers(), ["It is seven."])
        for width, scheme in ((1200, "light"), (1200, "dark"), (390, "light"), (390, "dark")):
            self.browser.size(width, 844, width < 500)
            self.browser.scheme(scheme)
            self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), width)
            self.picture(f"think-{width}-{scheme}")

    def test_the_view_follows_unless_it_was_scrolled(self):
        self.open()
        self.say("long")
        view = "(($) => $.scrollHeight - $.scrollTop - $.clientHeight)(document.getElementById('scroll'))"
        self.assertLess(self.browser.value(view), 5)
        self.server.pause = 0.005
        self.say("long", wait=False)
        self.browser.wait("document.querySelectorAll('.answer').length === 2")
        self.browser.value("document.getElementById('scroll').scrollTop = 200")
        self.done()
        self.assertEqual(self.browser.value("document.getElementById('scroll').scrollTop"), 200)
        self.browser.click("#down")
        self.browser.wait(view + " < 5")

    def test_a_phone(self):
        self.browser.size(390, 844, phone=True)
        self.open()
        self.picture("phone-hello")
        self.browser.click("#samples button")
        self.done()
        self.assertEqual(len(self.answers()), 1)
        self.browser.click("#side-open")
        self.browser.wait("document.getElementById('side').getBoundingClientRect().x === 0")
        self.picture("phone-side")
        self.browser.click("#new")
        self.browser.wait("document.getElementById('side').getBoundingClientRect().right <= 0")
        self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), 390)

    def test_lines_and_names(self):
        self.open()
        self.browser.value("document.getElementById('prompt').focus()")
        self.browser.type("line one")
        self.browser.key("Enter", SHIFT)
        self.browser.type("line two")
        self.browser.key("Enter")
        self.done()
        self.assertEqual(self.server.requests[0]["messages"][0]["content"], "line one\nline two")
        # Whatever can be pressed or filled in says what it is.
        nameless = """[...document.querySelectorAll('button, input, textarea, select')].filter((one) =>
            !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length))
            .map((one) => one.outerHTML)"""
        self.assertEqual(
            self.browser.value(nameless), ['<button type="button"></button>']
        )  # the toast's, which is hidden
        self.assertEqual(
            self.browser.value(
                """[...document.querySelectorAll('[src], [href]')]
                .filter((one) => !/^(data:|#)/.test(one.getAttribute('src') ?? one.getAttribute('href'))).length"""
            ),
            0,
        )

    def test_hard_texts_cost_little(self):
        self.open()
        for text in (
            "*a " * 20000,
            "[" * 20000,
            "`" * 20001,
            "> " * 5000 + "x",
            "- " * 3000,
            "**__~~" * 8000,
            "|a" * 5000 + "\n" + "|-" * 5000,
            "<" * 20000 + "http://" * 3000,
            "a](" * 8000,
            "![" * 9000,
        ):
            seconds = self.browser.value(
                f"""(() => {{ const began = performance.now(); const into = document.createElement('div');
                showMarkdown(into, {json.dumps(text)}); return (performance.now() - began) / 1000; }})()"""
            )
            self.assertLess(seconds, 3, text[:20])


if __name__ == "__main__":
    if not CHROMIUM:
        print("skipped: no chromium on the PATH")
        sys.exit(77)
    unittest.main()
