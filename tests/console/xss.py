"""Texts that would do something if a page took them for more than text.

Each that runs sets `window.attacked`, opens a dialog, or breaks the content security policy, which
the browser says aloud; a test looks for all three.
"""

from playwright.sync_api import Page

_RUN = "window.attacked=1"

# Markup that runs by itself where it is taken for markup.
_MARKUP = (
    "<script>{run}</script>",
    "<ScRiPt>{run}</sCrIpT>",
    "<script src=data:text/javascript,{run}></script>",
    "<script type=module>{run}</script>",
    "<img src=x onerror={run}>",
    "<img src=x onerror='{run}'>",
    '<IMG SRC="x" ONERROR="{run}">',
    "<img/src=x/onerror={run}>",
    "<svg onload={run}>",
    "<svg/onload={run}>",
    "<svg><script>{run}</script></svg>",
    "<svg><animate onbegin={run} attributeName=x dur=1s>",
    "<body onload={run}>",
    "<iframe srcdoc='<script>parent.{run}</script>'></iframe>",
    "<iframe src='javascript:parent.{run}'></iframe>",
    "<object data='javascript:{run}'></object>",
    "<embed src='javascript:{run}'>",
    "<video><source onerror={run}></video>",
    "<audio src=x onerror={run}>",
    "<details open ontoggle={run}>x</details>",
    "<input autofocus onfocus={run}>",
    "<select autofocus onfocus={run}><option>x</select>",
    "<textarea autofocus onfocus={run}>x</textarea>",
    "<marquee onstart={run}>x</marquee>",
    "<style>@import 'data:text/css,x'</style><p style='color:red' onclick={run}>x</p>",
    "<link rel=stylesheet href='data:text/css,x' onload={run}>",
    "<meta http-equiv=refresh content='0;url=javascript:{run}'>",
    "<base href='https://evil.example/'>",
    "<form action='javascript:{run}'><button autofocus>x</button></form>",
    "<math><mtext></mtext><img src=x onerror={run}></math>",
    "<template><img src=x onerror={run}></template>",
    "<div hx-get='/api/v1/me' hx-trigger='load' hx-on:htmx:after:swap='{run}'>x</div>",
    "<hx-partial hx-target='body'><img src=x onerror={run}></hx-partial>",
    "<upload-area><img src=x onerror={run}></upload-area>",
)
# What may close what a text stands in, in front of markup.
_CLOSERS = ("", '">', "'>", "</textarea></title></style></script>--><!--")
_TEXTS = (
    "javascript:{run}",
    "' onmouseover='{run}' autofocus onfocus='{run}' x='",
    '" onmouseover="{run}" autofocus onfocus="{run}" x="',
    "';{run};//",
    '";{run};//',
    "`${{{run}}}`",
    "{{{{ ''.__class__.__mro__ }}}}",
    "{{% include '/etc/passwd' %}}",
    "{{{{7*7}}}}",
    "${{7*7}}",
    "<%= 7*7 %>",
    "]]><script>{run}</script>",
    "<!--<script>{run}</script>-->",
    "<<script>{run}//<</script>",
    "&lt;script&gt;{run}&lt;/script&gt;",
    "&#60;img src=x onerror={run}&#62;",
    "\\u003cscript\\u003e{run}\\u003c/script\\u003e",
    "%3Cscript%3E{run}%3C/script%3E",
    "<a href='javascript:{run}'>x</a>",
    "<a href='data:text/html,<script>{run}</script>'>x</a>",
    "![x](javascript:{run})",
    "\u202e<script>{run}</script>",
    "<scr\u0000ipt>{run}</script>".replace("\u0000", ""),
    "＜script＞{run}＜/script＞",
    "line\u2028<script>{run}</script>\u2029",
)

ATTACKS: tuple[str, ...] = (
    *(closer + markup.format(run=_RUN) for markup in _MARKUP for closer in _CLOSERS),
    *(text.format(run=_RUN) for text in _TEXTS),
)


def assert_unharmed(page: Page) -> None:
    """Nothing of what the page shows has run. What its console says fails the visit itself."""
    assert page.evaluate("window.attacked") is None
    foreign = page.evaluate(
        "performance.getEntriesByType('resource').map(each => each.name)"
        ".filter(name => !name.startsWith(location.origin))"
    )
    assert foreign == []
    assert page.locator("[onerror], [onload], [onfocus], [onmouseover], iframe, base").count() == 0
