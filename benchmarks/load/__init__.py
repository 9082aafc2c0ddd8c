"""A load generator that rotates requests and checks every answer, in a process of its own."""
