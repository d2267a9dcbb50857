"""Requests as pydantic models: one description that reads the bytes and that the documents are made of.

`shapes` has the models' base and the marks that say what is done with a field; `fields` the fields that every surface
has; `faults` turns what pydantic finds wrong into a fault that names the field; `reading` puts them together. Knows
JSON and descriptions; must not know any surface.
"""
