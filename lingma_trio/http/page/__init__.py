"""The status page: what it says, in two languages, how it looks, and how it is kept up to date."""
