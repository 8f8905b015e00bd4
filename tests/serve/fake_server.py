"""A server of the chat page's routes that answers from a script: fake_server.py PAGE POLICY [PORT].

What it answers is told by the last message of the user; see ANSWERS."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MARKDOWN = """# A heading with `code`

Some **bold**, *italic*, ***both***, ~~gone~~ and a [link](https://example.org/a_(b)), https://example.org/x. And 2 * 3 * 4, snake_case_name.

1. First
   - nested *one*
   - nested two
2. Second
3. Third

- [x] done
- [ ] to do

> A quote
> of two lines

| Drink | Caffeine | Price |
| :--- | :---: | ---: |
| Tea | `30 mg` | 2.50 |
| Coffee | **95 mg** | 3.20 |

```python
# Whether a word reads alike from both ends.
def is_palindrome(word: str) -> bool:
    letters = [c.lower() for c in word if c.isalpha()]
    return letters == letters[::-1]


print(is_palindrome("A man, a plan, a canal: Panama"), 42)
```

That is all."""

HOSTILE = """<img src=x onerror="document.title='broken'"> <script>document.title='broken'</script>

[a](javascript:document.title='broken') [b](data:text/html,x) ![c](https://example.org/c.png) [d]( JaVaScRiPt:alert(1)) <javascript:x>

[e](https://example.org/"onmouseover="alert(1))

```html"><img src=x onerror=alert(1)>
<script>document.title='broken'</script>
```

| <b>x</b> | y |
|---|---|
| <i>1</i> | `<u>` |

# <svg onload=alert(1)>

- <iframe src="javascript:alert(1)"></iframe>
"""

ANSWERS = {
    "markdown": MARKDOWN,
    "hostile": HOSTILE,
    "reason": "It is **seven**.",
    "long": "\n\n".join(
        f"Paragraph {i} of a long answer that goes on and on, so that the view must follow it." for i in range(60)
    ),
}


def pieces(text: str) -> list[str]:
    """About as long as tokens."""
    out, at = [], 0
    while at < len(text):
        end = at + 1 + (at * 7) % 6
        out.append(text[at:end])
        at = end
    return out


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status: int, body: bytes, kind: str = "application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def error(self, status: int, message: str, **headers):
        body = {"error": {"message": message, "type": "error", "code": status, "param": None}}
        self.answer(status, json.dumps(body).encode(), **headers)

    def allowed(self) -> bool:
        key = self.server.key
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            self.error(401, "Invalid API key")
            return False
        return True

    def do_GET(self):
        if self.path == "/":
            policy = self.server.policy
            return self.answer(200, self.server.page, "text/html; charset=utf-8", Content_Security_Policy=policy)
        if self.path == "/v1/models" and self.server.loading > 0:
            self.server.loading -= 1
            return self.error(503, "Loading model")
        if self.path == "/v1/models" and self.allowed():
            body = {"object": "list", "data": [{"id": "Qwen2.5-0.5B 2.3 bits", "object": "model"}]}
            return self.answer(200, json.dumps(body).encode())
        if self.path == "/props" and self.allowed():
            variables = {} if self.server.thinks is None else {"enable_thinking": self.server.thinks}
            body = {"default_generation_settings": {"params": {"chat_template_kwargs": variables}}}
            return self.answer(200, json.dumps(body).encode())
        if self.path not in ("/v1/models", "/props"):
            self.error(404, "no such route")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions" or not self.allowed():
            return
        self.server.requests.append(body)
        said = body["messages"][-1]["content"].split("\n\n")[-1]
        if said == "busy":
            return self.error(429, "All slots are taken.", Retry_After="7")
        if said == "refuse":
            return self.error(400, "messages: found <b>bad</b>, expected good")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            self.stream(said, body)
        except (BrokenPipeError, ConnectionResetError):
            self.server.dropped += 1
        self.close_connection = True

    def event(self, **more):
        self.wfile.write(
            b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [], **more}).encode() + b"\n\n"
        )
        self.wfile.flush()

    def delta(self, finish=None, **delta):
        self.event(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])

    def stream(self, said: str, body: dict):
        self.delta(role="assistant", content="")
        if said == "slow":
            for i in range(2000):
                self.delta(content=f"word{i} ")
                time.sleep(0.03)
        if said == "reason" and body.get("chat_template_kwargs") != {"enable_thinking": False}:
            for piece in pieces("First I add three and four. That gives seven."):
                self.delta(reasoning_content=piece)
                time.sleep(self.server.pause)
        text = ANSWERS.get(said, f"You said: {said}")
        for n, piece in enumerate(pieces(text)):
            self.delta(content=piece)
            time.sleep(self.server.pause)
            if said == "cut" and n == 1:
                return
            if said == "fault" and n == 1:
                return self.event(error={"message": "the model gave NaN", "code": 500})
        self.delta(finish="length" if said == "cut short" else "stop")
        self.event(
            usage={"prompt_tokens": 9, "completion_tokens": len(pieces(text)), "total_tokens": 9 + len(pieces(text))}
        )
        self.wfile.write(b"data: [DONE]\n\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, page: bytes, policy: str, port: int = 0):
        super().__init__(("127.0.0.1", port), Handler)
        self.page, self.policy = page, policy
        self.key, self.loading, self.pause = "", 0, 0.002
        self.thinks = None  # whether the model thinks by itself, for one that can be told to or not to
        self.requests, self.dropped = [], 0
        self.address = f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, *_):
        self.dropped += 1

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()


if __name__ == "__main__":
    server = Server(
        Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]).read_text(), int(sys.argv[3]) if len(sys.argv) > 3 else 0
    )
    server.pause = 0.02
    print(server.address, flush=True)
    server.serve_forever()
