"""Signs an account in: a browser in a process of its own, and the Trio side that starts and ends it."""
