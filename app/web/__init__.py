"""The face for people: pages rendered on the server, thin, over the same functions as the API."""
