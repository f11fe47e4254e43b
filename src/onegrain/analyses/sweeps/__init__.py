"""What a sweep says: areas with paired tests, and how far its findings depend on the kind of edit."""
