"""What runs beside CUPS or Squid: starts in milliseconds, standard library only, holds no rule of its own."""
