"""Lingma's wire format as pure state machines: bytes in, events out. Knows no sockets, no clock and no Trio."""
