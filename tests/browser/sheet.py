"""One notebook in one page of a browser: opened, run, looked at."""

import re
from urllib.parse import urlsplit

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
INSIDE = {"about", "blob", "data"}  # addresses that lead nowhere
# What the page asks of a kernel in which no cell has imported ipywidgets yet.
TOO_EARLY = re.compile(
    r"stderr: No such comm(: [0-9a-f-]{36}| target registered: jupyter\.widget\.control)\n"
)
RUN = 600  # seconds for all cells of a notebook
SIZE = {"width": 1280, "height": 1600}

READY = """async (seconds) => {
  const late = new Promise((_, no) => setTimeout(
    () => no(new Error(`no kernel in ${seconds} s`)), 1000 * seconds));
  const ready = async () => {
    await window.jupyterapp.restored;
    const panel = window.jupyterapp.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.revealed;
    const kernel = panel.sessionContext.session.kernel;
    await kernel.info;
    // all that the kernel complains of, in a cell or in a widget's answer
    window.complaints = [];
    kernel.iopubMessage.connect((_, {header, content}) => {
      if (header.msg_type === 'error') {
        const text = content.traceback.join('\\n').replace(/\\x1b\\[[\\d;]*m/g, '');
        const [, line] = text.match(/^-+> \\d+ *(.*)$/m) ?? [, 'no line'];
        window.complaints.push(`${content.ename}: ${content.evalue} (${line})`);
      }
      if (header.msg_type === 'stream' && content.name === 'stderr')
        window.complaints.push(`stderr: ${content.text}`);
    });
  };
  await Promise.race([ready(), late]);
}"""

RUN_ALL = """async (seconds) => {
  const late = new Promise((_, no) => setTimeout(
    () => no(new Error(`the cells did not end in ${seconds} s`)), 1000 * seconds));
  await Promise.race(
    [window.jupyterapp.commands.execute('notebook:run-all-cells'), late]);
}"""

HAS_KERNEL = """() => Boolean(
  window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel)"""

COUNTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .map((cell) => cell.model)
  .filter((model) => model.type === 'code' && model.sharedModel.source.trim())
  .map((model) => model.executionCount)"""

# Widgets that should be seen, and those that are.
VIEWS = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets;
  const outputs = cells.flatMap((cell) => cell.model.outputs?.toJSON() ?? []);
  const views = outputs.filter(
    ({data}) => data?.['application/vnd.jupyter.widget-view+json']);
  const own = '.jp-OutputArea-output .pixelcnn:not(:has(.failed))'; // in JavaScript alone
  const roots = [...document.querySelectorAll(
    `.jp-OutputArea-output > .jupyter-widgets, ${own}`)];
  const broken = '.jupyter-widgets-error-widget';
  return [views.length, roots.filter((root) => !root.querySelector(broken)).length];
}"""

# Names the cell of each widget in the page, so that Playwright finds it.
SHOWN = """(names) => {
  const found = [];
  for (const cell of window.jupyterapp.shell.currentWidget.content.widgets)
    for (const {data} of cell.model.outputs?.toJSON() ?? []) {
      const text = [data?.['text/plain'] ?? ''].flat().join('');
      const name = names.find((name) => text.startsWith(`${name}: `));
      if (name && data['application/vnd.jupyter.widget-view+json']) {
        cell.node.setAttribute('data-shows', name);
        found.push(name);
      }
    }
  return found;
}"""


class Sheet:
    """A notebook of a running JupyterLab, in a browser context of its own.

    Args:
        browser: Playwright's browser.
        lab: what `server.serving` yields.
        path: of the notebook, relative to the server's root.

    Attributes:
        page: Playwright's page.
        requests: the address of each request and websocket of the page, in order.
    """

    def __init__(self, browser, lab, path):
        self.context = browser.new_context(viewport=SIZE)
        self.page = self.context.new_page()
        self.requests, self.page_errors = [], []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        home = f"http://127.0.0.1:{lab['port']}/lab/tree/{path}"
        self.page.goto(f"{home}?reset&token={lab['token']}")
        self.page.locator(".jp-Notebook").wait_for(timeout=60_000)
        self.page.wait_for_function("() => window.jupyterapp?.started", timeout=60_000)
        self.page.evaluate(READY, 60)

    def run(self):
        """Run all cells, from top to bottom."""
        self.page.evaluate(RUN_ALL, RUN)
        self.settle()

    def settle(self):
        """Wait until the kernel is idle and its last pictures are on the page."""
        self.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget"
            ".sessionContext.session.kernel.status === 'idle'",
            timeout=60_000,
        )
        self.page.wait_for_timeout(500)

    def shown(self, names) -> list[str]:
        """Which of the widgets with these names the notebook shows, in order."""
        return self.page.evaluate(SHOWN, list(names))

    def problems(self):
        """Yield what went wrong: in cells, in answers of widgets, in the page."""
        complaints = self.page.evaluate("() => window.complaints")
        yield from (text for text in complaints if not TOO_EARLY.fullmatch(text))
        counts = self.page.evaluate(COUNTS)
        if counts != list(range(1, len(counts) + 1)):
            yield f"not every cell was run, in order: {counts}"
        expected, seen = self.page.evaluate(VIEWS)
        if seen != expected:
            yield f"{seen} of {expected} widgets are shown"
        yield from (f"in the page: {error}" for error in self.page_errors)

    def outside(self) -> list[str]:
        """The requests that left this computer, or would have."""
        parts = [(url, urlsplit(url)) for url in self.requests]
        return [
            url
            for url, part in parts
            if part.scheme not in INSIDE and part.hostname not in LOOPBACK
        ]

    def end_kernel(self):
        """End the notebook's kernel, if it has one."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
        )
        assert not self.page.evaluate(HAS_KERNEL)

    def close(self):
        """Close the page and end the notebook's kernel."""
        try:
            self.end_kernel()
        finally:
            self.context.close()
