"""The HTTP edge: routes, authentication, one nursery per request, and the server that carries them."""
