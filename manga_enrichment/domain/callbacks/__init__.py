"""Being told that a request has ended: events, deliveries, signatures."""
