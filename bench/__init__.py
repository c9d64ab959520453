"""The benchmark: what the server does, beside what the raw database or framework does in the same minute."""
