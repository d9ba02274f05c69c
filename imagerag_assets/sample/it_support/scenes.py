"""Which screens there are: what each kind varies in, the corpus as a table, random scenes for training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from imagerag_assets.sample.it_support import devices, dialogs, screens
from imagerag_assets.sample.it_support.content import MESSAGES, words
from imagerag_assets.sample.it_support.painter import Painter
from imagerag_assets.sample.scene import Drawing, Facts, Scene

COLLECTION = "it_support"
Value = str | int | bool
Options = Mapping[str, tuple[Value, ...]]

_MODES: Options = {"mode": ("light", "dark"), "accent": ("blue", "green", "purple", "orange", "red")}
_WALLPAPER: Options = {"wallpaper": ("blue", "green", "purple", "orange", "grey", "pink")}
_DESKTOP: Options = {
    **_MODES, **_WALLPAPER, "os": ("windows", "windows", "macos", "linux"),
    "wallpaper_style": ("plain", "waves", "mountains"),
    "tray": ("calm", "calm", "calm", "battery_low", "wifi_off", "update"),
}  # fmt: skip

PAINTERS: dict[str, Callable[[Painter, Facts, np.random.Generator], None]] = {
    "error_dialog": dialogs.error_dialog, "blue_screen": screens.blue_screen,
        "login_form": dialogs.login_form,
    "browser_error": screens.browser_error, "terminal": screens.terminal, "spreadsheet": screens.spreadsheet,
    "email": screens.email, "printer_settings": dialogs.printer_settings, "installer": dialogs.installer,
    "chat": screens.chat, "dashboard": screens.dashboard, "phone": devices.phone,
    "network_settings": dialogs.network_settings,
}  # fmt: skip
OPTIONS: dict[str, Options] = {
    "error_dialog": {**_DESKTOP, "icon": ("error", "warning", "information", "question")},
    "blue_screen": {"face": (True, True, False), "colour": ("blue", "blue", "blue", "green", "black")},
    "login_form": {**_MODES, **_WALLPAPER, "layout": ("card", "split"), "emblem": ("avatar", "padlock")},
    "browser_error": {**_MODES, "art": ("robot", "cloud", "plug", "none")},
    "terminal": {**_DESKTOP, "ink": ("green", "plain", "coloured"), "full_screen": (True, False)},
    "spreadsheet": {**_MODES, "highlight": ("none", "one red", "red", "yellow"),
                    "chart": ("none", "none", "bar", "line", "pie")},
    "email": {**_MODES, "layout": ("three columns", "three columns", "single"), "attachment": (True, False)},
    "printer_settings": {**_DESKTOP, "printer": ("black", "white")},
    "installer": {**_DESKTOP, "progress": ("bar", "ring"), "percent": (8, 21, 37, 48, 63, 74, 92),
                  "art": ("box", "none")},
    "chat": {**_MODES, "picture": (False, False, True)},
    "dashboard": {**_MODES, "chart": ("pie", "bar", "line", "gauge"),
                  "small": ("table+line", "line+table", "table+table")},
    "phone": {**_MODES, **_WALLPAPER, "screen": ("home", "list", "lock"), "icon": ("error", "warning",
        "information")},
    "network_settings": {**_DESKTOP, "banner": ("yellow", "red")},
    "screen_photo": {"shows": ("blue_screen", "terminal", "error_dialog"), "side": ("left", "right"),
                     "device": ("laptop", "monitor"), "room": ("dim", "bright"),
                     "mug": ("none", "red", "white", "yellow")},
}  # fmt: skip

Row = tuple[str, str, dict[str, Value]]
"""Kind, message, and the facts that queries rely on; everything else is drawn by lot."""


def _desk(os: str, mode: str, colour: str, style: str, **more: Value) -> dict[str, Value]:
    return {"os": os, "mode": mode, "wallpaper": colour, "wallpaper_style": style, **more}


_ROWS: tuple[Row, ...] = (
    ("error_dialog", "net_drive_en", _desk("windows", "light", "blue", "mountains", icon="error")),
    ("error_dialog", "net_drive_fr", _desk("windows", "light", "blue", "plain", icon="error")),
    ("error_dialog", "disk_full_en", _desk("windows", "dark", "purple", "waves", icon="warning")),
    ("error_dialog", "disk_full_en", _desk("windows", "light", "green", "waves", icon="warning")),
    ("error_dialog", "disk_full_en", _desk("linux", "light", "grey", "plain", icon="error")),
    ("error_dialog", "dll_en", _desk("windows", "light", "orange", "mountains", icon="error")),
    ("error_dialog", "vpn_en", _desk("windows", "dark", "blue", "waves", icon="error", tray="wifi_off")),
    ("error_dialog", "licence_en", _desk("macos", "light", "purple", "mountains", icon="warning")),
    ("error_dialog", "database_en", _desk("linux", "dark", "grey", "plain", icon="error")),
    ("error_dialog", "camera_en", _desk("windows", "light", "pink", "waves", icon="information")),
    ("error_dialog", "quit_en", _desk("macos", "light", "blue", "waves", icon="warning", tray="battery_low")),
    ("error_dialog", "bitlocker_en", _desk("windows", "dark", "green", "plain", icon="question")),
    ("error_dialog", "certificate_fr", _desk("windows", "light", "purple", "plain", icon="warning")),
    ("error_dialog", "disk_full_fr", _desk("linux", "light", "orange", "mountains", icon="warning")),
    ("error_dialog", "access_fr", _desk("windows", "dark", "green", "mountains", icon="error")),
    ("error_dialog", "scanner_fr", _desk("macos", "dark", "pink", "mountains", icon="error",
        tray="battery_low")),
    ("error_dialog", "update_fr", _desk("windows", "light", "purple", "waves", icon="error", tray="update")),
    ("blue_screen", "critical_en", {"face": True, "colour": "blue"}),
    ("blue_screen", "critical_en", {"face": True, "colour": "green"}),
    ("blue_screen", "memory_en", {"face": True, "colour": "blue"}),
    ("blue_screen", "memory_en", {"face": False, "colour": "blue"}),
    ("blue_screen", "driver_en", {"face": False, "colour": "blue"}),
    ("blue_screen", "boot_fr", {"face": True, "colour": "blue"}),
    ("blue_screen", "page_fr", {"face": False, "colour": "blue"}),
    ("login_form", "wrong_en", {"layout": "card", "mode": "light", "emblem": "avatar", "accent": "green"}),
    ("login_form", "wrong_en", {"layout": "split", "mode": "light", "emblem": "padlock",
        "wallpaper": "orange"}),
    ("login_form", "locked_en", {"layout": "split", "mode": "dark", "emblem": "avatar", "wallpaper": "blue"}),
    ("login_form", "mfa_en", {"layout": "card", "mode": "dark", "emblem": "padlock", "wallpaper": "purple"}),
    ("login_form", "expired_fr", {"layout": "split", "mode": "light", "emblem": "avatar",
        "wallpaper": "green"}),
    ("login_form", "blocked_fr", {"layout": "card", "mode": "light", "emblem": "padlock",
        "wallpaper": "pink"}),
    ("login_form", "blocked_fr", {"layout": "split", "mode": "light", "emblem": "padlock",
        "wallpaper": "pink"}),
    ("browser_error", "404_en", {"art": "robot", "mode": "light", "accent": "blue"}),
    ("browser_error", "404_en", {"art": "plug", "mode": "dark", "accent": "green"}),
    ("browser_error", "404_fr", {"art": "robot", "mode": "dark", "accent": "orange"}),
    ("browser_error", "500_en", {"art": "robot", "mode": "light", "accent": "purple"}),
    ("browser_error", "503_en", {"art": "robot", "mode": "dark", "accent": "blue"}),
    ("browser_error", "503_en", {"art": "cloud", "mode": "light", "accent": "blue"}),
    ("browser_error", "500_en", {"art": "cloud", "mode": "dark", "accent": "purple"}),
    ("browser_error", "403_fr", {"art": "cloud", "mode": "light", "accent": "green"}),
    ("browser_error", "502_fr", {"art": "cloud", "mode": "light", "accent": "red"}),
    ("browser_error", "dns_en", {"art": "none", "mode": "light", "accent": "blue"}),
    ("terminal", "python_en", {"mode": "dark", "ink": "coloured", "full_screen": True}),
    ("terminal", "python_en", {**_desk("macos", "light", "blue", "waves"), "ink": "coloured",
        "full_screen": False}),
    ("terminal", "java_en", {**_desk("linux", "dark", "purple", "plain"), "ink": "green",
        "full_screen": False}),
    ("terminal", "java_en", {"mode": "light", "ink": "plain", "full_screen": True}),
    ("terminal", "node_en", {**_desk("macos", "dark", "orange", "waves"), "ink": "coloured",
        "full_screen": False}),
    ("terminal", "ssh_en", {"mode": "dark", "ink": "green", "full_screen": True}),
    ("terminal", "ssh_en", {**_desk("linux", "light", "green", "mountains"), "ink": "plain",
        "full_screen": False}),
    ("terminal", "disk_fr", {"mode": "dark", "ink": "green", "full_screen": True}),
    ("terminal", "mount_fr", {"mode": "light", "ink": "coloured", "full_screen": True}),
    ("spreadsheet", "budget_en", {"mode": "dark", "highlight": "yellow", "chart": "bar"}),
    ("spreadsheet", "stock_en", {"mode": "light", "highlight": "yellow", "chart": "none"}),
    ("spreadsheet", "stock_en", {"mode": "light", "highlight": "one red", "chart": "none"}),
    ("spreadsheet", "hours_en", {"mode": "light", "highlight": "one red", "chart": "none"}),
    ("spreadsheet", "hours_en", {"mode": "light", "highlight": "none", "chart": "pie"}),
    ("spreadsheet", "sales_fr", {"mode": "light", "highlight": "yellow", "chart": "line"}),
    ("spreadsheet", "sales_fr", {"mode": "light", "highlight": "none", "chart": "bar"}),
    ("spreadsheet", "leave_fr", {"mode": "light", "highlight": "yellow", "chart": "none"}),
    ("spreadsheet", "leave_fr", {"mode": "dark", "highlight": "one red", "chart": "none"}),
    ("email", "bounce_en", {"mode": "light", "layout": "three columns", "attachment": True}),
    ("email", "phish_en", {"mode": "light", "layout": "single", "attachment": False}),
    ("email", "ticket_en", {"mode": "light", "layout": "three columns", "attachment": False,
        "accent": "blue"}),
    ("email", "phish_en", {"mode": "light", "layout": "three columns", "attachment": False,
        "accent": "purple"}),
    ("email", "quota_fr", {"mode": "dark", "layout": "three columns", "attachment": True}),
    ("email", "outage_fr", {"mode": "light", "layout": "three columns", "attachment": True}),
    ("printer_settings", "offline_en", _desk("windows", "light", "blue", "waves", printer="black")),
    ("printer_settings", "toner_en", _desk("windows", "dark", "grey", "plain", printer="white",
        tray="wifi_off")),
    ("printer_settings", "spooler_en", _desk("windows", "light", "green", "mountains", printer="black")),
    ("printer_settings", "jam_fr", _desk("windows", "light", "purple", "waves", printer="black")),
    ("printer_settings", "paused_fr", _desk("macos", "light", "pink", "waves", printer="black",
        tray="battery_low")),
    ("installer", "kestrel_en", _desk("windows", "light", "blue", "plain", art="box", progress="bar",
        percent=48)),
    ("installer", "kestrel_en", _desk("linux", "dark", "orange", "waves", art="none", progress="bar",
        percent=92)),
    ("installer", "update_en", _desk("windows", "light", "green", "waves", art="none", progress="ring",
        percent=37)),
    ("installer", "copy_en", _desk("macos", "light", "orange", "mountains", art="none", progress="ring",
        percent=63)),
    ("installer", "office_fr", _desk("windows", "light", "pink", "plain", art="box", progress="bar",
        percent=21)),
    ("installer", "office_fr", _desk("linux", "light", "green", "waves", art="box", progress="ring",
        percent=74)),
    ("installer", "antivirus_fr", _desk("windows", "dark", "blue", "waves", art="box", progress="ring",
        percent=63,
                                        tray="wifi_off")),
    ("chat", "dock_en", {"mode": "light", "accent": "green", "picture": True}),
    ("chat", "dock_en", {"mode": "dark", "accent": "orange", "picture": False}),
    ("chat", "password_en", {"mode": "dark", "accent": "blue", "picture": False}),
    ("chat", "wifi_en", {"mode": "dark", "accent": "purple", "picture": False}),
    ("chat", "invoice_fr", {"mode": "light", "accent": "green", "picture": True}),
    ("chat", "teams_fr", {"mode": "dark", "accent": "red", "picture": False}),
    ("dashboard", "tickets_en", {"mode": "light", "chart": "pie"}),
    ("dashboard", "tickets_fr", {"mode": "light", "chart": "pie"}),
    ("dashboard", "tickets_fr", {"mode": "dark", "chart": "bar"}),
    ("dashboard", "servers_en", {"mode": "dark", "chart": "gauge"}),
    ("dashboard", "servers_en", {"mode": "dark", "chart": "bar"}),
    ("dashboard", "sales_en", {"mode": "light", "chart": "pie"}),
    ("dashboard", "sales_en", {"mode": "dark", "chart": "bar"}),
    ("dashboard", "security_en", {"mode": "dark", "chart": "pie"}),
    ("dashboard", "security_en", {"mode": "light", "chart": "gauge"}),
    ("dashboard", "energy_fr", {"mode": "light", "chart": "gauge"}),
    ("dashboard", "energy_fr", {"mode": "dark", "chart": "gauge"}),
    ("phone", "mail_en", {"screen": "home", "mode": "light", "wallpaper": "blue"}),
    ("phone", "storage_en", {"screen": "list", "mode": "dark"}),
    ("phone", "sim_en", {"screen": "lock", "mode": "light", "wallpaper": "orange"}),
    ("phone", "mail_en", {"screen": "lock", "mode": "dark", "wallpaper": "purple"}),
    ("phone", "pin_fr", {"screen": "lock", "mode": "dark", "wallpaper": "green"}),
    ("phone", "pin_fr", {"screen": "home", "mode": "light", "wallpaper": "pink"}),
    ("phone", "update_fr", {"screen": "lock", "mode": "light", "wallpaper": "blue"}),
    ("network_settings", "dhcp_en", _desk("windows", "light", "blue", "waves", banner="red")),
    ("network_settings", "proxy_en", _desk("macos", "dark", "purple", "mountains", banner="yellow")),
    ("network_settings", "dns_en", _desk("windows", "dark", "green", "plain", banner="red")),
    ("network_settings", "limited_fr", _desk("linux", "light", "orange", "waves", banner="red")),
    ("network_settings", "conflict_fr", _desk("windows", "light", "grey", "waves", banner="red")),
    ("screen_photo", "critical_en", {"shows": "blue_screen", "face": True, "colour": "blue",
        "device": "monitor",
                                     "room": "dim"}),
    ("screen_photo", "boot_fr", {"shows": "blue_screen", "face": True, "colour": "blue", "device": "laptop",
                                 "room": "bright"}),
    ("screen_photo", "page_fr", {"shows": "blue_screen", "face": False, "colour": "blue", "device": "monitor",
                                 "room": "dim"}),
    ("screen_photo", "driver_en", {"shows": "blue_screen", "face": False, "colour": "blue",
        "device": "monitor",
                                   "room": "dim"}),
    ("screen_photo", "python_en", {"shows": "terminal", "mode": "dark", "ink": "coloured",
        "full_screen": True,
                                   "device": "laptop", "room": "dim"}),
    ("screen_photo", "disk_fr", {"shows": "terminal", "mode": "dark", "ink": "green", "full_screen": True,
                                 "device": "monitor", "room": "dim"}),
    ("screen_photo", "net_drive_en", {"shows": "error_dialog", "device": "laptop", "room": "bright",
                                      **_desk("windows", "light", "blue", "mountains", icon="error")}),
    ("screen_photo", "vpn_en", {"shows": "error_dialog", "device": "laptop", "room": "bright",
                                **_desk("windows", "light", "orange", "waves", icon="error")}),
)  # fmt: skip


def size_of(kind: str) -> tuple[int, int]:
    """Natural width and height in pixels."""
    return {"phone": (600, 1240), "screen_photo": (960, 720)}.get(kind, (1200, 750))


def shown_kind(facts: Facts) -> str:
    """Return the kind of window that can be seen, on a screenshot or on a photographed screen."""
    return str(facts.get("shows", facts["kind"]))


def paint(facts: Facts, seed: int, long_side: int | None, *, dry: bool = False) -> tuple[Drawing, tuple[str, ...]]:
    """Return the picture with its regions, and every line of text in it. A dry run only collects these."""
    rng, kind = np.random.default_rng(seed), str(facts["kind"])
    painter = Painter(*size_of(kind), long_side, dry=dry)
    if kind == "screen_photo":
        inner = Painter(*size_of("terminal"), long_side and round(long_side * 0.9), dry=dry)
        PAINTERS[shown_kind(facts)](inner, facts, rng)
        return Drawing(devices.photographed(inner, painter, facts, rng)), tuple(inner.lines)
    PAINTERS[kind](painter, facts, rng)
    return Drawing(painter.finish(), tuple(painter.regions)), tuple(painter.lines)


def draw(scene: Scene, long_side: int | None = None) -> Drawing:
    """Draw a scene at its natural size, or natively smaller."""
    return paint(scene.facts, scene.seed, long_side)[0]


def corpus_scenes() -> tuple[Scene, ...]:
    """Return the collection's scenes; their numbers follow no order of kinds."""
    numbers = np.random.default_rng(41).permutation(len(_ROWS)) + 1
    scenes = []
    for row, (kind, message, chosen) in enumerate(_ROWS):
        rng = np.random.default_rng((7, row))
        fixed: dict[str, Value] = {"tray": "calm", **chosen}
        facts = _facts(kind, message, fixed, rng)
        scenes.append(scene_of(facts, int(rng.integers(0, 2**31)), f"h-{numbers[row]:04d}"))
    return tuple(sorted(scenes, key=lambda scene: scene.name))


