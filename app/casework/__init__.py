"""The people served: participants and, outside this floor, nothing of them but a code."""
