"""True captions of a screen in many wordings, to train an image–text model. They tell looks, seldom words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imagerag_assets.sample.it_support.content import words
from imagerag_assets.sample.it_support.scenes import shown_kind
from imagerag_assets.sample.scene import Facts, Region, Scene

NOUNS: dict[str, tuple[str, ...]] = {
    "error_dialog": (
        "error dialog",
        "message box",
        "pop-up window",
        "alert window",
        "dialog box",
        "error message",
        "popup",
    ),
    "blue_screen": ("crash screen", "system crash", "stop screen", "screen of death", "fatal error screen"),
    "login_form": ("login form", "sign-in page", "login page", "password form", "log-in screen", "login box"),
    "browser_error": (
        "browser error page",
        "web page with an error",
        "browser window with an error page",
        "website error",
        "HTTP error page",
    ),
    "terminal": ("terminal", "console", "command line", "shell window", "terminal session", "text console"),
    "spreadsheet": (
        "spreadsheet",
        "table of numbers",
        "worksheet",
        "sheet with rows and columns",
        "table with cells",
    ),
    "email": ("e-mail program", "mail client", "inbox", "email window", "mailbox"),
    "printer_settings": (
        "printer settings",
        "printer dialog",
        "settings window of a printer",
        "printer page",
    ),
    "installer": ("installer", "setup window", "progress window", "installation window", "progress dialog"),
    "chat": ("chat", "chat window", "conversation", "messenger", "instant messages"),
    "dashboard": (
        "dashboard",
        "dashboard with charts",
        "statistics page",
        "monitoring dashboard",
        "charts screen",
    ),
    "phone": (
        "phone screenshot",
        "mobile phone screen",
        "smartphone screen",
        "screenshot of a phone",
        "mobile screen",
    ),
    "network_settings": (
        "network settings",
        "wifi settings",
        "list of wireless networks",
        "network panel",
        "internet settings window",
    ),
}
_MODE = {
    "dark": ("dark", "dark mode", "night mode", "black"),
    "light": ("light", "white", "bright", "light mode"),
}
_COLOURS = {
    "blue": ("blue",),
    "green": ("green",),
    "purple": ("purple", "violet"),
    "orange": ("orange",),
    "red": ("red",),
    "grey": ("grey", "gray"),
    "pink": ("pink", "rose"),
    "black": ("black",),
}
_STYLE = {
    "plain": ("a plain {} desktop", "a flat {} background"),
    "waves": ("a {} desktop with soft waves", "a wavy {} wallpaper", "a {} desktop"),
    "mountains": (
        "{} mountains",
        "a {} mountain wallpaper",
        "a desktop background of {} mountains",
        "mountains",
    ),
}
_ICON = {
    "error": ("a red cross", "a red circle with an x", "a red error icon", "a white cross on red"),
    "warning": (
        "a yellow triangle",
        "a yellow warning sign",
        "an exclamation mark in a triangle",
        "a warning triangle",
    ),
    "information": ("a blue information icon", "a blue circle with an i"),
    "question": ("a question mark", "a blue question mark icon"),
}
_OS = {
    "windows": ("a Windows desktop with a taskbar", "a Windows style frame"),
    "macos": (
        "red, yellow and green window buttons",
        "a macOS style window",
        "a Mac window with three coloured dots",
    ),
    "linux": ("a Linux desktop", "an orange round close button", "a dock along the left edge"),
}
_ART = {
    "robot": ("a cartoon robot", "a broken robot drawing", "a robot with crossed eyes"),
    "cloud": ("a sad cloud with rain", "a crying cloud", "a cartoon rain cloud"),
    "plug": ("an unplugged cable", "a plug pulled from its socket", "a disconnected plug"),
    "none": ("only text and no picture", "plain text"),
}
_INK = {
    "green": ("green text", "green letters", "bright green characters"),
    "plain": ("plain text of one colour", "monochrome text"),
    "coloured": ("coloured lines and red errors", "multicoloured text", "red error lines"),
}
_CHART = {
    "pie": ("a pie chart", "a round chart with slices", "a circle diagram"),
    "bar": ("a bar chart", "columns in a graph", "a bar graph"),
    "line": ("a line chart", "curves", "a line graph"),
    "gauge": ("a gauge with a needle", "a speedometer dial", "a half-round gauge"),
}
_HIGHLIGHT = {
    "one red": ("one red cell", "a single cell in red", "a red cell in the table"),
    "red": ("several red cells", "many cells in red"),
    "yellow": ("yellow cells", "many cells marked in yellow", "cells highlighted in yellow"),
    "none": ("no coloured cells",),
}
_SCREEN = {
    "home": ("app icons behind an alert", "the home screen with apps", "rows of app icons"),
    "list": ("a settings list", "a list of options with switches"),
    "lock": (
        "a lock screen with a large clock",
        "a big clock over mountains",
        "a notification on the lock screen",
    ),
}
_TRAY = {
    "battery_low": (
        "a red low battery icon",
        "an almost empty battery symbol",
        "a battery warning in the corner",
    ),
    "wifi_off": ("a crossed out wifi icon", "a wireless symbol with a red slash", "no wifi in the corner"),
    "update": ("a small orange update badge", "an orange dot on the status icon"),
    "coloured_cell": ("a red or yellow cell in a table", "a highlighted cell", "a coloured spreadsheet cell"),
    "paper_clip": ("a paper clip icon", "a mail with an attachment", "a paper clip beside a name"),
}


def captions(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Four to eight captions, short to long."""
    facts = scene.facts
    kind = shown_kind(facts)
    noun, details = _pick(rng, NOUNS[kind]), _details(facts, rng)
    adjective = _adjective(facts, rng)
    if facts["kind"] == "screen_photo":
        return _photo_captions(facts, adjective, rng)
    one, two = (details[int(i)] for i in rng.permutation(len(details))[:2])
    other = _pick(rng, NOUNS[kind])
    found = [
        f"{adjective} {noun}",
        f"{other} with {one}",
        f"screenshot of {_article(adjective)} {adjective} {noun} with {two}",
        f"{_article(noun).capitalize()} {noun} that has {one} and {two}.",
        f"{one}, {two}, {adjective} {other}",
        f"The screen shows {_article(adjective)} {adjective} {other}; it has {two}.",
        f"computer screen: {adjective} {noun}, {one}",
    ]
    if rng.random() < 0.25:
        said = words(kind, str(facts["message"]))
        found.append(f'{other} with the words "{said.heading or said.title}" on it')
    kept = sorted(rng.permutation(len(found))[: int(rng.integers(4, 8))].tolist())
    return [found[i] for i in kept]


