"""The words on the screens: for each kind of window the messages that it can show, in English and French."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "fr"]


@dataclass(frozen=True)
class Words:
    """What one screen says. Each kind of window has its own use for the four places."""

    language: Language
    title: str
    heading: str
    lines: tuple[str, ...]
    labels: tuple[str, ...]


ERROR_DIALOG: dict[str, Words] = {
    "net_drive_en": Words("en", "Network error", "Windows cannot access \\\\ATLAS-SRV02\\accounting", (
        "Check the spelling of the name. The network path was not found.", "Error code: 0x80070035"),
        ("Diagnose", "Cancel")),
    "disk_full_en": Words("en", "Backup Manager", "There is not enough free space on drive D:", (
        "Delete at least 240 MB of files, then try again.", "The disk is full (error 112)."), ("Clean up",
            "Close")),
    "dll_en": Words("en", "KestrelCAD.exe - System Error", "VCRUNTIME140_1.dll was not found", (
        "The code execution cannot proceed. Reinstalling the program may fix this problem.",), ("OK",)),
    "vpn_en": Words("en", "Meridian VPN Client", "The VPN connection failed", (
        "The remote gateway vpn.northwind-labs.example did not respond in time.", "Error 809"), ("Retry",
            "Cancel")),
    "licence_en": Words("en", "Photon Studio 12", "Your licence expires in 3 days", (
        "Ask Priya Raman in purchasing for a new product key.",), ("Enter key", "Later")),
    "database_en": Words("en", "Ledger 4.2", "Could not connect to database ORION_PROD", (
        "ORA-12541: no listener on port 1521.",), ("Retry", "Abort", "Details")),
    "camera_en": Words("en", "Camera", "We can't find your camera", (
        "Check that it is connected and installed properly.", "0xA00F4244 <NoCamerasAreAttached>"), ("OK",)),
    "quit_en": Words("en", "Problem Report", "Borealis Editor quit unexpectedly", (
        "Click Reopen to open the application again. This report will be sent to the developer.",),
        ("Ignore", "Reopen")),
    "bitlocker_en": Words("en", "Drive encryption", "Enter the recovery key for this drive", (
        "Key ID: 7C1E09D4. Find it in your account or ask the service desk.",), ("Unlock", "Skip")),
    "net_drive_fr": Words("fr", "Lecteur réseau", "Impossible d'accéder au lecteur réseau Z:", (
        "Le chemin \\\\SRV-LYON\\compta est introuvable.", "Code d'erreur : 0x80070035"), ("Diagnostiquer",
            "Annuler")),
    "certificate_fr": Words("fr", "Alerte de sécurité", "Le certificat de sécurité a expiré", (
        "Le certificat du serveur mail.valmont.example n'est plus valide depuis le 14 février.",),
        ("Afficher", "Continuer", "Annuler")),
    "disk_full_fr": Words("fr", "Espace disque insuffisant", "Le disque C: est presque plein", (
        "Supprimez des fichiers temporaires ou videz la corbeille.",), ("Nettoyer", "Fermer")),
    "access_fr": Words("fr", "Accès refusé", "Vous n'êtes pas autorisé à modifier ce dossier", (
        "Dossier : D:\\RH\\Paie 2024. Demandez les droits à Hélène Bérard.",), ("Réessayer", "Annuler")),
    "scanner_fr": Words("fr", "Numérisation", "Le numériseur ne répond pas", (
        "Vérifiez que le câble est branché et que l'appareil est allumé.",), ("Réessayer", "Fermer")),
    "update_fr": Words("fr", "Mises à jour", "L'installation de la mise à jour KB5034441 a échoué", (
        "La partition de récupération est trop petite.", "Erreur 0x80070643"), ("Réessayer", "Plus tard")),
}  # fmt: skip

BLUE_SCREEN: dict[str, Words] = {
    "critical_en": Words("en", "", "Your device ran into a problem and needs to restart.", (
        "We're just collecting some error info, and then we'll restart for you.",),
        ("complete", "Stop code: CRITICAL_PROCESS_DIED")),
    "memory_en": Words("en", "", "Your PC ran into a problem that it couldn't handle.", (
        "If you call a support person, give them this info:",), ("complete", "Stop code: MEMORY_MANAGEMENT")),
    "driver_en": Words("en", "", "A problem has been detected and the system has been shut down.", (
        "What failed: nvlddmkm.sys",), ("complete", "Stop code: VIDEO_TDR_FAILURE")),
    "boot_fr": Words("fr", "", "Votre appareil a rencontré un problème et doit redémarrer.", (
        "Nous collectons simplement des informations relatives aux erreurs.",),
        ("effectués", "Code d'arrêt : INACCESSIBLE_BOOT_DEVICE")),
    "page_fr": Words("fr", "", "Votre ordinateur a rencontré une erreur grave.", (
        "Élément défaillant : ntfs.sys",), ("effectués", "Code d'arrêt : PAGE_FAULT_IN_NONPAGED_AREA")),
}  # fmt: skip

LOGIN_FORM: dict[str, Words] = {
    "wrong_en": Words("en", "Halcyon Payroll", "Sign in", (
        "Incorrect user name or password. 2 attempts left.",), ("User name", "Password", "Sign in",
            "Forgot password?")),
    "locked_en": Words("en", "Tessera CRM", "Welcome back", (
        "This account is locked. Contact your administrator.",), ("E-mail", "Password", "Log in",
            "Need help?")),
    "mfa_en": Words("en", "Quillon ID", "Two-step verification", (
        "The code that you entered has expired.",), ("Account", "6-digit code", "Verify", "Send a new code")),
    "expired_fr": Words("fr", "Intranet Valmont", "Connexion", (
        "Votre mot de passe a expiré. Choisissez-en un nouveau.",),
        ("Identifiant", "Mot de passe", "Se connecter", "Mot de passe oublié ?")),
    "blocked_fr": Words("fr", "Espace Salariés", "Identifiez-vous", (
        "Compte bloqué après trois essais. Réessayez dans 30 minutes.",),
        ("Adresse e-mail", "Mot de passe", "Valider", "Créer un compte")),
}  # fmt: skip

BROWSER_ERROR: dict[str, Words] = {
    "404_en": Words("en", "wiki.northwind-labs.example/onboarding", "404", (
        "Page not found", "The page may have been moved or deleted."), ("Go back", "Home")),
    "500_en": Words("en", "tickets.northwind-labs.example/new", "500", (
        "Internal server error", "Request ID 9f27-c41e. The team has been notified."), ("Reload",
            "Status page")),
    "503_en": Words("en", "shop.cobaltmarket.example/basket", "503", (
        "Service unavailable", "Scheduled maintenance until 18:00."), ("Reload", "Contact")),
    "dns_en": Words("en", "http://intranet.corp", "This site can't be reached", (
        "intranet.corp's server IP address could not be found.", "DNS_PROBE_FINISHED_NXDOMAIN"), ("Reload",
            "Details")),
    "403_fr": Words("fr", "portail.valmont.example/admin", "403", (
        "Accès interdit", "Vous n'avez pas les droits nécessaires pour voir cette page."), ("Retour",
            "Accueil")),
    "404_fr": Words("fr", "www.mairie-belval.example/formulaires", "404", (
        "Page introuvable", "Cette adresse n'existe pas ou n'existe plus."), ("Retour", "Accueil")),
    "502_fr": Words("fr", "facturation.valmont.example", "502", (
        "Passerelle incorrecte", "Le serveur n'a pas reçu de réponse à temps."), ("Recharger", "Assistance")),
}  # fmt: skip

TERMINAL: dict[str, Words] = {
    "python_en": Words("en", "mhughes@atlas: ~/etl", "$ python nightly_import.py", (
        "Traceback (most recent call last):", '  File "/srv/etl/nightly_import.py", line 88, in <module>',
        "    rows = load(settings.source)", '  File "/srv/etl/loader.py", line 41, in load',
        "    return pandas.read_parquet(path)", "ModuleNotFoundError: No module named 'pandas'"), ()),
    "java_en": Words("en", "ops@billing-03", "$ journalctl -u billing --since today", (
        'Exception in thread "main" java.lang.NullPointerException',
        "    at com.tessera.billing.InvoiceJob.run(InvoiceJob.java:214)",
        "    at com.tessera.core.Scheduler.fire(Scheduler.java:97)",
        "    at java.base/java.lang.Thread.run(Thread.java:840)",
        "Caused by: java.sql.SQLTimeoutException: 30000 ms"), ()),
    "node_en": Words("en", "dev@kestrel: ~/web", "$ npm run build", (
        "npm ERR! code ERESOLVE", "npm ERR! Could not resolve dependency:",
        'npm ERR! peer react@"^17.0.2" from @kestrel/grid@4.1.0',
        "npm ERR! A complete log can be found in ~/.npm/_logs"), ()),
    "ssh_en": Words("en", "dana@laptop: ~", "$ ssh deploy@10.20.4.17", (
        "deploy@10.20.4.17: Permission denied (publickey).", "fatal: Could not read from remote repository.",
        "Please make sure you have the correct access rights"), ()),
    "disk_fr": Words("fr", "claire@serveur: /var/log", "$ rsync -a /home /mnt/sauvegarde", (
        "rsync : erreur d'écriture : Aucun espace disponible sur le périphérique (28)",
        "sauvegarde interrompue : fichier « photos_été.tar » incomplet",
        "échec de la tâche planifiée n° 37"), ()),
    "mount_fr": Words("fr", "admin@srv-lyon: ~", "$ mount /mnt/archives", (
        "mount : /mnt/archives : périphérique inconnu",
            "dépendance échouée pour le système de fichiers local",
        "Vérifiez l'option UUID dans /etc/fstab"), ()),
}  # fmt: skip

SPREADSHEET: dict[str, Words] = {
    "budget_en": Words("en", "budget_2025_v3.xlsx", "Department budget", (
        "Travel", "Licences", "Hardware", "Training", "Hosting", "Support", "Furniture", "Printing"),
        ("Item", "Q1", "Q2", "Q3", "Q4", "#REF!")),
    "stock_en": Words("en", "warehouse_stock.xlsx", "Stock count", (
        "Laptop 14 in", "Docking station", "Headset", "Webcam", "Monitor 27 in", "Keyboard", "USB cable",
            "Toner"),
        ("Article", "Lyon", "Leeds", "Ghent", "Total", "#DIV/0!")),
    "hours_en": Words("en", "timesheet_march.ods", "Working hours", (
        "Okafor", "Lindqvist", "Moreau", "Tanaka", "Hughes", "Novak", "Silva", "Raman"),
        ("Name", "Mon", "Tue", "Wed", "Thu", "#VALUE!")),
    "sales_fr": Words("fr", "ventes_région.xlsx", "Chiffre d'affaires", (
        "Île-de-France", "Bretagne", "Occitanie", "Alsace", "Provence", "Normandie", "Corse", "Auvergne"),
        ("Région", "Janv.", "Févr.", "Mars", "Avril", "#NOM?")),
    "leave_fr": Words("fr", "congés_équipe.xlsx", "Congés payés", (
        "Bérard", "Lefèvre", "Gonçalves", "Noël", "Dupré", "Maçon", "Besançon", "Rémy"),
        ("Salarié", "Acquis", "Pris", "Solde", "Août", "#N/A")),
}  # fmt: skip

EMAIL: dict[str, Words] = {
    "bounce_en": Words("en", "Inbox", "Undeliverable: Invoice 20417", (
        "Mail Delivery System", "Your message to tom.becker@cobaltmarket.example could not be delivered.",
        "550 5.1.1 The mailbox was not found at the destination."), ("Reply", "Forward", "Delete")),
    "phish_en": Words("en", "Inbox", "Urgent: your mailbox will be closed", (
        "IT Service Desk", "Confirm your password within 24 hours or you will lose all your messages.",
        "Report suspicious mail to security@northwind-labs.example."), ("Reply", "Forward", "Delete")),
    "ticket_en": Words("en", "Inbox", "Ticket INC-48213 has been resolved", (
        "Amara Okafor",
            "The docking station in room 3.14 was replaced. Please confirm that both screens work.",
        "Tell us how we did in our short survey."), ("Reply", "Forward", "Delete")),
    "quota_fr": Words("fr", "Boîte de réception", "Votre boîte aux lettres est pleine", (
        "Service informatique", "Vous ne pouvez plus envoyer de messages : le quota de 2 Go est dépassé.",
        "Archivez vos anciens courriels ou videz les éléments supprimés."), ("Répondre", "Transférer",
            "Supprimer")),
    "outage_fr": Words("fr", "Boîte de réception", "Coupure de la téléphonie mardi soir", (
        "Hélène Bérard",
            "Les téléphones seront coupés de 19 h à 21 h pour le remplacement de l'autocommutateur.",
        "Merci de prévenir vos équipes."), ("Répondre", "Transférer", "Supprimer")),
}  # fmt: skip

PRINTER_SETTINGS: dict[str, Words] = {
    "offline_en": Words("en", "Printers & scanners", "Corvid LaserJet M402 (2nd floor)", (
        "Status: offline", "3 documents in queue", "Driver: 61.210.1.25570"),
        ("Open queue", "Printing preferences", "Remove", "Paper size", "Two-sided", "Colour")),
    "toner_en": Words("en", "Printers & scanners", "Aurora C5500 Reception", (
        "Status: toner low (magenta)", "0 documents in queue", "Order cartridge AC-55M"),
        ("Open queue", "Printing preferences", "Remove", "Paper size", "Two-sided", "Colour")),
    "spooler_en": Words("en", "Printers & scanners", "Labelwriter 450 Warehouse", (
        "Status: print spooler is not running", "12 documents in queue", "Port: USB003"),
        ("Open queue", "Printing preferences", "Remove", "Paper size", "Two-sided", "Colour")),
    "jam_fr": Words("fr", "Imprimantes et scanners", "Kyora TASKalfa Comptabilité", (
        "État : bourrage papier dans le bac 2", "5 documents en attente", "Pilote : 8.4.1407"),
        ("Ouvrir la file", "Préférences", "Supprimer", "Format du papier", "Recto verso", "Couleur")),
    "paused_fr": Words("fr", "Imprimantes et scanners", "Brunet MFC-L2750 Accueil", (
        "État : impression suspendue", "1 document en attente", "Adresse : 192.168.10.62"),
        ("Ouvrir la file", "Préférences", "Supprimer", "Format du papier", "Recto verso", "Couleur")),
}  # fmt: skip

INSTALLER: dict[str, Words] = {
    "kestrel_en": Words("en", "KestrelCAD 2025 Setup", "Installing KestrelCAD", (
        "Copying C:\\Program Files\\Kestrel\\render.dll", "About 4 minutes remaining"), ("Back", "Next",
            "Cancel")),
    "update_en": Words("en", "System update", "Working on updates", (
        "Do not turn off your computer.", "Feature update 24H2"), ("Hide", "Pause")),
    "copy_en": Words("en", "Copying 1,284 items", "From Desktop to backup (E:)", (
        "holiday_video_04.mov", "Time remaining: 12 minutes, 3.1 GB left"), ("Pause", "Cancel")),
    "office_fr": Words("fr", "Installation de Plume Bureau", "Installation en cours", (
        "Décompression de C:\\Programmes\\Plume\\thèmes.cab", "Environ 7 minutes restantes"),
        ("Précédent", "Suivant", "Annuler")),
    "antivirus_fr": Words("fr", "Bouclier Antivirus", "Analyse complète de l'ordinateur", (
        "C:\\Utilisateurs\\claire\\Téléchargements\\facture.zip", "2 menaces détectées"), ("Suspendre",
            "Arrêter")),
}  # fmt: skip

CHAT: dict[str, Words] = {
    "dock_en": Words("en", "Service desk", "Amara Okafor", (
        "Hi, my second monitor stays black since this morning", "Is it plugged into the docking station?",
        "Yes, and the dock's light is off", "Please unplug the dock for 30 seconds",
            "That did it, thank you!"), ("Type a message",)),
    "password_en": Words("en", "Help chat", "Bot Orbit", (
        "I forgot my password and my phone is broken", "I can create a temporary access pass for you",
        "My employee number is 40772", "Done. The pass is valid for one hour.", "Great"),
            ("Type a message",)),
    "wifi_en": Words("en", "Team IT", "Jonas Lindqvist", (
        "Meeting room Tundra has no Wi-Fi again", "The access point lost its power, I am on my way",
        "We have customers in ten minutes!", "Use the guest network until then", "ok"), ("Type a message",)),
    "invoice_fr": Words("fr", "Assistance", "Hélène Bérard", (
        "Bonjour, je n'arrive plus à ouvrir les factures PDF", "Quel message s'affiche à l'écran ?",
        "« Le fichier est endommagé et n'a pas pu être réparé »", "Je restaure la version d'hier",
        "Merci beaucoup !"), ("Écrire un message",)),
    "teams_fr": Words("fr", "Support niveau 2", "Clément Lefèvre", (
        "Le micro de mon casque ne marche plus en visio", "Avez-vous vérifié le périphérique d'entrée ?",
        "Oui, il est grisé dans les réglages", "Il faut réinstaller le pilote audio", "D'accord, j'essaie"),
            ("Écrire un message",)),
}  # fmt: skip

DASHBOARD: dict[str, Words] = {
    "tickets_en": Words("en", "Service desk overview", "Open tickets", (
        "Open tickets", "Overdue", "First reply", "Satisfaction"), ("Hardware", "Software", "Network",
            "Access", "Other")),
    "servers_en": Words("en", "Server health", "CPU load", (
        "CPU load", "Memory", "Disk latency", "Uptime"), ("atlas", "orion", "vega", "lyra", "draco")),
    "sales_en": Words("en", "Cobalt Market: orders", "Revenue", (
        "Revenue", "Baskets", "Refunds", "Conversion"), ("Garden", "Kitchen", "Toys", "Sport", "Books")),
    "security_en": Words("en", "Security centre", "Blocked attacks", (
        "Blocked attacks", "Phishing", "Unpatched", "Admins"), ("Mail", "Web", "USB", "VPN", "Cloud")),
    "tickets_fr": Words("fr", "Suivi des demandes", "Demandes ouvertes", (
        "Demandes ouvertes", "En retard", "Délai moyen", "Résolues"), ("Matériel", "Logiciel", "Réseau",
            "Accès", "Téléphonie")),
    "energy_fr": Words("fr", "Salle serveurs : énergie", "Consommation", (
        "Consommation", "Température", "Onduleur", "Humidité"), ("Baie A", "Baie B", "Baie C", "Baie D",
            "Baie É")),
}  # fmt: skip

PHONE: dict[str, Words] = {
    "mail_en": Words("en", "Mail", "Cannot Get Mail", (
        'The connection to the server "imap.northwind-labs.example" failed.',), ("OK", "Settings")),
    "storage_en": Words("en", "Storage", "Storage Almost Full", (
        "You can manage your storage in Settings. 212 MB available.",), ("Done", "Settings")),
    "sim_en": Words("en", "Phone", "No SIM card installed", ("Insert a SIM card to make calls.",), ("OK",
        "Help")),
    "pin_fr": Words("fr", "Banque Valmont", "Code confidentiel incorrect", (
        "Il vous reste une tentative avant le blocage de votre carte.",), ("Réessayer", "Aide")),
    "update_fr": Words("fr", "Réglages", "Mise à jour impossible", (
        "Connectez-vous à un réseau Wi-Fi et branchez le chargeur.",), ("OK", "Réglages")),
}  # fmt: skip

NETWORK_SETTINGS: dict[str, Words] = {
    "dhcp_en": Words("en", "Network & internet", "No internet, secured", (
        "NORTHWIND-STAFF", "NORTHWIND-GUEST", "Tundra-Room", "printer-setup"), ("Wi-Fi", "Airplane mode",
            "IPv4 address", "169.254.12.7")),
    "proxy_en": Words("en", "Network & internet", "Proxy settings required", (
        "HQ-Floor3", "HQ-Floor4", "Lobby-Free", "BYOD"), ("Wi-Fi", "Proxy server", "Gateway", "10.20.0.1")),
    "dns_en": Words("en", "Network & internet", "DNS server not responding", (
        "Depot-WLAN", "Scanner-Net", "Drivers", "IoT-Dock"), ("Wi-Fi", "Mobile hotspot", "DNS server",
            "8.8.4.4")),
    "limited_fr": Words("fr", "Réseau et Internet", "Connectivité limitée", (
        "Valmont-Siège", "Valmont-Invités", "Atelier_Étage2", "Borne-Café"), ("Wi-Fi", "Mode avion",
            "Adresse IP", "169.254.88.41")),
    "conflict_fr": Words("fr", "Réseau et Internet", "Conflit d'adresse IP détecté", (
        "Mairie-Réseau", "Médiathèque", "École-Wifi", "Salle-Fêtes"), ("Wi-Fi", "Serveur proxy", "Passerelle",
            "192.168.1.254")),
}  # fmt: skip

MESSAGES: dict[str, dict[str, Words]] = {
    "error_dialog": ERROR_DIALOG, "blue_screen": BLUE_SCREEN, "login_form": LOGIN_FORM,
        "browser_error": BROWSER_ERROR,
    "terminal": TERMINAL, "spreadsheet": SPREADSHEET, "email": EMAIL, "printer_settings": PRINTER_SETTINGS,
    "installer": INSTALLER, "chat": CHAT, "dashboard": DASHBOARD, "phone": PHONE,
        "network_settings": NETWORK_SETTINGS,
}  # fmt: skip

PEOPLE = ("Amara Okafor", "Jonas Lindqvist", "Priya Raman", "Tom Becker", "Hélène Bérard", "Clément Lefèvre",
          "Yuki Tanaka", "Dana Novak", "Rui Silva", "Maud Hughes")  # fmt: skip
SUBJECTS: dict[Language, tuple[str, ...]] = {
    "en": ("Lunch on Thursday?", "Minutes of the meeting", "New headset for you", "Travel request approved",
           "Building closed on Friday", "Your parcel is at reception", "Weekly report",
               "Keys for the bike shed"),
    "fr": ("Déjeuner jeudi ?", "Compte rendu de réunion", "Nouveau badge d'accès", "Demande de congé validée",
           "Fermeture vendredi", "Votre colis est à l'accueil", "Rapport hebdomadaire",
               "Clés du local à vélos"),
}  # fmt: skip
LOG_LINES: dict[Language, tuple[str, ...]] = {
    "en": ("[ OK ] Started session of user mhughes", "loading configuration from /etc/app/config.toml",
           "2025-03-11 08:12:04 INFO worker ready (pid 4127)", "fetching batch 17 of 240 ... done in 3.2 s",
           "WARN cache miss ratio 0.41", "total 84K  drwxr-xr-x  reports", "connected to 10.20.4.9:5432",
           "uploading report_march.csv 100%", "retry 2 of 5 in 8 s", "INFO 18,204 rows written"),
    "fr": ("[ OK ] Session ouverte pour claire", "lecture de la configuration /etc/app/config.toml",
           "2025-03-11 08:12:04 INFO service démarré (pid 4127)", "lot 17 sur 240 ... terminé en 3,2 s",
           "ATTENTION : délai dépassé, nouvel essai", "total 84K  drwxr-xr-x  relevés",
               "connecté à 10.20.4.9:5432",
           "envoi de rapport_mars.csv 100 %", "essai 2 sur 5 dans 8 s", "INFO 18 204 lignes écrites"),
}  # fmt: skip


def words(kind: str, message: str) -> Words:
    """Return what this kind of window says."""
    return MESSAGES[kind][message]
