"""What a project is made of, told from its file names and its manifests."""