def _photo_captions(facts: Facts, adjective: str, rng: np.random.Generator) -> list[str]:
    device = _pick(
        rng,
        ("laptop", "notebook computer", "laptop screen")
        if facts["device"] == "laptop"
        else ("monitor", "computer screen", "desktop monitor"),
    )
    room = _pick(
        rng,
        ("in a dark room", "in the dark", "at night")
        if facts["room"] == "dim"
        else ("in daylight", "with reflections on the glass", "on a bright desk"),
    )
    noun, detail = _pick(rng, NOUNS[shown_kind(facts)]), _pick(rng, _details(facts, rng))
    mug = "" if facts["mug"] == "none" else f", a {facts['mug']} mug beside it"
    side = _pick(rng, ("seen from the side", "photographed at an angle", "in slanted perspective"))
    return [
        f"photo of a {device} {room}",
        f"a {device} {side}, {adjective} {noun}",
        f"photo of a {noun} on a {device} {room}{mug}",
        f"A {device} on a desk shows a {noun} with {detail}.",
        f"{device} standing on a wooden desk{mug}",
        f"picture of a {adjective} {noun} taken with a phone {room}",
    ]


def region_captions(region: Region, rng: np.random.Generator) -> list[str]:
    """Captions of a crop around a small detail."""
    name = _pick(rng, _TRAY[region.label])
    return [name, f"close-up of {name}", f"detail of a screenshot: {name}", f"{name} on a computer screen"]


def _pick(rng: np.random.Generator, choices: tuple[str, ...] | list[str]) -> str:
    return choices[int(rng.integers(0, len(choices)))]


def _article(phrase: str) -> str:
    return "an" if phrase[0] in "aeio" else "a"


def _adjective(facts: Facts, rng: np.random.Generator) -> str:
    if "colour" in facts:
        return _pick(rng, _COLOURS[str(facts["colour"])])
    return _pick(rng, _MODE[str(facts["mode"])])


def _details(facts: Facts, rng: np.random.Generator) -> list[str]:
    """Clauses that can follow "with"; at least two."""
    found = _DETAILS[shown_kind(facts)](facts, rng)
    if "wallpaper_style" in facts:
        colour = _pick(rng, _COLOURS[str(facts["wallpaper"])])
        found += [_pick(rng, _STYLE[str(facts["wallpaper_style"])]).format(colour) + " behind it"]
        found += [_pick(rng, _OS[str(facts["os"])])]
    if facts.get("tray", "calm") != "calm" and rng.random() < 0.5:
        found.append(_pick(rng, _TRAY[str(facts["tray"])]))
    return found


def _accent(facts: Facts, thing: str, rng: np.random.Generator) -> str:
    return f"{_pick(rng, _COLOURS[str(facts['accent'])])} {thing}"


def _dialog(facts: Facts, rng: np.random.Generator) -> list[str]:
    return [
        _pick(rng, _ICON[str(facts["icon"])]),
        _pick(rng, _ICON[str(facts["icon"])]),
        _accent(facts, "button", rng),
    ]


