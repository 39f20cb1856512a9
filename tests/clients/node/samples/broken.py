raise RuntimeError("broken")
