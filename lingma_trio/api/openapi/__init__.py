"""The gateway's own description: what can be sent to it and what comes back, as OpenAPI and as a page to read.

Describes what other modules do; nothing here reads a request or writes an answer. The tests hold each description
against the parser or the encoder that it describes.
"""
