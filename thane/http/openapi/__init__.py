"""What Thane serves, described for machines: OpenAPI 3.1, made from the routes and the shapes of their bodies."""
