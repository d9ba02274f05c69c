"""The HTTP API: FastAPI over the domain. `app.create_app` is the way in; what it answers is the domain's to know."""
