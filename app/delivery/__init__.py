"""How facts leave: the ordered log, the relay that numbers it, the live hub, watches, webhooks, and the bus
between machines."""
