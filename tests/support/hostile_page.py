"""A page of another site in a real browser, which sends requests in every way that a page can."""

import http.server
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, BrowserContext, Request, Response

from tests.support.waiting import wait_until

GET_WAYS = (
    *("image", "image without referrer", "script", "stylesheet", "iframe", "form GET", "fetch no-cors", "fetch cors"),
    *("event source", "popup", "popup without opener", "link noreferrer", "sandboxed iframe", "redirect"),
)
POST_WAYS = ("form POST", "fetch no-cors POST", "fetch cors POST", "beacon", "sandboxed POST")
UNSEEN_WAYS = ("websocket", "sandboxed iframe", "sandboxed POST")  # Playwright tells of no request

_WAYS = """
const until = (element, read) => new Promise(done => {
    element.onload = () => { try { done(read ? read() : 'loaded'); } catch { done(''); } };
    element.onerror = () => done('');
    if (!element.isConnected) document.body.append(element);
    setTimeout(() => done(''), 1500);  // Chromium doesn't always tell that a frame was loaded
});
const make = (name, values) => Object.assign(document.createElement(name), values);
const text = answer => answer.text();
const nothing = () => '';
const form = (method, url, body) => {
    const frame = make('iframe', {name: `f${Math.random()}`});
    document.body.append(frame);
    const loaded = until(frame, () => frame.contentDocument.body.innerText);
    const target = new URL(url);
    const sent = make('form', {method, action: url, target: frame.name, enctype: 'text/plain'});
    const values = method === 'GET' ? [...target.searchParams] : [[body, '']];
    for (const [name, value] of values) sent.append(make('input', {type: 'hidden', name, value}));
    document.body.append(sent);
    sent.submit();
    return loaded;
};
const sandboxed = script => until(
    make('iframe', {sandbox: 'allow-scripts', srcdoc: `<script>${script}</script>`}), nothing);
const popup = (url, features) => new Promise(done => {
    const opened = window.open(url, '_blank', features);
    setTimeout(() => { try { done(opened ? opened.document.body.innerText : ''); } catch { done(''); } }, 300);
});
const WAYS = {
    'image': url => until(make('img', {src: url})),
    'image without referrer': url => until(make('img', {referrerPolicy: 'no-referrer', src: url})),
    'script': url => until(make('script', {src: url})),
    'stylesheet': url => until(make('link', {rel: 'stylesheet', href: url}), nothing),
    'iframe': url => { const f = make('iframe', {src: url}); return until(f, () => f.contentDocument.body.innerText); },
    'form GET': url => form('GET', url),
    'fetch no-cors': url => fetch(url, {mode: 'no-cors', referrerPolicy: 'no-referrer'}).then(text).catch(nothing),
    'fetch cors': url => fetch(url).then(text).catch(nothing),
    'event source': url => new Promise(done => {
        const source = new EventSource(url);
        source.onmessage = event => done(event.data);
        source.onerror = () => { source.close(); done(''); };
    }),
    'popup': url => popup(url),
    'popup without opener': url => popup(url, 'noopener,noreferrer'),
    'link noreferrer': url => {
        const link = make('a', {href: url, rel: 'noreferrer', target: '_blank'});
        document.body.append(link);
        link.click();
        return '';
    },
    'sandboxed iframe': url => sandboxed(`fetch(${JSON.stringify(url)}, {mode: 'no-cors'})`),
    'redirect': url => until(make('img', {src: `/redirect?to=${encodeURIComponent(url)}`})),
    'form POST': (url, body) => form('POST', url, body),
    'fetch no-cors POST': (url, body) => fetch(url, {method: 'POST', mode: 'no-cors', body}).then(text).catch(nothing),
    'fetch cors POST': (url, body) => fetch(url, {method: 'POST', body}).then(text).catch(nothing),
    'beacon': (url, body) => { navigator.sendBeacon(url, body); return ''; },
    'sandboxed POST': (url, body) => sandboxed(
        `fetch(${JSON.stringify(url)}, {method: 'POST', mode: 'no-cors', body: ${JSON.stringify(body)}})`),
    'fetch with preflight': (url, body) => fetch(
        url, {method: body ? 'POST' : 'PUT', body: body || 'x', headers: {'X-Amz-Target': 'AmazonSQS.CreateQueue'}}
    ).then(text).catch(nothing),
    'websocket': url => new Promise(done => {
        const socket = new WebSocket(url.replace('http', 'ws'));
        socket.onopen = () => done('open');
        socket.onerror = () => done('');
    }),
};
"""
_ATTACK = f"""async calls => {{
    {_WAYS}
    return Promise.all(calls.map(async ([way, url, body, type]) => await WAYS[way](
        url, type ? new Blob([body], {{type}}) : body)));
}}"""


@dataclass(frozen=True)
class Call:
    """A request that a page tries: `way` is how."""

    way: str
    url: str
    body: str = ""
    content_type: str = ""


@dataclass
class Seen:
    """What came of it: what the page could read, by call, the URLs that the browser asked, and the statuses it got.

    Of images, scripts and the like it tells no status.
    """

    read: dict[Call, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    statuses: dict[str, set[int]] = field(default_factory=dict)
    waiting: int = 0

    def watch(self, context: BrowserContext) -> None:
        context.on("request", self._note_request)
        context.on("response", self._note_response)
        for event in ("requestfinished", "requestfailed"):
            context.on(event, self._note_end)

    def _note_request(self, request: Request) -> None:
        self.asked.add(request.url)
        self.waiting += 1

    def _note_response(self, response: Response) -> None:
        self.statuses.setdefault(response.url, set()).add(response.status)

    def _note_end(self, _request: Request) -> None:
        self.waiting -= 1


class _Evil(http.server.BaseHTTPRequestHandler):
    """Serves an empty page, and redirects."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        to = parse_qs(url.query).get("to")
        self.send_response(302 if to else 200)
        self.send_header(*(("Location", to[0]) if to else ("Content-Type", "text/html")))
        self.end_headers()
        if not to:
            self.wfile.write(b"<!doctype html><title>evil</title><body></body>")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def evil_server() -> Iterator[int]:
    """A web server of somebody else's on loopback; gives its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def attack(browser: Browser, page_url: str, calls: Sequence[Call]) -> Seen:
    """Have the page try all calls at once, wait for what the browser got, and then navigate to the first one's URL."""
    seen = Seen()
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(page_url)
        seen.watch(context)
        read = page.evaluate(_ATTACK, [[call.way, call.url, call.body, call.content_type] for call in calls])
        seen.read = dict(zip(calls, read, strict=True))
        page.evaluate("url => { location.href = url; }", calls[0].url)
        page.wait_for_url(calls[0].url)

        def done() -> bool:
            page.wait_for_timeout(10)  # lets Playwright take in events
            return seen.waiting <= 0

        wait_until(done, seconds=15)
    finally:
        context.close()
    return seen
