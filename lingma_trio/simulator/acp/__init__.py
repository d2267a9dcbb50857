"""The simulator as an agent of the Agent Client Protocol (ACP), version 1: JSON-RPC in lines, on stdin and stdout.

It writes and reads its lines with means of its own, and checks what it is sent: a client that cancels by a request,
answers a permission request with null or prompts a session that was closed learns it as from a real agent.
"""
