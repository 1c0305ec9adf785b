"""The live path: sources, session, classifier, hub, server, daemon."""
