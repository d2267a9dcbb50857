"""Examines an installation: what would keep this gateway from serving, and what to do about each of it.

Knows the settings, this machine and the instances. Does not know a command line or how a finding is shown.
"""
