"""Wi-Fi and captive portals: who may go online, and what RADIUS accounting says they used."""