def random_scene(rng: np.random.Generator) -> Scene:
    """Return a scene for training."""
    kind = str(rng.choice(list(OPTIONS)))
    fixed: dict[str, Value] = {}
    if kind == "screen_photo":
        fixed["shows"] = str(rng.choice(OPTIONS[kind]["shows"]))
    language = "en" if rng.random() < 0.6 else "fr"
    messages = MESSAGES[str(fixed.get("shows", kind))]
    message = str(rng.choice([name for name, said in messages.items() if said.language == language]))
    seed = int(rng.integers(2**32, 2**62))
    return scene_of(_facts(kind, message, fixed, rng), seed, f"h-{seed}")


def example_scene(kind: str, message: str, chosen: dict[str, Value], seed: int) -> Scene:
    """Return a scene for a query by example."""
    rng = np.random.default_rng(seed)
    return scene_of(_facts(kind, message, {"tray": "calm", **chosen}, rng), seed, f"example-{seed}")


def _facts(kind: str, message: str, fixed: Mapping[str, Value], rng: np.random.Generator) -> Facts:
    options = dict(OPTIONS[kind])
    shown = str(fixed.get("shows", kind))
    options.update(OPTIONS[shown])
    facts: dict[str, Value] = {"kind": kind, "message": message, "language": words(shown, message).language}
    for name, choices in options.items():
        lot = choices[int(rng.integers(0, len(choices)))]
        facts[name] = fixed.get(name, lot)
    if shown == "terminal" and facts["mode"] == "light" and facts["ink"] == "green":
        facts["ink"] = "plain"  # green on white is no console that anyone has
    if shown == "blue_screen" or (shown == "terminal" and facts["full_screen"]):
        for unseen in ("os", "wallpaper", "wallpaper_style", "tray", "accent"):
            facts.pop(unseen, None)
        facts["accent"] = "blue"
    return facts


def scene_of(facts: Facts, seed: int, name: str) -> Scene:
    """Return the scene with these facts, its text found by a dry run."""
    _, lines = paint(facts, seed, None, dry=True)
    extension: Literal["jpg", "png", "webp"] = "png"
    if facts["kind"] == "screen_photo":
        extension = "jpg"
    elif seed % 7 == 0:
        extension = "webp"
    language: Literal["en", "fr"] = "fr" if facts["language"] == "fr" else "en"
    return Scene(COLLECTION, name, facts, seed, lines, language, extension)
