"""The dashboard: pages drawn on the server and kept true by one WebSocket; actions are HTTP requests."""
