"""Pages of other sites in the same browser can neither read the console nor make it do anything."""

from urllib.parse import urlsplit

from playwright.sync_api import Browser

ATTEMPT = """async port => {
    const socket = new Promise(resolve => {
        const ws = new WebSocket(`ws://127.0.0.1:${port}/_nicegui_ws/socket.io/?EIO=4&transport=websocket`);
        ws.onopen = () => resolve('open');
        ws.onerror = () => resolve('refused');
    });
    const read = fetch(`http://127.0.0.1:${port}/`).then(answer => answer.text()).catch(() => 'refused');
    const post = fetch(`http://127.0.0.1:${port}/_nicegui_ws/socket.io/?EIO=4&transport=polling`, {mode: 'no-cors'})
        .then(answer => answer.type).catch(() => 'refused');
    const frame = await new Promise(resolve => {
        const element = document.createElement('iframe');
        element.src = `http://127.0.0.1:${port}/`;
        element.onload = () => {
            try { resolve(element.contentDocument === null ? 'blocked' : 'readable'); } catch { resolve('blocked'); }
        };
        document.body.append(element);
    });
    return {socket: await socket, read: await read, polling: await post, frame};
}"""


def test_another_site_reaches_nothing(browser: Browser, console_url: str) -> None:
    # given a page of another site
    context = browser.new_context()
    page = context.new_page()
    page.route("http://other.test/**", lambda route: route.fulfill(body="<h1>other</h1>", content_type="text/html"))
    page.goto("http://other.test/")
    statuses: dict[str, int] = {}
    page.on("response", lambda response: statuses.update({response.url: response.status}))

    # when it tries everything
    result = page.evaluate(ATTEMPT, urlsplit(console_url).port)

    # then nothing comes of it
    assert result["socket"] == "refused"
    assert result["read"] == "refused"
    assert result["frame"] == "blocked"
    assert set(statuses.values()) <= {403, 200}
    assert all(status == 403 for url, status in statuses.items() if "socket.io" in url)
    context.close()


def test_a_host_name_that_was_made_to_point_here_is_refused(browser: Browser, console_url: str) -> None:
    context = browser.new_context()
    page = context.new_page()

    answer = page.goto(f"http://rebind.test:{urlsplit(console_url).port}/")

    assert answer is not None
    assert answer.status == 403
    context.close()
