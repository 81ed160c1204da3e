"""The service against its peers: the front end by itself, bulk, latency, overload."""
