"""RADIUS: sessions at Wi-Fi controllers, admission, disconnecting, and a real FreeRADIUS."""
