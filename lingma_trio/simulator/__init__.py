"""A Lingma that answers without an account: a real process on a real socket.

It is the upstream of demonstrations and the peer of tests. Shares framing and JSON-RPC with the gateway and nothing
else, so that neither can hide the other's mistakes. `acp` is another upstream: an agent on two pipes.
"""
