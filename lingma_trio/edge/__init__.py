"""The HTTP edge: an ASGI server on Trio and h11, whose connections are branches of the nursery tree.

    server                     signals, the app's lifespan, the drain
    ├─ lifespan                the app's own root
    └─ listener                one for each socket
       └─ connection           reads: heads, bodies, and the end of what its client says
          └─ request           the app; cancelled by the end of its client's bytes

`head`, `chunks`, `inbound` and `outbound` turn bytes into requests and responses into bytes without a socket or a
clock; `outflow` judges how a client takes what is written. The rest are short loops around them. Must not know what the
app does.
"""
