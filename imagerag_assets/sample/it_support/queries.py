"""The benchmark's questions about the help desk's screenshots, each judged by the scenes' facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from imagerag_assets.sample.it_support.scenes import Value, example_scene, shown_kind
from imagerag_assets.sample.scene import Facts, QueryKind, SampleQuery

Judge = Callable[[Facts], bool]


def _having(shown: str = "", **wanted: Value) -> Judge:
    """Relevant when the window shown is of this kind (also on a photo) and the facts have these values."""

    def judge(facts: Facts) -> bool:
        return (not shown or shown_kind(facts) == shown) and all(facts.get(k) == v for k, v in wanted.items())

    return judge


def _saying(*messages: str, shown: str = "", **wanted: Value) -> Judge:
    has = _having(shown, **wanted)
    return lambda facts: facts["message"] in messages and has(facts)


def _of(kind: QueryKind, *pairs: tuple[str, Judge], language: Literal["en", "fr"] = "en") -> tuple[SampleQuery, ...]:
    return tuple(SampleQuery(text, kind, judge, language) for text, judge in pairs)


_DESK_WINDOWS = ("error_dialog", "terminal", "installer", "printer_settings", "network_settings")


def _mac_window(facts: Facts) -> bool:
    framed = facts["kind"] in _DESK_WINDOWS and "wallpaper" in facts
    return framed and facts.get("os") == "macos" and facts["mode"] == "light"


_BY_LOOK = _of(
    "by_look",
    ("dark terminal window full of output", _having("terminal", mode="dark")),
    ("black text console on a white ground", _having("terminal", mode="light")),
    ("green letters, old hacker style command line", _having("terminal", ink="green")),
    ("blue screen with a sad face", _having("blue_screen", face=True, colour="blue")),
    ("old blue crash without any smiley, typewriter font", _having("blue_screen", face=False, colour="blue")),
    ("pie chart on a dashboard", _having("dashboard", chart="pie")),
    ("dial like a car's speedometer, needle between green and red", _having("dashboard", chart="gauge")),
    ("red x alert in front of a mountain picture",
     _having("error_dialog", icon="error", wallpaper_style="mountains")),
    ("white popup, triangle with exclamation mark", _having("error_dialog", icon="warning", mode="light")),
    ("small message box, desktop background is violet", _having("error_dialog", wallpaper="purple")),
    ("apple style window in light grey with traffic light buttons", _mac_window),
    ("login next to a landscape with hills", _having("login_form", layout="split")),
    ("error page with a funny robot on it", _having("browser_error", art="robot")),
    ("weeping rain cloud drawing in the browser", _having("browser_error", art="cloud")),
    ("setup showing an opened parcel", _having("installer", art="box")),
    ("loading circle, partly done", _having("installer", progress="ring")),
    ("messenger in night mode", _having("chat", mode="dark")),
    ("yellow marked cells in excel", _having("spreadsheet", highlight="yellow")),
    ("graph floating over a sheet of numbers",
     lambda f: f["kind"] == "spreadsheet" and f["chart"] != "none"),
    ("mobile lock screen, huge time on it", _having("phone", screen="lock")),
    ("someone took a picture of the laptop on the table", _having(kind="screen_photo", device="laptop")),
    ("monitor photographed at night", _having(kind="screen_photo", device="monitor", room="dim")),
    ("wlan list below a red warning bar", _having("network_settings", banner="red")),
    ("settings with image of a black printing machine", _having("printer_settings", printer="black")),
)  # fmt: skip
_BY_TEXT = _of(
    "by_text",
    ("0x80070035", _saying("net_drive_en", "net_drive_fr")),
    ("VCRUNTIME140_1.dll was not found", _saying("dll_en")),
    ("ORA-12541 no listener orion", _saying("database_en")),
    ("vpn gateway did not respond, error 809", _saying("vpn_en")),
    ("stop code MEMORY_MANAGEMENT", _saying("memory_en")),
    ("pandas ModuleNotFoundError in nightly import", _saying("python_en")),
    ("who resolved ticket INC-48213?", _saying("ticket_en")),
    ("laserjet 2nd floor offline", _saying("offline_en")),
    ("photon studio licence expires, ask purchasing", _saying("licence_en")),
    ("permission denied publickey", _saying("ssh_en")),
    ("second monitor black, unplug the dock", _saying("dock_en")),
) + _of(
    "by_text",
    ("lecteur réseau impossible à ouvrir", _saying("net_drive_fr")),
    ("certificat expiré serveur mail", _saying("certificate_fr")),
    ("mot de passe expiré intranet valmont", _saying("expired_fr")),
    ("bourrage papier bac 2", _saying("jam_fr")),
    ("boîte aux lettres pleine, quota dépassé", _saying("quota_fr")),
    ("la mise à jour KB5034441 a échoué", _saying("update_fr", shown="error_dialog")),
    ("plus d'espace disponible sur le périphérique de sauvegarde", _saying("disk_fr")),
    ("factures PDF : fichier endommagé", _saying("invoice_fr")),
    ("modifier le dossier paie, droits refusés", _saying("access_fr")),
    language="fr",
)  # fmt: skip
_BOTH = _of(
    "both",
    ("dark popup: not enough free space on drive D", _saying("disk_full_en", mode="dark")),
    ("green crash screen with CRITICAL_PROCESS_DIED", _saying("critical_en", colour="green")),
    ("404 page where a robot is drawn", _saying("404_en", "404_fr", art="robot")),
    ("java NullPointerException in a white terminal", _saying("java_en", mode="light")),
    ("chat with green bubbles about the docking station", _saying("dock_en", accent="green")),
) + _of(
    "both",
    ("tableau de bord des demandes ouvertes avec un camembert", _saying("tickets_fr", chart="pie")),
    ("code confidentiel incorrect sur l'écran verrouillé", _saying("pin_fr", screen="lock")),
    language="fr",
)  # fmt: skip
_DETAIL = _of(
    "detail",
    ("nearly empty red battery symbol on the desktop's bar", _having(tray="battery_low")),
    ("wifi sign struck through in the corner", _having(tray="wifi_off")),
    ("inbox list where a mail has a paperclip", _having("email", layout="three columns", attachment=True)),
    ("exactly one red field among the numbers", _having("spreadsheet", highlight="one red")),
)
_EXAMPLES = (
    SampleQuery("", "by_example", _having("blue_screen", face=True, colour="blue"), example=example_scene(
        "blue_screen", "page_fr", {"face": True, "colour": "blue"}, 2**31 + 101)),
    SampleQuery("", "by_example", _having("terminal", ink="green"), example=example_scene(
        "terminal", "node_en", {"mode": "dark", "ink": "green", "full_screen": True}, 2**31 + 102)),
    SampleQuery("", "by_example", _having("dashboard", chart="gauge"), example=example_scene(
        "dashboard", "tickets_en", {"mode": "light", "chart": "gauge"}, 2**31 + 103)),
    SampleQuery("", "by_example", _having("phone", screen="lock"), example=example_scene(
        "phone", "storage_en", {"mode": "light", "screen": "lock", "wallpaper": "pink"}, 2**31 + 104)),
    SampleQuery("", "by_example", _having("login_form", layout="split"), example=example_scene(
        "login_form", "mfa_en", {"mode": "light", "layout": "split", "wallpaper": "blue"}, 2**31 + 105)),
)  # fmt: skip
QUERIES: tuple[SampleQuery, ...] = (*_BY_LOOK, *_BY_TEXT, *_BOTH, *_DETAIL, *_EXAMPLES)
