"""What Python libraries declare, read from their files: stubs, annotations, sources."""
