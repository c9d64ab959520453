"""The face for systems: REST routes with their request and response models beside them."""
