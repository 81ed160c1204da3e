"""One section of the page a file: from checked records to what its template draws."""
