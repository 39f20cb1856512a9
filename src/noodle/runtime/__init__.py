"""Where the parts are put together: the engine, and what runs on it."""