def _crash(facts: Facts, rng: np.random.Generator) -> list[str]:
    if facts["face"]:
        faces = ("a sad face", "a frowning smiley", "an unhappy emoticon", "a sad smiley in white")
        return [_pick(rng, faces), _pick(rng, faces), "a QR code"]
    return [
        _pick(rng, ("only lines of white text", "white typewriter letters", "no face, just text")),
        "hexadecimal numbers",
    ]


def _login(facts: Facts, rng: np.random.Generator) -> list[str]:
    colour = _pick(rng, _COLOURS[str(facts["wallpaper"])])
    emblem = ("a padlock", "a lock icon") if facts["emblem"] == "padlock" else ("a round avatar", "a user silhouette")
    place = (
        (f"{colour} mountains on the left", "a landscape beside it")
        if facts["layout"] == "split"
        else (f"a {colour} background", "a card in the middle")
    )
    return [_pick(rng, emblem), _pick(rng, place), _accent(facts, "button", rng), "a red error banner"]


def _browser(facts: Facts, rng: np.random.Generator) -> list[str]:
    return [
        _pick(rng, _ART[str(facts["art"])]),
        _pick(rng, _ART[str(facts["art"])]),
        _accent(facts, "button", rng),
    ]


def _terminal(facts: Facts, rng: np.random.Generator) -> list[str]:
    size = "text that fills the whole screen" if facts["full_screen"] else "a window frame"
    return [
        _pick(rng, _INK[str(facts["ink"])]),
        _pick(rng, ("many lines of output", "a log of monospaced text")),
        size,
    ]


def _sheet(facts: Facts, rng: np.random.Generator) -> list[str]:
    chart = "no chart" if facts["chart"] == "none" else _pick(rng, _CHART[str(facts["chart"])]) + " on it"
    return [_pick(rng, _HIGHLIGHT[str(facts["highlight"])]), chart, "a green title bar"]


def _email(facts: Facts, rng: np.random.Generator) -> list[str]:
    three = facts["layout"] == "three columns"
    panes = (
        ("folders, list and message side by side", "three panes")
        if three
        else ("one open message", "a single wide message")
    )
    found = [_pick(rng, panes), _accent(facts, "header bar", rng), "text lines and reply buttons"]
    return [*found, _pick(rng, _TRAY["paper_clip"])] if three and facts["attachment"] else found


def _printer(facts: Facts, rng: np.random.Generator) -> list[str]:
    tint = _pick(rng, ("black", "dark")) if facts["printer"] == "black" else _pick(rng, ("white", "pale grey"))
    return [f"a picture of a {tint} printer", f"a {tint} printer drawing", "toggle switches"]


def _installer(facts: Facts, rng: np.random.Generator) -> list[str]:
    ring = ("a progress ring", "a circular progress indicator", "a partly closed circle")
    bar = (
        "a progress bar",
        "a long horizontal bar",
        "a half filled bar" if 30 < int(facts["percent"]) < 70 else "a bar",
    )
    found = [_pick(rng, ring if facts["progress"] == "ring" else bar), f"{facts['percent']} percent done"]
    art = ("an open cardboard box", "a parcel with an arrow", "a carton picture at the side")
    return [*found, _pick(rng, art)] if facts["art"] == "box" else found


def _chat(facts: Facts, rng: np.random.Generator) -> list[str]:
    bubbles = _pick(rng, ("speech bubbles", "message bubbles", "bubbles"))
    found = [_accent(facts, bubbles, rng), "a list of contacts with round avatars"]
    return (
        [*found, _pick(rng, ("a shared photo of mountains", "a picture in the conversation"))]
        if facts["picture"]
        else found
    )


def _dashboard(facts: Facts, rng: np.random.Generator) -> list[str]:
    chart = _CHART[str(facts["chart"])]
    return [_pick(rng, chart), _pick(rng, chart), _accent(facts, "side bar", rng), "four big numbers on top"]


def _phone(facts: Facts, rng: np.random.Generator) -> list[str]:
    screen = _SCREEN[str(facts["screen"])]
    found = [_pick(rng, screen), _pick(rng, _ICON[str(facts["icon"])])]
    colour = _pick(rng, _COLOURS[str(facts["wallpaper"])])
    return found if facts["screen"] == "list" else [*found, f"a {colour} wallpaper"]


def _network(facts: Facts, rng: np.random.Generator) -> list[str]:
    banner = f"a {facts['banner']} {_pick(rng, ('banner', 'warning strip', 'bar on top'))}"
    return [
        banner,
        _pick(rng, ("wifi symbols", "signal icons and padlocks", "rows of networks")),
        "toggle switches",
    ]


_DETAILS: dict[str, Callable[[Facts, np.random.Generator], list[str]]] = {
    "error_dialog": _dialog,
    "blue_screen": _crash,
    "login_form": _login,
    "browser_error": _browser,
    "terminal": _terminal,
    "spreadsheet": _sheet,
    "email": _email,
    "printer_settings": _printer,
    "installer": _installer,
    "chat": _chat,
    "dashboard": _dashboard,
    "phone": _phone,
    "network_settings": _network,
}
