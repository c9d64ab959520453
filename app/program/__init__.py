"""The program as a whole: what it may be planned and judged by."""
