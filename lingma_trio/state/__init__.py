"""What a gateway may share with others: for each user of it an interface, kept in memory or in a server."""
