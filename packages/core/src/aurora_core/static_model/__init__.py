"""A static embedding model of one project, distilled from a teacher's weights that a package ships.

Nothing is imported here, because a search needs the finished model only.
"""
