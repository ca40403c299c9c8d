"""The dashboard: pages drawn on the server, kept true by one WebSocket from server to client. Actions are HTTP requests."""
