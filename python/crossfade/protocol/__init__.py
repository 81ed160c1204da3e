"""What both ends of the wire write and read alike: the server (`serving`) and the client (`client`)."""

ANY_VERSION = 2**64 - 1
"""Of `UpsertRequest.expected_versions`: the document may have any version, or not be there."""
