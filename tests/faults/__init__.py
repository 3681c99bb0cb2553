"""Faults put in on purpose: programs that are wrong as a tired engineer could make them, each of which the
fast tests of its part must notice (`make faults`)."""
