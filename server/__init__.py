"""The gateway: one user in, one list out, over the model server's tensors."""
